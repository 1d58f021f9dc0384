//go:build linux

package client

// How long one answer holds an upstream: a client and an upstream in one process, with the proxy
// between them.
//
// The upstream has one answer under way at a time, and the client waits for its end before it asks
// for the next. What must not be done: an answer must not count as taken before the proxy's socket
// has acknowledged its last byte.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The slow client, and how often is measured.
const (
	sipEvery   = 100 * time.Millisecond
	sip        = 1000      // bytes each time: 10 KB/s
	fastTries  = 5         // with a fast client
	slowTries  = 3         // with a slow one
	lendPiece  = 64 << 10  // bytes that the upstream writes at once
	lendBuffer = 256 << 10 // bytes that its socket may hold: what is there is not taken yet
	ackLook    = 500 * time.Microsecond
)

// Loan says what is measured.
type Loan struct {
	Proxy    netip.AddrPort
	Upstream netip.AddrPort // where to listen for the proxy
	Path     string
	File     string        // the answer's body
	Patience time.Duration // how long a slow client is waited for
}

// Held is what came of it.
type Held struct {
	Fast  time.Duration `json:"fast_ns"` // medians: from the request to the answer's last byte
	Slow  time.Duration `json:"slow_ns"` // if it is not freed, how long was waited for
	Freed bool          `json:"freed"`   // even by a slow client
	Taken int64         `json:"taken"`   // bytes that the proxy took for a slow client
}

// Run serves the upstream, writes a line when it listens, and waits until start ends. Then it
// measures.
func (l Loan) Run(says io.Writer, start io.Reader) (Held, error) {
	body, err := os.ReadFile(l.File)
	if err != nil {
		return Held{}, err
	}
	listener, err := net.Listen("tcp4", l.Upstream.String())
	if err != nil {
		return Held{}, err
	}
	defer listener.Close()
	u := &lender{body: body, ends: make(chan time.Duration, 1)}
	go u.serve(listener)
	fmt.Fprintln(says, Ready)
	io.Copy(io.Discard, start)
	return l.measure(u)
}

func (l Loan) measure(u *lender) (h Held, err error) {
	var fast, slow []time.Duration
	for range fastTries {
		took, _, err := l.one(u, patience, (conn).gulp)
		if err != nil {
			return h, fmt.Errorf("with a fast client: %w", err)
		}
		fast = append(fast, took)
	}
	h.Freed = true
	for range slowTries {
		took, freed, err := l.one(u, l.Patience, (conn).sip)
		if err != nil {
			return h, fmt.Errorf("with a slow client: %w", err)
		}
		slow, h.Taken = append(slow, took), u.taken.Load()
		if !freed {
			slow, h.Freed = []time.Duration{took}, false
			break
		}
	}
	h.Fast, h.Slow = middle(fast), middle(slow)
	return h, nil
}

func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// one asks for the answer once, and takes it as it is told until the upstream is free, or the time
// is over.
func (l Loan) one(u *lender, limit time.Duration, take func(conn, int64) (int64, error)) (took time.Duration, freed bool, err error) {
	u.rest()
	c, err := dial(l.Proxy)
	if err != nil {
		return 0, false, err
	}
	defer c.close()
	if err := c.send(request(l.Proxy, l.Path)); err != nil {
		return 0, false, err
	}
	length, got, err := c.head(make([]byte, maxHead))
	if err == nil && length != int64(len(u.body)) {
		err = fmt.Errorf("Content-Length is %d, not %d", length, len(u.body))
	}
	if err != nil {
		return 0, false, err
	}
	return u.follow(limit, func() (bool, error) {
		n, err := take(c, length-got)
		got += n
		return got == length, err
	})
}

// follow takes the answer until the upstream is free of it.
func (u *lender) follow(limit time.Duration, take func() (all bool, err error)) (took time.Duration, freed bool, err error) {
	over := time.After(limit)
	for all := false; !all; {
		select {
		case took := <-u.ends:
			return took, true, nil
		case <-over:
			return limit, false, nil
		default:
		}
		if all, err = take(); err != nil {
			return 0, false, err
		}
	}
	select { // the upstream is about to say so
	case took := <-u.ends:
		return took, true, nil
	case <-time.After(patience):
		return 0, false, errors.New("the whole answer is here, and its upstream still holds some of it")
	}
}

// gulp takes what is there.
func (c conn) gulp(left int64) (int64, error) { return c.skip(left) }

// sip takes a little, after a while.
func (c conn) sip(left int64) (int64, error) {
	time.Sleep(sipEvery) // that is how slow it is
	return c.skip(min(left, sip))
}

// lender is the upstream.
type lender struct {
	body  []byte
	busy  sync.Mutex         // held while an answer is under way
	taken atomic.Int64       // bytes of the answer under way that the socket took
	ends  chan time.Duration // how long each answer took
}

// rest waits for the end of the answer under way, if there is one, and forgets it.
func (u *lender) rest() {
	u.busy.Lock()
	defer u.busy.Unlock()
	select {
	case <-u.ends:
	default:
	}
}

func (u *lender) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			u.lend(c.(*net.TCPConn))
		}()
	}
}

// lend answers what is asked on a connection, until that ends.
func (u *lender) lend(c *net.TCPConn) error {
	if err := c.SetWriteBuffer(lendBuffer); err != nil {
		return err
	}
	for in := bufio.NewReader(c); ; {
		if _, err := http.ReadRequest(in); err != nil {
			return err
		}
		if err := u.answer(c); err != nil {
			return err
		}
	}
}

// answer sends one answer, and tells how long that took.
func (u *lender) answer(c *net.TCPConn) error {
	u.busy.Lock()
	defer u.busy.Unlock()
	began := time.Now()
	u.taken.Store(0)
	if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n", len(u.body)); err != nil {
		return err
	}
	for piece := range slices.Chunk(u.body, lendPiece) {
		if _, err := c.Write(piece); err != nil {
			return err
		}
		u.taken.Add(int64(len(piece)))
	}
	if err := acknowledged(c); err != nil {
		return err
	}
	select {
	case <-u.ends: // of a request that was not the client's: the check before
	default:
	}
	u.ends <- time.Since(began)
	return nil
}

// acknowledged waits until the peer has acknowledged all that was sent. The kernel tells nobody of
// that, so it is asked (SIOCOUTQ, tcp(7)).
func acknowledged(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var left int
		var asked error
		if err := raw.Control(func(fd uintptr) { left, asked = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return err
		}
		if asked != nil || left == 0 {
			return asked
		}
		time.Sleep(ackLook)
	}
}
