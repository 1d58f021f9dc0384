package upstream

// What all processes of a server know of the targets: counters, health, and what is under way.
//
// It is a region of plain memory that the processes share (package shm): words of eight bytes, each
// an atomic, and no pointers. A target has a row, which it finds by a hash of its name, because
// processes with other settings may have the region too, after a reload. Counters are kept by
// thread, so that threads do not fight over a cache line: each has one writer, and a reader adds
// them up. Gauges are kept by process: what a process had under way ends with it.
//
// What must not be done: a row must not be given to another target while any process has it, since
// that one's requests would count for the other. So a row is kept for good, unless the process that
// has claimed it gives it back before another could know of it. A process must write to no gauges
// but its own.

import (
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"unsafe"

	"fourways/shared/stats"
)

// MaxTargets is how many targets a server of several processes may have in its life, with those of
// earlier settings.
const MaxTargets = 64

// Layout is how much room a region has.
type Layout struct {
	Targets   int // with those of earlier settings; at most MaxTargets
	Processes int
	Slots     int // threads that count, over all processes
}

// Counter names a number that only grows.
type Counter uint8

const (
	Requests Counter = iota // sent, retries included
	Opened                  // connections that were made
	Refused                 // connections that could not be made
	Cut                     // answers that broke off
	Nonsense                // answers that were not HTTP
	Late                    // answers that did not come in time
	numCounters
)

// Failures are the counters of what can go wrong, with the names they have in reports.
var Failures = []struct {
	Counter Counter
	Name    string
}{{Refused, "connect"}, {Cut, "cut"}, {Nonsense, "malformed"}, {Late, "timeout"}}

// counts are those of one thread.
type counts struct {
	counters [numCounters]atomic.Uint64
	_        [8 - numCounters%8]uint64
	heads    stats.Histogram // from sending a request to the end of the answer's head
	_        [(64 - unsafe.Sizeof(stats.Histogram{})%64) / 8]uint64
}

// gauges are those of one process.
type gauges struct {
	inFlight atomic.Int64 // requests under way
	conns    atomic.Int64 // connections that are open
	tunnels  atomic.Int64 // of those under way, the ones that are no HTTP any more
	_        [5]uint64
}

func (g *gauges) reset() {
	g.inFlight.Store(0)
	g.conns.Store(0)
	g.tunnels.Store(0)
}

// health is what is known of a target's health; see health.go. Times are on the monotonic clock,
// which all processes share, in nanoseconds; 0 for never.
type health struct {
	name         atomic.Uint64 // hash of the target's name; 0 for a row that is free
	failed       atomic.Int64  // failures in a row
	restUntil    atomic.Int64
	probed       atomic.Int64 // when a request was let through last, although the target rests
	looked       atomic.Int64 // when the last check began
	checksFailed atomic.Int64 // in a row
	down         atomic.Int64 // 1 for a target that fails its checks
	told         atomic.Int64 // when it was logged last why the target has failed
	place        place
}

// row is one target's part of a region.
type row struct {
	*health
	gauges []gauges // by process
	counts []counts // by slot
	alive  func(process int) bool
}

// Region is a view of a region of memory that processes share, or one process's own rows, of which
// it can have any number.
type Region struct {
	own    map[string]*row // by the target's name; nil for a view
	mu     sync.Mutex      // guards own
	layout Layout
	health []health
	gauges []gauges // of each target, by process
	counts []counts // of each target, by slot
	alive  func(process int) bool
}

// ErrRegion: the memory is too short for the layout, not aligned, or of another layout.
var ErrRegion = errors.New("upstream: region too short, misaligned or of another layout")

// ErrTooMany: the region has no row left.
var ErrTooMany = errors.New("there have been too many upstreams; restart the server to begin again")

// Size is the length of a region, in bytes.
func Size(l Layout) int {
	return int(unsafe.Sizeof(health{}))*(1+l.Targets) + l.Targets*(l.Processes*int(unsafe.Sizeof(gauges{}))+l.Slots*int(unsafe.Sizeof(counts{})))
}

// fingerprint tells one layout from another.
func (l Layout) fingerprint() uint64 {
	const version = 3
	return version<<56 | uint64(unsafe.Sizeof(counts{}))<<40 | uint64(l.Targets)<<32 | uint64(l.Processes)<<16 | uint64(l.Slots)
}

