package stats

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

// histogram is one thread's counts. Only its thread adds.
type histogram struct {
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
func (s *Slot) Took(nano int64, n uint64) {
	s.latency.buckets[bucketOf(nano)].Add(n)
	s.latency.sum.Add(uint64(max(nano, 0)) * n)
}

// Latency is how long all threads' answers took, at one moment.
type Latency struct {
	Count   uint64
	Nano    uint64 // the sum, in nanoseconds
	buckets [numBuckets]uint64
}

// Latency adds up what the slots have.
func (r *Region) Latency() *Latency {
	h := new(Latency)
	for i := range r.slots {
		of := &r.slots[i].latency
		h.Nano += of.sum.Load()
		for b := range of.buckets {
			n := of.buckets[b].Load()
			h.buckets[b] += n
			h.Count += n
		}
	}
	return h
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
