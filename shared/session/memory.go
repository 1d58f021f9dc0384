package session

// The memory of a thread's connections. What all connections hold together is bounded, because the
// most that each may hold, times as many as there may be, can be more than the machine has.
//
// The thread counts what it has lent, in bytes, when a client begins something: nothing is counted
// in between. What must not be done: what has begun is not ended for want of memory, so the bound
// has to leave room for what it still takes.

import (
	"net/netip"

	"fourways/shared/chain"
	"fourways/shared/fault"
)

// probesPart is which part of a thread's memory may be lent beyond it to who may probe.
const probesPart = 8

// stateRest is about what a requestState takes beside its buffers, in bytes.
const stateRest = 2 << 10

// lentBytes is what the thread's connections hold now, and what waits for slow readers in memory.
func (l *Thread) lentBytes() int64 {
	limits := &l.Server.HTTP.Limits
	n := l.held + l.busy*int64(limits.BufferSize()+limits.RequestLine+stateRest)
	n += int64(l.chunks.Out()) * int64(l.chunks.Size())
	for _, p := range l.pools {
		n += int64(p.Out()) * int64(p.Size())
	}
	if l.intake != nil {
		n += l.intake.Lent()
	}
	return n
}

// Full reports whether the thread's connections hold as much memory as they may: then nobody may
// begin anything. What is under way ends as it began.
func (l *Thread) Full() bool { return l.Memory > 0 && l.lentBytes() >= l.Memory }

// FullTo is Full for a peer. Whoever may probe finds a little more, since somebody might end a
// server that does not answer. It is for a layer below HTTP, which does not know yet what is asked.
func (l *Thread) FullTo(peer netip.Addr) bool {
	p := l.Server.Prober
	return l.Full() && (p == nil || !p.MayProbe(peer) || l.lentBytes() >= l.Memory+l.Memory/probesPart)
}

// Scarce reports whether they hold half of that: then each makes do with less.
func (l *Thread) Scarce() bool { return l.Memory > 0 && l.lentBytes() >= l.Memory/2 }

// Pipe lends an empty pipe of Pipes, or nil. What is in one when its reader stalls has to be read
// into memory, so there is none where that is scarce.
func (l *Thread) Pipe() chain.Pipe {
	if l.Scarce() {
		return nil
	}
	return l.Pipes.Get()
}

// Room is memory of the Intake for the next read. Where memory is scarce it is so little that what
// is read of it is copied, and none of it held.
func (l *Thread) Room() []byte {
	scarce, p := l.Scarce(), l.Intake().Room()
	if scarce {
		return p[:chain.MostCopied]
	}
	return p
}

// Hold counts n bytes that a connection holds outside of the pools, or gives back (n < 0).
func (l *Thread) Hold(n int64) { l.held += n }

// turnDown refuses a request of which only some has come, because there is no memory to wait for
// the rest. The answer leaves at once, and the buffers are free again.
func (s *Session) turnDown() {
	x := &s.req.x
	x.renew() // it may be behind another one, which was answered
	x.conn.Fail(fault.Of(fault.MemoryShort))
	s.beginUnread(x)
	s.refuse(x.conn.Fault())
}

// spare refuses a request that has come whole while there was no memory, unless it is for a report.
// Its memory is there already, and such an answer is small. Probes do not come here.
func (s *Session) spare(x *Exchange) (refused bool) {
	if p := s.thread.Server.Prober; !s.req.short || p != nil && p.IsReport(x) {
		return false
	}
	x.conn.SetClosing()
	s.refuse(fault.Of(fault.MemoryShort))
	return true
}
