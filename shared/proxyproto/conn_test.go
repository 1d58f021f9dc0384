package proxyproto

// The machine, without a socket: how it makes way, what it holds, and what it gives back. The
// server of each test is its own.

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// handler answers with the client's address.
type handler struct{}

func (handler) Serve(x *session.Exchange) {
	body := x.Client().String()
	x.Begin(200, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

func (handler) Refuse(x *session.Exchange, f fault.Fault) {
	x.Begin(f.Status, 0).End()
	x.Finish()
}

// events notes the reasons that an Observer is told.
type events struct{ reasons []string }

func (*events) Done(*session.Exchange) {}
func (e *events) Refused(_ *session.Exchange, f fault.Fault) {
	e.reasons = append(e.reasons, f.Reason.String())
}
func (e *events) TurnedAway(client netip.Addr, why fault.Reason) {
	e.reasons = append(e.reasons, client.String()+" "+why.String())
}
func (e *events) Unsecured(client netip.Addr, why fault.Reason, _ string) {
	e.reasons = append(e.reasons, client.String()+" "+why.String())
}
func (*events) Broken(*session.Thread, error)           {}
func (*events) Panicked(_ *session.Exchange, value any) { panic(value) }

// world is a server without sockets, that trusts 127.0.0.1 as a proxy.
type world struct {
	t      testing.TB
	srv    *session.Server
	thread *session.Thread
	ev     *events
	now    clock.Time
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, ev: &events{}, now: 1e9}
	w.srv = &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 8192, Head: 8192, Fields: 100, Body: 1 << 20, Requests: 1000}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Handler:  handler{},
		Observer: w.ev,
		MaxConns: 100,
		Trusted:  []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
	w.thread = session.NewThread(w.srv, w.srv.Stats.Slot(0), "worker-1", 7)
	w.pass(0)
	return w
}

func (w *world) pass(d clock.Time) {
	w.now += d
	w.thread.Clock.Set(w.now, 784111777e9)
}

// open is a connection from a peer, as a driver begins it.
func (w *world) open(peer string) *Conn {
	addr := netip.MustParseAddrPort(peer)
	adm, why := w.thread.Admit(addr.Addr(), 7)
	require.Equal(w.t, fault.NoReason, why)
	return Opener(session.OpenPlain)(w.thread, adm, addr, 7).(*Conn)
}

// play gives a connection some pieces, one a turn, and returns what it sends until it waits or
// ends.
func play(c *Conn, pieces ...string) (sent string, last machine.Want) {
	for {
		switch last = c.Step(); {
		case last&machine.WantWrite != 0:
			iov, _ := c.Out().Bytes(make([][]byte, 0, 8))
			for _, p := range iov {
				sent += string(p)
			}
			c.Out().Ack(c.Out().Len())
		case last == machine.WantRead && len(pieces) > 0:
			n := copy(c.Recv(), pieces[0])
			if c.Received(n); n == len(pieces[0]) {
				pieces = pieces[1:]
			} else {
				pieces[0] = pieces[0][n:]
			}
		default:
			return sent, last
		}
	}
}

// ended closes a connection, and requires that nothing is left of it.
func (w *world) ended(c *Conn) {
	w.t.Helper()
	c.Close()
	require.Zero(w.t, w.thread.Pool(maxV2).Out())
	require.Zero(w.t, w.thread.Pool(16<<10).Out())
	require.Zero(w.t, w.srv.Conns())
}

const ask = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

