// Package stats counts what the server does.
//
// The numbers live in a region of plain memory: a common part, then an entry for each process of
// the server (process.go), then one slot for each thread that serves. A slot is written by its own
// thread only and read by anybody, so counting takes no lock and no cache line is fought over; a
// reader adds the slots up. (Where a thread is a process, its successor has the same slot, and may
// begin before it has ended: so adding is atomic.) Nothing in a region is a pointer, so it may as
// well be memory shared between processes, and outlives the processes that wrote to it.
package stats

import (
	"errors"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"unsafe"

	"fourways/shared/fault"
)

// Counter names a number that only grows.
type Counter uint8

const (
	Opened     Counter = iota // connections taken into service
	Closed                    // of those, connections ended
	Requests                  // requests, with those that could not be read
	Dropped                   // connections turned away: queue full, connection limit, out of descriptors
	Answers2xx                // answers by class of status
	Answers3xx
	Answers4xx
	Answers5xx
	BytesOut // of answers' bodies
	BytesIn  // of requests' bodies
	Wakeups  // waits of a thread with many connections that reported something
	Events   // sockets that they reported ready, or things that they reported done
	Enters   // calls of io_uring_enter(2)
	Restarts // how often a worker process that died was to be replaced
	Busy     // nanoseconds in which the thread had work; in stage 1 also those in which it writes, or waits a moment for its client
	Work     // pieces of work that were ready: sockets that a wait reported, in stage 1 connections that a thread took
	Waited   // nanoseconds that they waited, added up: to the end of the turn, in stage 1 for the thread

	TLSConns          // of those Opened, those that began with TLS
	HandshakesFull    // of TLS, that came to their end
	HandshakesResumed // the same, by a ticket
	HandshakesFailed  // whose connections ended before
	TLS12             // handshakes that agreed on it
	TLS13
	GroupHybrid // handshakes that agreed on X25519MLKEM768
	GroupX25519
	GroupP256
	GroupP384
	GroupP521
	GroupOther
	Relayed     // of those Opened, those that are passed on
	RelayedUp   // bytes that their clients have sent
	RelayedDown // bytes that their targets have sent

	Truncated // connections of TLS that their clients ended without saying so (close_notify)

	numCounters
)

// Slot is the counters of one thread, or of all processes that are the worker of one position,
// one after the other: a counter that began at 0 with each of them would not only grow. Two
// slots never share a cache line. What pads them is never empty: behind an array of no bytes at its
// end a struct has a word more, so that its address is no other's.
type Slot struct {
	counters [numCounters]atomic.Uint64
	refused  [fault.NumReasons]atomic.Uint64
	latency  Histogram
	shakes   Histogram
	_        [64 - (int(numCounters)+int(fault.NumReasons)+2*(numBuckets+1))*8%64]byte
}

// Get is a counter's present value.
func (s *Slot) Get(c Counter) uint64 { return s.counters[c].Load() }

// Add adds n. Only the slot's thread may call it.
func (s *Slot) Add(c Counter, n uint64) { s.counters[c].Add(n) }

// Conns is how many connections of the slot's thread are open.
func (s *Slot) Conns() int64 {
	closed := s.Get(Closed) // first: what is opened and closed meanwhile must not make it negative
	return int64(s.Get(Opened) - closed)
}

// Refuse counts a request or connection turned away for this reason. Only the
// slot's thread may call it.
func (s *Slot) Refuse(why fault.Reason) { s.refused[why].Add(1) }

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
	layout    atomic.Uint64 // tells regions of another make; 0 in a new one
	used      atomic.Uint64 // processes that have ever been in use: those from 0 on
	maxActive atomic.Int64  // most connections at once
	mitigated atomic.Uint64
	began     atomic.Int64  // when the server began, on the monotonic clock in nanoseconds
	beganUnix atomic.Int64  // the same by the wall clock, in seconds since 1970
	stopping  atomic.Uint64 // 1 once the server, and not just one of its processes, is to end
	failing   atomic.Uint64 // workers that should be there and cannot be kept alive
	reloads   atomic.Uint64 // how often all that a reload is to read again was in use after it
	unloaded  atomic.Uint64 // how often it was not
	reloaded  atomic.Int64  // when it was last, in seconds since 1970; 0 for never
	_         [5 * 8]byte   // what follows has cache lines of its own
	series    series
	_         [64 - unsafe.Sizeof(series{})%64]byte
}

// Layout is how much room a region has.
type Layout struct {
	Processes int
	Slots     int // threads that count, over all processes
}

