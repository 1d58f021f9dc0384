package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// 10 threads, 50 places, 200 slow clients: 60 are served in the end, and exactly the
// other 140 read a whole 503.
func TestExactlyTheOverflowIsRefused(t *testing.T) {
	const threads, queue, clients = 10, 50, 200
	s := harness.Start(t, "-workers", fmt.Sprint(threads), "-queue", fmt.Sprint(queue), "-log-level", "debug")
	s.Get(t, "/about.html")
	descriptors := s.Descriptors(t)
	var conns []net.Conn
	for range clients {
		c := s.Dial(t)
		_, err := io.WriteString(c, "GET /about.html HTTP/1.1\r\n")
		require.NoError(t, err)
		conns = append(conns, c)
	}
	refused, waiting := answered(t, conns, clients-threads-queue)
	require.Len(t, waiting, threads+queue)
	for _, c := range refused {
		behaviour.ReadWholeRefusal(t, c)
	}
	// One more may have waited for the thread that had just served the request above.
	harness.Eventually(t, "the log tells of all that wait", func() bool {
		return s.Log.Count("Thread pool saturated, queuing connection") >= queue
	})
	var wg sync.WaitGroup
	for _, c := range waiting {
		wg.Go(func() {
			io.WriteString(c, "Host: localhost\r\nConnection: close\r\n\r\n")
			answer, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
				t.Errorf("%v, %.40q", err, answer)
			}
		})
	}
	wg.Wait()
	harness.Eventually(t, "the log tells of all that came to a thread in the end", func() bool {
		return s.Log.Count("Connection dequeued") == s.Log.Count("Thread pool saturated, queuing connection")
	})
	harness.Eventually(t, "/health tells it as it was, and nothing is left over", func() bool {
		_, body := s.Get(t, "/health")
		var says struct {
			Requests    struct{ Dropped int }
			Connections struct{ Active int }
			Queue       struct{ Length, Limit int }
			Threads     struct{ Busy, Total, Free int }
		}
		require.NoError(t, json.Unmarshal(body, &says))
		return says.Requests.Dropped == clients-threads-queue && says.Connections.Active == 1 &&
			says.Queue.Length == 0 && says.Queue.Limit == queue &&
			says.Threads.Busy == 1 && says.Threads.Total == threads && says.Threads.Free == threads-1
	})
	// Go opens two for itself when its first timer starts.
	harness.Eventually(t, "all descriptors are closed", func() bool { return s.Descriptors(t) <= descriptors+2 })
}

// answered waits until so many of the connections have something to read, and tells them from the
// rest. Which they are depends on when the thread was free again that had a client before.
func answered(t *testing.T, conns []net.Conn, want int) (some, rest []net.Conn) {
	var fds []unix.PollFd
	for _, c := range conns {
		raw, err := c.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) }))
	}
	harness.Eventually(t, "all that find no place are told so", func() bool {
		n, err := unix.Poll(fds, 0)
		return err == nil && n >= want
	})
	for i, c := range conns {
		if fds[i].Revents != 0 {
			some = append(some, c)
		} else {
			rest = append(rest, c)
		}
	}
	return some, rest
}

// 25 downloads at once with 10 threads: all finish, and 15 had to wait.
func TestDownloadsBeyondTheThreadsWait(t *testing.T) {
	const threads, clients, size = 10, 25, 64 << 20
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "big.txt"), nil, 0o644))
	require.NoError(t, os.Truncate(filepath.Join(root, "big.txt"), size)) // sparse
	s := harness.Start(t, "-workers", fmt.Sprint(threads), "-root", root, "-log-level", "debug")
	var conns []net.Conn
	for range clients {
		c := s.Dial(t)
		io.WriteString(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		conns = append(conns, c)
	}
	// Nobody reads yet, and no socket takes a whole file, so all threads are held.
	harness.Eventually(t, "15 connections wait", func() bool {
		return s.Log.Count("Thread pool saturated, queuing connection") == clients-threads
	})
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
				t.Errorf("%d bytes: %v", n, err)
			}
		})
	}
	wg.Wait()
	harness.Eventually(t, "those who waited came to a thread", func() bool {
		return s.Log.Count("Connection dequeued") == clients-threads
	})
}
