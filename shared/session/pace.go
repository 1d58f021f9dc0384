package session

// How fast a client takes its answers.
//
// A write that the socket takes is not an answer that the client has: megabytes fit into the
// kernel's buffers. So what counts is what the client has acknowledged, and the minimum rate
// applies as long as some bytes are not acknowledged: while an answer is written, while the next
// request is awaited or read, and before the connection is closed. If a socket were closed over
// unsent bytes, the kernel would keep them for minutes, and they would count for no client any
// more.
//
// Most answers are taken at once, so the kernel is asked only with cause: when the socket did not
// take all, when a deadline has passed, when a request comes long after the last answer, and before
// a connection is closed after a large answer.

import (
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
)

// pace compares how fast bytes move with the minimum rate.
type pace struct {
	since  clock.Time // of the last look
	moved  int64      // bytes that had moved by then
	credit int64      // bytes by which the transfer is ahead of the minimum rate, at most maxSilence's worth
}

// look notes what has moved by now, and reports whether that was enough. What moved beyond the
// minimum is credit for later looks, worth at most a minute of silence. A receiver whose large
// buffer is full may read steadily, and still nothing moves until it has read a good part of the
// buffer, and then much at once, because TCP opens its window in steps (tcp(7)).
func (p *pace) look(now clock.Time, moved, rate int64) bool {
	p.credit += moved - p.moved - rate*int64((now-p.since)/clock.Millisecond)/1000
	p.credit = min(p.credit, rate*int64(maxSilence/clock.Second))
	p.since, p.moved = now, moved
	return p.credit >= 0
}

// beginWriting notes where an answer begins. It assumes that everything before it has been taken;
// the kernel is asked only if need be. An answer that comes from another machine, bit by bit,
// begins once: what the client has taken of its beginning is credit for the rest.
func (s *Session) beginWriting() {
	if s.measured || s.req.x.writeBegun {
		return
	}
	s.req.x.writeBegun = true
	s.out = pace{since: s.thread.Clock.Now(), moved: s.sent()}
}

// Stalled says that the socket did not take all of Out. From now on the minimum rate applies to
// what the client acknowledges. What is in a pipe waits in memory.
func (s *Session) Stalled() {
	s.order.Called(machine.CallWrite)
	if s.req != nil && s.req.conn.Out().Drain(s.thread.Intake()) != nil {
		s.lose()
		s.req.x.Nudge()
		return
	}
	if s.phase == phaseTunnel {
		s.noteMoved()
	}
	if s.wait == waitWrite && !s.measured {
		s.readsFastEnough()
	}
}

// sent is how many bytes have gone into the socket. Where a [Layer] lies in between these are the
// bytes of its chain.
func (s *Session) sent() int64 {
	switch {
	case s.sealed():
		return s.layer.Out.Sent()
	case s.req != nil:
		return s.req.conn.Out().Sent()
	}
	return 0
}

// sealed reports whether a layer makes other bytes of what the session writes.
func (s *Session) sealed() bool { return s.layer != nil && !s.layer.Bypassed }

// received is how many bytes of the request's body have come. What a layer in between has of a
// record counts as well: it is 16 KiB long, and its client is not slow before it is complete.
func (s *Session) received() int64 {
	n := s.req.conn.BodyBytes()
	if s.layer != nil {
		n += int64(s.layer.Held)
	}
	return n
}

// unsent is how many bytes in the kernel the client has not acknowledged.
func (s *Session) unsent() int64 {
	if s.thread.Unsent == nil {
		return 0
	}
	return s.thread.Unsent(int(s.handle))
}

// readsFastEnough looks at what the client has acknowledged, and reports whether it is fast enough.
// At the first look it always is, and what it has taken since the answer began is credit: stage 1
// reports a full socket only after it has waited for it.
func (s *Session) readsFastEnough() bool {
	now, taken := s.thread.Clock.Now(), s.sent()-s.unsent()
	if s.measured {
		return s.out.look(now, taken, s.thread.Server.Timing.MinRate)
	}
	s.measured = true
	s.out.moved = min(s.out.moved, taken) // some of the answers before may not have been taken
	s.out.look(now, taken, s.thread.Server.Timing.MinRate)
	s.out.credit = max(s.out.credit, 0)
	return true
}

