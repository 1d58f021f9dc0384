//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

// load is clients that ask again and again, half of them on kept connections, half on a new
// one each time.
type load struct {
	answered atomic.Int64 // whole answers with status 200
	lost     atomic.Int64 // connections that ended without the answer
	refused  atomic.Int64 // connections that could not be opened
	odd      atomic.Int64 // answers that were something else
	ending   atomic.Bool
	clients  sync.WaitGroup
	mu       sync.Mutex
	first    error // the first failure, for whoever looks into it
}

const (
	loadClients = 16
	// lastCall is how long a worker that stops waits after an answer for one more question. Who
	// asks later may find the connection closed, as with any server (RFC 9112 9.3.1), and asks
	// again.
	lastCall = time.Second
)

func newLoad(t *testing.T, addr string) *load {
	l := &load{}
	for i := range loadClients {
		l.clients.Go(func() { l.client(addr, i%2 == 0) })
	}
	t.Cleanup(l.end)
	return l
}

// end has the clients stop, each after its answer.
func (l *load) end() {
	l.ending.Store(true)
	l.clients.Wait()
}

func (l *load) client(addr string, keep bool) {
	for !l.ending.Load() {
		c, err := net.DialTimeout("tcp", addr, harness.Patience)
		if err != nil {
			l.note(&l.refused, err)
			continue
		}
		c.SetDeadline(time.Now().Add(harness.Patience))
		l.connection(c, keep)
		c.Close()
	}
}

func (l *load) connection(c net.Conn, keep bool) {
	from, wish := bufio.NewReader(c), "close"
	if keep {
		wish = "keep-alive"
	}
	for first, asked := true, time.Now(); ; first = false {
		before := asked
		asked = time.Now()
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n", wish)
		late := !first && time.Since(before) >= lastCall // on a crowded machine
		resp, err := http.ReadResponse(from, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		switch {
		case err != nil && late:
			return
		case err != nil:
			l.note(&l.lost, err)
			return
		case resp.StatusCode != 200:
			l.note(&l.odd, errors.New(resp.Status))
		default:
			l.answered.Add(1)
		}
		time.Sleep(harness.CallPause)
		if resp.Close || l.ending.Load() {
			return
		}
	}
}

func (l *load) note(count *atomic.Int64, err error) {
	count.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = err
	}
}

// goesOn waits until so many more have been answered.
func (l *load) goesOn(t *testing.T, n int64) {
	t.Helper()
	before := l.answered.Load()
	harness.Eventually(t, "the clients are served", func() bool { return l.answered.Load() >= before+n })
}

// faultless ends the load, and wants every single request to have been answered.
func (l *load) faultless(t *testing.T) {
	t.Helper()
	l.end()
	require.Zero(t, l.refused.Load()+l.lost.Load()+l.odd.Load(), "of %d: refused %d, lost %d, odd %d; the first: %v",
		l.answered.Load(), l.refused.Load(), l.lost.Load(), l.odd.Load(), l.first)
}

// report is what /health tells.
type report struct {
	Status      string
	Connections struct {
		Active int64
		Total  int64 `json:"total_handled"`
	}
	Requests struct{ Total, Dropped int64 }
	Master   struct{ PID int }
	Workers  []workerReport
}

type workerReport struct {
	Worker, PID, Restarts int
	Connections           int64
	State                 string
	HeartbeatAge          float64 `json:"heartbeat_age"`
}

func health4(t *testing.T, s *harness.Server) (r report) {
	t.Helper()
	_, body := s.Get(t, "/health")
	require.NoError(t, json.Unmarshal(body, &r))
	return r
}

// ready waits until so many workers are ready, and none is anything else.
func ready(t *testing.T, s *harness.Server, want int) (r report) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%d workers are ready, and no others there", want), func() bool {
		r = health4(t, s)
		for _, w := range r.Workers {
			if w.State != "ready" {
				return false
			}
		}
		return len(r.Workers) == want
	})
	return r
}

// replace kills a worker, and waits until there is another in its place.
func replace(t *testing.T, s *harness.Server, pid, want int) (r report) {
	t.Helper()
	kill(t, s, pid)
	return ready(t, s, want)
}

// succeeded waits until a worker has been buried, and so many others are ready.
func succeeded(t *testing.T, s *harness.Server, pid, want int) (r report) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("process %d has a successor", pid), func() bool {
		r = health4(t, s)
		for _, w := range r.Workers {
			if w.State != "ready" || w.PID == pid {
				return false
			}
		}
		return len(r.Workers) == want
	})
	return r
}

// gone waits until a process has ended. Whether somebody has reaped it already is another
// question: an orphan is the business of the system's first process.
func gone(t *testing.T, pid int) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool {
		s := state(t, pid)
		return s == "" || s == "Z"
	})
}

// kill kills a worker, and waits until the master knows. It is asked when the process is gone:
// until then it may take the connection of whoever asks along.
func kill(t *testing.T, s *harness.Server, pid int) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	gone(t, pid)
	harness.Eventually(t, fmt.Sprintf("the master has buried worker %d", pid), func() bool {
		for _, w := range health4(t, s).Workers {
			if w.PID == pid {
				return false
			}
		}
		return true
	})
}

// unbroken is a download that is read slowly, and must arrive whole.
func unbroken(t *testing.T, s *harness.Server, path string, size int64) (finish func()) {
	t.Helper()
	c := s.Dial(t)
	c.SetDeadline(time.Now().Add(5 * time.Minute)) // it outlasts what it is a test of
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	first, err := io.CopyN(io.Discard, resp.Body, 1000)
	require.NoError(t, err)
	return func() {
		t.Helper()
		rest, err := io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.Equal(t, size, first+rest)
		c.Close()
	}
}
