package behaviour

// How a stage stops, and what it owes to the clients that are there when it is told to.
//
// Each case has a server of its own, and ends it. What must not be done: a case must not kill a
// server that should end by itself, or it would hide that it hangs.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/app"
	"fourways/tests/harness"
)

var _ = test("Signals", signals)

// signals: HUP opens the log files again without losing a line, a second INT stops at once.
func signals(t *testing.T) {
	dir := t.TempDir()
	access := filepath.Join(dir, "access")
	s := harness.Start(t, "-access-log", access)
	s.Get(t, "/about.html")
	require.NoError(t, os.Rename(access, access+".1"))
	s.Signal(t, syscall.SIGHUP)
	reopened := regexp.MustCompile(`\[main\] Log files reopened`)
	if hasMaster() {
		reopened = regexp.MustCompile(`\[main\] Reloaded: .* Log files reopened`) // by the workers, too
	}
	s.Log.Await(t, reopened)
	s.Get(t, "/contact.html")
	harness.Eventually(t, "both requests are in the logs", func() bool {
		before, _ := os.ReadFile(access + ".1")
		after, _ := os.ReadFile(access)
		return strings.Contains(string(before), "/about.html") && strings.Contains(string(after), "/contact.html")
	})

	c := s.Dial(t)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\n") // a request that is never finished holds the stop up
	s.Signal(t, syscall.SIGINT)
	s.Log.Await(t, regexp.MustCompile("Stopping on interrupt"))
	s.Signal(t, syscall.SIGINT)
	require.Zero(t, s.Wait(t))
	require.Equal(t, 1, s.Log.Count("Stopped at once"))
}

var _ = test("StopUnderLoad", stopUnderLoad)

// stopUnderLoad: clients that are in the middle of things when SIGTERM comes get every
// answer; the last one on each connection says that it is the last.
func stopUnderLoad(t *testing.T) {
	const clients = 8
	s := harness.Start(t, "-max-requests", "0")
	var wg sync.WaitGroup
	var answered atomic.Int64
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(harness.Patience))
			n, err := askUntilClose(c, func() { answered.Add(1) })
			if err != nil {
				t.Errorf("request %d: %v", n, err)
			}
		})
	}
	harness.Eventually(t, "the clients are at work", func() bool { return answered.Load() > 20*clients })
	s.Signal(t, syscall.SIGTERM)
	wg.Wait()
	require.Zero(t, s.Wait(t))
	_, err := net.Dial("tcp", s.Addr)
	require.Error(t, err, "nobody listens any more")
}

// askUntilClose sends one request after the other until an answer says close, and then
// wants the end of the stream.
func askUntilClose(c net.Conn, each func()) (n int, err error) {
	r := bufio.NewReader(c)
	for n = 1; ; n++ {
		if _, err := io.WriteString(c, "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return n, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return n, err
		}
		if resp.StatusCode != 200 {
			return n, errors.New(resp.Status)
		}
		each()
		if resp.Close {
			if _, err := r.ReadByte(); err != io.EOF {
				return n, fmt.Errorf("behind the last answer: %w", err)
			}
			return n, nil
		}
	}
}

var _ = test("StopCutsWhatIsLeft", stopCutsWhatIsLeft)

// stopCutsWhatIsLeft: a client that never finishes is given up after -drain-timeout, by a reset: to
// one of HTTP/1.0 an end in order could say that its answer is whole.
func stopCutsWhatIsLeft(t *testing.T) {
	s := harness.Start(t, "-drain-timeout", "0.2", "-head-timeout", "600")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\n")
	harness.Eventually(t, "the server has the request", func() bool {
		_, body := s.Get(t, "/health")
		return strings.Contains(string(body), `"active":2`)
	})
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	_, err := io.ReadAll(c)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

var _ = test("StopCutsSlowReaders", stopCutsSlowReaders)

// stopCutsSlowReaders: one who reads all the time, and slowly, holds up no stop either. A thread
// that writes to him may never be blocked for long at once.
func stopCutsSlowReaders(t *testing.T) {
	s := harness.Start(t, "-root", rootWith(t, "big.txt", 64<<20), "-drain-timeout", "0.2", "-sock-buf", "16384")
	c := s.Dial(t)
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(8<<10))
	fmt.Fprintf(c, "GET /big.txt HTTP/1.0\r\nHost: localhost\r\n\r\n")
	read := make(chan error)
	go func() {
		slow := time.NewTicker(20 * time.Millisecond)
		defer slow.Stop()
		for p := make([]byte, 1<<10); ; <-slow.C {
			if _, err := io.ReadFull(c, p); err != nil {
				read <- err
				return
			}
		}
	}()
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.ErrorIs(t, <-read, syscall.ECONNRESET)
}

