package behaviour

// Limits of threads that a control group sets, in both versions.
//
// It needs root and a control group that it may make; it is skipped elsewhere. The group belongs to
// the test, which removes it when its processes have ended.

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("TooFewThreads", tooFewThreads)

// tooFewThreads: where a control group allows fewer threads than the server has, it ends with one
// line that says so, and not with the stacks of its runtime. Where there are just enough it serves,
// whatever its clients have it do.
func tooFewThreads(t *testing.T) {
	group := threadGroup(t)
	const few = 12 // and some more than the runtime has by itself, which needs one now and then
	in := func(most string, args ...string) *exec.Cmd {
		require.NoError(t, os.WriteFile(filepath.Join(group, "pids.max"), []byte(most), 0))
		script := `echo $$ >"$0/cgroup.procs" && exec "$@"`
		return exec.Command("sh", append([]string{"-c", script, group, harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2"}, args...)...)
	}
	var said bytes.Buffer
	cmd := in(strconv.Itoa(few))
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(harness.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	assert.Equal(t, 1, cmd.ProcessState.ExitCode(), said.String())
	assert.Equal(t, 1, strings.Count(said.String(), "\n"), said.String())
	assert.Contains(t, said.String(), filepath.Join(group, "pids.max"))

	// Enough is enough: what comes then makes the server need no further thread. But Go's runtime
	// may have one more of its own by then than it had in the first start.
	var more, free int
	var what string
	_, err := fmt.Sscanf(said.String()[strings.Index(said.String(), "cannot start"):], "cannot start %d more %s there is room for %d", &more, &what, &free)
	require.NoError(t, err, said.String())
	s := harness.StartCommand(t, in(strconv.Itoa(few-free+more+1)))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: harness.Patience}
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() { client.Get(s.URL(fmt.Sprintf("/none-%d.html", i))) })
		all.Go(func() {
			client.Post(s.URL("/upload"), "application/json", strings.NewReader(`"`+strings.Repeat("u", 100_000)+`"`))
		})
	}
	all.Wait()
	status, _ := s.Get(t, "/")
	assert.Equal(t, 200, status)
	s.Signal(t, syscall.SIGINT)
	s.Wait(t)
}

// threadGroup makes a control group that counts threads, of either version.
func threadGroup(t *testing.T) string {
	file := controlGroup(t, "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max")
	return filepath.Dir(file)
}

// controlGroup makes a control group where the first of the files is that a group can have, named
// as if it lay in the tree's root, and is the name of the group's own.
func controlGroup(t *testing.T, files ...string) string {
	for _, file := range files {
		dir, err := os.MkdirTemp(filepath.Dir(file), "fourways-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		own := filepath.Join(dir, filepath.Base(file))
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	t.Skip("no control group with " + filepath.Base(files[0]) + " can be made here")
	return ""
}
