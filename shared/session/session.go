package session

import (
	"net/netip"

	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/stats"
)

// Want is what a session needs its driver to do next.
type Want uint8

const (
	WantRead  Want = iota // wait until the socket is readable
	WantWrite             // send what is in Out
	WantWake              // run Work where it may block; then step again
	WantShut              // end the sending direction, then step again
	WantClose             // close; the session is over
)

func (w Want) String() string {
	return [...]string{"WantRead", "WantWrite", "WantWake", "WantShut", "WantClose"}[w]
}

// phase is how far a session's life has come.
type phase uint8

const (
	phaseOpen   phase = iota
	phaseLinger       // the last answer is sent, the client may still be sending
	phaseOver
)

// wait is what the deadline stands for.
type wait uint8

const (
	waitNone  wait = iota
	waitIdle       // for a request's first byte
	waitHead       // for the rest of a head
	waitBody       // for more of a body, at the minimum rate
	waitWrite      // for the client to take more, at the minimum rate
	waitWork       // for our own slow work; the client is not to blame
)

// Session is one connection. The zero Session is ready for Open.
type Session struct {
	loc      *Local
	act      *active // nil while idle
	adm      Admission
	peer     netip.AddrPort // invalid for a Unix socket
	handle   int            // the driver's name for the socket
	served   int            // requests before act was borrowed
	deadline clock.Time
	since    clock.Time // when the wait, or the present look at a rate, began
	moved    int64      // bytes that had moved by then; while lingering, bytes dropped
	credit   int64      // bytes that moved beyond the minimum rate, as far as they still count
	phase    phase
	wait     wait
	proxy    bool // the peer's word is taken for who the client is
	exempt   bool // the limiter has nothing to say to the peer
	eof      bool // the peer has ended its sending direction
	refused  bool // it was never admitted
	abortive bool
}

// Open begins a session with a peer that Admit let in. handle is passed to
// Local.Unsent.
func (s *Session) Open(loc *Local, adm Admission, peer netip.AddrPort, handle int) {
	*s = Session{loc: loc, adm: adm, peer: peer, handle: handle}
	s.know(peer.Addr())
	loc.Stats.Add(stats.Opened, 1)
	s.await(waitIdle)
}

// OpenRefused begins the session of a connection that was not admitted: its client gets
// a 503 that says why, and a moment to read it.
func (s *Session) OpenRefused(loc *Local, peer netip.AddrPort, handle int, why http1.Reason) {
	*s = Session{loc: loc, peer: peer, handle: handle, refused: true}
	s.know(peer.Addr())
	loc.Server.refused.Add(1)
	s.act = loc.borrow(s)
	s.act.conn.Fail(http1.Fault{Status: 503, Reason: why})
	s.refuse(s.act.conn.Fault())
	loc.Stats.Add(stats.Dropped, 1)
	s.await(waitWrite)
}

// Peer is the address of the other end, invalid for a Unix socket's.
func (s *Session) Peer() netip.AddrPort { return s.peer }

// Deadline is when Step must be called even if the socket stays silent.
func (s *Session) Deadline() clock.Time { return s.deadline }

// Abortive reports whether the socket should be closed with a reset, so that the
// kernel does not go on offering the unsent rest to a peer that does not take it.
func (s *Session) Abortive() bool { return s.abortive }

// Idle reports whether the session is between two requests and has nothing to do.
func (s *Session) Idle() bool { return s.phase == phaseOpen && s.wait == waitIdle }

// Recv is the memory to read the socket into. It is never empty after WantRead.
func (s *Session) Recv() []byte {
	if s.phase != phaseOpen {
		return s.loc.dropped[:]
	}
	if s.act == nil {
		s.act = s.loc.borrow(s)
	}
	return s.act.conn.Recv()
}

// Received notes that n bytes were read into Recv.
func (s *Session) Received(n int) {
	if s.phase != phaseOpen {
		s.moved += int64(n)
		return
	}
	s.act.conn.Received(n)
}

// EOF notes that the peer has ended its sending direction.
func (s *Session) EOF() {
	s.eof = true
	if s.act != nil {
		s.act.conn.EOF()
	} else {
		s.phase = phaseOver
	}
}

// Out is what is to be sent. It is not nil after WantWrite.
func (s *Session) Out() *http1.Chain { return s.act.conn.Out() }

// Fail ends the session because of its socket: it was reset, or a file that is
// being sent became shorter than it was.
func (s *Session) Fail() {
	s.phase, s.abortive = phaseOver, true
}

// Forgive says that the wait so far was not the client's doing: the driver was busy with
// something slow of its own. The deadline begins anew.
func (s *Session) Forgive() { s.wait, s.deadline = waitNone, clock.Never }

