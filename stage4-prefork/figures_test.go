//go:build linux

package main

// What is told while processes come and go.

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// Workers are killed, replaced, added and removed, and a new master takes over, all under load.
// Whoever asks at any moment finds one series for each position, and no counter that has fallen.
func TestCountersOnlyGrowWhileProcessesComeAndGo(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "3", "-root", rootWithBig(t), "-min-rate", "0")
	ready(t, s, 3)
	finish := unbroken(t, s, "/big.txt", big) // keeps a worker that is replaced from ending
	l := newLoad(t, s.Addr)
	w := behaviour.WatchSeries(t, s)
	for round := range 3 {
		s.Signal(t, unix.SIGHUP)
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(Reloaded: all.*){%d}`, round+1)))
		w.Await(t, 5)
		for _, p := range health4(t, s).Workers {
			if p.State == "ready" && p.Worker != 2 {
				require.NoError(t, unix.Kill(p.PID, unix.SIGKILL))
			}
		}
		w.Await(t, 5)
		l.goesOn(t, 20)
	}
	s.Signal(t, unix.SIGTTIN)
	harness.Eventually(t, "there are four", func() bool { return w.Value(`fourways_worker_wakeups_total{worker="4"}`) > 0 })
	s.Signal(t, unix.SIGTTOU)
	harness.Eventually(t, "the fourth is gone", func() bool {
		return !slices.ContainsFunc(health4(t, s).Workers, func(w workerReport) bool { return w.Worker == 4 })
	})
	w.Await(t, 5)
	handOver(t, s)
	s.Log.Await(t, regexp.MustCompile("The new program serves"))
	w.Await(t, 5)
	l.end()
	finish()
	require.Zero(t, s.Wait(t), "the old master ends")
	ready(t, s, 3)
	w.Await(t, 5)
	w.End(t)
}

// What a worker has counted is told of it, and of no other, when another process has taken its
// place.
func TestWhatAPositionHasCountedOutlivesItsProcesses(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "2", "-accept", "reuseport")
	ready(t, s, 2)
	w := behaviour.WatchSeries(t, s)
	of := func(n int) float64 { return w.Value(fmt.Sprintf(`fourways_worker_requests_total{worker="%d"}`, n)) }
	harness.Eventually(t, "both have been asked", func() bool { return of(1) > 10 && of(2) > 10 })
	for range 3 {
		first, second := of(1), of(2)
		s.Signal(t, unix.SIGHUP)
		harness.Eventually(t, "both go on from where they were", func() bool { return of(1) > first+5 && of(2) > second+5 })
	}
	require.Zero(t, of(3)+of(4), "nobody else has been asked")
	w.End(t)
}
