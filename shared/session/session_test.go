package session

import (
	"bytes"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/stats"
)

// script is a Handler whose answer the path chooses.
type script struct {
	loc     *Local
	aborted int    // sinks and sources given up
	body    []byte // of the last upload
}

func (h *script) Serve(x *Exchange) {
	switch string(x.Path()) {
	case "/panic":
		panic("on purpose")
	case "/late-panic":
		x.Begin(200, 10).End()
		panic("on purpose")
	case "/silent":
	case "/work":
		x.Park(func() { h.body = []byte("worked") }, func() { answer(x, string(h.body)) })
	case "/work-panic":
		x.Park(func() { panic("on purpose") }, func() { answer(x, "no") })
	case "/stream":
		x.Begin(200, http1.UnknownLength).End()
		x.Stream(&counter{h: h, left: 200})
	case "/upload":
		h.body = nil
		x.TakeBody(&upload{h})
	default:
		answer(x, string(x.Path()))
	}
}

func (h *script) Refuse(x *Exchange, f http1.Fault) {
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

type upload struct{ h *script }

func (u *upload) Body(_ *Exchange, p []byte) { u.h.body = append(u.h.body, p...) }
func (u *upload) End(x *Exchange)            { answer(x, "got "+string(u.h.body)) }
func (u *upload) Abort()                     { u.h.aborted++ }

// events counts what an Observer is told.
type events struct {
	done     []int
	ids      []string
	refused  []string
	panicked int
	sent     int64      // of the last answer, in bytes
	took     clock.Time // the last answer
}

func (e *events) Done(x *Exchange) {
	e.done = append(e.done, x.Status())
	e.sent, e.took = x.Sent(), x.Clock().Now()-x.Began()
}

func (e *events) Refused(x *Exchange, f http1.Fault) {
	e.refused = append(e.refused, f.Reason.String())
	e.ids = append(e.ids, string(x.ID()))
}
func (e *events) TurnedAway(_ netip.Addr, why http1.Reason) {
	e.refused = append(e.refused, why.String())
}
func (e *events) Panicked(*Exchange, any) { e.panicked++ }

// rig is a session with a driver in memory, whose time the test sets.
type rig struct {
	t       testing.TB
	srv     *Server
	loc     *Local
	h       *script
	ev      *events
	s       Session
	unsent  int64
	held    bool // the client takes nothing
	got     []byte
	shut    bool
	over    bool
	worked  int
	lastAsk Want
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
	r := &rig{t: t, srv: srv, h: h, ev: ev, loc: NewLocal(srv, srv.Stats.Slot(0), "worker-1", 7)}
	h.loc = r.loc
	r.loc.Unsent = func(int) int64 { return r.unsent }
	r.loc.Clock.Set(0, 784111777e9)
	r.connect()
	return r
}

func (r *rig) connect() { r.connectFrom(peer) }

// connectFrom opens a new session, for which what the server knows of its peer is settled.
func (r *rig) connectFrom(peer netip.AddrPort) {
	adm, why := r.loc.Admit(peer.Addr(), 7)
	require.Equal(r.t, http1.NoReason, why)
	r.s.Open(r.loc, adm, peer, 3)
	r.got, r.shut, r.over = nil, false, false
	r.step()
}

// step does what the session wants until it waits for the client or for time.
func (r *rig) step() {
	for !r.over {
		switch r.lastAsk = r.s.Step(); r.lastAsk {
		case WantRead:
			return
		case WantWrite:
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
		case WantWake:
			r.worked++
			r.s.Work()
		case WantShut:
			r.shut = true
		case WantClose:
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
	r.loc.Clock.Set(r.loc.Clock.Now()+d, r.loc.Clock.UnixNano()+int64(d))
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
	require.Equal(t, WantWrite, r.lastAsk)
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

func TestAnIdleSessionHoldsNoBuffers(t *testing.T) {
	r := newRig(t)
	require.Nil(t, r.s.act)
	r.send(request("a"))
	require.Nil(t, r.s.act)
	require.True(t, r.s.Idle())
	require.Zero(t, r.loc.chunks.Out())
	r.send("G")
	require.NotNil(t, r.s.act)
	r.eof()
	require.True(t, r.over)
	require.Zero(t, r.loc.chunks.Out())
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
	t.Run("a body just fast enough is taken", func(t *testing.T) {
		r := newRig(t)
		r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 12000\r\n\r\n")
		for range 10 {
			r.send(strings.Repeat("x", 1200))
			r.pass(5 * clock.Second)
		}
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
	t.Run("the kernel is not asked about answers that leave at once", func(t *testing.T) {
		r := newRig(t)
		r.loc.Unsent = func(int) int64 { t.Error("asked"); return 0 }
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
		require.Equal(t, WantWake, r.s.Step())
		r.loc.Clock.Set(1e6*clock.Second, 0)
		require.Equal(t, WantWake, r.s.Step())
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
		{"but what it has sent behind it would make a reset", "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nmore", true},
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
		r.pass(lingerTime - 1)
		require.False(t, r.over)
		r.pass(1)
		require.True(t, r.over)
	})
	t.Run("nor go on for any number of bytes", func(t *testing.T) {
		r := newRig(t)
		r.send("nonsense\r\n")
		r.send(strings.Repeat("x", lingerBytes+1))
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
			require.Zero(t, r.loc.chunks.Out())
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
	require.Equal(t, WantWake, r.s.Step())
	r.s.Work()
	r.s.Fail()
	r.step()
	require.True(t, r.over)
	require.Equal(t, []int{200}, r.ev.done)
	require.Zero(t, r.loc.chunks.Out())
}

func TestAdmission(t *testing.T) {
	r := newRig(t)
	for range 9 {
		_, why := r.loc.Admit(peer.Addr(), 7)
		require.Equal(t, http1.NoReason, why)
	}
	_, why := r.loc.Admit(peer.Addr(), 7)
	require.Equal(t, http1.TooManyConnections, why)
	require.EqualValues(t, 10, r.srv.Conns())
	answer := r.loc.Turnaway(peer, why)
	require.True(t, bytes.HasPrefix(answer, []byte("HTTP/1.1 503 ")))
	require.True(t, bytes.HasSuffix(answer, []byte("too-many-connections")))
	r.loc.Dismiss(Admission{})
	_, why = r.loc.Admit(peer.Addr(), 7)
	require.Equal(t, http1.NoReason, why)
	require.EqualValues(t, 10, r.srv.Stats.MaxActive())
}

func TestTheLogTellsOfAnAnswerThatWasCut(t *testing.T) {
	r := newRig(t)
	r.held = true
	r.send(request("stream"))
	r.loc.Clock.Set(r.loc.Clock.Now()+3*clock.Second, 0)
	written := r.s.act.conn.Written()
	left := r.s.Out().Len()
	r.s.Out().Ack(5000)
	r.s.Fail()
	r.step()
	require.Equal(t, written-(left-5000), r.ev.sent)
	require.Equal(t, 3*clock.Second, r.ev.took)
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
		_, why := r.loc.Admit(peer.Addr(), 7)
		require.Equal(t, http1.TooManyConnections, why)
		refused[i].OpenRefused(r.loc, peer, 3, why)
	}
	_, why := r.loc.Admit(peer.Addr(), 7)
	require.Equal(t, http1.TooManyRefused, why)
	refused[0].Close()
	_, why = r.loc.Admit(peer.Addr(), 7)
	require.Equal(t, http1.TooManyConnections, why)
}

func TestARefusedConnectionIsToldAndCountsNowhere(t *testing.T) {
	r := newRig(t)
	r.eof()
	require.True(t, r.over)
	r.got, r.over, r.shut = nil, false, false
	r.s.OpenRefused(r.loc, peer, 3, http1.TooManyConnections)
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
	_, why := r.loc.Admit(peer.Addr(), 7)
	require.Equal(t, http1.Banned, why)
	require.Equal(t, "banned", r.ev.refused[len(r.ev.refused)-1])
	r.pass(61 * clock.Second)
	for _, want := range []http1.Reason{http1.NoReason, http1.NoReason, http1.TooManyFromClient} {
		_, why := r.loc.Admit(peer.Addr(), 7)
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
		{"nonsense means the peer", "192.0.2.7", "192.0.2.0/24", "198.51.100.1, unknown", "192.0.2.7"},
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
			n := copy(r.s.Recv(), "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: "+tt.forwarded+"\r\n\r\n")
			r.s.Received(n)
			require.Equal(t, http1.HasRequest, r.s.act.conn.Next())
			require.Equal(t, tt.want, r.s.client(&r.s.act.x).String())
		})
	}
}

// trust makes a network a proxy's, or the peers of Unix sockets proxies, and connects anew.
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
		_, why := r.loc.Admit(peer.Addr(), 7)
		require.Equal(t, http1.NoReason, why, "more connections than one client may have")
	}
	by := func(client string) string {
		return "GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: " + client + "\r\n\r\n"
	}
	r.send(by("198.51.100.1") + by("198.51.100.1") + by("198.51.100.1") + by("198.51.100.2"))
	require.Equal(t, []string{"200", "429", "429", "200"}, r.statuses())
	require.Equal(t, []string{"banned", "banned"}, r.ev.refused)
	require.False(t, r.shut)
	_, why := r.loc.Admit(netip.MustParseAddr("198.51.100.1"), 7)
	require.Equal(t, http1.Banned, why, "the ban is the client's")
}

func TestAKeptAliveRequestAllocatesNothing(t *testing.T) {
	r := newRig(t)
	r.srv.HTTP.Requests = 0
	in := []byte(request("a"))
	r.ev.done = make([]int, 0, 1<<20)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.s.Received(copy(r.s.Recv(), in))
		for r.s.Step() == WantWrite {
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
		for r.s.Step() == WantWrite {
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
