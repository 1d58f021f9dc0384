//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// A client that takes a large file as slowly as it may keeps its worker over any number of
// reloads. Those workers must not use up the room for others.
func TestSlowClientsDoNotKeepNewWorkersOut(t *testing.T) {
	t.Parallel()
	const left = 4 // entries for two workers, and for two more
	s := harness.Start(t, "-root", rootWithBig(t), "-workers", "2", "-drain-timeout", "0.5", "-sock-buf", "4096",
		"-inject-faults", fmt.Sprintf("crowd:%d", maxProcesses-1-left))
	ready(t, s, 2)
	for reloads := 1; reloads <= 4; reloads++ {
		harness.Eventually(t, "each worker has a client that does not read", func() bool {
			fmt.Fprint(s.Dial(t), "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
			for _, w := range health4(t, s).Workers {
				if w.State == "ready" && w.Connections < 2 { // one may be ours
					return false
				}
			}
			return true
		})
		hup(t, s, reloadedLine, reloads)
	}
	ready(t, s, 2)
	require.Zero(t, s.Log.Count("did not come up"))
	require.NotZero(t, s.Log.Count("Hardly any room"))
}
