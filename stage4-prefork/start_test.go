//go:build linux

package main

// How the server begins: all of it, or one line and nothing.

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

// Where none of the first workers can be started there is no server, and whoever has
// started it hears why.
func TestAServerWithoutAnyWorkerIsNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says    string
		command []string // what runs the program
		try     []string // tells whether that can be done here
		args    []string
		word    string // in the reason
		traces  bool   // the workers say something themselves
	}{
		{
			says:    "there is no /proc to find the program in",
			command: []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs none /proc && exec "$0" "$@"`},
			try:     []string{"unshare", "--mount", "mount", "-t", "tmpfs", "none", "/proc"},
			word:    "/proc/self/exe: no such file or directory; mount proc(5)",
		},
		{
			says:    "the memory that they share is too large a file",
			command: []string{"prlimit", "--fsize=1024"},
			try:     []string{"prlimit", "--fsize=1024", "true"},
			word:    "file too large; allow larger files",
		},
		{
			says:    "there is no process to be had",
			command: []string{"setpriv", "--reuid", "61234", "--clear-groups", "prlimit", "--nproc=8"},
			try:     []string{"setpriv", "--reuid", "61234", "--clear-groups", "prlimit", "--nproc=8", "true"},
			word:    "cannot start",
		},
		{
			says:    "each of them dies",
			command: []string{"env"}, try: []string{"true"},
			args: []string{"-workers", "1", "-inject-faults", "start:1"},
			word: "no worker could be started", traces: true,
		},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.Command(c.try[0], c.try[1:]...).CombinedOutput(); err != nil {
				t.Skipf("%v: %v %s", c.try, err, out)
			}
			command := append(append(c.command, program(t), "-listen", "127.0.0.1:0", "-root", siteFor(t)), c.args...)
			code, said := runToTheEnd(t, command)
			// Go's runtime ends the process if it wants a thread in that very moment: a try for
			// nothing.
			for tries := 1; strings.Contains(said, "pthread_create failed") && tries < 20; tries++ {
				code, said = runToTheEnd(t, command)
			}
			assert.Equal(t, 1, code, said)
			lines := strings.Split(strings.TrimSpace(said), "\n")
			assert.Contains(t, lines[len(lines)-1], "stage4-prefork: ")
			assert.Contains(t, lines[len(lines)-1], c.word)
			if !c.traces {
				assert.Len(t, lines, 1, said)
			}
		})
	}
}

// Who takes a worker away while the server starts takes it from what the start waits for.
func TestAStartIsOverWhenTheWorkerItWaitsForIsNotWantedAnyMore(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2", "-inject-faults", "stall:2",
		"-watchdog", "600", "-log-level", "debug")
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer time.AfterFunc(harness.Patience, func() { cmd.Process.Kill() }).Stop()
	defer cmd.Wait()
	defer cmd.Process.Signal(unix.SIGQUIT)
	started := false
	for lines := bufio.NewScanner(log); !started && lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, "Worker 1 is ready"):
			require.NoError(t, cmd.Process.Signal(unix.SIGTTOU))
		case strings.Contains(line, "started on"):
			started = true
		}
	}
	require.True(t, started, "it waits for a worker that it has let go")
}

// However few descriptors there are: the server either serves or ends with a reason.
func TestWithFewDescriptorsItServesOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip(err)
	}
	ended := 0
	for _, n := range []string{"15", "16", "17", "18", "19"} {
		cmd := []string{"prlimit", "--nofile=" + n + ":" + n, "timeout", "--foreground", "-s", "TERM", "3",
			harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "3"}
		code, said := runToTheEnd(t, cmd)
		if strings.Contains(said, "started on") {
			continue
		}
		assert.Equal(t, 1, code, "%s descriptors: %s", n, said)
		assert.Equal(t, 1, strings.Count(said, "too many open files"), "%s descriptors: %s", n, said)
		ended++
	}
	assert.NotZero(t, ended, "one of them should have been too few")
}

// runToTheEnd runs a command until all that it has started has ended.
func runToTheEnd(t *testing.T, argv []string) (code int, said string) {
	t.Helper()
	var both bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &both, &both
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(harness.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait() // until nobody has the pipe open any more
	return cmd.ProcessState.ExitCode(), both.String()
}

// program is the binary where another user can execute it.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fourways-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	text, err := os.ReadFile(harness.Binary())
	require.NoError(t, err)
	harness.WriteProgram(t, dir+"/server", text)
	return dir + "/server"
}

// siteFor is a folder that another user can serve.
func siteFor(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fourways-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(dir+"/index.html", []byte("here"), 0o644))
	return dir
}
