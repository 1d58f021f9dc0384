package behaviour

// Servers behind the proxy that are killed, and connections that are reset, while requests are
// under way: lost is what was under way there, and nothing is done twice.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("KilledUpstreams", killedUpstreams)

// killedUpstreams: one of two is killed again and again. The other one does its work.
func killedUpstreams(t *testing.T) {
	const clients, kills = 6, 6
	executed := Executed(t)
	both := []*Backend{StartBackend(t, executed), StartBackend(t, executed)}
	s := harness.Start(t, "-proxy", "/="+both[0].URL+","+both[1].URL, "-max-requests", "0")
	c := NewCallers(t, s, clients, true)
	for i := range kills {
		c.GoOn(t, 300)
		victim := both[i%2]
		c.During(func() { victim.Kill(t) })
		c.GoOn(t, 100)
		victim.Restart(t)
	}
	c.GoOn(t, 100)
	c.Judge(t, executed)
	// A process takes a moment to die. Meanwhile a client may lose a call, and another one.
	require.LessOrEqual(t, len(c.lost), 2*kills*clients)
}

var _ = test("ResetsRepeatNoPost", resetsRepeatNoPost)

// resetsRepeatNoPost: an upstream resets its connections before it has read a request, after it has
// done it, and after its answer. What it has done it has done once, and each client that has an
// answer has that of its own request.
func resetsRepeatNoPost(t *testing.T) {
	const posts = 400
	up := &resetting{done: map[string]int{}}
	s := harness.Start(t, "-proxy", "/="+scripted(t, up.serve), "-max-requests", "0")
	var c net.Conn
	var in *bufio.Reader
	answered, lost := 0, 0
	for i := range posts {
		if c == nil {
			c = s.Dial(t)
			in = bufio.NewReader(c)
		}
		id := fmt.Sprint("id", i)
		_, err := fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err, "the client's own connection stays")
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode == 200 {
			answered++
			require.Equal(t, id, string(body))
			require.Equal(t, 1, up.times(id))
		} else {
			lost++
			require.Equal(t, 502, resp.StatusCode)
		}
		if resp.Close {
			c.Close()
			c = nil
		}
	}
	require.Positive(t, answered)
	require.Positive(t, lost)
	for id, n := range up.done {
		require.Equal(t, 1, n, id)
	}
}

// resetting is an upstream that resets its connections.
type resetting struct {
	mu   sync.Mutex
	came int
	done map[string]int // how often it has done each request
}

// serve serves a connection until it resets it, or the connection ends.
func (u *resetting) serve(c net.Conn) {
	tcp, in := c.(*net.TCPConn), bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		u.mu.Lock()
		turn := u.came % 5
		u.came++
		u.mu.Unlock()
		if turn == 0 { // before it has read all
			tcp.SetLinger(0)
			return
		}
		id, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.done[string(id)]++
		u.mu.Unlock()
		if turn == 1 {
			tcp.SetLinger(0)
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
		if turn == 2 { // although it has not said so
			return
		}
	}
}

// times is how often it has done a request.
func (u *resetting) times(id string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.done[id]
}

var _ = test("NoUpstreamIsBlamedForOurLackOfDescriptors", noUpstreamIsBlamedForOurLackOfDescriptors)

// noUpstreamIsBlamedForOurLackOfDescriptors: who has none left for a connection to an upstream says
// that it is itself that cannot (503), and asks the upstream again as soon as one is free.
func noUpstreamIsBlamedForOurLackOfDescriptors(t *testing.T) {
	const held = 12
	b := startBackend(t, "tcp", func(http.ResponseWriter, *http.Request) {})
	s := harness.Start(t, append([]string{"-workers", "1", "-proxy", "/app=" + b.addr}, room(held+2)...)...)
	c := s.Dial(t)
	in := bufio.NewReader(c)
	ask := func(path string) int {
		t.Helper()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	require.Equal(t, 200, ask("/health"))
	before := s.Descriptors(t)
	var others []net.Conn
	for range held {
		o := s.Dial(t)
		io.WriteString(o, "GET ") // a listener may be waiting for a first byte (TCP_DEFER_ACCEPT)
		others = append(others, o)
	}
	harness.Eventually(t, "all are open", func() bool { return s.Descriptors(t) >= before+held })
	s.LimitDescriptors(t, -held/2)
	for range 4 { // three failures in a row have an upstream rest
		require.Equal(t, 503, ask("/app/x"))
	}
	for _, o := range others {
		o.Close()
	}
	harness.Eventually(t, "it passes on again", func() bool { return ask("/app/x") == 200 })
	require.Zero(t, s.Log.Count("rests for a while"))
}

var _ = test("AFullQueueIsWaitedFor", aFullQueueIsWaitedFor)

// aFullQueueIsWaitedFor: an upstream at a Unix socket does not come to accept, and its queue is
// full. A request waits, and is answered once the upstream has time again.
func aFullQueueIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	for {
		other, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		} else if err != nil {
			t.Skipf("a full queue is another error on this system: %v", err)
		}
		defer other.Close()
	}
	s := harness.Start(t, "-connect-timeout", "60", "-proxy", "/app=unix:"+path)
	c := s.Dial(t)
	io.WriteString(c, "GET /app/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
	harness.Eventually(t, "the request waits", func() bool {
		_, body := s.Get(t, "/health")
		return bytes.Contains(body, []byte(`"in_flight":1`))
	})
	f := os.NewFile(uintptr(fd), path)
	ln, err := net.FileListener(f)
	require.NoError(t, err)
	f.Close()
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go srv.Serve(ln)
	defer srv.Close()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
}

var _ = test("SignalsUnderProxiedLoad", signalsUnderProxiedLoad)

// signalsUnderProxiedLoad: HUP and USR1 cost no call; then the server stops, and what had begun is
// answered: an upload of which only half has come, an answer of which only half has left, and a
// request that the upstream has not answered yet. A call of a client that connects too late is
// none.
func signalsUnderProxiedLoad(t *testing.T) {
	executed := Executed(t)
	quick := StartBackend(t, executed)
	slow := NewHalves(t)
	s := harness.Start(t, "-proxy", "/="+quick.URL, "-proxy", "/slow="+slow.URL, "-max-requests", "0", "-drain-timeout", "3600")
	c := NewCallers(t, s, 4, true)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGHUP} {
		c.GoOn(t, 50)
		s.Signal(t, sig)
	}
	c.GoOn(t, 50)
	c.Judge(t, executed)

	slow.Begin(t, s)
	s.Signal(t, syscall.SIGTERM)
	harness.Eventually(t, "nobody listens any more", func() bool {
		other, err := net.Dial("tcp", s.Addr)
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	slow.Finish(t)
	require.Zero(t, s.Wait(t))
}
