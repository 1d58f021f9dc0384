package stats

// How long answers took: a histogram in each thread's slot, and its sum over all of them.
//
// Only a slot's own thread counts, and anybody reads, without a lock. A reading during the counting
// may be a few answers short. What must not be done: the layout of the buckets must not differ
// between processes that share a region, since it is part of the region's layout.

import (
	"math/bits"
	"sync/atomic"
)

// Latency is counted in buckets of microseconds that grow with the value: one for each up
// to 32, and from there on sixteen for each doubling. So a quantile is never less than the
// exact one, and more than it by less than a microsecond or a sixteenth, whichever is more;
// and 3.7 KB a thread reach from a microsecond to an hour.
const (
	subBits    = 4         // a doubling has 1<<subBits buckets
	latencyMax = 1<<32 - 1 // microseconds, 71 minutes; what takes longer is counted as that
	numBuckets = (32 - subBits + 1) << subBits
	nanoPerUs  = 1000
)

// Histogram is one thread's counts, in memory that processes may share. Only its thread adds.
type Histogram struct {
	buckets [numBuckets]atomic.Uint64
	sum     atomic.Uint64 // nanoseconds
}

// bucketOf is the bucket of a duration in nanoseconds. A bucket's lower edge is outside
// of it and the upper edge inside, as in Prometheus's histograms.
func bucketOf(nano int64) int {
	us := min(uint64(max(nano-1, 0))/nanoPerUs, latencyMax)
	double := max(bits.Len64(us)-1-subBits, 0)
	return double<<subBits + int(us>>double)
}

// upperEdge is the longest duration of a bucket, in microseconds.
func upperEdge(bucket int) uint64 {
	double := max(bucket>>subBits-1, 0)
	return uint64(bucket-double<<subBits+1) << double
}

// Took counts n answers that took so many nanoseconds each. Only the slot's thread may
// call it.
func (s *Slot) Took(nano int64, n uint64) { s.latency.Took(nano, n) }

// ShookHands counts a handshake that took so many nanoseconds from the client's hello to its end.
// Only the slot's thread may call it.
func (s *Slot) ShookHands(nano int64) { s.shakes.Took(nano, 1) }

// Took counts n things that took so many nanoseconds each.
func (h *Histogram) Took(nano int64, n uint64) {
	h.buckets[bucketOf(nano)].Add(n)
	h.sum.Add(uint64(max(nano, 0)) * n)
}

// Latency is how long all threads' answers took, at one moment.
type Latency struct {
	Count   uint64
	Nano    uint64 // the sum, in nanoseconds
	buckets [numBuckets]uint64
}

// Latency adds up what the slots have.
func (r *Region) Latency() *Latency {
	return r.latency(func(s *Slot) *Histogram { return &s.latency })
}

// Handshakes is how long all threads' handshakes took, at one moment.
func (r *Region) Handshakes() *Latency {
	return r.latency(func(s *Slot) *Histogram { return &s.shakes })
}

func (r *Region) latency(which func(*Slot) *Histogram) *Latency {
	h := new(Latency)
	for i := range r.slots {
		h.add(which(&r.slots[i]))
	}
	return h
}

// Sum adds up what several threads have counted.
func Sum(list ...*Histogram) *Latency {
	h := new(Latency)
	for _, of := range list {
		h.add(of)
	}
	return h
}

func (h *Latency) add(of *Histogram) {
	h.Nano += of.sum.Load()
	for b := range of.buckets {
		n := of.buckets[b].Load()
		h.buckets[b] += n
		h.Count += n
	}
}

// Quantile is how long the fastest so many of a thousand answers took at most, in
// microseconds: 500 for the median. It is 0 while there are none.
func (h *Latency) Quantile(perMille uint64) uint64 {
	rank := max((h.Count*perMille+999)/1000, 1)
	seen := uint64(0)
	for b, n := range h.buckets {
		if seen += n; seen >= rank {
			return upperEdge(b)
		}
	}
	return 0
}

// Within is the number of answers that took at most 1<<power microseconds. At the powers
// of two it is exact.
func (h *Latency) Within(power int) (n uint64) {
	for b := range h.buckets {
		if upperEdge(b) > 1<<power {
			break
		}
		n += h.buckets[b]
	}
	return n
}
