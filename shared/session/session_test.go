package session

// A session driven by hand: what it wants after each step, what it sends, and when it ends. The rig
// plays driver, client and clock; there is no socket, and no test waits for a real time.

import (
	"bytes"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/stats"
)

// script is a Handler whose answer the path chooses.
type script struct {
	thread  *Thread
	aborted int       // sinks and sources given up
	waiting *Exchange // for news
	news    string
	last    bool   // no more news will come
	body    []byte // of the last upload
}

func (h *script) Serve(x *Exchange) {
	if x.Request().Method == http1.Unknown {
		x.Fail(fault.Of(fault.UnknownMethod))
		return
	}
	switch string(x.Path()) {
	case "/panic":
		panic("on purpose")
	case "/late-panic":
		x.Begin(200, 10).End()
		panic("on purpose")
	case "/silent":
	case "/work":
		x.Park(offload.Store, func() { h.body = []byte("worked") }, func() { answer(x, string(h.body)) })
	case "/work-panic":
		x.Park(offload.Store, func() { panic("on purpose") }, func() { answer(x, "no") })
	case "/stream":
		x.Begin(200, http1.UnknownLength).End()
		x.Stream(&counter{h: h, left: 200})
	case "/later":
		x.Begin(200, http1.UnknownLength).End()
		x.Stream(&later{h: h})
	case "/answered-later":
		x.Wait(func() { h.aborted++ })
		h.waiting = x
	case "/slow-sink":
		h.body = nil
		x.TakeBody(&slowSink{h: h})
	case "/upload":
		h.body = nil
		x.TakeBody(&upload{h})
	default:
		answer(x, string(x.Path()))
	}
}

func (h *script) Refuse(x *Exchange, f fault.Fault) {
	x.Begin(f.Status, int64(len(f.Reason.String()))).End()
	x.Write([]byte(f.Reason.String()))
	x.Finish()
}

func answer(x *Exchange, body string) {
	x.Begin(200, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

// counter is a Source of 1 KiB pieces.
type counter struct {
	h    *script
	left int
}

func (c *counter) More(x *Exchange) bool {
	x.Write(bytes.Repeat([]byte("s"), 1024))
	c.left--
	return c.left == 0
}
func (c *counter) Abort() { c.h.aborted++ }

// later is a Source whose pieces come from elsewhere.
type later struct{ h *script }

func (l *later) More(x *Exchange) bool {
	if l.h.news == "" && !l.h.last {
		l.h.waiting = x
		x.Wait(nil)
		return false
	}
	x.Write([]byte(l.h.news))
	l.h.news = ""
	return l.h.last
}
func (l *later) Abort() { l.h.aborted++ }

// slowSink takes one piece at a time.
type slowSink struct{ h *script }

func (s *slowSink) Body(x *Exchange, p []byte) {
	s.h.body = append(s.h.body, p...)
	s.h.waiting = x
	x.Wait(nil)
}
func (s *slowSink) End(x *Exchange) { answer(x, "got "+string(s.h.body)) }
func (s *slowSink) Abort()          { s.h.aborted++ }

// host notes who was nudged.
type host struct{ nudged []int }

func (h *host) Adopt(int, machine.Machine) { panic("nothing to adopt") }
func (h *host) Nudge(fd int)               { h.nudged = append(h.nudged, fd) }

func (h *host) Offload(offload.Kind, func(), func()) { panic("no slow work here") }

type upload struct{ h *script }

func (u *upload) Body(_ *Exchange, p []byte) { u.h.body = append(u.h.body, p...) }
func (u *upload) End(x *Exchange)            { answer(x, "got "+string(u.h.body)) }
func (u *upload) Abort()                     { u.h.aborted++ }

// events counts what an Observer is told.
type events struct {
	broken   error
	done     []int
	ids      []string
	clients  []string // of what was refused
	refused  []string
	panicked int
	sent     int64      // of the last answer, in bytes
	took     clock.Time // the last answer
}

func (e *events) Done(x *Exchange) {
	e.done = append(e.done, x.Status())
	e.sent, e.took = x.Sent(), x.Clock().Now()-x.Began()
}

func (e *events) Refused(x *Exchange, f fault.Fault) {
	e.refused = append(e.refused, f.Reason.String())
	e.ids = append(e.ids, string(x.ID()))
	client := x.Client().String()
	if x.Unknown() {
		client = "unknown"
	}
	e.clients = append(e.clients, client)
}
func (e *events) TurnedAway(_ netip.Addr, why fault.Reason) {
	e.refused = append(e.refused, why.String())
}
func (e *events) Unsecured(_ netip.Addr, why fault.Reason, _ string) {
	e.refused = append(e.refused, why.String())
}
func (e *events) Broken(_ *Thread, err error) { e.broken = err }
func (e *events) Panicked(*Exchange, any)     { e.panicked++ }

// rig is a session with a driver in memory, whose time the test sets.
type rig struct {
	t       testing.TB
	srv     *Server
	thread  *Thread
	h       *script
	ev      *events
	s       Session
	unsent  int64
	keep    bool // what is written stays in the kernel
	held    bool // the client takes nothing
	got     []byte
	shut    bool
	over    bool
	worked  int
	lastAsk machine.Want
}

var peer = netip.MustParseAddrPort("192.0.2.7:1234")

func newRig(t testing.TB) *rig {
	h, ev := &script{}, &events{}
	srv := &Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 512, Head: 1024, Fields: 16, Body: 1 << 20, Requests: 100}, KeepAlive: 30},
		Timing:   Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second, MinRate: 240},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Handler:  h,
		Observer: ev,
		MaxConns: 10,
	}
	r := &rig{t: t, srv: srv, h: h, ev: ev, thread: NewThread(srv, srv.Stats.Slot(0), "worker-1", 7)}
	h.thread = r.thread
	r.thread.Unsent = func(int) int64 { return r.unsent }
	r.thread.Clock.Set(0, 784111777e9)
	r.connect()
	return r
}

func (r *rig) connect() { r.connectFrom(peer) }

// connectFrom opens a new session, for which what the server knows of its peer is settled.
func (r *rig) connectFrom(peer netip.AddrPort) {
	adm, why := r.thread.Admit(peer.Addr(), 7)
	require.Equal(r.t, fault.NoReason, why)
	r.s.Open(r.thread, adm, peer, 3)
	r.got, r.shut, r.over = nil, false, false
	r.step()
}

// step does what the session wants until it waits for the client or for time.
func (r *rig) step() {
	for !r.over {
		switch r.lastAsk = r.s.Step(); r.lastAsk &^ machine.WantRead {
		case 0, machine.WantPeer: // 0 is WantRead alone
			return
		case machine.WantWrite:
			if r.held {
				r.s.Stalled()
				return
			}
			iov, _ := r.s.Out().Bytes(make([][]byte, 0, 4))
			n := 0
			for _, p := range iov {
				r.got = append(r.got, p...)
				n += len(p)
			}
			r.s.Out().Ack(int64(n))
			if r.keep {
				r.unsent += int64(n)
			}
		case machine.WantWake:
			r.worked++
			r.s.Work()
		case machine.WantShut:
			r.shut = true
		case machine.WantClose:
			r.over = true
			r.s.Close()
		}
	}
}

func (r *rig) send(in string) {
	for len(in) > 0 && !r.over {
		n := copy(r.s.Recv(), in)
		r.s.Received(n)
		in = in[n:]
		r.step()
	}
}

