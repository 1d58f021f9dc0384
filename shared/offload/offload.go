// Package offload runs slow work apart from the threads that serve: on a bounded number of
// goroutines, each of which may block on a disk for as long as it takes.
//
// Submitting work never waits, since an event loop does it. The queues need no bound of their own,
// because a connection has at most a few pieces of work under way.
//
// Work comes in kinds, by what it waits for, and no kind may take all the workers: a disk that
// hangs in an upload must not keep clients from the files of another disk. One worker stays free
// for each kind that has nothing under way. The others go to the kind that has the fewest. So even
// while one kind hangs, work of any other kind begins at once, or waits only for its own kind.
package offload

import "sync"

// Kind is what a piece of work waits for.
type Kind uint8

const (
	Lookup    Kind = iota // finding files, and reading small ones
	Read                  // reading on in large files
	Compress              // making another form of a file
	Store                 // checking, writing and flushing what clients send
	Handshake             // agreeing on keys with a client: it waits for the processor alone
	Spill                 // what waits for slow clients, to the disk and back
	kinds
)

// Threads is how many pieces of slow work a process of the stages does at once: enough to keep a
// disk busy, beside one for each other kind.
const Threads = 10

// Pool runs work. It is safe for concurrent use.
type Pool struct {
	mu      sync.Mutex
	some    sync.Cond
	queues  [kinds][]func()
	running [kinds]int
	free    int  // workers that run nothing
	last    Kind // that a worker took
	closed  bool
	workers sync.WaitGroup
}

// New starts a pool that does n things at once, and at least one of each kind.
func New(n int) *Pool {
	p := &Pool{free: max(n, int(kinds))}
	p.some.L = &p.mu
	for range p.free {
		p.workers.Go(p.work)
	}
	return p
}

// Submit has f run, on another goroutine, when its turn comes. After Close it panics.
func (p *Pool) Submit(k Kind, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		panic("offload: work for a closed pool")
	}
	p.queues[k] = append(p.queues[k], f)
	p.some.Signal()
}

// Len is how many pieces of work wait.
func (p *Pool) Len() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.queues {
		n += len(q)
	}
	return n
}

// Close lets what was submitted finish, and waits for it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.some.Broadcast()
	p.mu.Unlock()
	p.workers.Wait()
}

// work is a worker's whole life.
func (p *Pool) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		k, ok := p.choose()
		switch {
		case ok:
			p.run(k)
		case p.closed && p.empty():
			return
		default:
			p.some.Wait()
		}
	}
}

// run runs the first piece of work of a kind. When it is done no other worker need be woken: no
// more than one piece can have waited for that, and this worker takes it.
func (p *Pool) run(k Kind) {
	f := p.begin(k)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.end(k)
		if p.closed {
			p.some.Broadcast() // it may have been the last
		}
	}()
	f()
}

func (p *Pool) begin(k Kind) (f func()) {
	f = p.queues[k][0]
	p.queues[k][0] = nil
	if p.queues[k] = p.queues[k][1:]; len(p.queues[k]) == 0 {
		p.queues[k] = nil
	}
	p.running[k]++
	p.free--
	p.last = k
	return f
}

func (p *Pool) end(k Kind) {
	p.running[k]--
	p.free++
}

// choose is the kind of the work that is to run next: of those that may have one more
// worker, the one with the fewest; of several such the next in turn.
func (p *Pool) choose() (best Kind, ok bool) {
	for i := range kinds {
		k := (p.last + 1 + i) % kinds
		if len(p.queues[k]) > 0 && p.mayRun(k) && (!ok || p.running[k] < p.running[best]) {
			best, ok = k, true
		}
	}
	return best, ok
}

// mayRun reports whether a worker is left for each other kind when this one takes one more.
func (p *Pool) mayRun(k Kind) bool {
	reserved := 0
	for other, n := range p.running {
		if Kind(other) != k && n == 0 {
			reserved++
		}
	}
	return p.free > reserved
}

func (p *Pool) empty() bool {
	for _, q := range p.queues {
		if len(q) > 0 {
			return false
		}
	}
	return true
}
