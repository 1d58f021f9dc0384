package stats

// The series of 24 hours, also over a wall clock that jumps. The time is given by hand; readers run
// at the same time as the writer.

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fourways/shared/fault"
)

const noon = 1_710_504_000 // seconds since 1970, the beginning of an interval

// sum is what the series says in all.
func (h *History) sum() (c Count) {
	c = h.Older
	for _, i := range h.Intervals {
		c.Requests += i.Requests
		c.Blocked += i.Blocked
	}
	return c
}

// last are the requests of the last n intervals.
func (h *History) last(n int) (list []uint64) {
	for _, i := range h.Intervals[Intervals-n:] {
		list = append(list, i.Requests)
	}
	return list
}

func TestTheSeriesOverAWallClockThatJumps(t *testing.T) {
	type look struct {
		at   int64  // seconds from noon
		came uint64 // requests since the look before
	}
	for _, tt := range []struct {
		name  string
		looks []look
		began int64    // of the running interval, in seconds from noon
		last  []uint64 // requests of the last intervals
		older uint64
	}{
		{"what came before the first look is in the first interval", []look{{10, 7}}, 0, []uint64{0, 7}, 0},
		{"each interval has its own", []look{{0, 0}, {299, 2}, {300, 3}, {599, 4}, {600, 5}, {601, 6}}, 600, []uint64{0, 5, 9, 6}, 0},
		{"suspended for an hour: the intervals between are empty", []look{{0, 0}, {100, 5}, {3700, 1}, {3701, 2}}, 3600, []uint64{6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 0},
		{"suspended for a day: all is older", []look{{0, 0}, {100, 5}, {100 + 86400, 1}, {102 + 86400, 2}}, 86400, []uint64{0, 0, 2}, 6},
		{"one interval less than a day: the first is still there", []look{{0, 4}, {86400 - 300, 0}}, 86400 - 300, nil, 0},
		{"two seconds back over the edge: the interval goes on", []look{{0, 0}, {300, 1}, {301, 2}, {299, 3}, {300, 4}, {301, 5}}, 300, []uint64{0, 1, 14}, 0},
		{"an hour back: all is dated back, and nothing is lost", []look{{0, 0}, {300, 1}, {301, 2}, {-3300, 3}, {-3000, 4}, {-2999, 5}}, -3000, []uint64{0, 1, 9, 5}, 0},
		{"a year ahead and back: the day between is empty", []look{{0, 3}, {365 * 86400, 1}, {60, 2}}, 0, []uint64{0, 0, 2}, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := New(1)
			var all uint64
			for _, l := range tt.looks {
				r.Slot(0).Add(Requests, l.came)
				all += l.came
				r.Record(noon + l.at)
				r.Record(noon + l.at)
			}
			h := r.History()
			require.EqualValues(t, noon+tt.began, h.Intervals[Intervals-1].Timestamp)
			require.Equal(t, tt.last, h.last(len(tt.last)))
			require.Equal(t, tt.older, h.Older.Requests)
			require.Equal(t, all, h.sum().Requests)
		})
	}
}

// Whatever happens, and in whatever order, the series has every request once.
func TestTheSeriesAddsUpToTheTotals(t *testing.T) {
	const workers = 3
	l := Layout{Processes: 1 + workers, Slots: 1 + workers}
	rapid.Check(t, func(t *rapid.T) {
		r, err := Open(memory(l), l)
		require.NoError(t, err)
		clock := rapid.Int64Range(noon, noon+300).Draw(t, "start")
		slot := rapid.IntRange(1, workers)
		t.Repeat(map[string]func(*rapid.T){
			"count": func(t *rapid.T) {
				i := slot.Draw(t, "slot")
				r.Slot(i).Add(Requests, uint64(rapid.IntRange(1, 100).Draw(t, "requests")))
				r.Slot(i).Refuse(fault.PathTraversal)
			},
			"a worker dies": func(t *rapid.T) { r.Bury(slot.Draw(t, "slot")) },
			"time passes": func(t *rapid.T) {
				clock += rapid.Int64Range(1, 400).Draw(t, "seconds")
				r.Record(clock)
			},
			"the clock jumps": func(t *rapid.T) {
				clock += rapid.Int64Range(-3*86400, 3*86400).Draw(t, "seconds")
				r.Record(clock)
			},
			"": func(t *rapid.T) {
				h := r.History()
				require.Equal(t, h.Total, h.sum())
				require.Equal(t, Count{r.Total(Requests), r.Blocked()}, h.Total)
				for i, in := range h.Intervals[1:] {
					require.EqualValues(t, IntervalSeconds, in.Timestamp-h.Intervals[i].Timestamp)
					require.LessOrEqual(t, in.Requests, h.Total.Requests, "nothing below zero")
				}
			},
		})
	})
}

func TestAReaderNeverSeesHalfOfANewInterval(t *testing.T) {
	r := New(1)
	r.Record(noon)
	var wg sync.WaitGroup
	over := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				h := r.History()
				if h.sum() != h.Total || h.Total.Requests > 1<<40 {
					t.Errorf("%v adds up to %v", h.Total, h.sum())
					return
				}
				for _, in := range h.Intervals {
					if in.Requests > 1<<40 {
						t.Errorf("an interval has %d", in.Requests)
						return
					}
				}
			}
		})
	}
	for n := range int64(20_000) {
		r.Slot(0).Add(Requests, 1)
		r.Record(noon + n*150 + n%7*300*100)
	}
	close(over)
	wg.Wait()
}

func TestTheFirstBeginningCounts(t *testing.T) {
	r := New(1)
	r.Begin(5, 100)
	r.Begin(6, 101)
	mono, unix := r.Began()
	require.EqualValues(t, 5, mono)
	require.EqualValues(t, 100, unix)
}

func BenchmarkHistory(b *testing.B) {
	r := New(8)
	for b.Loop() {
		r.History()
	}
}
