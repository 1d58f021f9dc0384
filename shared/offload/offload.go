// Package offload runs slow work beside the threads that serve: a bounded number of
// goroutines, each of which may block on a disk for as long as it takes.
//
// Whoever submits work never waits, for it is an event loop. The queue has no bound of
// its own; it needs none, because a connection has at most one piece of work under way.
package offload

import "sync"

// Pool runs work. It is safe for concurrent use.
type Pool struct {
	mu      sync.Mutex
	some    sync.Cond
	queue   []func()
	closed  bool
	workers sync.WaitGroup
}

// New starts a pool that does n things at once.
func New(n int) *Pool {
	p := &Pool{}
	p.some.L = &p.mu
	for range n {
		p.workers.Go(p.work)
	}
	return p
}

// Submit has f run, on another goroutine, when its turn comes. After Close it panics.
func (p *Pool) Submit(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		panic("offload: work for a closed pool")
	}
	p.queue = append(p.queue, f)
	p.some.Signal()
}

// Len is how many pieces of work wait.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// Close lets what was submitted finish, and waits for it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.some.Broadcast()
	p.mu.Unlock()
	p.workers.Wait()
}

func (p *Pool) work() {
	for {
		f, ok := p.next()
		if !ok {
			return
		}
		f()
	}
}

func (p *Pool) next() (f func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 {
		if p.closed {
			return nil, false
		}
		p.some.Wait()
	}
	f = p.queue[0]
	p.queue[0] = nil
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue = nil
	}
	return f, true
}