func (r *rig) pass(d clock.Time) {
	r.thread.Clock.Set(r.thread.Clock.Now()+d, r.thread.Clock.UnixNano()+int64(d))
	r.step()
}

func (r *rig) eof() {
	r.s.Recv()
	r.s.EOF()
	r.step()
}

// statuses is the status codes of the answers got so far.
func (r *rig) statuses() (list []string) {
	for _, part := range strings.Split(string(r.got), "HTTP/1.1 ")[1:] {
		list = append(list, part[:3])
	}
	return list
}

const get = "GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"

func request(path string) string { return strings.Replace(get, "%s", path, 1) }

func TestABatchIsAnsweredInOneWrite(t *testing.T) {
	r := newRig(t)
	r.held = true
	r.send(request("a") + request("b") + "GET /half")
	require.Equal(t, machine.WantWrite, r.lastAsk)
	iov, _ := r.s.Out().Bytes(make([][]byte, 0, 4))
	require.Len(t, iov, 1)
	r.held = false
	r.step()
	require.Equal(t, []string{"200", "200"}, r.statuses())
	require.Equal(t, []int{200, 200}, r.ev.done, "each answer is logged")
	r.send(" HTTP/1.1\r\nHost: h\r\n\r\n")
	require.Len(t, r.statuses(), 3)
}

func TestEachRequestHasItsOwnID(t *testing.T) {
	r := newRig(t)
	r.send("BREW /a HTTP/1.1\r\nHost: h\r\n\r\nBREW /b HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n")
	require.Equal(t, []string{"501", "501", "400"}, r.statuses())
	require.Len(t, r.ev.ids, 3)
	require.NotEqual(t, r.ev.ids[0], r.ev.ids[1])
	require.NotEqual(t, r.ev.ids[1], r.ev.ids[2])
	require.Len(t, r.ev.ids[0], 16)
}

func TestARequestThatDoesNotNameItsHostIsTheLast(t *testing.T) {
	for name, host := range map[string]string{
		"none": "", "two": "Host: h\r\nHost: h\r\n", "no host": "Host: h/x\r\n", "an empty one": "Host:\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.send("GET /a HTTP/1.1\r\n" + host + "\r\n" + request("b"))
			require.Equal(t, []string{"400"}, r.statuses())
			require.True(t, r.shut)
		})
	}
}

// prober takes every request for /probe for a probe.
type prober struct{}

func (prober) IsProbe(x *Exchange) bool   { return string(x.Request().Path) == "/probe" }
func (prober) IsReport(x *Exchange) bool  { return string(x.Request().Path) == "/report" }
func (prober) MayProbe(a netip.Addr) bool { return a == peer.Addr() }
func (prober) Probe(x *Exchange)          { answer(x, "alive") }

