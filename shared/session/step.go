package session

// How a session goes on: what is under way, then what has come, until it needs its driver.
//
// The order in which things are looked at stands in run alone. What must not be done: nothing that
// run calls may go on with what comes next by itself, and a handler's code is called by protect
// only, since a panic in it must end one connection and not the server.

import (
	"fourways/shared/chain"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/stats"
)

// Step goes on as far as it can without more bytes, and says what it needs.
func (s *Session) Step() machine.Want {
	s.order.Called(machine.CallStep)
	return s.order.Wanted(s.step())
}

func (s *Session) step() machine.Want {
	switch s.phase {
	case phaseOver, phaseLeft:
		return machine.WantClose
	case phaseTunnel:
		return s.tunnel()
	case phaseDeliver:
		return s.deliver()
	case phaseLinger:
		return s.linger()
	}
	want := s.run()
	// Read first: bytes that arrived in time count, however late we look. So the deadline is judged
	// after them.
	if s.phase == phaseOpen && s.thread.Clock.Now() >= s.deadline {
		if !s.expire() {
			return s.cut()
		}
		want = s.run()
	}
	return want
}

// run is the session's one loop. The order matters. What is under way comes before anything new, so
// that answers stay in order and memory stays bounded. Everything that has arrived is parsed before
// anything is written, so that the answers to pipelined requests are sent together.
func (s *Session) run() machine.Want {
	for {
		a := s.req
		if a == nil {
			return s.idle()
		}
		if a.fetch != nil {
			s.await(waitWork)
			return machine.WantWake
		}
		if a.broken != nil || a.cut {
			return s.broke(a)
		}
		x := &a.x
		if x.work != nil {
			if !x.worked {
				s.await(waitWork)
				return machine.WantWake
			}
			s.protect(x, (*Session).resume)
			continue
		}
		out := a.conn.Out()
		if s.discardingBody() {
			s.discardBody(a)
		}
		if x.waiting {
			return s.awaitPeer(out)
		}
		if x.source != nil && out.Len() < lowWater {
			s.protect(x, (*Session).pump)
			if x.source != nil && out.Empty() && !x.waiting {
				s.await(waitWork)
				return machine.WantWake
			}
			continue
		}
		if s.phase == phaseOver {
			return s.cut()
		}
		if x.source != nil || out.Len() >= highWater || out.Large() {
			s.await(waitWrite)
			return machine.WantWrite | s.discardWant()
		}
		if a.conn.Answered() {
			x.account(0)
			if a.conn.Closing() && a.conn.InBody() {
				return s.finish(a) // nothing depends on the rest of the body any more
			}
		}
		if want, done := s.event(a); done {
			return want
		}
	}
}

// event handles what http1 finds next. It reports true when the driver must act.
func (s *Session) event(a *requestState) (machine.Want, bool) {
	x := &a.x
	switch a.conn.Next() {
	case http1.HasRequest:
		x.renew()
		s.leaveWait()
		s.beginBody()
		if !s.keepsUp() {
			s.tooSlow()
			return s.cut(), true
		}
		s.protect(x, (*Session).request)
	case http1.HasBody:
		s.thread.Stats.Add(stats.BytesIn, uint64(len(a.conn.Body())))
		if x.sink != nil {
			s.protect(x, (*Session).body)
		}
	case http1.End:
		s.completed(x)
		if x.sink != nil || a.conn.Status() == 0 {
			s.protect(x, (*Session).end)
		}
	case http1.Error:
		if a.conn.Status() != 0 {
			return s.finish(a), true
		}
		x.renew()
		f := s.malformed(x, a.conn.Fault())
		if a.conn.Fault().Reason == fault.TLSOnPlainPort { // whoever speaks TLS reads no HTTP
			s.report(x, f)
			return s.cut(), true
		}
		s.refuse(f)
	case http1.Unanswered: // the handler has stopped waiting and did not answer
		s.fail(x)
	case http1.Closed:
		return s.finish(a), true
	case http1.NeedData:
		if a.short && !a.conn.Idle() && !a.conn.InBody() {
			s.turnDown()
			break
		}
		if !a.conn.Out().Empty() {
			s.await(waitWrite)
			return machine.WantWrite, true
		}
		return s.awaitInput(a), true
	}
	return 0, false
}

