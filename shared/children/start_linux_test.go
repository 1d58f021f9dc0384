package children

// What a child that was just started does with signals.

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A signal that comes before the child can handle any waits, and the others do what they do. What
// the child does next stands in a script, so that nothing depends on who is faster.
func TestASignalThatComesInAChildsFirstMomentWaits(t *testing.T) {
	started := func(script string, hold ...os.Signal) string {
		report := make(chan string, 1)
		c := Command{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Report: First, Hold: hold}
		pid, err := Start(c, func(text string) { report <- text })
		require.NoError(t, err)
		_, err = unix.Wait4(pid, nil, 0, nil)
		require.NoError(t, err)
		return strings.TrimSpace(<-report)
	}
	all := []os.Signal{unix.SIGUSR2, unix.SIGUSR1, syscall.Signal(40)}
	for _, script := range []string{"kill -USR2 $$; echo lives >&3", "kill -USR1 $$; echo lives >&3", "kill -40 $$; echo lives >&3"} {
		require.Equal(t, "lives", started(script, all...), script)
		require.Empty(t, started(script), script)
	}
	require.Empty(t, started("kill -TERM $$; echo lives >&3", all...))
	require.Empty(t, started("kill -USR1 $$; echo lives >&3"), "this thread takes them again")
}
