package timerwheel

// The wheel against a plain list of deadlines: never early, less than a tick late. The time is
// given by hand.

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	ms     = int64(Tick)
	second = 1000 * ms
)

// fired advances and returns the owners of what fired, in order of their names.
type (
	wheel = Wheel[string]
	node  = Node[string]
)

func named(name string) *node { return &node{Owner: &name} }

func fired(w *wheel, now int64) []string {
	var names []string
	w.Advance(now, func(n *node) { names = append(names, *n.Owner) })
	slices.Sort(names)
	return names
}

func TestADeadlineIsNeverEarlyAndLessThanATickLate(t *testing.T) {
	for _, start := range []int64{0, 1, 63 * ms, 12345*second + 678} {
		for _, after := range []int64{1, ms - 1, ms, ms + 1, 63 * ms, 64 * ms, 65 * ms, 4095 * ms, 4096 * ms, 30 * second, 3600 * second, 1e18} {
			var w wheel
			w.Advance(start, nil)
			at := start + after
			w.Schedule(named("a"), at)
			assert.Empty(t, fired(&w, at-1), "%d after %d", after, start)
			assert.Equal(t, []string{"a"}, fired(&w, at+Tick-1), "%d after %d", after, start)
			assert.Empty(t, fired(&w, at+second), "once only")
		}
	}
}

func TestOneAdvanceOverALongTimeFiresAll(t *testing.T) {
	var w wheel
	w.Schedule(named("a"), 5*ms)
	w.Schedule(named("b"), 500*ms)
	w.Schedule(named("c"), 50*second)
	w.Schedule(named("d"), 5000*second)
	assert.Equal(t, []string{"a", "b", "c"}, fired(&w, 100*second))
	assert.Equal(t, []string{"d"}, fired(&w, math.MaxInt64))
}

func TestCancelAndMove(t *testing.T) {
	cases := []struct {
		name string
		do   func(*wheel, *node)
		at   int64 // when it fires; 0 for never
	}{
		{"cancelled, it does not fire", func(w *wheel, n *node) { w.Cancel(n) }, 0},
		{"cancelled twice", func(w *wheel, n *node) { w.Cancel(n); w.Cancel(n) }, 0},
		{"cancelled and set again", func(w *wheel, n *node) { w.Cancel(n); w.Schedule(n, 7*second) }, 7 * second},
		{"moved to later", func(w *wheel, n *node) { w.Schedule(n, 90*second) }, 90 * second},
		{"moved to earlier", func(w *wheel, n *node) { w.Schedule(n, 3*ms) }, 3 * ms},
		{"moved to later and back", func(w *wheel, n *node) { w.Schedule(n, 90*second); w.Schedule(n, 10*second) }, 10 * second},
		{"moved to the past, it fires at the next tick", func(w *wheel, n *node) { w.Advance(2*ms, nil); w.Schedule(n, 1) }, 3 * ms},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var w wheel
			n := named("a")
			w.Schedule(n, 10*second)
			tc.do(&w, n)
			if tc.at == 0 {
				assert.Empty(t, fired(&w, 1000*second))
				return
			}
			assert.Empty(t, fired(&w, tc.at-1))
			assert.Equal(t, []string{"a"}, fired(&w, tc.at))
		})
	}
}

func TestWhatFiresMayScheduleAndCancel(t *testing.T) {
	var w wheel
	a, b := named("a"), named("b")
	w.Schedule(a, ms)
	w.Schedule(b, ms)
	var order []string
	w.Advance(10*ms, func(n *node) { // whichever comes first drops the other, and itself comes again at once
		order = append(order, *n.Owner)
		other := a
		if n == a {
			other = b
		}
		w.Cancel(other)
		w.Schedule(n, 5*ms)
	})
	require.Len(t, order, 1, "what was cancelled does not fire, and what is set to the past waits for the next tick")
	assert.Equal(t, order, fired(&w, 11*ms))

	w.Schedule(a, 20*ms)
	w.Schedule(b, 20*ms)
	order = nil
	w.Advance(20*ms, func(n *node) { // whichever comes first puts the other off
		order = append(order, *n.Owner)
		for _, other := range []*node{a, b} {
			if other != n {
				w.Schedule(other, 40*ms)
			}
		}
	})
	require.Len(t, order, 1)
	assert.Empty(t, fired(&w, 39*ms))
	assert.Len(t, fired(&w, 40*ms), 1)
}

func TestNext(t *testing.T) {
	var w wheel
	_, ok := w.Next(0)
	assert.False(t, ok, "an empty wheel wants no waking")

	n := named("")
	w.Schedule(n, 10*ms)
	wait, ok := w.Next(4*ms + 1)
	assert.True(t, ok)
	assert.Equal(t, 6*ms-1, wait)
	wait, _ = w.Next(20 * ms)
	assert.Zero(t, wait, "what is overdue does not wait")

	w.Cancel(n)
	_, ok = w.Next(0)
	assert.False(t, ok, "what was cancelled wants no waking")

	w.Schedule(n, math.MaxInt64)
	wait, ok = w.Next(0)
	assert.True(t, ok)
	assert.Positive(t, wait)
}

