package stats

// The entries of the server's processes in the shared region: how far each has come, and what it
// tells the others.
//
// Each field says who may write it. What must not be done: an entry must be buried only once its
// process is dead, and what only grows must not be set back, since the next process goes on
// counting there. Every field is one word of eight bytes.

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

// Process is what one process tells the others of itself, and what they know of it. Its fields
// outlive it. The comment of a field says which process writes it; any may read it. Stages that are
// one process have one entry, in which only Conns means something.
type Process struct {
	state    atomic.Uint64 // a State; by the master
	Owner    atomic.Int64  // the pid of the master whose worker it is, 0 where it is free; by that master, or by who frees it
	PID      atomic.Int64  // by the master
	Thread   atomic.Int64  // the event loop's thread id (gettid(2)); by the worker
	Position atomic.Int64  // which of the workers it is, from 1; by the master
	Beat     atomic.Int64  // when the event loop last turned, on the monotonic clock in nanoseconds; by the loop
	Conns    atomic.Int64  // connections let in and not yet ended; by the worker
	Relays   atomic.Int64  // of those, the ones that are passed on as they are; by the worker

	CacheBytes  atomic.Int64 // the worker's file cache, at most a second old; by the worker
	CacheItems  atomic.Int64
	CacheHits   atomic.Uint64
	CacheMisses atomic.Uint64

	LogLines     atomic.Uint64 // lines that did not get into its log, at most a second old; by the process
	LogErrors    atomic.Uint64 // writes to it that failed
	AccessLines  atomic.Uint64 // the same of its access log
	AccessErrors atomic.Uint64

	Queued  atomic.Int64 // bytes of memory in queues for slow clients; by the process
	Spilled atomic.Int64 // bytes of them on the disk

	CPU atomic.Int64 // processor time in nanoseconds, at most a second old; by the process
	_   [64 - 19*8%64]byte
}

// State is how far the process has come.
func (p *Process) State() State { return State(p.state.Load()) }

// SetState says how far the process has come.
func (p *Process) SetState(s State) { p.state.Store(uint64(s)) }

// Process is the i-th process's entry.
func (r *Region) Process(i int) *Process { return &r.processes[i] }

// Processes is how many entries, from 0 on, have ever been in use.
func (r *Region) Processes() int { return int(r.common.used.Load()) }

// Claim takes a free entry, from first on, for a process that its owner is about to start. It
// reports false where there is none. Two masters may claim at once: a new one starts its
// workers while the old one still has its own. An entry first gets its owner and is then taken, and
// loses it last: one whose owner was killed on the way says whose it was, so that it can be freed.
func (r *Region) Claim(first int, owner int64) (i int, ok bool) {
	for i := first; i < len(r.processes); i++ {
		p := &r.processes[i]
		if !p.Owner.CompareAndSwap(0, owner) {
			continue
		}
		r.use(i)
		if p.state.CompareAndSwap(uint64(Free), uint64(Starting)) {
			return i, true
		}
		p.Owner.CompareAndSwap(owner, 0)
	}
	return 0, false
}

// Vacant is how many entries are free, from first on.
func (r *Region) Vacant(first int) (n int) {
	for i := first; i < len(r.processes); i++ {
		if r.processes[i].State() == Free {
			n++
		}
	}
	return n
}

// TakeStale finds the entries left by a master that was killed: a successor that did not come up,
// or the one before this. Its workers have ended with it. The master with the pid self becomes
// their owner, and free is to free them.
func (r *Region) TakeStale(self int64, alive func(pid int64) bool, free func(i int)) {
	for i := 1; i < r.Processes(); i++ {
		if r.processes[i].takeStale(self, alive) {
			free(i)
		}
	}
}

// takeStale makes a stale entry a master's own. During a hand-over two masters look, and the second
// one to free an entry would free it under a worker that has got it since.
func (p *Process) takeStale(self int64, alive func(pid int64) bool) bool {
	owner, pid := p.Owner.Load(), p.PID.Load()
	if owner == 0 || owner == self || alive(owner) || pid != 0 && alive(pid) {
		return false
	}
	return p.Owner.CompareAndSwap(owner, self)
}

// Bury frees the entry of a process that is dead. What it had counted stays, in its position's
// slot and in what only grows of the entry; what it had open is gone.
func (r *Region) Bury(i int) {
	p := &r.processes[i]
	r.slots[p.Position.Load()].Add(Closed, uint64(max(p.Conns.Swap(0), 0)))
	for _, field := range []*atomic.Int64{&p.PID, &p.Thread, &p.Position, &p.Beat, &p.Relays, &p.CacheBytes, &p.CacheItems, &p.Queued, &p.Spilled} {
		field.Store(0)
	}
	p.SetState(Free)
	p.Owner.Store(0)
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

// Relays is how many of them are passed on as they are.
func (r *Region) Relays() (n int64) {
	for i := range r.Processes() {
		n += r.processes[i].Relays.Load()
	}
	return n
}

// Queued is how many bytes of memory the queues for slow clients have in all processes.
func (r *Region) Queued() (n int64) {
	for i := range r.Processes() {
		n += r.processes[i].Queued.Load()
	}
	return n
}

// Spilled is how many bytes of them are on the disk.
func (r *Region) Spilled() (n int64) {
	for i := range r.Processes() {
		n += r.processes[i].Spilled.Load()
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

// CPU is the processor time that all processes have used, dead ones too, in nanoseconds.
func (r *Region) CPU() (sum int64) {
	for i := range r.Processes() {
		sum += r.processes[i].CPU.Load()
	}
	return sum
}

// Logs is what the logs of all processes have lost, of dead ones too.
type Logs struct {
	Lines, Errors             uint64
	AccessLines, AccessErrors uint64
}

// Logs adds up what the processes say of theirs.
func (r *Region) Logs() (l Logs) {
	for i := range r.Processes() {
		p := &r.processes[i]
		l.Lines += p.LogLines.Load()
		l.Errors += p.LogErrors.Load()
		l.AccessLines += p.AccessLines.Load()
		l.AccessErrors += p.AccessErrors.Load()
	}
	return l
}