func TestProbesAreAskedForNothing(t *testing.T) {
	r := newRig(t)
	r.srv.Prober = prober{}
	r.srv.Hosts = guard.NewHosts(nil, nil)
	var err error
	r.srv.Limiter, err = limiter.New(bytesOf(make([]uint64, limiter.Size(8)/8)), limiter.Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 1, Burst: 2, BanAfter: 1, Ban: 1e9})
	require.NoError(t, err)
	r.connect()
	r.send(strings.Repeat("GET /probe HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 3))
	require.Equal(t, []string{"200", "200", "200"}, r.statuses())
	require.Empty(t, r.ev.done, "none is in the access log")
	require.EqualValues(t, 3, r.srv.Stats.Total(stats.Requests), "all are counted")
	r.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.Equal(t, []string{"200", "200", "200", "200"}, r.statuses(), "the rate is untouched")
	r.send("GET /probe HTTP/1.1\r\n\r\n")
	require.Equal(t, "400", r.statuses()[4])
	require.True(t, r.shut)
}

func TestAnIdleSessionHoldsNoBuffers(t *testing.T) {
	r := newRig(t)
	require.Nil(t, r.s.req)
	r.send(request("a"))
	require.Nil(t, r.s.req)
	require.True(t, r.s.Idle())
	require.Zero(t, r.thread.chunks.Out())
	r.send("G")
	require.NotNil(t, r.s.req)
	r.eof()
	require.True(t, r.over)
	require.Zero(t, r.thread.chunks.Out())
}

// The number of requests outlives the buffers of an idle connection.
func TestTheRequestLimitCountsOverIdleTimes(t *testing.T) {
	r := newRig(t)
	for range 100 {
		require.False(t, r.shut)
		r.send(request("a"))
	}
	require.True(t, r.shut, "the client did not ask for the close, so it may still be sending")
	require.Contains(t, string(r.got[len(r.got)-300:]), "Connection: close")
}

func TestDeadlines(t *testing.T) {
	t.Run("a silent connection is closed without a word", func(t *testing.T) {
		r := newRig(t)
		r.pass(30*clock.Second - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
		require.Empty(t, r.got)
	})
	t.Run("a head that drips gets 408 ten seconds after its first byte", func(t *testing.T) {
		r := newRig(t)
		r.pass(20 * clock.Second)
		for range 9 {
			r.send("G")
			r.pass(clock.Second)
		}
		r.pass(clock.Second - 1)
		require.Empty(t, r.got)
		r.pass(1)
		require.Equal(t, []string{"408"}, r.statuses())
		require.Equal(t, []string{"head-timeout"}, r.ev.refused)
		require.True(t, r.shut)
	})
	t.Run("each pipelined head has its own ten seconds", func(t *testing.T) {
		r := newRig(t)
		r.send("GET /a HTT")
		r.pass(9 * clock.Second)
		r.send("P/1.1\r\nHost: h\r\n\r\nGET /b HTT")
		r.pass(9 * clock.Second)
		r.send("P/1.1\r\nHost: h\r\n\r\n")
		require.Equal(t, []string{"200", "200"}, r.statuses())
	})
	t.Run("what came in time is not late because we were", func(t *testing.T) {
		r := newRig(t)
		r.send("GET /a HTT")
		r.s.Received(copy(r.s.Recv(), "P/1.1\r\nHost: h\r\n\r\n"))
		r.pass(20 * clock.Second)
		require.Equal(t, []string{"200"}, r.statuses())
	})
	t.Run("a stray empty line is no request", func(t *testing.T) {
		r := newRig(t)
		r.send(request("a") + "\r\n")
		r.pass(29 * clock.Second)
		require.False(t, r.over)
		r.pass(clock.Second)
		require.True(t, r.over)
		require.Equal(t, []string{"200"}, r.statuses())
	})
	t.Run("CR and LF one at a time have one idle time together", func(t *testing.T) {
		r := newRig(t)
		for _, b := range []string{"\r", "\n", "\r"} {
			r.send(b)
			r.pass(9 * clock.Second)
		}
		r.send("\n")
		r.pass(3*clock.Second - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
		require.Empty(t, r.got)
	})
	t.Run("a head after them has its own time", func(t *testing.T) {
		r := newRig(t)
		r.send("\r\n\r")
		r.pass(29 * clock.Second)
		r.send("\nGET /a")
		r.pass(9 * clock.Second)
		r.send(" HTTP/1.1\r\nHost: h\r\n\r\n")
		require.Equal(t, []string{"200"}, r.statuses())
	})
	t.Run("an empty line keeps nobody when the server stops", func(t *testing.T) {
		r := newRig(t)
		r.send("\r\n\r")
		r.srv.Drain()
		r.step()
		r.pass(lastCall)
		require.True(t, r.over)
	})
	t.Run("a body that drips gets 408 after the grace", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
		r.send(strings.Repeat("x", 1199))
		r.pass(5*clock.Second - 1)
		require.Empty(t, r.got)
		r.pass(1)
		require.Equal(t, []string{"408"}, r.statuses())
		require.Equal(t, 1, r.h.aborted)
	})
	t.Run("a server that was suspended counts no body's time meanwhile", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 12000\r\n\r\n")
		n := copy(r.s.Recv(), strings.Repeat("x", 1200)) // all that one read brings
		r.thread.Clock.Set(r.thread.Clock.Now()+3600*clock.Second, 0)
		r.s.Received(n)
		require.Equal(t, machine.WantRead, r.s.Step())
		require.Empty(t, r.ev.refused)
	})
	t.Run("a body just fast enough is taken", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 12000\r\n\r\n")
		for range 10 {
			r.send(strings.Repeat("x", 1200))
			r.pass(5 * clock.Second)
		}
		require.Equal(t, []string{"200"}, r.statuses())
	})
	// A sink that holds its client up takes a second for each piece.
	uploads := func(t *testing.T, piece string, pieces int) *rig {
		r := newRig(t)
		r.thread.Host = &host{}
		r.pass(clock.Second)
		r.send("POST /slow-sink HTTP/1.1\r\nHost: h\r\nContent-Length: 12000\r\n\r\n")
		for range pieces {
			if r.send(piece); r.lastAsk != machine.WantPeer {
				break
			}
			r.pass(clock.Second)
			r.h.waiting.Resume()
			r.step()
			r.pass(4 * clock.Second)
		}
		return r
	}
	t.Run("a body that drips gets no new grace where each piece is work", func(t *testing.T) {
		r := uploads(t, "x", 3)
		require.Equal(t, []string{"408"}, r.statuses())
		require.Equal(t, []string{"body-too-slow"}, r.ev.refused)
	})
	t.Run("the time of the work is not the body's", func(t *testing.T) {
		r := uploads(t, strings.Repeat("x", 960), 12)
		require.Empty(t, r.ev.refused)
		r.send(strings.Repeat("x", 480))
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, []string{"200"}, r.statuses())
	})
	t.Run("a reader that takes nothing is reset", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.send(request("stream"))
		r.pass(5 * clock.Second)
		require.True(t, r.over)
		require.True(t, r.s.Abortive())
		require.Equal(t, []string{"reader-too-slow"}, r.ev.refused)
		require.Equal(t, 1, r.h.aborted)
		require.Equal(t, []int{200}, r.ev.done, "an answer that was cut is logged too")
	})
	t.Run("bytes that only fill the kernel's buffer do not count as taken", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.send(request("stream"))
		r.unsent = 20000
		r.s.Out().Ack(20000)
		r.pass(5 * clock.Second)
		require.True(t, r.over)
	})
	t.Run("but only once: the body's time goes on after it", func(t *testing.T) {
		r := newRig(t)
		r.srv.Timing.MinRate = 10
		r.held = true
		r.send(request("plain") + "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 12000\r\n\r\n" + strings.Repeat("x", 100))
		r.s.Out().Ack(60)
		r.pass(3605 * clock.Second)
		r.held = false
		r.pass(0)
		require.Equal(t, rateGrace, r.s.deadline-r.thread.Clock.Now())
	})
	t.Run("nor is a look a little late, again and again, a suspension", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.send(request("stream"))
		for range 100 {
			if r.over {
				break
			}
			r.s.Out().Ack(5 * r.srv.Timing.MinRate)
			r.pass(6 * clock.Second)
		}
		require.True(t, r.over)
	})
	t.Run("nor any reader's", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.send(request("stream"))
		r.s.Out().Ack(1200)
		r.pass(3600 * clock.Second)
		require.False(t, r.over)
		r.pass(5 * clock.Second)
		require.True(t, r.over)
	})
	t.Run("the kernel is not asked about answers that leave at once", func(t *testing.T) {
		r := newRig(t)
		r.thread.Unsent = func(int) int64 { t.Error("asked"); return 0 }
		r.send(request("a") + request("stream"))
		require.Len(t, r.statuses(), 2)
	})
	t.Run("bytes that leave the kernel's buffer do", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.unsent = 20000
		r.send(request("stream"))
		for range 5 {
			r.unsent -= 1200
			r.pass(5 * clock.Second)
			require.False(t, r.over)
		}
	})
	t.Run("a reader that takes much at once may be silent for a minute", func(t *testing.T) {
		r := newRig(t)
		r.held = true
		r.send(request("stream"))
		r.s.Out().Ack(20000) // 83 seconds' worth
		for range 13 {
			r.pass(5 * clock.Second)
			require.False(t, r.over)
		}
		r.pass(5 * clock.Second)
		require.True(t, r.over)
	})
	t.Run("our own slow work is not the client's fault", func(t *testing.T) {
		r := newRig(t)
		n := copy(r.s.Recv(), request("work"))
		r.s.Received(n)
		require.Equal(t, machine.WantWake, r.s.Step())
		r.thread.Clock.Set(1e6*clock.Second, 0)
		require.Equal(t, machine.WantWake, r.s.Step())
		r.step()
		require.Equal(t, []string{"200"}, r.statuses())
	})
}

func TestLingering(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		lingers  bool
	}{
		{"a client that said close sends nothing more", "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
		{"but what it has sent after that would make a reset", "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nmore", true},
		{"a refused message may still be on its way", "GET /a HTTP/1.1\r\nHost : h\r\n\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.send(tt.in)
			require.Equal(t, tt.lingers, r.shut)
			require.Equal(t, !tt.lingers, r.over)
			if !tt.lingers {
				return
			}
			r.send("and more of it")
			require.False(t, r.over)
			r.s.EOF()
			r.step()
			require.True(t, r.over)
		})
	}
	t.Run("it does not last", func(t *testing.T) {
		r := newRig(t)
		r.send("nonsense\r\n")
		r.pass(LingerTime - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
	})
	t.Run("nor go on for any number of bytes", func(t *testing.T) {
		r := newRig(t)
		r.send("nonsense\r\n")
		r.send(strings.Repeat("x", LingerBytes+1))
		require.True(t, r.over)
	})
}

func TestAHalfClosedClientGetsItsAnswer(t *testing.T) {
	r := newRig(t)
	n := copy(r.s.Recv(), request("a")+"GET /half")
	r.s.Received(n)
	r.eof()
	require.Equal(t, []string{"200", "400"}, r.statuses())
	require.True(t, r.over)
}