// fingerprint tells one layout from another, and this make of a region from others. A further
// counter or reason changes it by itself; what else changes the meaning of the memory without
// changing a size must change version. It is never 0.
func (l Layout) fingerprint() uint64 {
	const version = 7
	h := fnv.New64a()
	for _, n := range [...]int{version, int(unsafe.Sizeof(Process{})), int(unsafe.Sizeof(Slot{})), int(numCounters), l.Processes, l.Slots} {
		h.Write([]byte(strconv.Itoa(n) + " ")) // not by package fmt: what imports this one does no I/O
	}
	for why := range fault.NumReasons {
		h.Write([]byte(why.String() + "\n"))
	}
	return h.Sum64() | 1
}

// Region is a view of a region of memory.
type Region struct {
	common    *common
	processes []Process
	slots     []Slot
}

// ErrRegion: the memory is too short for the layout, not aligned to 8 bytes, or was set
// up for another layout.
var ErrRegion = errors.New("stats: region too short, misaligned or of another layout")

// Size is the length of a region, in bytes.
func Size(l Layout) int {
	return int(unsafe.Sizeof(common{})) + l.Processes*int(unsafe.Sizeof(Process{})) + l.Slots*int(unsafe.Sizeof(Slot{}))
}

// Open makes a view of mem, which must be zero before its first use, aligned to 8
// bytes, and Size(l) bytes long. Views of the same memory see the same numbers.
func Open(mem []byte, l Layout) (*Region, error) {
	base := unsafe.Pointer(unsafe.SliceData(mem))
	if len(mem) < Size(l) || uintptr(base)%8 != 0 {
		return nil, ErrRegion
	}
	r := &Region{common: (*common)(base)}
	base = unsafe.Add(base, unsafe.Sizeof(common{}))
	r.processes = unsafe.Slice((*Process)(base), l.Processes)
	base = unsafe.Add(base, uintptr(l.Processes)*unsafe.Sizeof(Process{}))
	r.slots = unsafe.Slice((*Slot)(base), l.Slots)
	if !r.common.layout.CompareAndSwap(0, l.fingerprint()) && r.common.layout.Load() != l.fingerprint() {
		return nil, ErrRegion
	}
	r.use(0)
	return r, nil
}

// New makes a region for one process in memory of its own.
func New(slots int) *Region {
	l := Layout{Processes: 1, Slots: slots}
	words := make([]uint64, Size(l)/8)
	r, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8), l)
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
func (r *Region) Refused(why fault.Reason) (n uint64) {
	for i := range r.slots {
		n += r.slots[i].refused[why].Load()
	}
	return n
}

// Blocked is how many were turned away by a check or a limit, over all reasons.
func (r *Region) Blocked() (n uint64) {
	for why := range fault.NumReasons {
		if why.Refusal() {
			n += r.Refused(why)
		}
	}
	return n
}

// Stop notes that the server is to end.
func (r *Region) Stop() { r.common.stopping.Store(1) }

// Stopping reports whether the server is to end.
func (r *Region) Stopping() bool { return r.common.stopping.Load() != 0 }

// SetFailing notes how many workers should be there and cannot be kept alive.
func (r *Region) SetFailing(workers int) { r.common.failing.Store(uint64(workers)) }

// Failing is what SetFailing noted.
func (r *Region) Failing() int { return int(r.common.failing.Load()) }

// Reloaded notes that a reload has ended, at a time in seconds since 1970, and whether all that it
// was to read again is in use now.
func (r *Region) Reloaded(whole bool, unix int64) {
	if !whole {
		r.common.unloaded.Add(1)
		return
	}
	r.common.reloaded.Store(unix)
	r.common.reloads.Add(1)
}

// Reloads is how many reloads have brought what they were to bring, how many have not, and when the
// last of the first was; 0 for never.
func (r *Region) Reloads() (whole, failed uint64, last int64) {
	return r.common.reloads.Load(), r.common.unloaded.Load(), r.common.reloaded.Load()
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

// Begin notes when the server began, and begins the series: mono in nanoseconds on the monotonic
// clock, which all its processes share, and unix in seconds since 1970. The first call counts; the
// others are those of processes that came later.
func (r *Region) Begin(mono, unix int64) {
	if r.common.beganUnix.CompareAndSwap(0, unix) {
		r.common.began.Store(mono)
		r.Record(unix)
	}
}

// Began is when the server began, as Begin was told.
func (r *Region) Began() (mono, unix int64) {
	return r.common.began.Load(), r.common.beganUnix.Load()
}

// Mitigate counts one client banned.
func (r *Region) Mitigate() { r.common.mitigated.Add(1) }

// Mitigated is the number of bans so far.
func (r *Region) Mitigated() uint64 { return r.common.mitigated.Load() }
