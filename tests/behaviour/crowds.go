package behaviour

// Many clients at once, slow or rude, and what a stage does where there is no room for them.
//
// Each function is a behaviour that every stage has, with a server of its own. What must not be
// done: no case may assume that clients are served in a certain order.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = alone("Slowloris", slowloris)

// slowloris: 500 clients that send a head a byte at a time are cut after the head
// timeout, and do not make the server grow. Not even a table of descriptors: all threads
// wait while the kernel grows one.
//
// A neighbour that keeps the collector from its processor can only add to the memory. So the least
// of a few tries counts, each with a server of its own.
func slowloris(t *testing.T) {
	const slow = 500
	least := math.MaxInt
	for range tries {
		if least = min(least, grownByDrips(t, slow)); least < slow*64 {
			break
		}
	}
	if !harness.Race() {
		require.Less(t, least, slow*64, "KiB grown for %d slow clients", slow)
	}
}

// grownByDrips is by how many KiB a server grows under so many slow clients.
func grownByDrips(t *testing.T, slow int) int {
	s := harness.Start(t, append([]string{"-head-timeout", "0.5"}, room(slow+50)...)...)
	s.Get(t, "/")
	before, slots := s.Memory(t), s.DescriptorTables(t)
	var wg sync.WaitGroup
	var told atomic.Int64
	for range slow {
		c := s.Dial(t)
		wg.Go(func() {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nX-Drip: ")
			stop := drip(c, "a")
			answer, _ := io.ReadAll(c)
			close(stop)
			if strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
				told.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, slow, told.Load(), "each is told why")
	require.Equal(t, slots, s.DescriptorTables(t), "slots in tables of descriptors")
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	return s.Memory(t) - before
}

// dripEvery is the time between two drops.
const dripEvery = 50 * time.Millisecond

// drip sends the drop now and then until stop is closed.
func drip(c net.Conn, drop string) (stop chan struct{}) {
	stop = make(chan struct{})
	go func() {
		tick := time.NewTicker(dripEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				io.WriteString(c, drop)
			case <-stop:
				return
			}
		}
	}()
	return stop
}

// room is flags for a stage to serve n connections at once. Stage 1 needs a thread for
// each; it has no other way.
func room(n int) []string {
	if oneThreadEach() {
		return []string{"-workers", fmt.Sprint(n), "-queue", "0"}
	}
	return nil
}

var _ = test("RudeClientsLeakNothing", rudeClientsLeakNothing)

// rudeClientsLeakNothing: clients that break off at every point of an exchange leave
// neither a descriptor nor a thread behind.
func rudeClientsLeakNothing(t *testing.T) {
	s := harness.Start(t, "-idle-timeout", "1", "-head-timeout", "1")
	rude := []func(net.Conn){
		func(c net.Conn) {},
		func(c net.Conn) { fmt.Fprintf(c, "GET / HT") },
		func(c net.Conn) { fmt.Fprintf(c, "nonsense\r\n\r\n") },
		func(c net.Conn) { fmt.Fprintf(c, "GET /photo.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n") },
		func(c net.Conn) {
			fmt.Fprintf(c, "GET /photo.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.Read(make([]byte, 10))
		},
		func(c net.Conn) {
			fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n[%s", strings.Repeat("1,", 50000))
		},
		func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); io.ReadAll(c) },
		func(c net.Conn) {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.(*net.TCPConn).SetLinger(0)
		},
	}
	round := func(n int) {
		for i := range n {
			c, err := net.DialTimeout("tcp", s.Addr, harness.Patience)
			require.NoError(t, err)
			c.SetDeadline(time.Now().Add(harness.Patience))
			rude[i%len(rude)](c)
			c.Close()
		}
		harness.Eventually(t, "all connections have ended", func() bool { return nobodyElse(t, s) })
	}
	round(200) // files are in the cache, threads exist
	descriptors, threads := s.Descriptors(t), s.Threads(t)
	round(2000)
	harness.Eventually(t, fmt.Sprintf("there are %d descriptors again", descriptors), func() bool {
		return s.Descriptors(t) <= descriptors
	})
	require.LessOrEqual(t, s.Threads(t), threads+20, "Go may have started some threads of its own, and each kind of client came 250 times")
}

var _ = test("OutOfDescriptors", outOfDescriptors)

// outOfDescriptors: with none left the server neither ends nor spins, and goes on when
// some are free again.
func outOfDescriptors(t *testing.T) {
	const clients = 100
	s := harness.Start(t, append([]string{"-head-timeout", "1"}, room(clients+10)...)...)
	s.Get(t, "/")
	s.LimitDescriptors(t, clients/2)
	var conns []net.Conn
	for range clients {
		c := s.Dial(t)
		io.WriteString(c, "GET ") // a listener may be waiting for a first byte (TCP_DEFER_ACCEPT)
		conns = append(conns, c)
	}
	s.Log.Await(t, regexp.MustCompile("Out of descriptors"))
	before, began := s.CPU(t), time.Now()
	for _, c := range conns[clients*3/4:] {
		_, err := io.ReadAll(c) // refused, or served when its turn came: not left hanging
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	}
	busy := time.Duration(s.CPU(t)-before) * harness.ClockTick
	require.Less(t, busy, time.Since(began)/2+2*harness.ClockTick, "processor time spent on not accepting")
	for _, c := range conns {
		c.Close()
	}
	harness.Eventually(t, "it serves again", func() bool { return serves(s) })
	require.LessOrEqual(t, s.Log.Count("Out of descriptors"), max(len(s.Children(t)), runtime.NumCPU()), "once by each who accepts, not now and then")
}

var _ = test("ALimitThatIsLoweredBelowWhatIsOpen", aLimitThatIsLoweredBelowWhatIsOpen)

// aLimitThatIsLoweredBelowWhatIsOpen: somebody may lower the limit of open files at any time. That
// may cost connections, but not the server.
func aLimitThatIsLoweredBelowWhatIsOpen(t *testing.T) {
	const clients = 200
	for name, flags := range map[string][]string{
		"of clients that are served":      room(clients + 10),
		"of clients that are turned away": {"-max-conns", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, append([]string{"-workers", "1"}, flags...)...)
			before := s.Descriptors(t)
			var conns []net.Conn
			harness.Eventually(t, "many are open", func() bool {
				for range clients / 5 { // more and more: who is turned away does not stay
					c := s.Dial(t)
					io.WriteString(c, "GET ") // a listener may be waiting for a first byte (TCP_DEFER_ACCEPT)
					conns = append(conns, c)
				}
				return s.Descriptors(t) > before+clients/2
			})
			open := s.Descriptors(t)
			s.LimitDescriptors(t, -open/2)
			conns[0].Close()
			harness.Eventually(t, "it is noticed that one has gone", func() bool { return s.Ended() || s.Descriptors(t) < open })
			for _, c := range conns {
				c.Close()
			}
			harness.Eventually(t, "it serves again", func() bool { return serves(s) })
		})
	}
}

