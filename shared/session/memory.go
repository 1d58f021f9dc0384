package session

// The memory of a thread's connections. What all connections hold together is bounded, because the
// most that each may hold, times as many as there may be, can be more than the machine has.
//
// The thread counts what it has lent, in bytes, when a client begins something: nothing is counted
// in between. What must not be done: what has begun is not ended for want of memory, so the bound
// has to leave room for what it still takes.

import "fourways/shared/fault"

// stateRest is about what a requestState takes beside its buffers, in bytes.
const stateRest = 2 << 10

// lentBytes is what the thread's connections hold now, beside what waits for slow readers.
func (l *Thread) lentBytes() int64 {
	limits := &l.Server.HTTP.Limits
	n := l.held + l.busy*int64(limits.BufferSize()+limits.RequestLine+stateRest)
	n += int64(l.chunks.Out()) * int64(l.chunks.Size())
	for _, p := range l.pools {
		n += int64(p.Out()) * int64(p.Size())
	}
	return n
}

// Full reports whether the thread's connections hold as much memory as they may: then nobody may
// begin anything. What is under way ends as it began.
func (l *Thread) Full() bool { return l.Memory > 0 && l.lentBytes() >= l.Memory }

// Scarce reports whether they hold half of that: then each makes do with less.
func (l *Thread) Scarce() bool { return l.Memory > 0 && l.lentBytes() >= l.Memory/2 }

// Hold counts n bytes that a connection holds outside of the pools, or gives back (n < 0).
func (l *Thread) Hold(n int64) { l.held += n }

// turnDown refuses the request whose first bytes have come, because there is no memory for it. The
// answer leaves at once, and the buffers are free again.
func (s *Session) turnDown() {
	s.req.x.began = s.thread.Clock.Now()
	s.req.conn.Fail(fault.Of(fault.MemoryShort))
	s.refuse(s.req.conn.Fault())
	s.await(waitWrite)
}
