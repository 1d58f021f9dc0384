//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

// The built-in site in a temporary folder goes from process to process: over a reload, a
// worker that dies, and a hand-over. What has been uploaded stays, and the last master
// removes it.
func TestOneBuiltInSiteForAllProcesses(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := exec.Command(harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2")
	cmd.Env = append(os.Environ(), "HOME=", "XDG_CACHE_HOME=", "TMPDIR="+temp)
	s := harness.StartCommand(t, cmd)
	ready(t, s, 2)
	stays := func() (uploads int) {
		t.Helper()
		folders, err := filepath.Glob(temp + "/*")
		require.NoError(t, err)
		require.Len(t, folders, 1, "one folder for all")
		resp, err := http.Post(s.URL("/upload"), "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 201, resp.StatusCode)
		files, err := filepath.Glob(folders[0] + "/uploads/upload_*")
		require.NoError(t, err)
		return len(files)
	}
	require.Equal(t, 1, stays())
	replace(t, s, health4(t, s).Workers[0].PID, 2)
	require.Equal(t, 2, stays())
	reloaded := s.Log.Count("Reloaded")
	s.Signal(t, unix.SIGHUP)
	harness.Eventually(t, "the workers are replaced", func() bool { return s.Log.Count("Reloaded") > reloaded })
	require.Equal(t, 3, stays())
	successor := handOver(t, s)
	require.Zero(t, s.Wait(t))
	ready(t, s, 2)
	require.Equal(t, 4, stays(), "the old master has left it")
	require.NoError(t, unix.Kill(successor, unix.SIGTERM))
	gone(t, successor)
	harness.Eventually(t, "the last one removes it", func() bool {
		left, _ := filepath.Glob(temp + "/*")
		return len(left) == 0
	})
}

// A killed worker leaves neither a file nor room that is taken: not even while the others go on.
func TestAKilledWorkerGivesBackTheRoomOfItsUploads(t *testing.T) {
	t.Parallel()
	const limit = 4
	root := t.TempDir()
	folder := filepath.Join(root, "uploads")
	require.NoError(t, os.Mkdir(folder, 0o755))
	s := harness.Start(t, "-root", root, "-workers", "2", "-uploads-max-files", fmt.Sprint(limit))
	for range 3 { // more than there is room for, if any of it were kept
		pids := map[int]bool{}
		for _, w := range ready(t, s, 2).Workers {
			pids[w.PID] = true
		}
		for range limit {
			c := s.Dial(t)
			fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n%s",
				bytes.Repeat([]byte(" "), 200_000))
		}
		harness.Eventually(t, "all places are taken", func() bool {
			open := 0
			for pid := range pids {
				links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
				for _, link := range links {
					if name, _ := os.Readlink(link); strings.HasPrefix(name, folder+"/") {
						open++
					}
				}
			}
			return open == limit
		})
		resp, err := http.Post(s.URL("/upload"), "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 507, resp.StatusCode)
		for pid := range pids {
			require.NoError(t, unix.Kill(pid, unix.SIGKILL))
		}
		harness.Eventually(t, "others are there", func() bool {
			workers := health4(t, s).Workers
			for _, w := range workers {
				if pids[w.PID] {
					return false
				}
			}
			return len(workers) == 2
		})
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left)
	}
	harness.Eventually(t, "there is room", func() bool {
		resp, err := http.Post(s.URL("/upload"), "application/json", strings.NewReader("{}"))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 201
	})
}
