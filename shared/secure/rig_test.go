package secure

// The rig of this package's tests: a server without sockets, and a client of crypto/tls at the
// other end. A rig belongs to its test.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/secure/securetest"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// pair is a certificate for "localhost", made once.
var pair = sync.OnceValue(func() tls.Certificate { return securetest.SelfSigned("localhost") })

// events notes what an Observer is told.
type events struct {
	mu      sync.Mutex
	done    []int
	refused []string
	details []string
	secured []session.Security
	broken  []error
}

func (e *events) note(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *events) Done(x *session.Exchange) {
	e.note(func() { e.done = append(e.done, x.Status()); e.secured = append(e.secured, x.Security()) })
}
func (e *events) Refused(_ *session.Exchange, f fault.Fault) {
	e.note(func() { e.refused = append(e.refused, f.Reason.String()) })
}
func (e *events) TurnedAway(_ netip.Addr, why fault.Reason) {
	e.note(func() { e.refused = append(e.refused, why.String()) })
}
func (e *events) Unsecured(_ netip.Addr, why fault.Reason, detail string) {
	e.note(func() { e.refused = append(e.refused, why.String()); e.details = append(e.details, detail) })
}
func (e *events) Broken(_ *session.Thread, err error) {
	e.note(func() { e.broken = append(e.broken, err) })
}
func (e *events) Panicked(_ *session.Exchange, value any) { panic(value) }

func (e *events) reasons() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.refused...)
}

// host takes nudges.
type host struct{ nudge func(int) }

func (host) Adopt(int, machine.Machine) { panic("nothing to adopt") }
func (h host) Nudge(fd int)             { h.nudge(fd) }

func (host) Offload(offload.Kind, func(), func()) { panic("no slow work here") }

// world is a server without sockets.
type world struct {
	t      testing.TB
	srv    *session.Server
	ev     *events
	secure *Server
	config *tls.Config
	thread *session.Thread
	now    clock.Time
}

const handshakeTime = 10 * clock.Second

func newWorld(t testing.TB, handler session.Handler) *world {
	w := &world{t: t, ev: &events{}, now: 1e9}
	w.srv = &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 8192, Head: 8192, Fields: 100, Body: 64 << 20, Requests: 1000}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second, MinRate: 240},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Handler:  handler,
		Observer: w.ev,
		MaxConns: 1 << 30,
	}
	w.thread = session.NewThread(w.srv, w.srv.Stats.Slot(0), "worker-1", 7)
	w.thread.Unsent = func(int) int64 { return 0 }
	w.thread.Clock.Set(w.now, 784111777e9)
	w.config = &tls.Config{Certificates: []tls.Certificate{pair()}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	w.secure = &Server{Config: func() *tls.Config { return w.config }, Timeout: handshakeTime}
	return w
}

func (w *world) limited(rate int) {
	var err error
	w.srv.Limiter, err = limiter.New(make([]byte, limiter.Size(64)), limiter.Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: rate, Burst: rate, BanAfter: 5, Ban: int64(60 * clock.Second)})
	require.NoError(w.t, err)
}

func (w *world) count(c stats.Counter) uint64 { return w.srv.Stats.Total(c) }

// wire is one connection, in memory: a socket's two buffers.
type wire struct {
	mu       sync.Mutex
	cond     *sync.Cond
	toServer []byte
	toClient []byte
	room     int  // bytes that toClient takes
	sent     int  // bytes that the server has sent
	writes   int  // times that it has sent
	ended    bool // the client sends no more
	broken   bool // the client has reset
	shut     bool // the server sends no more
	closed   bool // the server has closed
	ticks    int
	nudged   bool
	read     []byte // by the client
	held     bool   // the driver does not look
	polls    bool   // the driver does not wait
}

func newWire() *wire {
	w := &wire{room: 1 << 30}
	w.cond = sync.NewCond(&w.mu)
	return w
}

// do changes the wire, and has whoever waits look.
func (w *wire) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.cond.Broadcast()
}

// The client's end, a net.Conn.
func (w *wire) Read(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.toClient) == 0 && !w.shut && !w.closed {
		w.cond.Wait()
	}
	if len(w.toClient) == 0 {
		return 0, io.EOF
	}
	n = copy(p, w.toClient)
	w.read = append(w.read, p[:n]...)
	w.toClient = w.toClient[n:]
	w.cond.Broadcast()
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.do(func() { w.toServer = append(w.toServer, p...) })
	return len(p), nil
}

