//go:build linux

package main

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// While the drain delay lasts the server is whole: who comes is served, even if all that
// serve have died meanwhile. What would change it is not begun any more.
func TestBeforeItStopsDeadWorkersAreReplacedAndNothingElseIsBegun(t *testing.T) {
	t.Parallel()
	const workers = 2
	s := harness.Start(t, "-workers", "2", "-drain-delay", "600")
	ready(t, s, workers)
	s.Signal(t, unix.SIGTERM)
	s.Log.Await(t, regexp.MustCompile("serving on for 10m0s"))
	for _, w := range ready(t, s, workers).Workers {
		kill(t, s, w.PID)
	}
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGUSR2, unix.SIGTTIN} {
		s.Signal(t, sig)
	}
	s.Log.Await(t, regexp.MustCompile("No hand-over"))
	s.Log.Await(t, regexp.MustCompile("The number of workers stays 2"))
	require.Len(t, ready(t, s, workers).Workers, workers)
	require.Zero(t, s.Log.Count("Reloading"))
	s.Signal(t, unix.SIGTERM)
	require.Zero(t, s.Wait(t))
}

// A new program that is on its way when the server is told to stop does not take over.
func TestANewProgramOnItsWayDoesNotOutliveTheDrainDelay(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\ndrain-delay 0.5\n")
	s := harness.Start(t, "-config", file)
	ready(t, s, 2)
	write("workers 1\ninject-faults stall:1\n") // so it is still on its way, however late the order comes
	pid := handOver(t, s)
	s.Signal(t, unix.SIGTERM)
	require.Zero(t, s.Wait(t))
	gone(t, pid)
	require.Zero(t, s.Log.Count("The new program serves"))
}

// The master serves nothing: when no worker turns any more, nobody is left who could say
// that the server is alive, and the balancer hears nothing. When others have taken their
// places, it hears again.
func TestAServerWhoseWorkersAllHangIsNeitherAliveNorReady(t *testing.T) {
	t.Parallel()
	const workers = 2
	s := harness.Start(t, "-workers", "2", "-watchdog", "0", "-inject-faults", "routes")
	before := ready(t, s, workers)
	alive := behaviour.StartHAProxy(t, "    option httpchk GET /livez", s)
	serving := behaviour.StartHAProxy(t, "    option httpchk GET /readyz", s)
	for _, h := range []*behaviour.HAProxy{alive, serving} {
		h.Await(t, "s1", "UP", "L7OK")
	}
	for range workers {
		fmt.Fprintf(s.Dial(t), "GET /fault/hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	for _, h := range []*behaviour.HAProxy{alive, serving} {
		h.Await(t, "s1", "DOWN", "L7TOUT")
	}
	for _, w := range before.Workers {
		require.NoError(t, unix.Kill(w.PID, unix.SIGKILL))
	}
	for _, h := range []*behaviour.HAProxy{alive, serving} {
		h.Await(t, "s1", "UP", "L7OK")
	}
}
