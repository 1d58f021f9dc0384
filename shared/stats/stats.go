// Package stats counts what the server does.
//
// The numbers live in a region of plain memory: a common part, then one slot for
// each thread that serves. A slot is written by its own thread only and read by
// anybody, so counting takes no lock and no cache line is fought over; a reader
// adds the slots up. Nothing in a region is a pointer, so it may as well be memory
// shared between processes, and outlives whoever wrote to it.
package stats

import (
	"errors"
	"sync/atomic"
	"unsafe"

	"fourways/shared/http1"
)

// Counter names a number that only grows.
type Counter uint8

const (
	Opened     Counter = iota // connections taken into service
	Closed                    // of those, connections ended
	Requests                  // requests whose head was understood
	Dropped                   // connections turned away: queue full, connection limit, out of descriptors
	Answers2xx                // answers by class of status
	Answers3xx
	Answers4xx
	Answers5xx
	BytesOut // of answers' bodies
	BytesIn  // of requests' bodies
	numCounters
)

// Slot is the counters of one thread. Two slots never share a cache line.
type Slot struct {
	counters [numCounters]atomic.Uint64
	refused  [http1.NumReasons]atomic.Uint64
	_        [(64 - (int(numCounters)+int(http1.NumReasons))*8%64) % 64]byte
}

// Add adds n. Only the slot's thread may call it.
func (s *Slot) Add(c Counter, n uint64) { s.counters[c].Add(n) }

// Refuse counts a request or connection turned away for this reason. Only the
// slot's thread may call it.
func (s *Slot) Refuse(why http1.Reason) { s.refused[why].Add(1) }

// Answer counts a final answer by its status.
func (s *Slot) Answer(status int) {
	switch status / 100 {
	case 2:
		s.Add(Answers2xx, 1)
	case 3:
		s.Add(Answers3xx, 1)
	case 4:
		s.Add(Answers4xx, 1)
	case 5:
		s.Add(Answers5xx, 1)
	}
}

// common is what the whole server has once.
type common struct {
	maxActive atomic.Int64 // most connections at once
	mitigated atomic.Uint64
	_         [48]byte
}

// Region is a view of a region of memory with a number of slots.
type Region struct {
	common *common
	slots  []Slot
}

// ErrRegion: the memory is too short for the slots, or not aligned to 8 bytes.
var ErrRegion = errors.New("stats: region too short or misaligned")

// Size is the length of a region with this many slots, in bytes.
func Size(slots int) int {
	return int(unsafe.Sizeof(common{})) + slots*int(unsafe.Sizeof(Slot{}))
}

// Open makes a view of mem, which must be zero before its first use, aligned to 8
// bytes, and Size(slots) bytes long. Views of the same memory see the same numbers.
func Open(mem []byte, slots int) (*Region, error) {
	if len(mem) < Size(slots) || uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 != 0 {
		return nil, ErrRegion
	}
	first := unsafe.Add(unsafe.Pointer(unsafe.SliceData(mem)), unsafe.Sizeof(common{}))
	return &Region{
		common: (*common)(unsafe.Pointer(unsafe.SliceData(mem))),
		slots:  unsafe.Slice((*Slot)(first), slots),
	}, nil
}

// New makes a region in memory of its own.
func New(slots int) *Region {
	words := make([]uint64, Size(slots)/8)
	r, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8), slots)
	if err != nil {
		panic(err) // 8-byte words are aligned and enough
	}
	return r
}

// Slot is the i-th thread's slot.
func (r *Region) Slot(i int) *Slot { return &r.slots[i] }

// Total is a counter's sum over all slots.
func (r *Region) Total(c Counter) (n uint64) {
	for i := range r.slots {
		n += r.slots[i].counters[c].Load()
	}
	return n
}

// Refused is how many were turned away for this reason.
func (r *Region) Refused(why http1.Reason) (n uint64) {
	for i := range r.slots {
		n += r.slots[i].refused[why].Load()
	}
	return n
}

// Blocked is how many were turned away by a check or a limit, over all reasons.
func (r *Region) Blocked() (n uint64) {
	for why := range http1.NumReasons {
		if why.Refusal() {
			n += r.Refused(why)
		}
	}
	return n
}

// SawActive notes that n connections are open at once.
func (r *Region) SawActive(n int64) {
	for {
		top := r.common.maxActive.Load()
		if n <= top || r.common.maxActive.CompareAndSwap(top, n) {
			return
		}
	}
}

// MaxActive is the most connections that were open at once.
func (r *Region) MaxActive() int64 { return r.common.maxActive.Load() }

// Mitigate counts one client banned.
func (r *Region) Mitigate() { r.common.mitigated.Add(1) }

// Mitigated is the number of bans so far.
func (r *Region) Mitigated() uint64 { return r.common.mitigated.Load() }
