//go:build linux

package main

// The stage over io_uring: the suite, the tests of processes that meet the loop, and machines that
// are no sessions. What is the same code in both loops is not tested twice.

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
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
	t.Parallel()
	behaviour.ConformanceOnce(t, "-io", "uring")
}

func TestBehaviourOverUring(t *testing.T) {
	needsUring(t)
	behaviour.With(t, []string{"FOURWAYS_IO=uring"},
		"Slowloris", "RudeClientsLeakNothing", "ConnectionLimit", "KeptConnectionsEndAtOnce", "FilesThatChangeWhileTheyAreSent",
		"PassedOn", "AClientThatLeavesFreesTheUpstream", "TunnelsArePassedOn", "PausedReader", "AbsentReader", "ColdFiles", "Interruptions", "OutOfDescriptors",
		"RelayPassesBytesBothWays", "RelayPassesEndsOn", "RelayOfOneThatSaysAllAndGoes", "RelayHoldsTheFasterSideUp", "RelayPassesResetsOn", "RelayRate", "RelaysLeaveNothingBehind",
		"LargeFileOverTLS", "HalfClosedTLS", "HandshakesWaitForTheirTurn", "ProxyHeaderInPieces", "SlowReadersDoNotHoldWhoSends", "RefusalWhileSending",
		"StopUnderLoad", "StopCutsWhatIsLeft", "StopEndsIdleConnections", "StopAnswersTheBacklog", "StopFinishesDownloads", "UploadsFolder", "ASuspendedServerBlamesNobody")
}

// Loops that share a listener are told of a connection one at a time.
func TestSharingLoopsOverUring(t *testing.T) {
	needsUring(t)
	behaviour.With(t, []string{"FOURWAYS_IO=uring", "FOURWAYS_ACCEPT=shared"},
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
		t.Run(io, func(t *testing.T) { behaviour.IdleClients(t, 5000, 350, "-io", io) })
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

// Rings are memory that the system locks. Where it locks enough for some loops only, the others
// wait by epoll, or the server says what to do.
func TestRingsForSomeLoopsOnly(t *testing.T) {
	needsUring(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Getuid() != 0 {
		t.Skip("only root can give up CAP_IPC_LOCK, by setpriv(1)")
	}
	start := func(kib int, io string) *exec.Cmd {
		return exec.Command(setpriv, "--bounding-set=-ipc_lock", "prlimit", fmt.Sprintf("--memlock=%d:%[1]d", kib<<10),
			harness.Binary(), "-listen", "127.0.0.1:0", "-io", io, "-workers", "4")
	}
	for kib := 100; kib < 1000; kib += 100 {
		s := harness.StartCommand(t, start(kib, "auto"))
		for range 16 {
			status, _ := s.Get(t, "/")
			require.Equal(t, 200, status)
		}
		if strings.Contains(s.Log.String(), "There is no more io_uring for this loop") {
			said, err := start(kib, "uring").CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(said), "-io auto does without it")
			return
		}
	}
	t.Skip("this kernel counts no memory of rings")
}
