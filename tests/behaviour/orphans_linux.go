package behaviour

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

var _ = test("OrphansAreReaped", orphansAreReaped)

// orphansAreReaped: as the first process of a container a server gets the processes whose parents
// have ended, and leaves none of them as a zombie.
func orphansAreReaped(t *testing.T) {
	if err := exec.Command("unshare", "--pid", "--fork", "true").Run(); err != nil {
		t.Skipf("no name space for processes: %v", err)
	}
	// The shell becomes the server, process 1. Of the orphans one ends before it serves.
	const script = `(sleep 0 & sleep 0.05) & (sleep 1 & sleep 0.05) & exec "$0" "$@"`
	s := harness.StartCommand(t, exec.Command("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script,
		harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2"))
	server := s.Children(t)[0]
	harness.Eventually(t, "no orphan is left, alive or dead", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
		require.NoError(t, err)
		for _, pid := range strings.Fields(string(children)) {
			if name, _ := os.ReadFile("/proc/" + pid + "/comm"); strings.Contains("sh\nsleep\n", string(name)) {
				return false
			}
		}
		return true
	})
	require.NoError(t, unix.Kill(server, unix.SIGTERM))
	require.Zero(t, s.Wait(t))
}
