package main

// How bodies that are passed on go through a process of this stage.
//
// Each test has a server and an upstream of its own. What must not be done: nothing here may depend
// on how much of a body goes by a pipe, only on whether there is one.

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// pipes is how many ends of pipes the server has open.
func pipes(t *testing.T, s *harness.Server) (n int) {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", s.PID)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		if to, _ := os.Readlink(filepath.Join(folder, e.Name())); strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// A server that begins to pass on while it runs moves large bodies by pipes as one that has done so
// from its start. As long as nothing is passed on it has none.
func TestLargeBodiesGoByPipesAlsoWherePassingOnBeganLater(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		io.CopyN(w, strings.NewReader(strings.Repeat("x", size)), size)
	}))
	defer up.Close()
	file := filepath.Join(t.TempDir(), "conf")
	require.NoError(t, os.WriteFile(file, []byte("workers 1\n"), 0o644))
	s := harness.Start(t, "-config", file)
	s.Get(t, "/index.html")
	before := pipes(t, s)
	require.NoError(t, os.WriteFile(file, []byte("workers 1\nproxy /="+up.URL+"\n"), 0o644))
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Settings changed: -proxy"))
	require.Equal(t, before, pipes(t, s), "none before one is needed")
	resp, err := http.Get(s.URL("/x"))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Greater(t, pipes(t, s), before)
}
