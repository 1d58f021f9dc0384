package session

// The one deadline of a session: when it is set, and what happens once it has passed.
//
// What must not be done: a wait that goes on must not get a new deadline because some bytes came,
// or a client that sends a byte at a time is never late. Bodies and answers get more time only by
// keeping the minimum rate. The time of our own slow work is never the client's fault, so the two
// rates stand still while it lasts.

import (
	"fourways/shared/clock"
	"fourways/shared/fault"
)

// await sets the deadline for a wait. A wait that goes on keeps the deadline it
// has: a head that comes a byte at a time gets no more time for it.
func (s *Session) await(w wait) {
	if s.wait == w {
		return
	}
	s.leaveWait()
	t := &s.thread.Server.Timing
	s.wait = w
	s.since = s.thread.Clock.Now()
	switch w {
	case waitIdle:
		s.deadline = s.since + t.Idle
	case waitHead:
		s.deadline = s.since + t.Head
	case waitBody:
		s.deadline = s.req.in.since + rateGrace
	case waitWrite:
		s.beginWriting()
		s.deadline = s.out.since + rateGrace
	case waitWork, waitPeer, waitAsked:
		s.deadline = clock.Never
	}
}

// leaveWait ends a wait. The time of our own slow work and of other machines does not count against
// the client. Nor does the time of writing an answer count against the body, which is not read
// meanwhile.
func (s *Session) leaveWait() {
	waited := s.thread.Clock.Now() - s.since
	switch s.wait {
	case waitWork, waitPeer, waitAsked:
		s.excuse(waited)
	case waitWrite:
		if s.req != nil {
			s.req.in.since += waited
		}
	}
	s.wait = waitNone
}

// excuse has the rates stand still for a time.
func (s *Session) excuse(t clock.Time) {
	s.out.since += t
	if s.req != nil {
		s.req.in.since += t
	}
}

// beginBody notes when a request's body begins to arrive. It is one transfer with one rate, even if
// there are other waits in between.
func (s *Session) beginBody() {
	s.req.in = pace{since: s.thread.Clock.Now(), moved: s.received()}
}

// headBegan is when the head that is being received began to arrive.
func (s *Session) headBegan() clock.Time {
	if s.wait == waitHead {
		return s.since
	}
	return s.thread.Clock.Now()
}

// expire decides what happens when the deadline has passed. It reports false when the connection is
// to be closed without an answer.
func (s *Session) expire() bool {
	if late := s.thread.Clock.Now() - max(s.deadline, s.since); late > tooLate {
		s.excuse(late)
		if s.wait == waitWrite {
			s.since += late // leaveWait excuses the body for all of the wait
		}
	}
	switch s.wait {
	case waitHead:
		s.req.conn.Fail(fault.Of(fault.HeadTimeout))
		return true
	case waitIdle:
		return s.idleExpired()
	case waitBody:
		if !s.keepsUp() {
			return s.tooSlow()
		}
		s.deadline = s.thread.Clock.Now() + rateGrace
		if s.req.in.look(s.thread.Clock.Now(), s.received(), s.thread.Server.Timing.MinRate) {
			return true
		}
		f := fault.Of(fault.BodyTooSlow)
		if s.req.conn.Status() != 0 { // the answer has been sent: it is not to be lost by what still comes
			s.report(&s.req.x, f)
			s.req.cut = true
			return true
		}
		s.req.conn.Fail(f)
		return true
	case waitWrite:
		if !s.readsFastEnough() && !s.sendsFastEnough() {
			return s.tooSlow()
		}
		s.deadline = s.out.since + rateGrace
		return true
	}
	return false
}

// sendsFastEnough reports whether a client that does not read its early answer still sends its
// body, fast enough. It may send all of that first, and its time for the answer begins then.
func (s *Session) sendsFastEnough() bool {
	now := s.thread.Clock.Now()
	if !s.discardingBody() || !s.req.in.look(now, s.received(), s.thread.Server.Timing.MinRate) {
		return false
	}
	s.since, s.out.credit = now, 0
	return true
}
