package behaviour

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
	"fourways/shared/offload"
	"fourways/shared/session"
)

// Relays drives machines that are no sessions: a listener of the stage opens relays to a
// server of the test's. What a driver must be able to do for them is all there: two sockets
// for one connection, of which it accepted only one; reading and writing at once; waiting for
// another machine; a peer that breaks meanwhile. number is the stage's.
func Relays(t *testing.T, number int, newDriver func(*app.App) (app.Driver, error)) {
	stage := app.Stage{
		Stage: config.Stage{Name: stage(), Number: number, Title: "relays", DefaultWorkers: 2},
		Slots: func(c *config.Config) int { return c.Workers + 1 }, // one may be the acceptor's
		Waits: func(*config.Config) string { return "" },
	}
	plays := map[string]func(*testing.T, *relayRig){
		"bytes arrive whole both ways at once, and an end is passed on": bothWays,
		"a client that does not read holds the sender up":               backPressure,
		"a target that breaks ends the client's connection":             targetBreaks,
		"a client that breaks ends the target's connection":             clientBreaks,
		"whoever leaves, and at whatever point, ends the whole relay":   leavesAnywhere,
		"slow work runs beside the machines, and is waited for":         slowWork,
		"what follows slow work is called at its end":                   shortWork,
	}
	if oneThreadEach() {
		delete(plays, "slow work runs beside the machines, and is waited for")
	}
	for name, play := range plays {
		t.Run(name, func(t *testing.T) {
			target, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer target.Close()
			r := &relayRig{target: target.(*net.TCPListener)}
			r.serve(t, stage, newDriver)
			play(t, r)
		})
	}
}

type relayRig struct {
	target *net.TCPListener
	addr   string
	ended  chan struct{}
	stop   func()
	opened atomic.Pointer[func(machine.Host)] // called on the thread for each relay; nil for nothing
}

// serve starts the stage's driver with one listener that opens relays.
func (r *relayRig) serve(t *testing.T, stage app.Stage, newDriver func(*app.App) (app.Driver, error)) {
	t.Setenv("HOME", t.TempDir())
	cfg, err := app.Configure(stage, []string{"-listen", "127.0.0.1:0", "-log-file", os.DevNull}, io.Discard)
	require.NoError(t, err)
	a, err := app.Open(stage, cfg)
	require.NoError(t, err)
	r.ended = make(chan struct{}, 16) // the loop must not wait for the test
	a.Listeners[0].Open = r.open
	r.addr = a.Listeners[0].Addr.IP.String()
	var d app.Driver
	require.NoError(t, a.Start(func(a *app.App) (app.Driver, error) {
		d, err = newDriver(a)
		return d, err
	}))
	r.stop = sync.OnceFunc(func() {
		a.Server.Drain()
		d.Stop(0)
		a.Close()
	})
	t.Cleanup(r.stop)
}

func (r *relayRig) open(l *session.Thread, adm session.Admission, _ netip.AddrPort, fd int) machine.Machine {
	to, err := socket(unix.AF_INET, unix.SOCK_STREAM)
	if err == nil {
		err = unix.Connect(to, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: r.target.Addr().(*net.TCPAddr).Port})
	}
	if err == nil {
		err = unix.SetNonblock(to, true)
	}
	if err != nil {
		panic(err)
	}
	here, there := machinetest.Relay(l.Host, fd, to, func() {
		l.Dismiss(adm)
		r.ended <- struct{}{}
	})
	l.Host.Adopt(to, there)
	if opened := r.opened.Load(); opened != nil {
		(*opened)(l.Host)
	}
	return here
}

// pair is a client, and the target's end of its relay.
func (r *relayRig) pair(t *testing.T) (client, target *net.TCPConn) {
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Write([]byte("!")) // a listener may wait for data (TCP_DEFER_ACCEPT)
	require.NoError(t, err)
	require.NoError(t, r.target.SetDeadline(time.Now().Add(relayPatience)))
	target, err = r.target.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { target.Close() })
	for _, conn := range []net.Conn{c, target} {
		require.NoError(t, conn.SetDeadline(time.Now().Add(relayPatience)))
	}
	_, err = io.ReadFull(target, make([]byte, 1))
	require.NoError(t, err)
	return c.(*net.TCPConn), target
}

// relayPatience is how long a test waits for what must come.
const relayPatience = 20 * time.Second

// over says that the relay has been closed.
func (r *relayRig) over(t *testing.T) {
	select {
	case <-r.ended:
	case <-time.After(relayPatience):
		require.Fail(t, "the relay is still there")
	}
}

func bothWays(t *testing.T, r *relayRig) {
	client, target := r.pair(t)
	up, down := make([]byte, 8<<20), make([]byte, 8<<20)
	rand.Read(up)
	rand.Read(down)
	errs := make(chan error, 4)
	send := func(c *net.TCPConn, b []byte) {
		_, err := c.Write(b)
		if err == nil {
			err = c.CloseWrite()
		}
		errs <- err
	}
	receive := func(c *net.TCPConn, want []byte) {
		sum := sha256.New()
		n, err := io.Copy(sum, c)
		if whole := sha256.Sum256(want); err == nil && (n != int64(len(want)) || !bytes.Equal(sum.Sum(nil), whole[:])) {
			err = io.ErrUnexpectedEOF
		}
		errs <- err
	}
	go send(client, up)
	go send(target, down)
	go receive(client, down)
	go receive(target, up)
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	r.over(t)
}