func TestStopping(t *testing.T) {
	t.Run("the next answer is the last", func(t *testing.T) {
		r := newRig(t)
		r.send(request("a"))
		r.srv.Drain()
		r.send(request("b") + request("c"))
		require.Equal(t, []string{"200", "200"}, r.statuses())
		require.Contains(t, string(r.got), "Connection: close")
		require.True(t, r.shut)
	})
	t.Run("before the listeners are closed the answers say so, and nobody is hurried", func(t *testing.T) {
		r := newRig(t)
		r.srv.Stats.Stop()
		r.pass(r.srv.Timing.Idle - 1)
		require.False(t, r.over, "who comes has as long as ever to ask")
		r.send(request("a") + request("b"))
		require.Equal(t, []string{"200"}, r.statuses())
		require.Contains(t, string(r.got), "Connection: close")
		require.True(t, r.shut)
	})
	t.Run("an idle client gets a last call", func(t *testing.T) {
		r := newRig(t)
		r.send(request("a"))
		r.srv.Drain()
		r.pass(lastCall - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
	})
	t.Run("one that has long been idle does not", func(t *testing.T) {
		r := newRig(t)
		r.pass(lastCall)
		r.srv.Drain()
		r.step()
		require.True(t, r.over)
	})
}

func TestPanics(t *testing.T) {
	for path, want := range map[string][]string{"panic": {"500"}, "work-panic": {"500"}, "silent": {"500"}, "late-panic": {"200"}} {
		t.Run(path, func(t *testing.T) {
			r := newRig(t)
			r.send(request("a"))
			r.send(request(path))
			require.Subset(t, want, r.statuses()[1:])
			require.Equal(t, path != "silent", r.ev.panicked == 1)
			if !r.over {
				r.eof()
			}
			require.Zero(t, r.thread.chunks.Out())
			r.connect()
			r.send(request("a"))
			require.Equal(t, []string{"200"}, r.statuses(), "the server goes on")
		})
	}
}

func TestABodyNobodyAskedForIsReadToItsEnd(t *testing.T) {
	r := newRig(t)
	r.send("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 28\r\n\r\n" + request("b"))
	r.send(request("c"))
	require.Equal(t, []string{"200", "200"}, r.statuses())
	require.NotContains(t, string(r.got), "/b")
}

func TestExpectations(t *testing.T) {
	t.Run("100 before the body", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		require.Equal(t, []string{"100"}, r.statuses())
		r.send("hi")
		require.Equal(t, []string{"100", "200"}, r.statuses())
	})
	t.Run("a final answer instead ends the connection", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		require.Equal(t, []string{"200"}, r.statuses())
		require.True(t, r.shut)
	})
	t.Run("an unknown one", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nExpect: wonders\r\nContent-Length: 2\r\n\r\nhi")
		require.Equal(t, []string{"417"}, r.statuses())
	})
}

func TestAResetInMidUploadAbortsIt(t *testing.T) {
	r := newRig(t)
	r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 200\r\n\r\nhi")
	r.s.Fail()
	r.step()
	require.True(t, r.over)
	require.Equal(t, 1, r.h.aborted)
	require.Zero(t, r.srv.Conns())
}

// What slow work has made must not be lost with the client: an open file would leak.
func TestWorkIsFinishedEvenIfTheClientHasGone(t *testing.T) {
	r := newRig(t)
	n := copy(r.s.Recv(), request("work"))
	r.s.Received(n)
	require.Equal(t, machine.WantWake, r.s.Step())
	r.s.Work()
	r.s.Fail()
	r.step()
	require.True(t, r.over)
	require.Equal(t, []int{200}, r.ev.done)
	require.Zero(t, r.thread.chunks.Out())
}

// What comes next of an answer is read by Work, like other slow work; where that fails the
// answer breaks off.
func TestReadingForAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		over bool
	}{
		{"what was read is sent", nil, false},
		{"what cannot be read breaks the answer off", errors.New("bad block"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.held = true
			r.send(request("stream"))
			require.Equal(t, machine.WantWrite, r.lastAsk)
			r.s.Fetch(func() error { return tt.err })
			require.Equal(t, machine.WantWake, r.s.Step())
			r.s.Work()
			r.step()
			require.Equal(t, tt.over, r.shut)
			require.Equal(t, tt.err, r.ev.broken)
			require.EqualValues(t, map[bool]int{true: 1}[tt.over], r.srv.Stats.Refused(fault.BrokenFile))
			require.False(t, r.s.Abortive(), "its length is known, so the client can tell")
		})
	}
}

// A client that goes while its work runs leaves its place at once, and the session ends once.
func TestAClientThatLeavesDuringWorkGivesItsPlaceUp(t *testing.T) {
	r := newRig(t)
	n := copy(r.s.Recv(), request("work"))
	r.s.Received(n)
	require.Equal(t, machine.WantWake, r.s.Step())
	require.EqualValues(t, 1, r.srv.Conns())
	r.s.Leave()
	require.Zero(t, r.srv.Conns())
	r.s.Work()
	r.s.Close()
	require.Zero(t, r.srv.Conns(), "given up once")
	require.Equal(t, []int{200}, r.ev.done)
	require.Zero(t, r.thread.chunks.Out())
}

func TestAdmission(t *testing.T) {
	r := newRig(t)
	for range 9 {
		_, why := r.thread.Admit(peer.Addr(), 7)
		require.Equal(t, fault.NoReason, why)
	}
	_, why := r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, fault.TooManyConnections, why)
	require.EqualValues(t, 10, r.srv.Conns())
	answer := r.thread.Turnaway(peer, why)
	require.True(t, bytes.HasPrefix(answer, []byte("HTTP/1.1 503 ")))
	require.True(t, bytes.HasSuffix(answer, []byte("too-many-connections")))
	r.thread.Dismiss(Admission{})
	_, why = r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, fault.NoReason, why)
	require.EqualValues(t, 10, r.srv.Stats.MaxActive())
}

// A client may leave, or the server end, while nobody has answered: that is what an operator looks
// for where an upstream hangs.
func TestTheLogTellsOfARequestWithoutAnAnswer(t *testing.T) {
	for _, under := range []string{request("answered-later"), "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nabc"} {
		r := newRig(t)
		r.send(request("plain") + under)
		r.s.Fail()
		r.step()
		require.Equal(t, []int{200, 0}, r.ev.done)
		r.thread.Settle(r.thread.Clock.Now())
		require.EqualValues(t, 1, r.srv.Stats.Latency().Count, "of answers alone")
	}
	r := newRig(t)
	r.send(request("plain") + "GET /half HTTP/1.1\r\n")
	r.s.Fail()
	r.step()
	require.Equal(t, []int{200}, r.ev.done, "no request has come")
}

func TestTheLogTellsOfAnAnswerThatWasCut(t *testing.T) {
	r := newRig(t)
	r.held = true
	r.send(request("stream"))
	r.thread.Clock.Set(r.thread.Clock.Now()+3*clock.Second, 0)
	written := r.s.req.conn.Written()
	left := r.s.Out().Len()
	r.s.Out().Ack(5000)
	r.s.Fail()
	r.step()
	require.Equal(t, written-(left-5000), r.ev.sent)
	require.Equal(t, 3*clock.Second, r.ev.took)
}

// Nothing was read of a connection that is turned away: its line has the time at which it
// came, and the bytes of the answer's body, whoever sends it.
func TestTheLogTellsWhenSomebodyWasTurnedAway(t *testing.T) {
	for name, turnAway := range map[string]func(r *rig){
		"by the driver": func(r *rig) { r.thread.Turnaway(peer, fault.QueueFull) },
		"by a session": func(r *rig) {
			var s Session
			s.OpenRefused(r.thread, peer, 7, fault.QueueFull)
			s.Step()
			s.Out().Ack(s.Out().Len())
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.pass(20 * clock.Second)
			turnAway(r)
			require.Equal(t, []int{503}, r.ev.done)
			require.Zero(t, r.ev.took)
			require.EqualValues(t, len("queue-full"), r.ev.sent)
		})
	}
}

func TestARequestThatNeverCameWholeTookFromItsFirstByte(t *testing.T) {
	r := newRig(t)
	r.pass(20 * clock.Second)
	r.send("GET /a")
	r.pass(10 * clock.Second)
	require.Equal(t, []string{"408"}, r.statuses())
	require.Equal(t, 10*clock.Second, r.ev.took)
}

