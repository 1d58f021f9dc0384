package stats

import "sync/atomic"

// State is how far a process has come in its life.
type State uint64

const (
	Free     State = iota // nobody has the entry
	Starting              // its process has been started, or is about to be
	Ready                 // it accepts
	Draining              // it finishes what it has
)

func (s State) String() string {
	return [...]string{"free", "starting", "ready", "draining"}[min(s, Draining)]
}

// Process is what one process tells the others of itself, and what they know of it. Its
// fields outlive it. A field is written by whoever it names, and read by anybody. Stages
// that are one process have one entry, in which only Conns means something.
type Process struct {
	state    atomic.Uint64 // a State; by the master
	Owner    atomic.Int64  // the pid of the master whose worker it is; by that master
	PID      atomic.Int64  // by the master
	Thread   atomic.Int64  // the event loop's thread id (gettid(2)); by the worker
	Position atomic.Int64  // which of the workers it is, from 1; by the master
	Restarts atomic.Uint64 // how often its position has been filled anew after a death; by the master
	Beat     atomic.Int64  // when the event loop last turned, on the monotonic clock in nanoseconds; by the loop
	Conns    atomic.Int64  // connections let in and not yet ended; by the worker

	CacheBytes  atomic.Int64 // the worker's file cache, at most a second old; by the worker
	CacheItems  atomic.Int64
	CacheHits   atomic.Uint64
	CacheMisses atomic.Uint64
	_           [32]byte
}

// State is how far the process has come.
func (p *Process) State() State { return State(p.state.Load()) }

// SetState says how far the process has come.
func (p *Process) SetState(s State) { p.state.Store(uint64(s)) }

// Process is the i-th process's entry.
func (r *Region) Process(i int) *Process { return &r.processes[i] }

// Processes is how many entries, from 0 on, have ever been in use.
func (r *Region) Processes() int { return int(r.common.used.Load()) }

// Claim takes a free entry, from first on, for a process that is about to start. It
// reports false where there is none. Two masters may claim at once: a new one starts its
// workers while the old one still has its own.
func (r *Region) Claim(first int) (i int, ok bool) {
	for i := first; i < len(r.processes); i++ {
		if r.processes[i].state.CompareAndSwap(uint64(Free), uint64(Starting)) {
			r.use(i)
			return i, true
		}
	}
	return 0, false
}

// Bury frees the entry of a process that is dead. What it had counted stays; what it had
// open is gone. i is its entry, and the first slot of its threads, of which it had one.
func (r *Region) Bury(i int) {
	p, s := &r.processes[i], &r.slots[i]
	s.counters[Closed].Store(s.counters[Opened].Load())
	for _, field := range []*atomic.Int64{&p.Owner, &p.PID, &p.Thread, &p.Position, &p.Beat, &p.Conns, &p.CacheBytes, &p.CacheItems} {
		field.Store(0)
	}
	p.Restarts.Store(0)
	p.SetState(Free)
}

// use notes that the i-th entry is in use.
func (r *Region) use(i int) {
	for n := r.common.used.Load(); n <= uint64(i); n = r.common.used.Load() {
		r.common.used.CompareAndSwap(n, uint64(i)+1)
	}
}

// Count is how many processes have come so far and no farther.
func (r *Region) Count(s State) (n int64) {
	for i := range r.Processes() {
		if r.processes[i].State() == s {
			n++
		}
	}
	return n
}

// Conns is the number of connections that are open in all processes.
func (r *Region) Conns() (n int64) {
	for i := range r.Processes() {
		n += r.processes[i].Conns.Load()
	}
	return n
}

// Cache is the file caches of all processes.
type Cache struct {
	Bytes, Items int64
	Hits, Misses uint64 // of dead processes too
}

// Cache adds up what the processes say of theirs.
func (r *Region) Cache() (c Cache) {
	for i := range r.Processes() {
		p := &r.processes[i]
		c.Bytes += p.CacheBytes.Load()
		c.Items += p.CacheItems.Load()
		c.Hits += p.CacheHits.Load()
		c.Misses += p.CacheMisses.Load()
	}
	return c
}

// HitRate is the share of lookups that were answered from a cache, in percent.
func (c Cache) HitRate() float64 {
	if c.Hits == 0 {
		return 0
	}
	return 100 * float64(c.Hits) / float64(c.Hits+c.Misses)
}
