package session

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/stats"
)

// tally is a handler of everything that can be under way when a client leaves, which counts what
// has begun and what has ended.
type tally struct {
	script
	begun, ended int
}

func (h *tally) Serve(x *Exchange) {
	switch string(x.Path()) {
	case "/sink":
		h.begun++
		x.TakeBody(&waitingSink{h: h})
	case "/source":
		h.begun++
		x.Begin(200, -1).End()
		x.Stream(&waitingSource{h: h, left: 5})
	case "/gone":
		h.begun++
		h.waiting = x
		x.Wait(func() { h.ended++; h.waiting = nil })
	case "/parked":
		h.begun++
		x.Park(0, func() {}, func() { h.ended++; answer(x, "parked") })
	default:
		answer(x, "plain")
	}
}

type waitingSink struct {
	h *tally
	n int
}

func (s *waitingSink) Body(x *Exchange, p []byte) {
	s.n += len(p)
	switch s.n % 3 {
	case 0:
		s.h.waiting = x
		x.Wait(nil)
	case 1:
		x.Park(0, func() {}, func() {})
	}
}
func (s *waitingSink) End(x *Exchange) { s.h.ended++; answer(x, "sunk") }
func (s *waitingSink) Abort()          { s.h.ended++; s.h.waiting = nil }

type waitingSource struct {
	h    *tally
	left int
}

func (s *waitingSource) More(x *Exchange) bool {
	switch s.left--; {
	case s.left == 0:
		x.Write([]byte("last"))
		s.h.ended++
		return true
	case s.left%2 == 0:
		s.h.waiting = x
		x.Wait(nil)
	default:
		x.Write(make([]byte, 20<<10))
	}
	return false
}
func (s *waitingSource) Abort() { s.h.ended++; s.h.waiting = nil }

// visit is one client's stay, which chance decides about. Between any two steps of the session the
// client may send, take, end its direction, be slow, or leave, and the server may stop.
type visit struct {
	*rig
	h    *tally
	rnd  *rand.Rand
	in   string // still to be sent
	eof  bool
	want machine.Want
}

// visited are what a client sends.
var visited = []string{
	request("sink"), request("source"), request("gone"), request("parked"), request("plain"),
	"POST /sink HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nabcdefg",
	"POST /sink HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
	"POST /sink HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\nabcdefg",
	"POST /sink HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
	"GET /gone HTTP/1.0\r\n\r\n", "nonsense\x00\r\n",
}

func newVisit(t testing.TB, seed uint64) *visit {
	v := &visit{rig: newRig(t), h: &tally{}, rnd: rand.New(rand.NewPCG(seed, 1))}
	v.thread.Host, v.srv.Handler = &host{}, v.h
	for range 1 + v.rnd.IntN(4) {
		v.in += visited[v.rnd.IntN(len(visited))]
	}
	return v
}

// once reports true once in so many times.
func (v *visit) once(in int) bool { return v.rnd.IntN(in) == 0 }

// later lets time pass without a step.
func (v *visit) later(d clock.Time) {
	v.thread.Clock.Set(v.thread.Clock.Now()+d, v.thread.Clock.UnixNano()+int64(d))
}

// act does what the session wants, or some of it, or something else that may come instead. It
// reports that the session is over.
func (v *visit) act() (over bool) {
	switch v.want {
	case machine.WantClose:
		v.s.Close()
		return true
	case machine.WantWake:
		return v.work()
	case machine.WantWrite:
		out := v.s.Out()
		if out.Ack(v.rnd.Int64N(out.Len() + 1)); !out.Empty() {
			v.s.Stalled()
		}
	case machine.WantRead:
		v.read()
	case machine.WantPeer:
		if v.h.waiting != nil && v.once(3) {
			v.resume()
		}
	}
	if v.once(50) {
		v.s.Fail()
	}
	return false
}

func (v *visit) work() (over bool) {
	leaves := v.once(3)
	if leaves {
		v.s.Leave()
	}
	v.s.Work()
	if leaves {
		v.s.Close()
	}
	return leaves
}

func (v *visit) read() {
	switch {
	case !v.s.Reads() || v.once(4):
	case v.in != "":
		n := copy(v.s.Recv(), v.in[:1+v.rnd.IntN(min(len(v.in), 60))])
		v.s.Received(n)
		v.in = v.in[n:]
	case !v.eof && v.once(20):
		v.s.Recv()
		v.s.EOF()
		v.eof = true
	}
}

func (v *visit) resume() {
	x := v.h.waiting
	v.h.waiting = nil
	if x.sink == nil && x.source == nil {
		v.h.ended++
		answer(x, "late")
	}
	x.Resume()
}

// What was begun ends once, and nothing is held any more, whatever a client does, wherever it
// leaves, and however it does that.
func TestWhereverAClientLeavesAllThatWasBegunEnds(t *testing.T) {
	for seed := range uint64(2000) {
		v := newVisit(t, seed)
		stops := v.rnd.IntN(200)
		for step := 0; ; step++ {
			require.Less(t, step, 5000, "seed %d", seed)
			v.want = v.s.Step()
			if v.act() {
				break
			}
			if v.once(50) {
				v.later(10 * clock.Second)
			}
			if step == stops {
				v.srv.Drain()
			}
		}
		require.Equal(t, v.h.begun, v.h.ended, "seed %d", seed)
		require.Zero(t, v.thread.chunks.Out(), "seed %d", seed)
		require.Zero(t, v.srv.Conns(), "seed %d", seed)
		require.Zero(t, v.ev.panicked, "seed %d", seed)
	}
}

// While its client's hang-up is noticed in the middle of slow work, another machine may have news
// for a session, and bad ones: the place that the session had is free already.
func TestAPlaceIsGivenBackOnceAlthoughTheAnswerIsCutAfterwards(t *testing.T) {
	r := newRig(t)
	r.thread.Host, r.srv.Handler = &host{}, &tally{}
	r.held = true
	r.send(request("source"))
	require.Equal(t, machine.WantWrite, r.lastAsk)
	r.s.Fetch(func() error { return nil })
	require.Equal(t, machine.WantWake, r.s.Step())
	r.s.Leave()
	require.Zero(t, r.srv.Conns())
	r.s.req.x.Cut(fault.Of(fault.UpstreamCut))
	r.s.Work()
	r.s.Close()
	require.Zero(t, r.srv.Conns())
	require.EqualValues(t, 1, r.srv.Stats.Total(stats.Closed))
}