var _ = test("StopEndsIdleConnections", stopEndsIdleConnections)

// stopEndsIdleConnections: a client that has nothing to ask does not hold the stop up.
func stopEndsIdleConnections(t *testing.T) {
	s := harness.Start(t, "-drain-timeout", "600", "-idle-timeout", "600")
	c := s.Dial(t)
	status, err := Exchange(c, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
}

var _ = test("StopAnswersTheBacklog", stopAnswersTheBacklog)

// stopAnswersTheBacklog: connections that the kernel has taken and the server has not
// seen yet when it is told to stop are served too.
func stopAnswersTheBacklog(t *testing.T) {
	s := harness.Start(t)
	s.Get(t, "/")
	s.Signal(t, syscall.SIGSTOP)
	var conns []net.Conn
	for range 8 {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conns = append(conns, c)
	}
	s.Signal(t, syscall.SIGTERM)
	s.Signal(t, syscall.SIGCONT)
	for i, c := range conns {
		answer, err := io.ReadAll(c)
		require.NoError(t, err, "connection %d", i)
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 200 "), "connection %d: %.40q", i, answer)
	}
	require.Zero(t, s.Wait(t))
}

var _ = test("StopFinishesDownloads", stopFinishesDownloads)

// stopFinishesDownloads: who is in the middle of a large file when the server is told to
// stop gets the rest of it.
func stopFinishesDownloads(t *testing.T) {
	const size = 64 << 20
	s := harness.Start(t, "-root", rootWith(t, "big.txt", size))
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 1000)
	require.NoError(t, err)
	s.Signal(t, syscall.SIGTERM)
	s.Log.Await(t, regexp.MustCompile("Stopping"))
	rest, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size-1000, rest)
	require.Zero(t, s.Wait(t))
}

var _ = test("StopLosesNobodyWhoHasConnected", stopLosesNobodyWhoHasConnected)

// stopLosesNobodyWhoHasConnected: thousands a second open a connection each and ask while
// the server stops. Who can connect is answered; the others are refused. A client has a moment from
// its connection to its request. One that this machine has held up for longer proves nothing.
func stopLosesNobodyWhoHasConnected(t *testing.T) {
	const clients, stops = 16, 5
	for range stops {
		s := harness.Start(t)
		var answered atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for {
					sent, err := askOnce(s.Addr)
					switch {
					case errors.Is(err, syscall.ECONNREFUSED):
						return
					case err != nil && sent > app.LastArrivals/2:
						t.Logf("a client that came late: %v", err)
						return
					case err != nil:
						t.Errorf("after %d answers: %v", answered.Load(), err)
						return
					}
					answered.Add(1)
				}
			})
		}
		harness.Eventually(t, "the clients are at work", func() bool { return answered.Load() > 20*clients })
		s.Signal(t, syscall.SIGTERM)
		wg.Wait()
		require.Zero(t, s.Wait(t))
	}
}

// askOnce asks on a connection of its own, and says how long it took until the request was sent.
func askOnce(addr string) (sent time.Duration, err error) {
	began := time.Now()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return time.Since(began), fmt.Errorf("dial: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(harness.Patience))
	err = sendGet(c, "/about.html")
	if sent = time.Since(began); err != nil {
		return sent, fmt.Errorf("connected and lost: %w", err)
	}
	status, err := readAll(c)
	if err != nil || status != 200 {
		return sent, fmt.Errorf("connected and lost: %v, status %d", err, status)
	}
	return sent, nil
}

var _ = test("ASuccessorKeepsItsSocket", aSuccessorKeepsItsSocket)

// aSuccessorKeepsItsSocket: while a server drains, another one binds a Unix socket of the
// same name. The name is that one's from then on. Again and again, because file systems give
// an inode's number out again.
func aSuccessorKeepsItsSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "unix") // short: a socket's path has 108 bytes (unix(7))
	require.NoError(t, err)
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "s")
	first := harness.Start(t, "-listen", "unix:"+path, "-head-timeout", "600")
	for range 3 {
		fmt.Fprintf(first.Dial(t), "GET / HTTP/1.1\r\n") // never finished: it holds the stop up
		first.Get(t, "/about.html")                      // so the server has that one too
		first.Signal(t, syscall.SIGTERM)
		harness.Eventually(t, "nobody listens", func() bool {
			c, err := net.Dial("unix", path)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		second := harness.Start(t, "-listen", "unix:"+path, "-head-timeout", "600")
		first.Signal(t, syscall.SIGTERM)
		require.Zero(t, first.Wait(t))
		status, _ := second.Get(t, "/about.html")
		require.Equal(t, 200, status)
		first = second
	}
	first.Signal(t, syscall.SIGTERM)
	require.Zero(t, first.Wait(t))
	require.NoFileExists(t, path)
}