func TestTimeoutIsInWholeMillisecondsAndNeverTooShort(t *testing.T) {
	const forever = math.MaxInt64
	for _, c := range []struct {
		says          string
		at, now, most int64
		want          int
	}{
		{"nothing is scheduled", -1, 0, forever, -1},
		{"nothing is scheduled, and somebody wants to be woken", -1, 0, 5 * ms, 5},
		{"the whole of a millisecond", 3 * ms, 0, forever, 3},
		{"a fraction is rounded up", 3 * ms, 1, forever, 3},
		{"no time at all would be too early", 3 * ms, 3*ms - 1, forever, 1},
		{"it is due", 3 * ms, 4 * ms, forever, 0},
		{"somebody wants to be woken before", 30 * ms, 0, 2*ms + 1, 3},
		{"somebody wants to be woken after", 30 * ms, 0, 31 * ms, 30},
	} {
		t.Run(c.says, func(t *testing.T) {
			var w Wheel[int]
			if c.at >= 0 {
				w.Schedule(&Node[int]{}, c.at)
			}
			require.Equal(t, c.want, w.Timeout(c.now, c.most))
		})
	}
}

func TestSleepingUntilNextIsEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		now := rapid.Int64Range(0, 1e15).Draw(t, "now")
		w.Advance(now, nil)
		at := now + rapid.Int64Range(1, 1e14).Draw(t, "after")
		w.Schedule(named("a"), at)
		var names []string
		wakes := 0
		for ; len(names) == 0; wakes++ {
			wait, ok := w.Next(now)
			require.True(t, ok)
			require.Positive(t, wait, "a wait of nothing would spin")
			now += wait
			names = fired(&w, now)
		}
		require.GreaterOrEqual(t, now, at)
		require.Less(t, now, at+Tick)
		require.LessOrEqual(t, wakes, levels)
	})
}

// TestTheWheelDoesWhatAListDoes compares with a plain map that is searched whole.
func TestTheWheelDoesWhatAListDoes(t *testing.T) {
	const nodes = 20
	delay := rapid.OneOf(
		rapid.Int64Range(-5*ms, 5*ms), rapid.Int64Range(0, 200*ms), rapid.Int64Range(0, 20*second), rapid.Int64Range(0, 1e6*second),
	)
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		all := make([]*node, nodes)
		for i := range all {
			all[i] = named(strconv.Itoa(i))
		}
		model := map[int]int64{} // node to the tick at which it fires
		now := rapid.Int64Range(0, 1e6*second).Draw(t, "now")
		w.Advance(now, nil)
		which := rapid.IntRange(0, nodes-1)
		set := func(i int, at int64) {
			at = max(at, 0)
			w.Schedule(all[i], at)
			model[i] = max(ceil(at), now/Tick+1)
		}
		t.Repeat(map[string]func(*rapid.T){
			"schedule": func(t *rapid.T) { set(which.Draw(t, "node"), now+delay.Draw(t, "delay")) },
			"cancel": func(t *rapid.T) {
				i := which.Draw(t, "node")
				w.Cancel(all[i])
				delete(model, i)
			},
			"advance": func(t *rapid.T) {
				now += max(0, delay.Draw(t, "time"))
				again := rapid.Bool().Draw(t, "schedule again when fired")
				var want, got []int
				for i, tick := range model {
					if tick <= now/Tick {
						want = append(want, i)
					}
				}
				w.Advance(now, func(n *node) {
					i, _ := strconv.Atoi(*n.Owner)
					got = append(got, i)
					delete(model, i)
					if again {
						set(i, now+int64(i)*ms)
					}
				})
				slices.Sort(want)
				slices.Sort(got)
				require.Equal(t, want, got)
			},
			"": func(t *rapid.T) {
				wait, ok := w.Next(now)
				require.Equal(t, len(model) > 0, ok)
				for i, tick := range model {
					require.LessOrEqual(t, now+wait, tick*Tick, "node %d would be late", i)
				}
			},
		})
	})
}

func TestNothingIsAllocated(t *testing.T) {
	var w wheel
	var n node
	now := int64(0)
	fire := func(*node) {}
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		w.Schedule(&n, now+30*second)
		w.Schedule(&n, now+10*second)
		w.Schedule(&n, now+40*second)
		now += 5 * ms
		w.Advance(now, fire)
		w.Cancel(&n)
	}))
}

// BenchmarkKeepAlive is what a request costs a connection that pushes out its timeout, among many
// others.
func BenchmarkKeepAlive(b *testing.B) {
	const conns = 50_000
	var w wheel
	nodes := make([]node, conns)
	fire := func(*node) {}
	now := int64(0)
	for i := 0; b.Loop(); i++ {
		now += 10_000 // 100,000 requests a second
		w.Schedule(&nodes[i%conns], now+30*second)
		w.Advance(now, fire)
	}
}

// BenchmarkChurn is what a connection costs that lives for one request.
func BenchmarkChurn(b *testing.B) {
	const conns = 50_000
	var w wheel
	nodes := make([]node, conns)
	fire := func(*node) {}
	now := int64(0)
	for i := 0; b.Loop(); i++ {
		now += 10_000
		n := &nodes[i%conns]
		w.Cancel(n)
		w.Schedule(n, now+10*second)
		w.Advance(now, fire)
	}
}