// awaitPeer waits for another machine. What there is of the answer is sent meanwhile.
func (s *Session) awaitPeer(out *chain.Chain) machine.Want {
	if !out.Empty() {
		s.await(waitWrite)
		return machine.WantWrite | s.discardWant()
	}
	s.await(waitPeer)
	if s.discardingBody() {
		return machine.WantRead
	}
	return machine.WantPeer
}

// discardingBody reports whether the rest of the body is read and dropped while its answer is made.
func (s *Session) discardingBody() bool {
	return s.phase == phaseOpen && s.req != nil && s.req.x.discards && s.req.x.source != nil && s.req.conn.InBody() && !s.eof
}

// discardWant is what that wants, besides what the answer wants.
func (s *Session) discardWant() machine.Want {
	if s.discardingBody() {
		return machine.WantRead
	}
	return 0
}

// discardBody drops what has come of the body. Whether its end was well formed is looked at once
// the answer is complete.
func (s *Session) discardBody(a *requestState) {
	for a.conn.InBody() {
		switch a.conn.Next() {
		case http1.HasBody:
			s.thread.Stats.Add(stats.BytesIn, uint64(len(a.conn.Body())))
		case http1.End:
			s.completed(&a.x)
		default:
			return
		}
	}
}

// awaitInput waits for more bytes, with the deadline of the part of the request that is due.
func (s *Session) awaitInput(a *requestState) machine.Want {
	switch {
	case a.conn.Idle():
		s.release()
		return s.idle()
	case a.conn.InHead():
		s.await(waitHead)
	case !a.conn.InBody():
		return s.idle() // an empty line, or some of one, begins no request
	case a.x.sink != nil && a.x.unasked && a.conn.AwaitsContinue():
		s.await(waitAsked)
	default:
		s.await(waitBody)
	}
	return machine.WantRead
}

// idle waits for the next request. While the server stops, a request that is already on its way
// when the last answer is sent is still served: the connection stays open for lastCall.
func (s *Session) idle() machine.Want {
	s.await(waitIdle)
	if s.thread.Server.Draining() {
		s.deadline = min(s.deadline, s.since+lastCall)
		if s.thread.Clock.Now() >= s.deadline {
			s.phase = phaseOver
			return machine.WantClose
		}
	}
	return machine.WantRead
}

func (s *Session) body(x *Exchange) { x.sink.Body(x, x.conn.Body()) }

// end handles the end of a message. A handler that has neither answered nor parked by now never
// will; that is a fault of the server.
func (s *Session) end(x *Exchange) {
	if sink := x.sink; sink != nil {
		x.sink = nil
		sink.End(x)
	}
	if x.conn.Status() == 0 && x.work == nil && !x.waiting {
		s.refuse(fault.Of(fault.Internal))
	}
}

// pump has the source make more of the body.
func (s *Session) pump(x *Exchange) {
	if x.source.More(x) {
		x.source = nil
		x.conn.Finish()
	}
}

// resume goes on after slow work.
func (s *Session) resume(x *Exchange) {
	then, panicked := x.then, x.panicked
	x.work, x.then = nil, nil
	s.leaveWait()
	if panicked {
		s.fail(x)
		return
	}
	then()
}

// WorkKind is the kind of the slow work for which Step returned WantWake.
func (s *Session) WorkKind() offload.Kind {
	if s.req == nil {
		return offload.Lookup // there is none
	}
	if s.req.fetch != nil {
		return offload.Read
	}
	return s.req.x.kind
}

// Work runs the slow work for which Step returned WantWake, if there is any. It is the only method
// that may be called on another thread.
func (s *Session) Work() {
	s.order.Called(machine.CallWork)
	a := s.req
	if a == nil {
		return
	}
	if a.fetch != nil {
		a.broken = a.fetch()
		a.fetch = nil
		return
	}
	x := &a.x
	if x.work == nil || x.worked {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			a.made.Observer.Panicked(x, v) // the thread may go over to another Server meanwhile
			x.panicked = true
		}
		x.worked = true
	}()
	x.work()
}

// protect calls a step that runs a handler's code. A panic there is answered with
// 500 if that is still possible, and ends this connection, not the server.
func (s *Session) protect(x *Exchange, step func(*Session, *Exchange)) {
	defer func() {
		if v := recover(); v != nil {
			s.thread.Server.Observer.Panicked(x, v)
			s.fail(x)
		}
	}()
	step(s, x)
}
