package stats

// Requests in five-minute intervals, over 24 hours, in memory that processes share.
//
// One thread of the whole server is to record, and anybody reads. What must not be done: there must
// be no lock, since its holder may be killed, and a mark must not be written once head shows it.

import (
	"math"
	"sync/atomic"
)

// The 24-hour series.
const (
	Intervals       = 288 // kept, the running one included
	IntervalSeconds = 300
)

// series is how many requests there had been when each of the last intervals began. An interval is
// the difference of two such marks, and the running one what has come since the last: so everything
// that was counted is in exactly one interval, or older than all of them, whichever thread counted
// it and however late the series is moved on.
//
// One thread writes (Region.Record), anybody reads. The writer fills in a mark that
// nobody reads yet, and then shows it by moving head on: it may be killed anywhere
// between, and a reader never waits for it.
type series struct {
	// head names the running interval: its number, counted from 1, in the upper half, and
	// the wall clock's (seconds since 1970 divided by IntervalSeconds) in the lower. 0
	// before the first Record. In one word, so that both change at once.
	head  atomic.Uint64
	marks [Intervals + 1]mark // of interval n at n modulo their number; one more than are read
}

// mark is the server's totals at the time when an interval began.
type mark struct{ requests, blocked atomic.Uint64 }

func (s *series) mark(number uint64) *mark { return &s.marks[number%uint64(len(s.marks))] }

func packHead(number, wall uint64) uint64 { return number<<32 | wall }

func unpackHead(head uint64) (number, wall uint64) { return head >> 32, head & math.MaxUint32 }

// Record begins a new interval when it is time for one; unix is the wall clock, in seconds
// since 1970. One thread of the whole server calls it, about once a second.
//
// The wall clock may jump. When it leaps ahead, or everything was suspended, the intervals
// between are empty. When it falls back into the interval before, the running one goes
// on until the clock has caught up. When it falls back further, it was wrong before: the
// intervals keep their order and distance, and are all dated back.
func (r *Region) Record(unix int64) {
	s := &r.common.series
	wall := uint64(max(unix/IntervalSeconds, 1))
	head := s.head.Load()
	number, running := unpackHead(head)
	switch {
	case head == 0:
		s.head.CompareAndSwap(0, packHead(1, wall)) // what was counted before belongs to the first
	case wall > running:
		r.advance(head, wall, min(wall-running, Intervals))
	case wall+1 < running:
		s.head.CompareAndSwap(head, packHead(number, wall))
	}
}

// advance begins so many intervals, of which the last one is the wall clock's: one at a time, since
// only the mark after the last may be written while others read.
func (r *Region) advance(head, wall, steps uint64) {
	s := &r.common.series
	requests, blocked := r.Total(Requests), r.Blocked()
	for ; steps > 0; steps-- {
		number, _ := unpackHead(head)
		m := s.mark(number + 1)
		m.requests.Store(requests)
		m.blocked.Store(blocked)
		next := packHead(number+1, wall-(steps-1))
		if !s.head.CompareAndSwap(head, next) {
			return // another process records too, a master that is about to end: its mark will do
		}
		head = next
	}
}

// Count is what the series counts.
type Count struct {
	Requests uint64 `json:"requests"`
	Blocked  uint64 `json:"blocked"`
}

func (c Count) since(earlier Count) Count {
	return Count{c.Requests - earlier.Requests, c.Blocked - earlier.Blocked}
}

// Interval is one of the series.
type Interval struct {
	Timestamp int64 `json:"timestamp"` // its beginning, in seconds since 1970
	Count
}

// History is the series at one moment: the intervals and Older add up to Total.
type History struct {
	Intervals [Intervals]Interval // the oldest first, the running one last
	Older     Count               // before the first interval
	Total     Count
}

// History is the last 24 hours.
func (r *Region) History() *History {
	s := &r.common.series
	for {
		h := new(History)
		head := s.head.Load()
		number, wall := unpackHead(head)
		h.read(s, number, wall)
		// The totals after the marks: they only grow, so no interval is less than nothing.
		h.Total = Count{Requests: r.Total(Requests), Blocked: r.Blocked()}
		if s.head.Load() == head {
			h.differences()
			return h
		}
	}
}

// read stores the totals at the beginning of each interval.
func (h *History) read(s *series, number, wall uint64) {
	for i := range h.Intervals {
		ago := uint64(Intervals - 1 - i)
		of := &h.Intervals[i]
		of.Timestamp = (int64(wall) - int64(ago)) * IntervalSeconds
		if number > ago { // there was one then
			m := s.mark(number - ago)
			of.Count = Count{Requests: m.requests.Load(), Blocked: m.blocked.Load()}
		}
	}
}

// differences replaces the totals at the beginning of each interval by what came in it.
func (h *History) differences() {
	h.Older = h.Intervals[0].Count
	for i := range h.Intervals {
		end := h.Total
		if i+1 < Intervals {
			end = h.Intervals[i+1].Count
		}
		h.Intervals[i].Count = end.since(h.Intervals[i].Count)
	}
}
