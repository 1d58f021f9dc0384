//go:build linux

package main

// The stage over io_uring: the suite, the tests of processes that meet the loop, and machines that
// are no sessions. What is the same code in both loops is not tested twice.

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/app"
	"fourways/stage3-epoll/loop"
	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// needsUring skips a test where the system lets nobody use io_uring.
func needsUring(t *testing.T) {
	t.Helper()
	if _, err := loop.Choose(app.Uring, slog.New(slog.DiscardHandler)); err != nil {
		t.Skip(err)
	}
}

func TestConformanceOverUring(t *testing.T) {
	needsUring(t)
	behaviour.ConformanceOnce(t, "-io", "uring")
}

func TestBehaviourOverUring(t *testing.T) {
	needsUring(t)
	behaviour.With(t, map[string]string{"FOURWAYS_IO": "uring"},
		"Slowloris", "RudeClientsLeakNothing", "ConnectionLimit", "KeptConnectionsEndAtOnce", "FilesThatChangeWhileTheyAreSent",
		"PassedOn", "AClientThatLeavesFreesTheUpstream", "TunnelsArePassedOn", "PausedReader", "AbsentReader", "ColdFiles", "Interruptions", "OutOfDescriptors",
		"RelayPassesBytesBothWays", "RelayPassesEndsOn", "RelayOfOneThatSaysAllAndGoes", "RelayHoldsTheFasterSideUp", "RelayPassesResetsOn", "RelayRate", "RelaysLeaveNothingBehind",
		"LargeFileOverTLS", "HalfClosedTLS", "HandshakesWaitForTheirTurn", "ProxyHeaderInPieces", "SlowReadersDoNotHoldWhoSends", "RefusalWhileSending",
		"StopUnderLoad", "StopCutsWhatIsLeft", "StopEndsIdleConnections", "StopAnswersTheBacklog", "StopFinishesDownloads", "UploadsFolder")
}

// Loops that share a listener are told of a connection one at a time.
func TestSharingLoopsOverUring(t *testing.T) {
	needsUring(t)
	behaviour.With(t, map[string]string{"FOURWAYS_IO": "uring", "FOURWAYS_ACCEPT": "shared"},
		"ALimitThatIsLoweredBelowWhatIsOpen", "StopUnderLoad", "StopAnswersTheBacklog")
}

func TestMachinesThatAreNoSessionsOverUring(t *testing.T) {
	needsUring(t)
	behaviour.Relays(t, 3, func(a *app.App) (app.Driver, error) { return newServer(a, app.SharedSocket, app.Uring) })
}

// A receive that waits has no buffer, so an idle connection costs what it costs over epoll.
func TestIdleConnectionsOverUring(t *testing.T) {
	needsUring(t)
	for _, io := range []string{"epoll", "uring"} {
		t.Run(io, func(t *testing.T) { behaviour.IdleClients(t, 10_000, 350, "-io", io) })
	}
}

func TestLoopsOverUringMayShareOneSocket(t *testing.T) {
	needsUring(t)
	s := harness.Start(t, "-io", "uring", "-accept", "shared", "-workers", "3")
	for range 200 {
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
	code, _, stderr := harness.Run(t, "-io", "telepathy")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "epoll, uring or auto")
}