// keepsUp reports whether the client takes its answers fast enough to be served further.
func (s *Session) keepsUp() bool {
	due := s.thread.Clock.Now()-s.out.since >= rateGrace
	switch {
	case !due && !s.measured:
		return true
	case s.unsent() == 0:
		s.measured, s.out.since = false, s.thread.Clock.Now()
		return true
	}
	return !due || s.readsFastEnough()
}

// idleExpired decides what happens when no request has come in time. A client that is still reading
// its last answer may go on, and its idle time begins once it has read all. It reports false when
// the connection is to be closed.
func (s *Session) idleExpired() bool {
	now, measured := s.thread.Clock.Now(), s.measured
	switch {
	case s.thread.Server.Timing.MinRate == 0:
		return false // without a minimum rate a reader gets no more time than an idle client
	case s.unsent() > 0:
		if !s.readsFastEnough() {
			return s.tooSlow()
		}
		s.deadline = now + rateGrace
		return true
	case measured:
		s.measured = false
		s.since, s.deadline = now, now+s.thread.Server.Timing.Idle
	}
	return measured
}

// tooSlow reports a client that does not read, and has its connection reset. It returns false.
func (s *Session) tooSlow() bool {
	if s.req == nil {
		s.borrow()
	}
	x := &s.req.x
	x.renew() // the request may be over, with only its answer left
	if !x.headComplete && s.shared() {
		x.setUnknown()
	}
	s.report(x, fault.Of(fault.ReaderTooSlow))
	s.abortive = true
	return false
}

// undelivered reports whether much of the last answers is unacknowledged, so that the connection
// cannot be closed yet. For a small first answer the kernel is not asked. What could not be read is
// no request that was served, and the answer to it may be small and behind a large one. A little is
// not waited for: some clients acknowledge only when they hear more, and the end of our sending is
// what they wait for.
func (s *Session) undelivered(a *requestState) bool {
	if s.refused || s.thread.Server.Draining() || s.thread.Server.Timing.MinRate == 0 {
		return false
	}
	first := a.conn.Served() == 0 || a.conn.Served() == 1 && (a.conn.Status() == 0 || a.x.headComplete)
	large := s.measured || s.sent()-s.out.moved > smallAnswer || !first
	return large && s.unsent() > smallAnswer
}

// firstLook is how long after the last answer it is looked whether the client has it; the second
// look comes after twice the time, and so on.
func (s *Session) firstLook() clock.Time {
	if s.thread.Works {
		return soonLook
	}
	return firstLook
}

// Unread reports whether the kernel holds so much for the client that our direction is not to be
// ended yet, nor the connection closed, except by a reset.
func (s *Session) Unread() bool {
	return !s.thread.Server.Draining() && s.thread.Server.Timing.MinRate > 0 && s.unsent() > smallAnswer
}

// checkDelivery sets the time of the next look at what the kernel holds, and reports false where
// the client is too slow in taking it.
func (s *Session) checkDelivery() bool {
	now := s.thread.Clock.Now()
	if now-s.out.since >= rateGrace && !s.readsFastEnough() {
		return s.tooSlow()
	}
	// Most clients are done in a moment, some in an hour.
	s.deadline = now + min(max(now-s.since, s.firstLook()), rateGrace)
	return true
}

// endSending sets the deadline for the end of our direction, before which a layer may have a last
// word to send: as long as the client may take for what the kernel holds then. While more than that
// may be held, nobody looks how fast it is taken.
func (s *Session) endSending() {
	s.leaveWait()
	s.deadline = clock.Never
	if rate := s.thread.Server.Timing.MinRate; rate > 0 && !s.thread.Server.Draining() {
		s.deadline = s.thread.Clock.Now() + rateGrace + smallAnswer*clock.Second/clock.Time(rate)
	}
}

// deliver waits until the client has acknowledged nearly all, and only then ends our direction:
// poll and epoll report a socket whose two directions have both ended all the time.
func (s *Session) deliver() machine.Want {
	now := s.thread.Clock.Now()
	switch {
	case s.dropped > LingerBytes:
		s.abortive = true
		return s.cut()
	case s.eof || now >= s.deadline:
		if s.thread.Server.Draining() || s.unsent() <= smallAnswer {
			return s.lingeringClose()
		}
		if !s.checkDelivery() {
			return s.cut()
		}
	}
	if s.eof {
		return machine.WantPeer
	}
	return machine.WantRead
}