func TestARequestIsTheNamedClientsHoweverTheBytesAreCut(t *testing.T) {
	for _, tt := range []struct{ name, header, client string }{
		{"version 1", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "192.0.2.7"},
		{"version 2", v2(v2Proxy, v2TCP6, six...), "2001:db8::7"},
		{"LOCAL", v2(v2Local, v2Unspec), "127.0.0.1"},
		{"4 KiB", v2(v2Proxy, v2TCP4, joined(four, tlv(0x04, strings.Repeat("\x00", 4096-16-12-3)))...), "192.0.2.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := tt.header + ask + ask
			for cut := range len(all) {
				w := newWorld(t)
				c := w.open("127.0.0.1:1")
				sent, want := play(c, all[:cut], all[cut:])
				require.Equal(t, 2, strings.Count(sent, "\r\n\r\n"+tt.client), "cut after %d: %s", cut, sent)
				require.Equal(t, machine.WantRead, want)
				require.True(t, c.Idle())
				require.Zero(t, w.thread.Pool(maxV2).Out(), "it holds nothing more")
				w.ended(c)
			}
			w := newWorld(t)
			c := w.open("127.0.0.1:1")
			sent, _ := play(c, strings.Split(all, "")...)
			require.Equal(t, 2, strings.Count(sent, "\r\n\r\n"+tt.client))
			w.ended(c)
		})
	}
}

// asker tells whether a client may be asked for a password in the open, or shown a report: whether
// it is of this machine.
type asker struct{ handler }

func (asker) Serve(x *session.Exchange) {
	who, known := x.Asker()
	body := fmt.Sprint(known && x.IsHere(who))
	x.Begin(200, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

func TestWhoIsOfThisMachine(t *testing.T) {
	const near, far = "127.0.0.1:1", "192.0.2.99:1"
	for _, tt := range []struct{ name, peer, header, want string }{
		{"a proxy on it for itself", near, v2(v2Local, v2Unspec), "true"},
		{"one on another for itself", far, v2(v2Local, v2Unspec), "false"},
		{"one on it for somebody on it", near, "PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n", "true"},
		{"one on another for somebody there", far, "PROXY TCP4 127.0.0.2 127.0.0.1 1 2\r\n", "false"},
		{"one on another for somebody there, by IPv6", far, "PROXY TCP6 ::1 ::1 1 2\r\n", "false"},
		{"one on another for somebody there, mapped", far, "PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2\r\n", "false"},
		{"one on it for it does not know whom", near, "PROXY UNKNOWN\r\n", "false"},
		{"the same in version 2", near, v2(v2Proxy, v2Unspec), "false"},
		{"one on it for somebody at a Unix socket", near, v2(v2Proxy, v2Unix, make([]byte, 216)...), "false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.srv.Handler = asker{}
			w.srv.Trusted = append(w.srv.Trusted, netip.MustParsePrefix("192.0.2.0/24"))
			c := w.open(tt.peer)
			sent, _ := play(c, tt.header+ask)
			require.Contains(t, sent, "\r\n\r\n"+tt.want)
			w.ended(c)
		})
	}
}

// The session is in the midst of an answer when more requests have come behind the header than it
// takes at once: the rest waits, in order, and is not overtaken.
func TestWhatCameBehindTheHeaderStaysInOrder(t *testing.T) {
	w := newWorld(t)
	w.srv.HTTP.Limits.Head = 256
	w.srv.HTTP.Limits.RequestLine = 128
	c := w.open("127.0.0.1:1")
	sent, _ := play(c, "PROXY UNKNOWN\r\n"+strings.Repeat(ask, 100))
	require.Equal(t, 100, strings.Count(sent, "\r\n\r\n127.0.0.1"))
	w.ended(c)
}

func TestHowAConnectionEndsBeforeItsClientIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name, peer string
		sent       string
		eof        bool
		pass       clock.Time
		reasons    []string
		abortive   bool
	}{
		{"from a stranger", "192.0.2.1:1", "", false, 0, []string{"192.0.2.1 proxy-header-stranger"}, true},
		{"no header", "127.0.0.1:1", ask, false, 0, []string{"127.0.0.1 proxy-header-missing"}, true},
		{"a bad header", "127.0.0.1:1", "PROXY X\r\n", false, 0, []string{"127.0.0.1 proxy-header"}, true},
		{"nothing", "127.0.0.1:1", "", true, 0, nil, false},
		{"nothing for too long", "127.0.0.1:1", "", false, 10 * clock.Second, nil, false},
		{"half a header", "127.0.0.1:1", "PROXY", true, 0, []string{"127.0.0.1 proxy-header-cut-short"}, true},
		{"half a header for too long", "127.0.0.1:1", "PROXY", false, 10 * clock.Second, []string{"127.0.0.1 proxy-header-timeout"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.open(tt.peer)
			want := c.Step()
			if tt.sent != "" {
				copy(c.Recv(), tt.sent)
				c.Received(len(tt.sent))
				want = c.Step()
			}
			if tt.eof {
				c.EOF()
				want = c.Step()
			}
			if tt.pass > 0 {
				require.Equal(t, w.now+tt.pass, c.Deadline())
				w.pass(tt.pass)
				want = c.Step()
			}
			require.Equal(t, machine.WantClose, want)
			require.Equal(t, tt.reasons, w.ev.reasons)
			require.Equal(t, tt.abortive, c.Abortive())
			require.Zero(t, w.srv.Stats.Total(stats.Opened), "none was taken into service")
			w.ended(c)
		})
	}
}