// Close ends the session and gives back all it holds. Drivers call it once, before
// they close the socket, and not while Work runs.
func (s *Session) Close() {
	s.release()
	s.phase = phaseOver
	if s.refused {
		s.loc.Server.refused.Add(-1)
		return
	}
	s.loc.Dismiss(s.adm)
	s.loc.Stats.Add(stats.Closed, 1)
}

// release gives the buffers back; what was under way is given up.
func (s *Session) release() {
	a := s.act
	if a == nil {
		return
	}
	x := &a.x
	if x.work != nil && x.worked {
		s.protect(x, (*Session).resume) // what the work made is then's to answer with or to let go
	}
	x.abandon()
	if x.conn.Status() != 0 {
		x.account(a.conn.Out().Len()) // cut in mid-answer, if it was not complete before
	}
	s.served = a.conn.Served()
	s.act = nil
	a.conn.Shut()
	s.loc.giveBack(a)
}

// Step goes on as far as it can without more bytes, and says what it needs.
func (s *Session) Step() Want {
	switch s.phase {
	case phaseOver:
		return WantClose
	case phaseLinger:
		return s.linger()
	}
	want := s.run()
	// What has come in time counts, however late it is looked at: so the deadline is
	// judged behind it.
	if s.phase == phaseOpen && s.loc.Clock.Now() >= s.deadline {
		if !s.expire() {
			return s.cut()
		}
		want = s.run()
	}
	return want
}

// Reads reports whether the session waits for its client to send something. A driver
// whose socket is readable then reads before it steps.
func (s *Session) Reads() bool {
	switch s.wait {
	case waitIdle, waitHead, waitBody:
		return true
	}
	return s.phase == phaseLinger
}