func TestOnlySoManyAreToldThatThereIsNoRoom(t *testing.T) {
	r := newRig(t)
	r.srv.MaxConns = 1
	refused := make([]Session, MaxRefused)
	for i := range refused {
		_, why := r.thread.Admit(peer.Addr(), 7)
		require.Equal(t, fault.TooManyConnections, why)
		refused[i].OpenRefused(r.thread, peer, 3, why)
	}
	_, why := r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, fault.TooManyRefused, why)
	refused[0].Close()
	_, why = r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, fault.TooManyConnections, why)
}

func TestARefusedConnectionIsToldAndCountsNowhere(t *testing.T) {
	r := newRig(t)
	r.eof()
	require.True(t, r.over)
	r.got, r.over, r.shut = nil, false, false
	r.s.OpenRefused(r.thread, peer, 3, fault.TooManyConnections)
	r.step()
	require.Equal(t, []string{"503"}, r.statuses())
	require.True(t, r.shut)
	r.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	require.False(t, r.over)
	r.eof()
	require.True(t, r.over)
	require.Zero(t, r.srv.Conns())
	require.EqualValues(t, 1, r.srv.Stats.Total(stats.Dropped))
	require.EqualValues(t, 1, r.srv.Stats.Total(stats.Closed))
}

func TestTheLimiterIsAsked(t *testing.T) {
	r := newRig(t)
	words := make([]uint64, limiter.Size(64)/8+1)
	var err error
	r.srv.Limiter, err = limiter.New(bytesOf(words), limiter.Config{
		Key: [2]uint64{1, 2}, IPv6Prefix: 64, MaxConns: 2, Rate: 1, Burst: 2, BanAfter: 2, Ban: int64(60 * clock.Second),
	})
	require.NoError(t, err)
	for range 4 {
		r.send(request("a"))
	}
	require.Equal(t, []string{"200", "200", "429", "429"}, r.statuses())
	require.Equal(t, []string{"rate-limited", "banned"}, r.ev.refused)
	require.EqualValues(t, 1, r.srv.Stats.Mitigated())
	require.True(t, r.shut)
	_, why := r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, fault.Banned, why)
	require.Equal(t, "banned", r.ev.refused[len(r.ev.refused)-1])
	r.pass(61 * clock.Second)
	for _, want := range []fault.Reason{fault.NoReason, fault.NoReason, fault.TooManyFromClient} {
		_, why := r.thread.Admit(peer.Addr(), 7)
		require.Equal(t, want, why)
	}
}

func TestExemptIsThePeerAndNotWhoStandsBehindIt(t *testing.T) {
	for _, tt := range []struct {
		name    string
		exempt  string
		trusted string
		want    []string
	}{
		{"nobody is exempt", "203.0.113.0/24", "", []string{"200", "429"}},
		{"the peer is", "192.0.2.0/24", "", []string{"200", "200"}},
		{"the peer is, and is a proxy", "192.0.2.0/24", "192.0.2.0/24", []string{"200", "429"}},
		{"the client behind a proxy is", "198.51.100.0/24", "192.0.2.0/24", []string{"200", "200"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			words := make([]uint64, limiter.Size(64)/8+1)
			var err error
			r.srv.Limiter, err = limiter.New(bytesOf(words), limiter.Config{
				Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 1, Burst: 1, Exempt: []netip.Prefix{netip.MustParsePrefix(tt.exempt)},
			})
			require.NoError(t, err)
			if tt.trusted != "" {
				r.srv.Trusted = []netip.Prefix{netip.MustParsePrefix(tt.trusted)}
			}
			r.connect()
			for range 2 {
				r.send("GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
			}
			require.Equal(t, tt.want, r.statuses())
		})
	}
}

// none in the place of X-Forwarded-For means that there is no such field.
const none = "-\r\n"

func TestOnlyATrustedProxyNamesTheClient(t *testing.T) {
	for _, tt := range []struct{ name, peer, trusted, forwarded, want string }{
		{"nobody is trusted", "192.0.2.7", "", "198.51.100.1", "192.0.2.7"},
		{"another one is trusted", "192.0.2.7", "203.0.113.0/24", "198.51.100.1", "192.0.2.7"},
		{"the peer is", "192.0.2.7", "192.0.2.0/24", "198.51.100.1", "198.51.100.1"},
		{"the peer is, written as IPv6", "::ffff:192.0.2.7", "192.0.2.0/24", "198.51.100.1", "198.51.100.1"},
		{"an IPv6 network is", "2001:db8::7", "2001:db8::/32", "2001:db9::1", "2001:db9::1"},
		{"an IPv6 network is not", "2001:db9::7", "2001:db8::/32", "2001:db9::1", "2001:db9::7"},
		{"the last untrusted one counts", "192.0.2.7", "192.0.2.0/24", "10.0.0.1, 198.51.100.1, 192.0.2.9", "198.51.100.1"},
		{"what a client made up stands left of it", "192.0.2.7", "192.0.2.0/24", "127.0.0.1, 198.51.100.1", "198.51.100.1"},
		{"a second line goes on with the first", "192.0.2.7", "192.0.2.0/24", "203.0.113.1\r\nX-Forwarded-For: 198.51.100.1", "198.51.100.1"},
		{"a port says nothing", "192.0.2.7", "192.0.2.0/24", "198.51.100.1:4711", "198.51.100.1"},
		{"nor do brackets", "192.0.2.7", "192.0.2.0/24", "[2001:db9::1], [2001:db8::2]:80", "2001:db8::2"},
		{"where all are proxies the first is the client", "192.0.2.7", "192.0.2.0/24", "192.0.2.8, 192.0.2.9", "192.0.2.8"},
		{"nonsense means nobody", "192.0.2.7", "192.0.2.0/24", "198.51.100.1, unknown", "unknown"},
		{"nonsense before the client is the client's", "192.0.2.7", "192.0.2.0/24", "unknown, 198.51.100.1", "198.51.100.1"},
		{"nonsense before a proxy means nobody", "192.0.2.7", "192.0.2.0/24", "198.51.100.1, x, 192.0.2.9", "unknown"},
		{"an empty field means nobody", "192.0.2.7", "192.0.2.0/24", "", "unknown"},
		{"Forwarded does as well", "192.0.2.7", "192.0.2.0/24", none + "Forwarded: for=10.0.0.1, For=\"[2001:db9::1]:4711\";proto=https, for=192.0.2.9", "2001:db9::1"},
		{"Forwarded on two lines", "192.0.2.7", "192.0.2.0/24", none + "Forwarded: for=10.0.0.1\r\nForwarded: for=10.0.0.2;by=x", "10.0.0.2"},
		{"Forwarded that does not say", "192.0.2.7", "192.0.2.0/24", none + "Forwarded: for=10.0.0.1, proto=https", "unknown"},
		{"Forwarded behind what its client has left open", "192.0.2.7", "192.0.2.0/24", none + "Forwarded: for=\"x, for=198.51.100.1", "198.51.100.1"},
		{"Forwarded from anybody", "192.0.2.7", "", none + "Forwarded: for=10.0.0.1", "192.0.2.7"},
		{"Forwarded passed on beside the other", "192.0.2.7", "192.0.2.0/24", "198.51.100.1\r\nForwarded: for=10.0.0.1", "198.51.100.1"},
		{"a proxy that asks for itself", "192.0.2.7", "192.0.2.0/24", none, "192.0.2.7"},
		{"a proxy that passes on and names nobody", "192.0.2.7", "192.0.2.0/24", none + "Via: 1.1 front", "unknown"},
		{"a proxy that names the client in a field of its own", "192.0.2.7", "192.0.2.0/24", none + "X-Real-IP: 198.51.100.1", "unknown"},
		{"IPv4 in IPv6 is IPv4", "192.0.2.7", "192.0.2.0/24", "::ffff:198.51.100.1", "198.51.100.1"},
		{"a zone is nothing from elsewhere", "192.0.2.7", "192.0.2.0/24", "fe80::1%a b", "fe80::1"},
		{"nobody is trusted, nor who comes by a Unix socket", "", "", "198.51.100.1", "invalid IP"},
		{"who comes by a Unix socket is not the one", "", "192.0.2.0/24", "198.51.100.1", "invalid IP"},
		{"who comes by a Unix socket is", "", "unix", "198.51.100.1", "198.51.100.1"},
		{"only who comes by a Unix socket is", "192.0.2.7", "unix", "198.51.100.1", "192.0.2.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.trust(tt.trusted)
			var from netip.AddrPort
			if tt.peer != "" {
				from = netip.AddrPortFrom(netip.MustParseAddr(tt.peer), 1234)
			}
			r.connectFrom(from)
			fields := "X-Forwarded-For: " + tt.forwarded + "\r\n"
			if other, ok := strings.CutPrefix(tt.forwarded, none); ok {
				fields = strings.TrimPrefix(other+"\r\n", "\r\n")
			}
			r.send("BREW /a HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n")
			require.Equal(t, []string{tt.want}, r.ev.clients)
		})
	}
}

