package behaviour

// A server that did not run for a while: a container that was paused, a machine that was moved or
// sent to sleep, a debugger.
//
// All of its processes are suspended, and so can do nothing wrong meanwhile. What must not be done:
// no case may ask what they do while they are.

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("ASuspendedServerBlamesNobody", aSuspendedServerBlamesNobody)

// aSuspendedServerBlamesNobody: while the server is suspended the deadlines of its clients pass,
// and so does that of a server behind it. They have all sent in time what they had to, and none is
// turned away. The time is longer than the machine may take to come here.
func aSuspendedServerBlamesNobody(t *testing.T) {
	const limit = 3 * time.Second
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	s := harness.Start(t, append([]string{"-head-timeout", "3", "-idle-timeout", "3", "-proxy-timeout", "3", "-proxy", "/app=http://" + ln.Addr().String()}, room(8)...)...)

	passed := s.Dial(t)
	require.NoError(t, sendGet(passed, "/app"))
	upstream, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { upstream.Close() })
	_, err = upstream.Read(make([]byte, 4<<10))
	require.NoError(t, err)
	idle, late := s.Dial(t), s.Dial(t)
	status, err := Exchange(idle, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	fmt.Fprintf(late, "GET /about.html HTTP/1.1\r\n")
	s.Get(t, "/") // by then that was read

	processes := s.Processes(t)
	for _, pid := range processes {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	harness.Eventually(t, "all threads are suspended", func() bool { return !slices.ContainsFunc(processes, runs) })
	fmt.Fprintf(late, "Host: localhost\r\n\r\n")
	require.NoError(t, sendGet(idle, "/"))
	_, err = io.WriteString(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	require.NoError(t, err)
	time.Sleep(limit + limit/4) // nothing can happen meanwhile but that
	for _, pid := range slices.Backward(processes) {
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	}
	for name, c := range map[string]net.Conn{"in the middle of its head": late, "between two requests": idle, "whose answer was here": passed} {
		status, err := readAll(c)
		require.NoError(t, err, name)
		require.Equal(t, 200, status, name)
	}
}

// runs reports whether a thread of a process is not suspended (proc_pid_stat(5), state).
func runs(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return slices.ContainsFunc(files, func(file string) bool {
		stat, err := os.ReadFile(file)
		return err == nil && !bytes.Contains(stat, []byte(") T "))
	})
}