// run is the session's one loop. The order matters: what is under way comes before
// anything new, so that answers stay in order and memory bounded; and everything
// that has arrived is looked at before anything is written, so that the answers to
// a batch leave together.
func (s *Session) run() Want {
	for {
		a := s.act
		if a == nil {
			return s.idle()
		}
		x := &a.x
		if x.work != nil {
			if !x.worked {
				s.await(waitWork)
				return WantWake
			}
			s.protect(x, (*Session).resume)
			continue
		}
		out := a.conn.Out()
		if x.source != nil && out.Len() < lowWater {
			s.protect(x, (*Session).pump)
			if x.source != nil && out.Empty() {
				s.await(waitWork)
				return WantWake
			}
			continue
		}
		if s.phase == phaseOver {
			return s.cut()
		}
		if x.source != nil || out.Len() >= highWater || out.HasFile() {
			s.await(waitWrite)
			return WantWrite
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
func (s *Session) event(a *active) (Want, bool) {
	x := &a.x
	switch a.conn.Next() {
	case http1.HasRequest:
		x.renew()
		s.wait = waitNone
		s.protect(x, (*Session).request)
	case http1.HasBody:
		s.loc.Stats.Add(stats.BytesIn, uint64(len(a.conn.Body())))
		if x.sink != nil {
			s.protect(x, (*Session).body)
		}
	case http1.End:
		if x.sink != nil || a.conn.Status() == 0 {
			s.protect(x, (*Session).end)
		}
	case http1.Error:
		if a.conn.Status() != 0 {
			return s.finish(a), true
		}
		x.renew()
		if !x.heard {
			x.began = s.headBegan()
		}
		s.refuse(a.conn.Fault())
	case http1.Closed:
		return s.finish(a), true
	case http1.NeedData:
		if !a.conn.Out().Empty() {
			s.await(waitWrite)
			return WantWrite, true
		}
		return s.starved(a), true
	}
	return 0, false
}

// starved waits for more bytes, in the way that fits where the request stands.
func (s *Session) starved(a *active) Want {
	switch {
	case a.conn.Idle():
		s.release()
		return s.idle()
	case a.conn.InHead():
		s.await(waitHead)
	case !a.conn.InBody():
		s.await(waitIdle) // but for an empty line, which is part of nothing
	default:
		s.await(waitBody)
	}
	return WantRead
}

// idle waits for the next request. While the server stops, a client gets a moment
// after its last answer in which a request that is already on its way is served.
func (s *Session) idle() Want {
	s.await(waitIdle)
	if s.loc.Server.Draining() {
		s.deadline = min(s.deadline, s.since+lastCall)
		if s.loc.Clock.Now() >= s.deadline {
			s.phase = phaseOver
			return WantClose
		}
	}
	return WantRead
}

// request checks a request whose head is complete, and has it answered.
func (s *Session) request(x *Exchange) {
	srv, st := s.loc.Server, s.loc.Stats
	st.Add(stats.Requests, 1)
	x.began, x.heard = s.loc.Clock.Now(), true
	x.client = s.client(x)
	if f := s.limit(x); !f.OK() {
		s.refuse(f)
		return
	}
	r := x.Request()
	if f := srv.Hosts.Check(r); !f.OK() {
		s.refuse(f)
		return
	}
	if r.Method == http1.Unknown {
		s.refuse(http1.Fault{Status: 501, Reason: http1.UnknownMethod})
		return
	}
	if f := x.checkPath(); !f.OK() {
		s.refuse(f)
		return
	}
	if r.Expects == http1.OtherExpectation {
		x.conn.SetClosing() // the client may or may not send its body now
		s.refuse(http1.Fault{Status: 417, Reason: http1.UnknownExpectation})
		return
	}
	srv.Handler.Serve(x)
}

// limit asks the limiter about one more request of this client.
func (s *Session) limit(x *Exchange) (f http1.Fault) {
	srv := s.loc.Server
	if srv.Limiter == nil || s.exempt && !s.proxy || !x.client.IsValid() {
		return f
	}
	v := srv.Limiter.Request(x.client, int64(s.loc.Clock.Now()))
	if f.Reason = refusalOf(v.Kind); f.Reason == http1.NoReason {
		return f
	}
	if v.NewBan {
		srv.Stats.Mitigate()
	}
	if v.Kind == limiter.Banned && !s.proxy { // a proxy's connection is not the client's
		x.conn.SetClosing()
	}
	f.Status = 429
	x.retry = v.RetryAfter
	return f
}

func (s *Session) body(x *Exchange) { x.sink.Body(x, x.conn.Body()) }

// end is the message's end. A handler that has neither answered nor parked by now
// never will: that is a fault of ours.
func (s *Session) end(x *Exchange) {
	if sink := x.sink; sink != nil {
		x.sink = nil
		sink.End(x)
	}
	if x.conn.Status() == 0 && x.work == nil {
		s.refuse(http1.Fault{Status: 500, Reason: http1.Fault500})
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
	s.wait = waitNone
	if panicked {
		s.fail(x)
		return
	}
	then()
}

// Work runs the slow work of a session that answered WantWake, if it has any. It is
// the one method that may be called on another thread.
func (s *Session) Work() {
	if s.act == nil {
		return
	}
	x := &s.act.x
	if x.work == nil || x.worked {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.loc.Server.Observer.Panicked(x, v)
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
			s.loc.Server.Observer.Panicked(x, v)
			s.fail(x)
		}
	}()
	step(s, x)
}

// fail ends an exchange that a panic has left in an unknown state.
func (s *Session) fail(x *Exchange) {
	x.abandon()
	x.conn.SetClosing()
	if x.conn.Status() == 0 {
		s.refuse(http1.Fault{Status: 500, Reason: http1.Fault500})
	} else {
		s.phase = phaseOver
	}
}

// refuse counts, reports and answers a fault.
func (s *Session) refuse(f http1.Fault) {
	x := &s.act.x
	if sink := x.sink; sink != nil {
		x.sink = nil
		sink.Abort()
	}
	s.report(x, f)
	s.loc.Server.Handler.Refuse(x, f)
}

func (s *Session) report(x *Exchange, f http1.Fault) {
	s.loc.Stats.Refuse(f.Reason)
	s.loc.Server.Observer.Refused(x, f)
}

// finish ends the connection behind its last answer.
//
// Closing a socket while bytes wait in its receive buffer, or come later, makes the
// kernel send a reset, and a reset can overtake the answer and destroy it on the
// client's side (RFC 9112 section 9.6). So unless the client itself said that it
// sends nothing more, we end our direction only, and drop what still comes for a
// while.
func (s *Session) finish(a *active) Want {
	if !a.conn.Out().Empty() {
		s.await(waitWrite)
		return WantWrite
	}
	silent := s.eof || a.conn.Request().WantsClose() && a.conn.Clean()
	s.release()
	if silent {
		s.phase = phaseOver
		return WantClose
	}
	s.phase = phaseLinger
	s.moved = 0
	s.deadline = s.loc.Clock.Now() + lingerTime
	return WantShut
}

// linger drops what the client still sends, until it ends, or has had its time.
func (s *Session) linger() Want {
	if s.eof || s.moved > lingerBytes || s.loc.Clock.Now() >= s.deadline {
		s.phase = phaseOver
		return WantClose
	}
	return WantRead
}

// cut ends the session at once.
func (s *Session) cut() Want {
	s.phase = phaseOver
	return WantClose
}