// A request of which only the body is too large has a whole head, which says whose it is. Where no
// field does, it is not the proxy's: others would be banned with whom it speaks for.
func TestWhoseBodyIsTooLargeIsKnown(t *testing.T) {
	for want, fields := range map[string][]string{
		"198.51.100.1": {"X-Forwarded-For: 198.51.100.1\r\nContent-Length: 99999999", "Content-Length: 99999999\r\nX-Forwarded-For: 198.51.100.1"},
		"unknown":      {"Content-Length: 99999999", "X-Forwarded-For: 198.51.100.1\r\nContent-Length: -1"},
	} {
		for _, lines := range fields {
			r := newRig(t)
			r.trust("192.0.2.0/24")
			r.connectFrom(netip.MustParseAddrPort("192.0.2.7:1234"))
			r.send("POST /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n")
			require.Equal(t, []string{want}, r.ev.clients, lines)
		}
	}
}

// trust makes a network a proxy's, or the peers of Unix sockets proxies, and connects again.
func (r *rig) trust(who string) {
	switch who {
	case "":
	case "unix":
		r.srv.TrustUnix = true
	default:
		r.srv.Trusted = []netip.Prefix{netip.MustParsePrefix(who)}
	}
	r.connect()
}

func TestARequestIDIsTakenOverFromATrustedProxyOnly(t *testing.T) {
	for _, tt := range []struct {
		name, trusted, id string
		taken             bool
	}{
		{"a trusted proxy's", "192.0.2.0/24", "3f2504e0-4f89", true},
		{"anybody's", "", "3f2504e0-4f89", false},
		{"a trusted proxy's, if it is none", "192.0.2.0/24", `x" client=198.51.100.1`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.trust(tt.trusted)
			r.send("BREW /a HTTP/1.1\r\nHost: h\r\nX-Request-Id: " + tt.id + "\r\n\r\n")
			require.Len(t, r.ev.ids, 1)
			require.Equal(t, tt.taken, r.ev.ids[0] == tt.id, r.ev.ids[0])
			require.Regexp(t, `^[0-9a-f-]+$`, r.ev.ids[0])
		})
	}
}

// Who sends nothing but nonsense is limited and banned as who sends too much.
func TestWhatCannotBeReadCountsAsARequest(t *testing.T) {
	const bad, badBody = "GET /\r\n\r\n", "POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
	for _, tt := range []struct {
		name, trusted string
		requests      []string
		statuses      string
		banned        bool
	}{
		{"heads", "", []string{bad, bad, bad}, "400 400 429", true},
		{"over the rate", "", []string{request("a"), request("a"), request("a"), request("a"), bad}, "200 200 200 200 429", false},
		{"bodies", "", []string{badBody, badBody, badBody}, "400 400 429", true},
		{"TLS, as by a browser that makes https of a page's links", "", []string{tlsHello, tlsHello, tlsHello, bad}, "400", false},
		{"too long", "", []string{"GET /" + strings.Repeat("a", 600), "GET /a HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 300), bad}, "414 431 429", true},
		{"a good one between", "", []string{bad, bad, request("a"), bad}, "400 400 200 400", false},
		{"an upload between", "", []string{bad, bad, "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", bad}, "400 400 200 400", false},
		{"another version is no fault of the client", "", []string{"GET / HTTP/2.0\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/2.0\r\n\r\n"}, "505 505 505", false},
		{"through a proxy", "192.0.2.0/24", []string{bad, bad, bad, bad}, "400 400 400 400", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.trust(tt.trusted)
			words := make([]uint64, limiter.Size(64)/8+1)
			var err error
			r.srv.Limiter, err = limiter.New(bytesOf(words), limiter.Config{
				Key: [2]uint64{1, 2}, IPv6Prefix: 64, Rate: 4, Burst: 4, BanAfter: 3, Ban: int64(60 * clock.Second),
			})
			require.NoError(t, err)
			var statuses []string
			for _, in := range tt.requests {
				r.connect()
				r.send(in)
				statuses = append(statuses, r.statuses()...)
			}
			require.Equal(t, tt.statuses, strings.Join(statuses, " "))
			require.EqualValues(t, len(tt.requests), r.thread.Stats.Get(stats.Requests))
			_, why := r.thread.Admit(peer.Addr(), 7)
			require.Equal(t, tt.banned, why == fault.Banned, why)
			if tt.trusted != "" {
				require.NotContains(t, r.ev.clients, peer.Addr().String(), "a ban by the log would hit the proxy")
			}
		})
	}
}

// A proxy's connections are those of all its clients, and so is each of them: what one
// client does costs that client its answers, and the others nothing.
func TestAProxyIsNoClient(t *testing.T) {
	r := newRig(t)
	r.trust("192.0.2.0/24")
	words := make([]uint64, limiter.Size(64)/8+1)
	var err error
	r.srv.Limiter, err = limiter.New(bytesOf(words), limiter.Config{
		Key: [2]uint64{1, 2}, IPv6Prefix: 64, MaxConns: 2, Rate: 1, Burst: 1, BanAfter: 1, Ban: int64(60 * clock.Second),
	})
	require.NoError(t, err)
	for range 5 {
		_, why := r.thread.Admit(peer.Addr(), 7)
		require.Equal(t, fault.NoReason, why, "more connections than one client may have")
	}
	by := func(client string) string {
		return "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: " + client + "\r\n\r\n"
	}
	r.send(by("198.51.100.1") + by("198.51.100.1") + by("198.51.100.1") + by("198.51.100.2"))
	require.Equal(t, []string{"200", "429", "429", "200"}, r.statuses())
	require.Equal(t, []string{"banned", "banned"}, r.ev.refused)
	require.False(t, r.shut)
	_, why := r.thread.Admit(netip.MustParseAddr("198.51.100.1"), 7)
	require.Equal(t, fault.Banned, why, "the ban is the client's")
}

func TestAKeptAliveRequestAllocatesNothing(t *testing.T) {
	r := newRig(t)
	r.srv.HTTP.Requests = 0
	in := []byte(request("a"))
	r.ev.done = make([]int, 0, 1<<20)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.s.Received(copy(r.s.Recv(), in))
		for r.s.Step() == machine.WantWrite {
			r.s.Out().Ack(r.s.Out().Len())
		}
		r.settle(1)
	}))
}

