package main

import (
	"testing"

	"fourways/shared/app"
	"fourways/tests/behaviour"
)

// The runners know machines only; that one is not HTTP must be nothing to them.
func TestMachinesThatAreNoSessions(t *testing.T) {
	behaviour.Relays(t, 2, func(a *app.App) (app.Driver, error) { return newServer(a) })
}
