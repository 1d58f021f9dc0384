package main

import (
	"testing"

	"fourways/shared/app"
	"fourways/tests/behaviour"
)

// A thread knows machines only; that one is not HTTP, and has two sockets, must be nothing to it.
func TestMachinesThatAreNoSessions(t *testing.T) {
	behaviour.Relays(t, 1, func(a *app.App) (app.Driver, error) { return newPool(a, 50) })
}