func BenchmarkKeptAliveRequest(b *testing.B) {
	r := newRig(b)
	r.srv.HTTP.Requests = 0
	in := []byte(request("a"))
	b.ReportAllocs()
	for b.Loop() {
		r.ev.done = r.ev.done[:0]
		r.s.Received(copy(r.s.Recv(), in))
		for r.s.Step() == machine.WantWrite {
			r.s.Out().Ack(r.s.Out().Len())
		}
		r.settle(1)
	}
}

// The engine and the session decide; they never touch the world. What they import,
// down to the last package, cannot.
func TestTheSansIOPackagesImportNoIO(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "fourways/shared/session", "fourways/shared/http1").Output()
	require.NoError(t, err)
	for dep := range strings.FieldsSeq(string(out)) {
		require.NotContains(t, []string{"net", "os", "syscall", "time", "fmt", "log"}, dep)
	}
}

// What the kernel has taken is not read yet: its client must go on reading it, whatever the
// connection is about meanwhile.
func TestAnAnswerInTheKernelMustBeReadToo(t *testing.T) {
	const large = 2 << 20
	answered := func(r *rig, in string) {
		r.send(in)
		require.Equal(t, []string{"200"}, r.statuses())
		r.unsent = int64(len(r.got))
	}
	look := func(r *rig, taken int64) {
		r.unsent = max(r.unsent-taken, 0)
		r.pass(rateGrace)
	}
	reset := func(r *rig) {
		t.Helper()
		require.True(t, r.over)
		require.True(t, r.s.Abortive())
		require.NotEmpty(t, r.ev.refused)
		require.Equal(t, "reader-too-slow", r.ev.refused[len(r.ev.refused)-1])
	}
	const stream = "GET /stream HTTP/1.1\r\nHost: h\r\n"
	t.Run("an idle client that reads nothing is reset", func(t *testing.T) {
		r := newRig(t)
		answered(r, stream+"\r\n")
		r.pass(30 * clock.Second)
		for range 13 {
			if !r.over {
				look(r, 0)
			}
		}
		reset(r)
	})
	t.Run("one that reads goes on, and has its idle time afterwards", func(t *testing.T) {
		r := newRig(t)
		answered(r, stream+"\r\n")
		r.pass(30 * clock.Second)
		for r.unsent > 0 {
			require.False(t, r.over)
			look(r, 2400)
		}
		r.pass(30*clock.Second - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
		require.False(t, r.s.Abortive())
	})
	t.Run("requests now and then keep nobody who reads nothing", func(t *testing.T) {
		r := newRig(t)
		answered(r, stream+"\r\n")
		for range 10 {
			if !r.over {
				r.pass(25 * clock.Second)
				r.send(request("a"))
			}
		}
		reset(r)
	})
	t.Run("nor does a body that comes slowly", func(t *testing.T) {
		r := newRig(t)
		answered(r, stream+"\r\n")
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
		for range 30 {
			if !r.over {
				r.send(strings.Repeat("x", 2000))
				r.pass(rateGrace)
			}
		}
		reset(r)
	})
	for name, end := range map[string]func(r *rig){
		"says close": func(r *rig) { answered(r, stream+"Connection: close\r\n\r\n") },
		"half-closes": func(r *rig) {
			answered(r, stream+"\r\n")
			r.eof()
		},
		"half-closes below a layer": func(r *rig) { // which reads nothing, and so has no memory for it
			answered(r, stream+"\r\n")
			r.s.EOF()
			r.step()
		},
		"sends nonsense": func(r *rig) {
			answered(r, stream+"\r\n")
			r.send("nonsense\r\n")
		},
		"does not end its next head": func(r *rig) {
			answered(r, stream+"\r\n")
			r.send("GET ")
			r.pass(10 * clock.Second)
		},
	} {
		t.Run("one that "+name+" and reads nothing is reset", func(t *testing.T) {
			r := newRig(t)
			r.keep = true
			end(r)
			for range 100 {
				if !r.over {
					require.False(t, r.shut)
					look(r, 0)
				}
			}
			reset(r)
		})
		t.Run("one that "+name+" is closed when it has read all", func(t *testing.T) {
			r := newRig(t)
			r.keep = true
			end(r)
			for r.unsent > 0 {
				require.False(t, r.over)
				look(r, large/20)
			}
			if !r.over { // it is let go
				require.True(t, r.shut)
				r.eof()
			}
			require.True(t, r.over)
			require.False(t, r.s.Abortive())
		})
	}
	t.Run("what was taken before a full socket was heard of is credit", func(t *testing.T) {
		r := newRig(t) // a thread that blocks in write hears of it late (stage 1)
		r.held = true
		r.send(stream + "\r\n")
		n := int64(32 << 10)
		r.s.Out().Ack(min(n, r.s.Out().Len()))
		r.thread.Clock.Set(r.thread.Clock.Now()+4*clock.Second, r.thread.Clock.UnixNano())
		r.step()
		for range 10 {
			r.pass(rateGrace)
			require.False(t, r.over)
		}
	})
	t.Run("a small answer is left to the kernel", func(t *testing.T) {
		r := newRig(t)
		r.keep = true
		r.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		require.True(t, r.over)
	})
	t.Run("our own slow work is not counted", func(t *testing.T) {
		r := newRig(t)
		answered(r, stream+"\r\n")
		r.pass(6 * clock.Second)
		r.send(request("a")) // it is looked at from here on
		r.s.wait, r.s.since = waitWork, r.thread.Clock.Now()
		r.thread.Clock.Set(r.thread.Clock.Now()+1000*clock.Second, r.thread.Clock.UnixNano())
		r.s.RestartDeadline()
		r.step()
		look(r, 0)
		require.False(t, r.over)
	})
}

func TestAnAnswerThatComesLater(t *testing.T) {
	t.Run("a source waits, and what there is leaves", func(t *testing.T) {
		r := newRig(t)
		h := &host{}
		r.thread.Host = h
		r.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n")
		require.Equal(t, machine.WantPeer, r.lastAsk)
		require.Zero(t, r.worked, "it does not spin through the pool")
		require.Contains(t, string(r.got), "200 OK", "the head need not wait")
		require.Equal(t, clock.Never, r.s.Deadline())
		for _, news := range []string{"first", "second"} {
			r.h.news = news
			r.h.waiting.Resume()
			r.step()
			require.True(t, bytes.HasSuffix(r.got, []byte(news+"\r\n")), "%q", r.got)
			require.Equal(t, machine.WantPeer, r.lastAsk)
		}
		require.Equal(t, []int{3, 3}, h.nudged)
		r.h.last = true
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, []string{"200", "200"}, r.statuses(), "the next request's turn comes after the end")
	})
	t.Run("a handler answers when it can", func(t *testing.T) {
		r := newRig(t)
		r.thread.Host = &host{}
		r.send("GET /answered-later HTTP/1.1\r\nHost: h\r\n\r\n")
		require.Equal(t, machine.WantPeer, r.lastAsk)
		require.Empty(t, r.got)
		answer(r.h.waiting, "now")
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, []string{"200"}, r.statuses())
		require.Equal(t, machine.WantRead, r.lastAsk)
	})
	t.Run("a handler that waits no more and says nothing is at fault", func(t *testing.T) {
		r := newRig(t)
		r.thread.Host = &host{}
		r.send("GET /answered-later HTTP/1.1\r\nHost: h\r\n\r\n")
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, []string{"500"}, r.statuses())
	})
	t.Run("a sink holds the client up", func(t *testing.T) {
		r := newRig(t)
		r.thread.Host = &host{}
		r.send("POST /slow-sink HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
		require.Equal(t, machine.WantPeer, r.lastAsk)
		require.False(t, r.s.Reads(), "what comes meanwhile stays in the socket")
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, machine.WantRead, r.lastAsk)
		r.send("def")
		r.h.waiting.Resume()
		r.step()
		require.True(t, bytes.HasSuffix(r.got, []byte("got abcdef")), "%q", r.got)
	})
	// measured is an answer that comes later, of which the client has not taken all yet.
	measured := func(t *testing.T, then string) *rig {
		r := newRig(t)
		r.thread.Host = &host{}
		r.held = true
		r.send(request("later") + then)
		require.Equal(t, machine.WantWrite, r.lastAsk)
		r.held, r.unsent = false, 10
		r.step()
		require.Equal(t, machine.WantPeer, r.lastAsk)
		r.pass(20 * clock.Second)
		return r
	}
	t.Run("the time that it takes is not the client's", func(t *testing.T) {
		r := measured(t, "")
		r.held, r.h.news = true, "news"
		r.h.waiting.Resume()
		r.step()
		require.False(t, r.over)
		r.pass(5*clock.Second - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over, "but what comes then is")
	})
	t.Run("nor is it where the next request is here already", func(t *testing.T) {
		r := measured(t, request("next"))
		r.h.last = true
		r.h.waiting.Resume()
		r.step()
		require.Equal(t, []string{"200", "200"}, r.statuses())
	})
	for _, path := range []string{"/later", "/answered-later"} {
		t.Run("a client that leaves meanwhile is let go, and whoever would have answered is told: "+path, func(t *testing.T) {
			r := newRig(t)
			r.thread.Host = &host{}
			r.send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
			r.s.Fail()
			r.step()
			require.True(t, r.over)
			require.Equal(t, 1, r.h.aborted)
		})
	}
}

