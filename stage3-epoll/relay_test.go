package main

import (
	"testing"

	"fourways/shared/app"
	"fourways/tests/behaviour"
)

// The loops know machines only, so a machine that is not HTTP must work with them.
func TestMachinesThatAreNoSessions(t *testing.T) {
	behaviour.Relays(t, 3, func(a *app.App) (app.Driver, error) { return newServer(a, app.SharedSocket, app.Epoll) })
}
