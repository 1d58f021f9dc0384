package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
)

const hundredUs = clock.Millisecond / 10

// settle is the end of a turn that lasted so long.
func (r *rig) settle(turn clock.Time) { r.loc.Settle(r.loc.Clock.Now() + turn) }

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
			require.False(t, r.loc.Unsettled())
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
	r.loc.Turnaway(peer, 1)
	require.False(t, r.loc.Unsettled())
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
		r.loc.answered(n)
		r.loc.Settle(n + 1e5)
	}
}
