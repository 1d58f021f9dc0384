package behaviour

// The good clients that an attack must not disturb, and how long they wait.
//
// A crowd belongs to the test that gathers it, and ends with it. What must not be done: a crowd
// must not ask faster than its pace, or it would be a load of its own.

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// The good clients of an attack, and how they fare.

const (
	crowdSize = 32
	// crowdPace is the time from one request of a good client to its next, at least: a
	// reader, not a load. They stay well below what the attacks' flags allow an address.
	crowdPace = 100 * time.Millisecond
	// benchPace is the same where the wait is measured, and more answers tell more.
	benchPace = 40 * time.Millisecond
	// smallFile is what they ask for.
	smallFile = "/small.txt"
	smallText = "small"
)

// byTLS is before the address of a server that good clients are to ask by TLS.
const byTLS = "https://"

// crowd is good clients, each with an address of its own. Half of them keep their
// connections, half make a new one for each request.
type crowd struct {
	disperse func() // ends it, each client after the answer it waits for; may be called again

	mu     sync.Mutex
	more   *sync.Cond
	took   []time.Duration // from before connecting to the last byte, in order of answers
	failed error           // the first thing that was not as it should be
}

// gather has a crowd begin to ask. The test's cleanup sends it home.
func gather(t testing.TB, addr string) *crowd {
	c := &crowd{}
	c.more = sync.NewCond(&c.mu)
	if b, ok := t.(*testing.B); ok {
		c.disperse = crowdApart(b, addr, c.note)
	} else {
		c.disperse = send(addr, crowdPace, c.note)
	}
	t.Cleanup(c.disperse)
	return c
}

// note takes down how long a request took, and what went wrong with it.
func (c *crowd) note(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, took)
	if err != nil && c.failed == nil {
		c.failed = err
	}
	c.more.Broadcast()
}

// send sends the clients of a crowd to the server. Each calls note after each request.
func send(addr string, pace time.Duration, note func(time.Duration, error)) (goHome func()) {
	quit := make(chan struct{})
	var all sync.WaitGroup
	for i := range crowdSize {
		all.Go(func() {
			time.Sleep(pace * time.Duration(i) / crowdSize) // not all at once
			visit(addr, fmt.Sprintf("127.1.0.%d", i+1), i%2 == 0, pace, note, quit)
		})
	}
	return sync.OnceFunc(func() {
		close(quit)
		all.Wait()
	})
}

// visit is one client's course.
func visit(addr, from string, keep bool, pace time.Duration, note func(time.Duration, error), quit <-chan struct{}) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var v visitor
	for {
		select {
		case <-quit:
			v.leave()
			return
		case <-tick.C:
		}
		began := time.Now()
		err := v.ask(addr, from, keep)
		if err != nil {
			err = fmt.Errorf("good client %s: %w", from, err)
		}
		note(time.Since(began), err)
	}
}

// visitor is one good client's connection, if it has one.
type visitor struct {
	conn  net.Conn
	r     *bufio.Reader
	asked time.Time   // when it asked last
	tls   *tls.Config // with its session, for the next connection; nil before the first
}

// trusted is how long after it has connected, or asked, a visitor asks on a connection: half the
// shortest -idle-timeout of the servers here, which close it then. A crowded machine may hold the
// visitor up.
const trusted = time.Second / 2

func (v *visitor) leave() {
	if v.conn != nil {
		v.conn.Close()
		v.conn = nil
	}
}

// ask makes one request, and wants the file.
func (v *visitor) ask(addr, from string, keep bool) (err error) {
	for left := 3; v.conn == nil || time.Since(v.asked) > trusted && left > 0; left-- {
		v.leave()
		v.asked = time.Now() // and not when it learns that it is connected
		if v.conn, err = v.connect(addr, from); err != nil {
			return err
		}
		v.r = bufio.NewReader(v.conn)
	}
	v.asked = time.Now()
	connection := "keep-alive"
	if !keep {
		connection = "close"
	}
	v.conn.SetDeadline(time.Now().Add(harness.Patience))
	resp, body, err := request(v.conn, v.r, "GET "+smallFile+" HTTP/1.1\r\nHost: localhost\r\nConnection: "+connection+"\r\n\r\n")
	if err == nil && (resp.StatusCode != 200 || string(body) != smallText) {
		err = fmt.Errorf("%s, %.40q", resp.Status, body)
	}
	if err != nil || resp.Close {
		v.leave()
	}
	return err
}

// connect makes a connection, by TLS where the address says so.
func (v *visitor) connect(addr, from string) (net.Conn, error) {
	addr, secured := strings.CutPrefix(addr, byTLS)
	c, err := connect(addr, from)
	if err != nil || !secured {
		return c, err
	}
	if v.tls == nil {
		v.tls = small()
		v.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return tls.Client(c, v.tls), nil
}

// request sends a request and reads its whole answer.
func request(c net.Conn, r *bufio.Reader, text string) (*http.Response, []byte, error) {
	if _, err := io.WriteString(c, text); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// connect dials from one of this machine's addresses 127.0.0.0/8. Unlike Dial of the
// harness it may be called by any goroutine of a test.
func connect(addr, from string, options ...func(fd uintptr)) (net.Conn, error) {
	d := harness.From(net.ParseIP(from))
	prepare := d.Control
	d.Control = func(network, address string, raw syscall.RawConn) error {
		if prepare != nil {
			if err := prepare(network, address, raw); err != nil {
				return err
			}
		}
		return raw.Control(func(fd uintptr) {
			for _, set := range options {
				set(fd)
			}
		})
	}
	c, err := d.Dial("tcp", addr)
	if err == nil {
		c.SetDeadline(time.Now().Add(2 * harness.Patience))
	}
	return c, err
}

// receiveBuffer bounds what the kernel takes for the client before it reads (SO_RCVBUF,
// socket(7)): so a client which reads slowly is felt at the other end.
func receiveBuffer(bytes int) func(uintptr) {
	return func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes) }
}

// answered is how many requests the crowd has made and seen to their ends.
func (c *crowd) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.took)
}

// await waits until so many are answered. It fails the test if one went wrong.
func (c *crowd) await(t testing.TB, n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.took) < n && c.failed == nil {
		c.more.Wait() // each client answers within Patience, well or ill
	}
	require.NoError(t, c.failed)
}

// fare is how long the crowd had to wait in some stretch of time.
type fare struct {
	n        int
	p50, p99 time.Duration
}

func (f fare) String() string {
	return fmt.Sprintf("%d answers, p50 %v, p99 %v", f.n, f.p50.Round(time.Microsecond), f.p99.Round(time.Microsecond))
}

// since is the crowd's fare from its n-th answer on.
func (c *crowd) since(n int) fare {
	c.mu.Lock()
	took := slices.Clone(c.took[n:])
	c.mu.Unlock()
	if len(took) == 0 {
		return fare{}
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[int(share*float64(len(took)-1))] }
	return fare{len(took), at(0.50), at(0.99)}
}