// tlsHello is how a connection by TLS begins.
const tlsHello = "\x16\x03\x01\x02\x00\x01"

// TLS on a port of plain HTTP: whoever speaks it reads no HTML.
func TestAHelloOfTLSIsClosedWithoutAnAnswerAndCounted(t *testing.T) {
	r := newRig(t)
	r.send(tlsHello)
	require.True(t, r.over)
	require.Empty(t, r.got)
	require.Equal(t, []string{"tls-on-plain-port"}, r.ev.refused)
	require.Empty(t, r.ev.done)
}

// A layer whose protocol was bypassed has every request refused, once its Host was looked at.
func TestAWrongPortIsSaidInTheAnswer(t *testing.T) {
	for _, tt := range []struct{ name, in, status string }{
		{"a request", request("x"), "400"},
		{"one for another host", "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", "403"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.srv.Hosts = guard.NewHosts([]string{"h"}, nil)
			r.s.Through(&Layer{Bypassed: true})
			r.send(tt.in)
			require.Equal(t, []string{tt.status}, r.statuses())
			require.Contains(t, string(r.got), "Connection: close")
		})
	}
}

// What counts is what left the socket. A layer in between takes the answer at once, and makes
// more bytes of it; the kernel tells of those.
func TestTheRateIsThatOfTheBytesThatReallyLeave(t *testing.T) {
	for _, tt := range []struct {
		name   string
		unsent int64 // that the client has not acknowledged after 20 s, of 20,000 sealed
		over   bool
	}{
		{"a client that takes them", 0, false},
		{"a client that takes none of them", 20_000, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			sealed := chain.New(bufpool.New(chain.ChunkSize, 8))
			r.s.Through(&Layer{Out: &sealed})
			r.held, r.unsent = true, 0
			r.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
			sealed.Copy(make([]byte, 20_000))
			sealed.Ack(20_000)
			r.unsent = tt.unsent
			for range 4 {
				r.pass(5 * clock.Second)
			}
			require.Equal(t, tt.over, r.over)
		})
	}
}

// A session's buffers are others' while it is idle. What these have sent out of them is nothing
// that its client has taken, or has not.
func TestThePaceBehindALayerIsNotThatOfItsBuffers(t *testing.T) {
	answered := func(t *testing.T) *rig {
		r := newRig(t)
		sealed := chain.New(bufpool.New(chain.ChunkSize, 8))
		r.s.Through(&Layer{Out: &sealed})
		r.held = true
		r.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
		r.held = false
		r.step()
		sealed.Copy(r.got)
		sealed.Ack(sealed.Len())
		r.unsent = sealed.Sent()
		out := r.thread.free[len(r.thread.free)-1].conn.Out()
		out.Copy(make([]byte, 1<<20))
		out.Ack(1 << 20)
		return r
	}
	t.Run("a client that reads steadily is served on", func(t *testing.T) {
		r := answered(t)
		for range 4 {
			r.unsent -= 3000
			r.pass(6 * clock.Second)
			r.send(request("a"))
			require.False(t, r.over)
		}
	})
	t.Run("the answer of one that half-closes is waited for", func(t *testing.T) {
		r := answered(t)
		r.s.measured = false
		r.eof()
		require.False(t, r.over || r.shut)
	})
}

// The end of a connection waits for much that is not acknowledged, and not for a little: some
// clients acknowledge that only when our direction has ended.
func TestALittleThatIsNotAcknowledgedDelaysNoEnd(t *testing.T) {
	for _, tt := range []struct {
		unsent int64
		waits  bool
	}{{0, false}, {1, false}, {smallAnswer, false}, {smallAnswer + 1, true}} {
		r := newRig(t)
		r.unsent = tt.unsent
		r.send(request("a"))
		r.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		require.Equal(t, tt.waits, !r.over && !r.shut, "%d bytes", tt.unsent)
		if tt.waits {
			r.unsent = smallAnswer
			r.pass(firstLook)
			require.True(t, r.over || r.shut, "they have come down to a little")
		}
	}
}

// How soon and how often it is looked whether a client has its last answer: where a thread waits
// with it sooner, and everywhere hardly more often for one that takes long.
func TestLooksAtALastAnswerAreEachTwiceAsFarApart(t *testing.T) {
	for _, tt := range []struct {
		works bool
		first clock.Time
		looks int // until a second has passed
	}{{true, soonLook, 15}, {false, firstLook, 8}} {
		r := newRig(t)
		r.thread.Works = tt.works
		looks := 0
		r.thread.Unsent = func(int) int64 { looks++; return smallAnswer + 1 }
		r.send(request("a"))
		r.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		began := r.thread.Clock.Now()
		require.Equal(t, began+tt.first, r.s.Deadline())
		looks = 0
		for now := began; now < began+clock.Second; now = r.thread.Clock.Now() {
			next := r.s.Deadline() - now
			require.Positive(t, next)
			r.pass(next)
		}
		require.Equal(t, tt.looks, looks)
	}
}
