//go:build linux

package main

// Thirty thousand connections to one server. The clients run in processes of their own, because of
// the limit of open files; the test is skipped in short mode and under the race detector.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// holdVariable makes the test binary play a client: the number of connections to hold.
const holdVariable = "PREFORK_TEST_HOLD"

// A process may have 20,000 files open on a usual machine, so more connections than that
// are for several processes: at both ends. All of 30,000 are open at once, and answered
// twice: when they come, and when all are there.
func TestThirtyThousandConnections(t *testing.T) {
	const holders, each, workers = 3, 10_000, 4
	if testing.Short() || harness.Race() {
		t.Skip("it takes its time")
	}
	s := harness.Start(t, "-workers", fmt.Sprint(workers), "-max-conns", "40000", "-idle-timeout", "600", "-log-level", "info")
	ready(t, s, workers)
	before := s.Memory(t)
	var holding []*holder
	for i := range holders {
		holding = append(holding, newHolder(t, s.Addr, fmt.Sprintf("127.0.0.%d", 2+i), each))
	}
	for _, h := range holding {
		h.expect(t, "holding")
	}
	r := health4(t, s)
	grown := s.Memory(t) - before
	require.GreaterOrEqual(t, r.Connections.Active, int64(holders*each))
	for _, w := range r.Workers {
		require.Less(t, w.Connections, int64(holders*each/2), "worker %d", w.Worker)
	}
	for _, h := range holding {
		fmt.Fprintln(h.orders, "again")
	}
	for _, h := range holding {
		h.expect(t, "answered")
		h.orders.Close()
		require.NoError(t, h.cmd.Wait())
	}
	t.Logf("%d connections: %d bytes of memory each; workers %+v", r.Connections.Active, grown*1024/(holders*each), r.Workers)
}

// holder is a process that holds connections.
type holder struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	says   *bufio.Reader
}

func newHolder(t *testing.T, server, from string, n int) *holder {
	h := &holder{cmd: exec.Command(os.Args[0], server, from)}
	h.cmd.Env = append(os.Environ(), holdVariable+"="+strconv.Itoa(n))
	h.cmd.Stderr = os.Stderr
	var err error
	h.orders, err = h.cmd.StdinPipe()
	require.NoError(t, err)
	says, err := h.cmd.StdoutPipe()
	require.NoError(t, err)
	h.says = bufio.NewReader(says)
	require.NoError(t, h.cmd.Start())
	t.Cleanup(func() { h.cmd.Process.Kill() })
	return h
}

func (h *holder) expect(t *testing.T, word string) {
	t.Helper()
	line, err := h.says.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, word+"\n", line)
}

// hold is the client's process: os.Args are the server and the address to come from.
func hold(n int) {
	dialer := harness.From(net.ParseIP(os.Args[2]))
	conns := make([]net.Conn, n)
	inParallel(n, func(i int) {
		c, err := dialer.Dial("tcp", os.Args[1])
		exitOn(err)
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		conns[i] = c
		ask(c)
	})
	fmt.Println("holding")
	bufio.NewReader(os.Stdin).ReadString('\n')
	inParallel(n, func(i int) { ask(conns[i]) })
	fmt.Println("answered")
	io.Copy(io.Discard, os.Stdin)
}

func ask(c net.Conn) {
	status, err := behaviour.Exchange(c, "/about.html")
	exitOn(err)
	if status != 200 {
		exitOn(fmt.Errorf("status %d", status))
	}
}

func inParallel(n int, do func(i int)) {
	const threads = 32
	var all sync.WaitGroup
	for first := range threads {
		all.Go(func() {
			for i := first; i < n; i += threads {
				do(i)
			}
		})
	}
	all.Wait()
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