// Open makes a view of mem, which must be zero before its first use, aligned to 8 bytes, and
// Size(l) bytes long. alive reports whether a process is there; nil for one that always is.
func Open(mem []byte, l Layout, alive func(process int) bool) (*Region, error) {
	base := unsafe.Pointer(unsafe.SliceData(mem))
	if len(mem) < Size(l) || uintptr(base)%8 != 0 {
		return nil, ErrRegion
	}
	if alive == nil {
		alive = func(int) bool { return true }
	}
	r := &Region{layout: l, alive: alive}
	all := unsafe.Slice((*health)(base), 1+l.Targets)
	if head := &all[0].name; !head.CompareAndSwap(0, l.fingerprint()) && head.Load() != l.fingerprint() {
		return nil, ErrRegion
	}
	r.health = all[1:]
	base = unsafe.Add(base, uintptr(len(all))*unsafe.Sizeof(health{}))
	r.gauges = unsafe.Slice((*gauges)(base), l.Targets*l.Processes)
	base = unsafe.Add(base, uintptr(len(r.gauges))*unsafe.Sizeof(gauges{}))
	r.counts = unsafe.Slice((*counts)(base), l.Targets*l.Slots)
	return r, nil
}

// NewRegion makes a region for one process in memory of its own.
func NewRegion(slots int) *Region {
	return &Region{own: map[string]*row{}, layout: Layout{Processes: 1, Slots: slots}}
}

// ownRow is the row of a target in a process's own region.
func (r *Region) ownRow(name string) *row {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.own[name]
	if have == nil {
		have = &row{health: &health{}, gauges: make([]gauges, 1), counts: make([]counts, r.layout.Slots), alive: func(int) bool { return true }}
		r.own[name] = have
	}
	return have
}

// begin has a process of a shared region have nothing under way, at whatever targets: what had its
// place before has ended, perhaps in the midst of requests to some that this one has not.
func (r *Region) begin(process int) {
	for i := range r.health {
		r.gauges[i*r.layout.Processes+process].reset()
	}
}

// claim is the row of a target, which gets one if it has none; made says so.
func (r *Region) claim(name string) (at *row, made bool, err error) {
	if r.own != nil {
		return r.ownRow(name), false, nil
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := max(h.Sum64(), 1)
	for i := range r.health { // behind rows that were given back, perhaps
		if r.health[i].name.Load() == sum {
			return r.at(i), false, nil
		}
	}
	for i := range r.health {
		of := &r.health[i].name
		if made = of.CompareAndSwap(0, sum); made || of.Load() == sum {
			return r.at(i), made, nil
		}
	}
	return nil, false, ErrTooMany
}

// at is the i-th row.
func (r *Region) at(i int) *row {
	p, s := r.layout.Processes, r.layout.Slots
	return &row{health: &r.health[i], gauges: r.gauges[i*p : (i+1)*p], counts: r.counts[i*s : (i+1)*s], alive: r.alive}
}

// clear makes a row free for another target. Nobody uses it any more.
func (r *row) clear() {
	for _, n := range []*atomic.Int64{&r.failed, &r.restUntil, &r.probed, &r.looked, &r.checksFailed, &r.down, &r.told} {
		n.Store(0)
	}
	r.place.remember(nil)
	for i := range r.gauges {
		r.gauges[i].reset()
	}
	clear(r.counts)
	r.name.Store(0)
}

// sum adds up a gauge over the processes that are there.
func (r *row) sum(of func(*gauges) *atomic.Int64) (n int64) {
	for p := range r.gauges {
		if g := of(&r.gauges[p]).Load(); g > 0 && r.alive(p) {
			n += g
		}
	}
	return n
}

func (r *row) inFlight() int64 {
	return r.sum(func(g *gauges) *atomic.Int64 { return &g.inFlight })
}

// InFlight is how many requests the target has under way, from all processes.
func (s *State) InFlight() int64 { return s.row.inFlight() }

// Conns is how many connections to the target are open, of all processes.
func (s *State) Conns() int64 {
	return s.row.sum(func(g *gauges) *atomic.Int64 { return &g.conns })
}

// Tunnels is how many of the requests under way are tunnels.
func (s *State) Tunnels() int64 {
	return s.row.sum(func(g *gauges) *atomic.Int64 { return &g.tunnels })
}

// Total is a counter's sum over all threads.
func (s *State) Total(c Counter) (n uint64) {
	for i := range s.row.counts {
		n += s.row.counts[i].counters[c].Load()
	}
	return n
}

// Heads is how long it took from sending a request to the end of the answer's head.
func (s *State) Heads() *stats.Latency {
	list := make([]*stats.Histogram, len(s.row.counts))
	for i := range s.row.counts {
		list[i] = &s.row.counts[i].heads
	}
	return stats.Sum(list...)
}