// The sockets of both ends and the relay hold some megabytes; what is more waits.
func backPressure(t *testing.T, r *relayRig) {
	client, target := r.pair(t)
	require.NoError(t, target.SetWriteDeadline(time.Now().Add(time.Second)))
	sent, err := io.Copy(target, io.LimitReader(zeros{}, 256<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "%d bytes were taken", sent)
	require.NoError(t, target.CloseWrite())
	got, err := io.Copy(io.Discard, client)
	require.NoError(t, err)
	require.Equal(t, sent, got)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func targetBreaks(t *testing.T, r *relayRig) {
	client, target := r.pair(t)
	require.NoError(t, target.SetLinger(0))
	require.NoError(t, target.Close())
	_, err := client.Read(make([]byte, 1))
	require.Error(t, err)
	r.over(t)
}

// The client has ended its direction, and then leaves while its leg waits for the other one:
// nothing is read of it any more, and its going is noticed all the same.
func clientBreaks(t *testing.T, r *relayRig) {
	client, target := r.pair(t)
	require.NoError(t, client.CloseWrite())
	_, err := target.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, client.SetLinger(0))
	require.NoError(t, client.Close())
	_, err = target.Read(make([]byte, 1))
	require.Error(t, err)
	r.over(t)
}

// onOpen has f called for each relay that is opened from now on.
func (r *relayRig) onOpen(f func(machine.Host)) { r.opened.Store(&f) }

// What follows may ask for more work.
func shortWork(t *testing.T, r *relayRig) {
	done := make(chan int, 4)
	r.onOpen(func(h machine.Host) {
		h.Offload(offload.Spill, func() { done <- 1 }, func() {
			done <- 2
			h.Offload(offload.Spill, func() { done <- 3 }, func() { done <- 4 })
		})
	})
	r.pair(t)
	for want := 1; want <= 4; want++ {
		select {
		case got := <-done:
			require.Equal(t, want, got)
		case <-time.After(relayPatience):
			require.Fail(t, "it was not called", "%d", want)
		}
	}
}

// A server that stops must not end a thread before the work that was given to it: what follows
// gives back what the work had.
func slowWork(t *testing.T, r *relayRig) {
	gate, done := make(chan struct{}), make(chan struct{})
	r.onOpen(func(h machine.Host) {
		within := true
		h.Offload(offload.Spill, func() { <-gate }, func() {
			if !within { // or it was called while the machine was at it
				close(done)
			}
		})
		within = false
	})
	client, target := r.pair(t)
	_, err := client.Write([]byte("?"))
	require.NoError(t, err)
	_, err = io.ReadFull(target, make([]byte, 1))
	require.NoError(t, err, "the relay goes on")
	target.Close()
	client.Close()
	r.over(t)
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
		require.Fail(t, "the thread has ended before its work")
	case <-time.After(50 * time.Millisecond): // it can only be too short to see the fault
	}
	close(gate)
	<-stopped
	select {
	case <-done:
	default:
		require.Fail(t, "what was to follow did not")
	}
}

// departure is one way in which a side of a connection that is passed on may leave: one is the side
// that leaves.
type departure struct {
	name  string
	first bool // the client is the one
	leave func(one, other *net.TCPConn)
}

// departures are each side, at each point of a conversation, in each way that there is.
func departures() (all []departure) {
	reset := func(c *net.TCPConn) {
		c.SetLinger(0)
		c.Close()
	}
	points := map[string]func(one, other *net.TCPConn){
		"at once":                            func(_, _ *net.TCPConn) {},
		"after the end of its direction":     func(one, _ *net.TCPConn) { one.CloseWrite() },
		"after the end of the other's":       func(_, other *net.TCPConn) { other.CloseWrite() },
		"after the ends of both":             func(one, other *net.TCPConn) { one.CloseWrite(); other.CloseWrite() },
		"with bytes for it that wait":        func(_, other *net.TCPConn) { fill(other) },
		"with bytes of it that wait":         func(one, _ *net.TCPConn) { fill(one) },
		"with bytes that wait both ways":     func(one, other *net.TCPConn) { fill(one); fill(other) },
		"behind bytes and an end that waits": func(one, other *net.TCPConn) { fill(other); other.CloseWrite(); fill(one) },
	}
	ways := map[string]func(one, other *net.TCPConn){
		"by a reset":      func(one, _ *net.TCPConn) { reset(one) },
		"by a close":      func(one, other *net.TCPConn) { one.Close(); go io.Copy(io.Discard, other); other.CloseWrite() },
		"both by a reset": func(one, other *net.TCPConn) { reset(one); reset(other) },
	}
	for point, reach := range points {
		for way, leave := range ways {
			for _, side := range []string{"client", "target"} {
				all = append(all, departure{side + " " + way + " " + point, side == "client", func(one, other *net.TCPConn) {
					reach(one, other)
					leave(one, other)
				}})
			}
		}
	}
	return all
}

func leavesAnywhere(t *testing.T, r *relayRig) {
	for _, d := range departures() {
		t.Run(d.name, func(t *testing.T) {
			one, other := r.pair(t)
			if !d.first {
				one, other = other, one
			}
			d.leave(one, other)
			r.over(t)
		})
	}
}

// fill writes until nothing moves any more.
func fill(c *net.TCPConn) {
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	io.Copy(c, io.LimitReader(zeros{}, 256<<20))
	c.SetWriteDeadline(time.Now().Add(relayPatience))
}
