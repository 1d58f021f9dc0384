package session

// How a session ends: in order after its last answer, or at once where an answer breaks off.
//
// What must not be done: an answer that cannot be completed must not look whole, and one that is
// complete must not be destroyed by a reset which overtakes it.

import (
	"fourways/shared/fault"
	"fourways/shared/machine"
)

// lose ends the session, whatever its socket still has. One that has left it stays so.
func (s *Session) lose() { s.phase, s.abortive = max(s.phase, phaseOver), true }

// Break ends the session because of a file that was being sent: what was announced cannot be
// sent any more, nor what stands behind it.
func (s *Session) Break(err error) {
	s.thread.Stats.Refuse(fault.BrokenFile)
	s.thread.Server.Observer.Broken(s.thread, err)
	if s.breakOff() {
		s.drop()
	}
}

// breakOff ends the session because an answer cannot be completed, which must not look whole. Where
// its head says where it ends, any client can tell, and the connection ends in order, after what is
// there: a reset could destroy the end of an answer before this one. To a client of HTTP/1.0 the
// end of the connection may be that of the answer, and only a reset is none. It reports whether
// what is there is still to be sent.
func (s *Session) breakOff() bool {
	if s.req == nil || s.phase != phaseOpen || !s.req.conn.Delimited() {
		s.lose()
		return false
	}
	s.req.cut = true
	return true
}

// broke ends a session of which an answer breaks off, in order where breakOff says so.
func (s *Session) broke(a *requestState) machine.Want {
	if err := a.broken; err != nil {
		a.broken = nil
		s.Break(err)
	}
	if a.cut {
		return s.finish(a)
	}
	return s.cut()
}

// drop gives up what is to be sent, and who makes more of it.
func (s *Session) drop() {
	x, out := &s.req.x, s.req.conn.Out()
	x.abandon()
	if x.conn.Status() != 0 {
		x.account(out.Len())
	}
	out.Reset()
}

// finish ends the connection after its last answer.
//
// Closing a socket while bytes wait in its receive buffer, or come later, makes the kernel send a
// reset, and a reset can overtake the answer and destroy it on the client's side (RFC 9112 9.6). So
// we end our direction only, and for a while drop what still arrives, unless the client has
// announced that it sends nothing more.
func (s *Session) finish(a *requestState) machine.Want {
	if !a.conn.Out().Empty() {
		a.last = true
		s.await(waitWrite)
		return machine.WantWrite
	}
	s.silent = a.conn.Request().WantsClose() && a.conn.Clean()
	undelivered := s.undelivered(a)
	s.release()
	if undelivered {
		s.phase = phaseDeliver
		s.since = s.thread.Clock.Now()
		s.deadline = s.since + s.firstLook()
		return s.deliver()
	}
	return s.lingeringClose()
}

// lingeringClose ends a connection whose last answer has been taken.
func (s *Session) lingeringClose() machine.Want {
	if s.eof || s.silent {
		return s.cut()
	}
	s.phase = phaseLinger
	s.deadline = s.thread.Clock.Now() + LingerTime
	return machine.WantShut
}

// linger drops what the client still sends, until the client ends its direction or its time is
// over.
func (s *Session) linger() machine.Want {
	if s.eof || s.dropped > LingerBytes || s.thread.Clock.Now() >= s.deadline {
		s.phase = phaseOver
		return machine.WantClose
	}
	return machine.WantRead
}

// cut ends the session at once.
func (s *Session) cut() machine.Want {
	s.phase = phaseOver
	return machine.WantClose
}
