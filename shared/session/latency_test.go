package session

// How long answers take, as the statistics see it, and how late a thread is. The rig is that of
// session_test.go, and the time is given by hand.

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/stats"
)

const hundredUs = clock.Millisecond / 10

// settle is the end of a turn that lasted so long.
func (r *rig) settle(turn clock.Time) { r.thread.Settle(r.thread.Clock.Now() + turn) }

func TestLatencyIsFromTheHeadToTheEndOfTheTurn(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   func(r *rig)
		count uint64
		us    uint64 // the longest, as exactly as a bucket of that size is
	}{
		{"an answer takes as long as its turn", func(r *rig) {
			r.send(request("a"))
			r.settle(hundredUs)
		}, 1, 100},
		{"the wait for the next request is none of it", func(r *rig) {
			r.send(request("a"))
			r.settle(hundredUs)
			r.pass(20 * clock.Second)
			r.send(request("b"))
			r.settle(hundredUs)
		}, 2, 100},
		{"nor is the time in which a head arrives", func(r *rig) {
			r.send("GET /a HTT")
			r.pass(5 * clock.Second)
			r.send("P/1.1\r\nHost: h\r\n\r\n")
			r.settle(hundredUs)
		}, 1, 100},
		{"each answer of a batch counts", func(r *rig) {
			r.held = true
			r.send(request("a") + request("b") + request("c"))
			r.settle(hundredUs)
		}, 3, 100},
		{"the time in which a body arrives is part of it", func(r *rig) {
			r.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nh")
			r.settle(hundredUs)
			r.pass(clock.Second)
			r.send("i")
			r.settle(24 * clock.Millisecond)
		}, 1, 1 << 20},
		{"so is a body that never comes whole", func(r *rig) {
			r.send("POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
			r.pass(clock.Second)
			r.send("nonsense\r\n")
			r.settle(24 * clock.Millisecond)
		}, 1, 1 << 20},
		{"an answer that is cut took until then", func(r *rig) {
			r.held = true
			r.send(request("stream"))
			r.pass(clock.Second)
			r.s.Fail()
			r.step()
			r.settle(24 * clock.Millisecond)
		}, 1, 1 << 20},
		{"a refused request counts like any other", func(r *rig) {
			r.send("BREW /a HTTP/1.1\r\nHost: h\r\n\r\n")
			r.settle(hundredUs)
		}, 1, 100},
		{"a head that was none does not count", func(r *rig) {
			r.send("nonsense\r\n")
			r.settle(hundredUs)
		}, 0, 0},
		{"nor does one that never came whole", func(r *rig) {
			r.send("GET /a HTT")
			r.pass(10 * clock.Second)
			r.settle(hundredUs)
		}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.run(r)
			require.Empty(t, r.thread.pending)
			h := r.srv.Stats.Latency()
			require.Equal(t, tt.count, h.Count)
			require.LessOrEqual(t, h.Quantile(1000)-h.Quantile(1000)/16, tt.us)
			require.GreaterOrEqual(t, h.Quantile(1000), tt.us)
		})
	}
}

func TestARefusedConnectionHasNoLatency(t *testing.T) {
	r := newRig(t)
	r.pass(clock.Second)
	r.thread.Turnaway(peer, 1)
	require.Empty(t, r.thread.pending)
}

func TestTheAccessLogKnowsWhenARequestWithABadBodyBegan(t *testing.T) {
	r := newRig(t)
	r.send("POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	r.pass(3 * clock.Second)
	r.send("nonsense\r\n")
	require.Equal(t, []string{"400"}, r.statuses())
	require.Equal(t, 3*clock.Second, r.ev.took)
}

func BenchmarkSettle(b *testing.B) {
	r := newRig(b)
	b.ReportAllocs()
	for n := clock.Time(0); b.Loop(); n++ {
		r.thread.answered(n)
		r.thread.Settle(n + 1e5)
	}
}

// A turn's events wait until it ends. Where a wait reports as many as it has room for, more
// are ready, and they wait through the next turns too.
func TestHowLateAThreadIs(t *testing.T) {
	type turn struct {
		began, ended clock.Time
		ready        int
		others       int
	}
	// busy is a thread that never rests, while each of its 512 sockets is ready all the time.
	var busy []turn
	for i := range clock.Time(1000) {
		busy = append(busy, turn{2*i + 1, 2*i + 3, 256, 256})
	}
	for _, tt := range []struct {
		name         string
		turns        []turn
		busy, waited clock.Time
		work         uint64
	}{
		{"a turn", []turn{{10, 15, 3, 0}}, 5, 15, 3},
		{"time between turns is rest", []turn{{10, 15, 3, 0}, {100, 101, 1, 0}}, 6, 16, 4},
		{"a turn in which nothing was ready", []turn{{10, 15, 0, 0}}, 5, 0, 0},
		{"turns whose waits were full", []turn{{10, 20, 2, 3}, {20, 30, 2, 3}, {30, 40, 1, 0}, {50, 60, 1, 0}}, 40, 2*10 + 2*20 + 30 + 10, 6},
		{"turns in which all sockets have had theirs", []turn{{10, 20, 2, 2}, {20, 30, 2, 2}, {30, 40, 2, 2}}, 30, 2*10 + 2*20 + 2*10, 6},
		{"full waits with nobody left out", []turn{{10, 20, 2, 0}, {20, 30, 2, 0}}, 20, 2*10 + 2*10, 4},
		{"a busy thread that is not late", busy, 2000, 500 * 256 * (2 + 4), 256_000},
		{"a clock that stood still", []turn{{10, 10, 1, 0}}, 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			for _, turn := range tt.turns {
				r.thread.Clock.Set(turn.began, 784111777e9)
				r.thread.EndTurn(turn.ended, turn.ready, turn.others)
			}
			st := r.srv.Stats
			require.EqualValues(t, tt.busy, st.Total(stats.Busy))
			require.EqualValues(t, tt.work, st.Total(stats.Work))
			require.EqualValues(t, tt.waited, st.Total(stats.Waited))
		})
	}
}