func TestTheTimeOfAHeaderDoesNotGrowByItsBytes(t *testing.T) {
	w := newWorld(t)
	c := w.open("127.0.0.1:1")
	line := "PROXY UNKNOWN"
	play(c, line[:1])
	for i := 1; i < 10; i++ {
		w.pass(clock.Second)
		_, want := play(c, line[i:i+1])
		require.Equal(t, machine.WantRead, want)
	}
	w.pass(clock.Second)
	require.Equal(t, machine.WantClose, c.Step())
	w.ended(c)
}

func TestASilentConnectionHoldsNothingAndEndsSoonWhenTheServerStops(t *testing.T) {
	w := newWorld(t)
	c := w.open("127.0.0.1:1")
	require.True(t, c.Reads())
	c.Recv() // and there is nothing to read
	require.Equal(t, machine.WantRead, c.Step())
	require.Zero(t, w.thread.Pool(maxV2).Out())
	require.True(t, c.Idle())
	w.srv.Drain()
	require.Equal(t, machine.WantRead, c.Step())
	w.pass(lastCall)
	require.Equal(t, machine.WantClose, c.Step())
	require.Empty(t, w.ev.reasons)
	w.ended(c)
}

func TestANamedClientIsLetInOrNotByItself(t *testing.T) {
	w := newWorld(t)
	var err error
	w.srv.Limiter, err = limiter.New(make([]byte, limiter.Size(64)), limiter.Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, MaxConns: 1})
	require.NoError(t, err)
	header := string(Append(nil, netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("192.0.2.1:2"), false))
	one := w.open("127.0.0.1:1")
	_, want := play(one, header)
	require.Equal(t, machine.WantRead, want)
	two := w.open("127.0.0.1:1")
	_, want = play(two, header+ask)
	require.Equal(t, machine.WantClose, want)
	require.True(t, two.Abortive())
	require.Equal(t, []string{"192.0.2.7 too-many-from-client"}, w.ev.reasons)
	two.Close()
	one.Close()
	require.Zero(t, w.srv.Conns())
	again := w.open("127.0.0.1:1")
	sent, _ := play(again, header+ask)
	require.Contains(t, sent, "\r\n\r\n192.0.2.7", "its place is free again")
	w.ended(again)
}

func TestALostSocketEndsAConnectionAtAnyPoint(t *testing.T) {
	all := "PROXY UNKNOWN\r\n" + ask
	for cut := range len(all) {
		w := newWorld(t)
		c := w.open("127.0.0.1:1")
		play(c, all[:cut])
		c.Fail()
		require.Equal(t, machine.WantClose, c.Step())
		require.True(t, c.Abortive())
		w.ended(c)
	}
}
