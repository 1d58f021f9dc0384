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

// roleVariable makes the test binary a child that reports what role it has.
const roleVariable = "CHILDREN_TEST_ROLE"

func TestAChildHasItsRole(t *testing.T) {
	var said string
	if given, err := Role(roleVariable, &said); given || err != nil {
		require.NoError(t, err)
		require.NoError(t, Report(os.NewFile(First, "report"), said[len(said)-20:]))
		return
	}
	for _, length := range []int{20, longest - 2, longest, 1 << 20} {
		report := make(chan string, 1)
		c := Command{Path: "/proc/self/exe", Argv: []string{"child", "-test.run=^TestAChildHasItsRole$"}, Report: First}
		c.Pass(First, int(os.Stderr.Fd())) // as all that the report does not take the place of
		require.NoError(t, c.Give(roleVariable, strings.Repeat("x", length-20)+"this is its end 1234"))
		pid, err := Start(c, func(text string) { report <- text })
		require.NoError(t, err)
		_, err = unix.Wait4(pid, nil, 0, nil)
		require.NoError(t, err)
		require.Equal(t, "this is its end 1234", <-report, length)
	}
	for _, wrong := range []string{"@", "@x", "@12345678", "x"} {
		t.Setenv(roleVariable, wrong)
		given, err := Role(roleVariable, &said)
		require.False(t, given)
		require.ErrorContains(t, err, "is for the program's own use", wrong)
	}
}
