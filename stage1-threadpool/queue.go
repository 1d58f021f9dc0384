package main

// The queue between the acceptor and the workers.
//
// Any thread may call its methods; one lock covers all that changes. A connection's descriptor
// belongs to the queue from put until take or discard. What must not be done: the free threads and
// the length must not be looked at in two steps, and nothing slow may be done under the lock.

import (
	"net/netip"
	"sync"

	"fourways/shared/clock"
	"fourways/shared/session"
)

// conn is an accepted connection on its way to a thread.
type conn struct {
	fd     int
	peer   netip.AddrPort
	adm    session.Admission
	came   clock.Time
	open   session.Opener // what it begins as; nil for plain HTTP
	queued bool           // all threads were busy when it came
}

// waited is how long the connection has waited for a thread. The time in which a free thread wakes
// up does not count, since more threads would not shorten it.
func (c conn) waited(now clock.Time) clock.Time {
	if !c.queued {
		return 0
	}
	return now - c.came
}

// queue is where connections wait for a thread: bounded, first come, first served.
//
// A Go channel could do the waiting, but not the bound: whether a connection may come in depends on
// the idle threads as well as on the queue, and both must be looked at in one step. Otherwise a
// burst is now and then refused while a thread that has just been woken has not taken its
// connection yet.
type queue struct {
	limit   int // connections that may wait while all threads are busy
	threads int

	mu       sync.Mutex
	nonEmpty sync.Cond
	waiting  []conn
	busy     int // threads between take and done
	closed   bool
}

func newQueue(limit, threads int) *queue {
	q := &queue{limit: limit, threads: threads}
	q.nonEmpty.L = &q.mu
	return q
}

// put adds a connection. It reports whether the connection has to wait for a thread; ok is false if
// the queue is full.
func (q *queue) put(c conn) (queued, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := q.threads - q.busy - len(q.waiting) // idle threads for which no connection waits yet
	if q.closed || free+q.limit <= 0 {
		return true, false
	}
	c.queued = free <= 0
	q.waiting = append(q.waiting, c)
	q.nonEmpty.Signal()
	return c.queued, true
}

// take waits for a connection. It reports false when the queue is closed and empty.
func (q *queue) take() (c conn, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return conn{}, false
		}
		q.nonEmpty.Wait()
	}
	c = q.waiting[0]
	q.waiting = q.waiting[:copy(q.waiting, q.waiting[1:])]
	q.busy++
	return c, true
}

// done says that a thread has finished with what it took.
func (q *queue) done() {
	q.mu.Lock()
	q.busy--
	q.mu.Unlock()
}

// close makes take return what is left, and then false. put fails from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.nonEmpty.Broadcast()
}

// discard empties the queue.
func (q *queue) discard(each func(conn)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.waiting {
		each(c)
	}
	q.waiting = nil
}

// load is how many connections wait because all threads are busy, and how many
// threads are busy or about to be.
func (q *queue) load() (waiting, busy int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	busy = min(q.busy+len(q.waiting), q.threads)
	return q.busy + len(q.waiting) - busy, busy
}
