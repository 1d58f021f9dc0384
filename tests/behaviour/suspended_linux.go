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
	args := append([]string{"-head-timeout", "3", "-idle-timeout", "3", "-proxy-timeout", "3", "-proxy", "/app=http://" + ln.Addr().String()}, room(8)...)
	if !oneThreadEach() {
		args = append(args, "-relay", "127.0.0.1:0="+ln.Addr().String(), "-tunnel-timeout", "3")
	}
	s := harness.Start(t, args...)

	passed := s.Dial(t)
	require.NoError(t, sendGet(passed, "/app"))
	upstream, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { upstream.Close() })
	_, err = upstream.Read(make([]byte, 4<<10))
	require.NoError(t, err)
	var relayed, target net.Conn
	if !oneThreadEach() {
		relayed, target = relay(t, s, ln)
	}
	idle, late := s.Dial(t), s.Dial(t)
	status, err := Exchange(idle, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	fmt.Fprintf(late, "GET /about.html HTTP/1.1\r\n")
	s.Get(t, "/") // by then that was read

	suspend(t, s, limit+limit/4, func() {
		fmt.Fprintf(late, "Host: localhost\r\n\r\n")
		require.NoError(t, sendGet(idle, "/"))
		_, err = io.WriteString(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		require.NoError(t, err)
		if relayed != nil {
			_, err = relayed.Write([]byte{1})
			require.NoError(t, err)
		}
	})
	for name, c := range map[string]net.Conn{"in the middle of its head": late, "between two requests": idle, "whose answer was here": passed} {
		status, err := readAll(c)
		require.NoError(t, err, name)
		require.Equal(t, 200, status, name)
	}
	if relayed != nil {
		_, err = target.Read(make([]byte, 1))
		require.NoError(t, err)
		passes(t, target, relayed)
	}
}

// relay is both ends of a relay to a target.
func relay(t *testing.T, s *harness.Server, to net.Listener) (client, target net.Conn) {
	client, err := net.Dial("tcp", s.Log.Await(t, relayingOn)[1])
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	target, err = to.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { target.Close() })
	passes(t, client, target)
	return client, target
}

// suspend suspends all threads of a server for a time, in which something happens elsewhere.
func suspend(t *testing.T, s *harness.Server, d time.Duration, meanwhile func()) {
	processes := s.Processes(t)
	for _, pid := range processes {
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	harness.Eventually(t, "all threads are suspended", func() bool { return !slices.ContainsFunc(processes, runs) })
	meanwhile()
	time.Sleep(d) // what is to happen is that it passes
	for _, pid := range slices.Backward(processes) {
		require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	}
}

// passes sees a byte through.
func passes(t *testing.T, from, to net.Conn) {
	_, err := from.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, to.SetDeadline(time.Now().Add(harness.Patience)))
	_, err = to.Read(make([]byte, 1))
	require.NoError(t, err)
}

// runs reports whether a thread of a process is not suspended (proc_pid_stat(5), state).
func runs(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return slices.ContainsFunc(files, func(file string) bool {
		stat, err := os.ReadFile(file)
		return err == nil && !bytes.Contains(stat, []byte(") T "))
	})
}