func (w *wire) Close() error                     { w.do(func() { w.ended = true }); return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// driven is a machine with a driver, on a goroutine of its own.
type driven struct {
	*wire
	w     *world
	m     *Conn
	piece int // bytes that are read at once, 0 for as many as there is room for
	wants []machine.Want
	other func() // what another machine does when it is waited for
	done  chan struct{}
}

var peer = netip.MustParseAddrPort("192.0.2.7:1234")

// connect makes a connection that is driven until it is closed.
func (w *world) connect(set ...func(*driven)) *driven {
	d := w.open(set...)
	go d.run()
	return d
}

func (w *world) open(set ...func(*driven)) *driven {
	d := &driven{wire: newWire(), w: w, done: make(chan struct{})}
	for _, f := range set {
		f(d)
	}
	adm, why := w.thread.Admit(peer.Addr(), 3)
	require.Equal(w.t, fault.NoReason, why)
	d.m = w.secure.Opener()(w.thread, adm, peer, 3).(*Conn)
	return d
}

// run does what the machine wants until it is closed.
func (d *driven) run() {
	defer close(d.done)
	for d.turn() {
	}
}

// turn does one thing that the machine wants. It reports false once it is closed.
func (d *driven) turn() bool {
	want := d.m.Step()
	if n := len(d.wants); n == 0 || d.wants[n-1] != want {
		d.wants = append(d.wants, want)
	}
	switch want {
	case machine.WantRead:
		d.read()
	case machine.WantWrite, machine.WantRead | machine.WantWrite:
		d.write()
	case machine.WantPeer:
		if other := d.other; other != nil {
			d.other = nil
			other()
			return true
		}
		d.await(func() bool { return false })
	case machine.WantWake:
		d.m.WorkKind()
		d.m.Work()
		d.m.RestartDeadline()
	case machine.WantShut:
		d.do(func() { d.shut = true })
	case machine.WantClose:
		d.m.Close()
		d.do(func() { d.closed = true })
		return false
	}
	return true
}

// await waits until ready, or time passes, or the client resets. The lock is held after it.
func (d *driven) await(ready func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.held || !d.polls && d.ticks == 0 && !d.nudged && !d.broken && !ready() {
		d.cond.Wait()
	}
	d.ticks, d.nudged = 0, false
	d.w.thread.Clock.Set(d.w.now, 784111777e9)
	if d.broken {
		d.m.Fail()
	}
}

func (d *driven) read() {
	d.await(func() bool { return len(d.toServer) > 0 || d.ended })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken || !d.m.Reads() {
		return
	}
	switch {
	case len(d.toServer) > 0:
		into := d.m.Recv()
		if d.piece > 0 {
			into = into[:min(len(into), d.piece)]
		}
		n := copy(into, d.toServer)
		d.toServer = d.toServer[n:]
		d.m.Received(n)
	case d.ended:
		d.m.Recv()
		d.m.EOF()
	}
}

func (d *driven) write() {
	d.mu.Lock()
	if d.shut {
		panic("written after the end of sending")
	}
	q := d.m.Out()
	iov, _ := q.Bytes(make([][]byte, 0, 64))
	moved := 0
	for _, p := range iov {
		n := min(len(p), d.room-len(d.toClient))
		if n <= 0 {
			break
		}
		d.toClient = append(d.toClient, p[:n]...)
		moved += n
	}
	q.Ack(int64(moved))
	if moved > 0 {
		d.writes++
	}
	d.sent += moved
	d.cond.Broadcast()
	d.mu.Unlock()
	if !q.Empty() {
		d.m.Stalled()
		d.await(func() bool { return len(d.toClient) < d.room })
	}
}

// pass lets time pass for the machine.
func (d *driven) pass(t clock.Time) {
	d.do(func() { d.w.now += t; d.ticks++ })
}

// over waits until the connection is closed.
func (d *driven) over(t testing.TB) {
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection was not closed")
	}
}

// types is the types of the records that the client has read.
func (d *driven) types() (list []byte) {
	for b := d.wire.read; len(b) >= recordHeader; {
		list = append(list, b[0])
		b = b[recordHeader+(int(b[3])<<8|int(b[4])):]
	}
	return list
}

// client is a client of TLS on the connection.
func (d *driven) client(set ...func(*tls.Config)) *tls.Conn {
	return tls.Client(d.wire, clientOf(set...))
}

// clientOf is how a client speaks TLS.
func clientOf(set ...func(*tls.Config)) *tls.Config {
	roots := x509.NewCertPool()
	leaf, _ := x509.ParseCertificate(pair().Certificate[0])
	roots.AddCert(leaf)
	cfg := &tls.Config{ServerName: "localhost", RootCAs: roots, NextProtos: []string{"http/1.1"}}
	for _, f := range set {
		f(cfg)
	}
	return cfg
}

func shake(t testing.TB, c *tls.Conn) {
	require.NoError(t, c.HandshakeContext(context.Background()))
}
