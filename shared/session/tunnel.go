package session

// A session that is no HTTP any more. Its two directions are independent of each other, and how
// long they may rest is for the other end to say, as it knows both.

import "fourways/shared/machine"

// HangUp reports whether the socket that is said to have failed is that of a client which has said
// all in a tunnel and closed, while nothing was wanted of it: then what it has sent is read first.
func (s *Session) HangUp() bool {
	if s.phase != phaseTunnel || s.thread.HungUp == nil {
		return false
	}
	x := &s.req.x
	hang := x.quiescent && !x.hungUp && s.thread.HungUp(int(s.handle))
	x.hungUp = x.hungUp || hang
	return hang
}

// tunnel is run for a connection that is no HTTP any more. Its two directions are independent. How
// long they may rest is for the other end to say, as it knows both.
func (s *Session) tunnel() machine.Want {
	a := s.req
	x, out := &a.x, a.conn.Out()
	s.noteMoved()
	switch {
	case a.fetch != nil:
		s.await(waitWork)
		return machine.WantWake
	case a.broken != nil:
		s.Break(a.broken)
		return machine.WantClose
	}
	// First what there is for the client: its time depends on whether there is any.
	if !x.writeEnded && out.Len() < lowWater {
		if x.tunnel.Room(); s.phase == phaseOver {
			return s.cut()
		}
	}
	switch {
	case x.writeEnded && out.Empty() && !x.writeShut && s.Unread():
		s.await(waitWrite)
		if !s.checkDelivery() {
			return s.cut()
		}
	case x.writeEnded && out.Empty() && s.eof:
		return s.cut()
	case x.writeEnded && out.Empty() && x.inputClosed:
		return s.lingeringClose()
	case x.writeEnded && out.Empty() && !x.writeShut:
		x.writeShut = true
		s.endSending()
		return machine.WantShut
	case (x.writeEnded || x.inputClosed) && !out.Empty(): // the other end may be gone: now the client's reading alone counts
		s.await(waitWrite)
		if s.thread.Clock.Now() >= s.deadline && !s.expire() {
			return s.cut()
		}
	default:
		s.await(waitPeer)
	}
	want := machine.Want(0)
	if !out.Empty() && !x.hungUp {
		want |= machine.WantWrite
	}
	if s.tunnelReads() {
		want |= machine.WantRead
	}
	if x.quiescent = want == 0; x.quiescent {
		want = machine.WantPeer
	}
	return want
}

// noteMoved tells a tunnel that its client has taken some of what was written, if it has.
func (s *Session) noteMoved() {
	x := &s.req.x
	if sent := s.sent(); sent != x.lastMoved {
		x.lastMoved = sent
		x.tunnel.Moved()
	}
}

// tunnelReads reports whether a tunnel takes more of what the client sends. What is left of one
// that has hung up is no more than the kernel has of it.
func (s *Session) tunnelReads() bool { return !s.eof && (s.req.x.hungUp || s.req.x.tunnel.Takes()) }