// serves reports whether the server answers a request on a new connection.
func serves(s *harness.Server) bool {
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(c)
	return strings.HasPrefix(string(answer), "HTTP/1.1 200 ")
}

var _ = test("ConnectionLimit", connectionLimit)

// connectionLimit: above -max-conns a client reads a whole 503, and no reset.
func connectionLimit(t *testing.T) {
	s := harness.Start(t, "-max-conns", "4")
	var held []net.Conn
	for i := range 4 {
		c := s.Dial(t)
		held = append(held, c)
		fmt.Fprintf(c, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode, "connection %d", i)
	}
	for range 20 {
		ReadWholeRefusal(t, s.Dial(t))
	}
	held[0].Close()
	harness.Eventually(t, "there is room again", func() bool {
		status, _ := s.Get(t, "/")
		return status == 200
	})
}

// ReadWholeRefusal sends a request on a connection that is not served, and wants all
// of a 503 and then the end of the stream.
func ReadWholeRefusal(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	require.True(t, resp.Close)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	_, err = r.ReadByte()
	require.Equal(t, io.EOF, err, "no reset behind the answer")
	c.Close()
}

var _ = test("KeptConnectionsEndAtOnce", keptConnectionsEndAtOnce)

// keptConnectionsEndAtOnce: a client that has had several answers on its connection, and reads to
// its end, waits no longer for that than one that has had a single answer. Its system acknowledges
// the last answer late, together with the end.
func keptConnectionsEndAtOnce(t *testing.T) {
	const connections = 20
	s := harness.Start(t, "-root", rootWith(t, "index.html", 1000))
	visit := func(requests int) time.Duration {
		began := time.Now()
		for range connections {
			c := s.Dial(t)
			for range requests - 1 {
				status, err := Exchange(c, "/")
				require.NoError(t, err)
				require.Equal(t, 200, status)
			}
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			_, err := io.ReadAll(c)
			require.NoError(t, err)
			c.Close()
		}
		return time.Since(began)
	}
	visit(1) // threads exist, the file is in the cache
	least := math.MaxFloat64
	for range tries {
		if least = min(least, float64(visit(2))/float64(visit(1))); least < 5 {
			break
		}
	}
	require.Less(t, least, 5.0, "times as long with two requests as with one")
}
