package session

// The life of one connection as a machine. The phase says how far it has come and only ever moves
// forward; the wait says what the deadline stands for.
//
// A session belongs to the thread of its Thread. Only Work may run on another thread, while nothing
// else touches the session. What must not be done: no method but Work may block, and the struct
// must not grow for what only a request needs, since an idle connection keeps all of it. Such
// fields go into requestState.

import (
	"net/netip"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/stats"
)

// phase is how far a session's life has come.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseTunnel        // no HTTP any more: what comes goes elsewhere as it is
	phaseDeliver       // the last answer is sent, the client has not acknowledged all of it
	phaseLinger        // the last answer is sent, the client may still be sending
	phaseOver
	phaseLeft // over, and its place has been given back
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
	waitPeer       // for another machine, which has a deadline of its own
	waitAsked      // for a body that another machine has yet to ask for, or for that machine
)

// Mark is what is known of a peer, each a bit: a Session has no byte to spare. What a proxy of
// connections says of whom it speaks for comes with the Admission.
type Mark uint8

const (
	exempt Mark = 1 << iota // the limiter does not apply to it
	// ByTLS: the peer has come to the proxy by TLS.
	ByTLS
	// Unnamed: it is somebody whom the proxy does not name. So who says what comes is the client,
	// fields that only a proxy should write included: it must not have the proxy's rights.
	Unnamed
	// Elsewhere: the proxy that names it is on another machine. Who is of that machine, as the
	// address 127.0.0.1 says of itself there, is not of this one.
	Elsewhere
)

// Session is one connection: the [machine.Machine] of HTTP on a socket. The zero Session is
// ready for Open.
type Session struct {
	thread   *Thread
	req      *requestState // nil while idle
	ticket   limiter.Ticket
	addr     netip.Addr // of the peer; invalid for a Unix socket
	layer    *Layer     // what lies between it and the socket; nil for nothing
	deadline clock.Time
	since    clock.Time // when the wait began
	out      pace       // of the answers
	handle   int32      // the driver's name for the socket
	served   int32      // requests before req was borrowed
	dropped  int32      // bytes read and dropped before the close
	port     uint16     // of the peer
	phase    phase
	wait     wait
	proxy    bool // the peer is trusted to say who the client is
	marks    Mark // of the peer
	eof      bool // the peer has ended its sending direction
	refused  bool // it was never admitted
	abortive bool // Close is to reset the connection
	order    machine.Order
	measured bool // out counts what the client has acknowledged
	silent   bool // the peer has announced that it sends nothing more
}

var _ machine.Machine = (*Session)(nil)

// Open begins a session with a peer that Admit let in. handle is passed to
// Thread.Unsent.
func (s *Session) Open(thread *Thread, adm Admission, peer netip.AddrPort, handle int) {
	*s = Session{thread: thread, ticket: adm.ticket, marks: adm.Marks, addr: peer.Addr(), port: peer.Port(), handle: int32(handle)}
	s.lookUpPeer(peer.Addr())
	s.order.Opened()
	thread.Stats.Add(stats.Opened, 1)
	s.await(waitIdle)
	s.out.since = s.since
}

// OpenRefused begins the session of a connection that was not admitted: its client gets
// a 503 that says why, and a moment to read it.
func (s *Session) OpenRefused(thread *Thread, peer netip.AddrPort, handle int, why fault.Reason) {
	*s = Session{thread: thread, addr: peer.Addr(), port: peer.Port(), handle: int32(handle), refused: true}
	s.order.Opened()
	s.lookUpPeer(peer.Addr())
	thread.Server.origin().refused.Add(1)
	s.borrow()
	s.req.x.began = thread.Clock.Now() // no request was or will be read
	s.req.conn.Fail(fault.Fault{Status: 503, Reason: why})
	s.refuse(s.req.conn.Fault())
	thread.Stats.Add(stats.Dropped, 1)
	s.await(waitWrite)
}

// Through says that something lies between the session and the socket. It is said once, before
// anything is read.
func (s *Session) Through(l *Layer) { s.layer = l }

// shared reports whether the peer's address is that of many clients.
func (s *Session) shared() bool { return s.proxy || s.marks&Unnamed != 0 }

// Peer is the address of the other end, invalid for a Unix socket's.
func (s *Session) Peer() netip.AddrPort { return netip.AddrPortFrom(s.addr, s.port) }

// Deadline is when Step must be called even if the socket stays silent.
func (s *Session) Deadline() clock.Time { return s.deadline }

// Abortive reports whether the socket should be closed with a reset, so that the kernel drops the
// unsent rest instead of keeping it for a peer that does not take it.
func (s *Session) Abortive() bool { return s.abortive }

// Idle reports whether the session is between two requests and has nothing to do.
func (s *Session) Idle() bool { return s.phase == phaseOpen && s.wait == waitIdle }

// Recv is the memory to read the socket into. It is never empty after WantRead.
func (s *Session) Recv() []byte {
	s.order.Called(machine.CallRead)
	switch s.phase {
	case phaseOpen:
	case phaseTunnel:
		return s.thread.Room()
	default:
		return s.thread.dropped[:]
	}
	if s.req == nil {
		s.borrow()
	}
	return s.req.conn.Recv()
}

// borrow takes buffers from the thread. Their chain has a count of bytes sent of its own, from
// which this session's count goes on, unless a layer has one.
func (s *Session) borrow() {
	s.req = s.thread.borrow(s)
	if !s.sealed() {
		s.out.moved += s.req.conn.Out().Sent()
	}
}

// Received notes that n bytes were read into Recv.
func (s *Session) Received(n int) {
	s.order.Called(machine.CallRead)
	switch s.phase {
	case phaseOpen:
		if s.wait == waitIdle {
			s.req.short = n > 0 && s.thread.Full()
		}
		s.req.conn.Received(n)
	case phaseTunnel:
		s.thread.Stats.Add(stats.BytesIn, uint64(n))
		s.req.x.tunnel.FromClient(s.thread.Intake().Took(n))
	default:
		s.dropped += int32(n)
	}
}

// EOF notes that the peer has ended its sending direction.
func (s *Session) EOF() {
	s.order.Called(machine.CallRead)
	s.eof = true
	if s.phase == phaseOpen && s.req == nil { // a layer has heard of it, and read nothing
		s.borrow()
	}
	switch {
	case s.phase == phaseTunnel:
		s.req.x.tunnel.ClientEnds()
	case s.req != nil:
		s.req.conn.EOF()
	case s.phase != phaseDeliver:
		s.phase = phaseOver
	}
}

// Out is what is to be sent. It is not nil after WantWrite.
func (s *Session) Out() *chain.Chain {
	s.order.Called(machine.CallWrite)
	return s.req.conn.Out()
}

// Last reports whether nothing follows what is in Out: the connection ends after it.
func (s *Session) Last() bool { return s.req != nil && s.req.last }

// Fail ends the session because of its socket: it was reset, or its client has gone.
func (s *Session) Fail() {
	s.order.Called(machine.CallStep)
	if !s.HangUp() {
		s.lose()
	}
}

// lose ends the session, whatever its socket still has. One that has left it stays so.
func (s *Session) lose() { s.phase, s.abortive = max(s.phase, phaseOver), true }

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

// Fetch says that what comes next in Out has to be read from a disk before it can be sent. Step
// then answers WantWake, and Work runs read; an error of it breaks the answer off.
func (s *Session) Fetch(read func() error) {
	s.order.Called(machine.CallWrite)
	s.req.fetch = read
}

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

// Leave ends the session because its client has gone while Work runs. From now on the socket may be
// closed, and another connection may get its number. Close still follows, when Work is done.
func (s *Session) Leave() {
	s.order.Called(machine.CallWork)
	s.Vacate()
}

// Vacate is Leave at any time, for a layer that is at work itself.
func (s *Session) Vacate() {
	s.lose()
	s.giveUpPlace()
	s.phase, s.handle = phaseLeft, -1
}

// RestartDeadline starts the deadline again: the wait so far was not the client's fault, because
// the driver was busy with something slow of its own.
func (s *Session) RestartDeadline() {
	if s.wait != waitNone {
		s.wait = waitWork
	}
	s.leaveWait()
	s.deadline = clock.Never
}

// Close ends the session and gives back all it holds. Drivers call it once, before
// they close the socket, and not while Work runs.
func (s *Session) Close() {
	s.order.Called(machine.CallClose)
	left := s.phase == phaseLeft
	s.phase = phaseOver
	s.release()
	if !left {
		s.giveUpPlace()
	}
}

// giveUpPlace removes the session from the count of connections.
func (s *Session) giveUpPlace() {
	if s.refused {
		s.thread.Server.origin().refused.Add(-1)
		return
	}
	s.thread.Dismiss(s.thread.admission(s.ticket, int(s.handle)))
	s.thread.Stats.Add(stats.Closed, 1)
}

// release gives the buffers back, and gives up what was under way.
func (s *Session) release() {
	a := s.req
	if a == nil {
		return
	}
	x := &a.x
	if x.work != nil && x.worked {
		s.protect(x, (*Session).resume) // then answers with what the work made, or releases it
	}
	x.abandon()
	if x.conn.Status() != 0 || x.headComplete {
		x.account(a.conn.Out().Len()) // the rest will not be sent; a complete answer is counted already
	}
	s.served = int32(a.conn.Served())
	if !s.sealed() {
		s.out.moved -= a.conn.Out().Sent()
	}
	s.req = nil
	a.fetch, a.broken, a.last, a.cut, a.short = nil, nil, false, false, false
	a.conn.Shut()
	s.thread.giveBack(a)
}

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

// Reads reports whether the session waits for its client to send something. A driver whose socket
// is readable then reads before it steps. A broken socket counts as readable too, whatever was
// wanted, so this first checks whether a read may come now.
func (s *Session) Reads() bool {
	if !s.order.May(machine.CallRead) {
		return false
	}
	if s.phase == phaseTunnel {
		return s.tunnelReads()
	}
	switch s.wait {
	case waitIdle, waitHead, waitBody, waitAsked:
		return true
	case waitWrite, waitPeer:
		if s.discardingBody() {
			return true
		}
	}
	return s.phase == phaseLinger || s.phase == phaseDeliver && !s.eof
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

// request checks a request whose head is complete, and has it answered.
func (s *Session) request(x *Exchange) {
	s.thread.renew()
	srv, st := s.thread.Server, s.thread.Stats
	if srv.relisted { // perhaps since the connection began
		s.lookUpPeer(s.addr)
	}
	st.Add(stats.Requests, 1)
	x.began, x.headComplete = s.thread.Clock.Now(), true
	wrongPort := s.layer != nil && s.layer.Bypassed
	if wrongPort {
		x.conn.SetClosing()
	}
	s.identifyClient(x)
	if x.Secured() {
		x.conn.SetSecured()
	}
	if s.answerProbe(x) || s.spare(x) {
		return
	}
	r := x.Request()
	state := limiter.Complete
	if r.HasBody() {
		state = limiter.Begun
	}
	if f := s.limit(x, state); !f.OK() {
		s.refuse(f)
		return
	}
	to := addressee(r)
	if f := srv.Hosts.Check(to); !f.OK() && !s.reached(f, to) {
		if f.Status == 400 {
			x.conn.SetClosing() // what follows may be meant for another server, too
		}
		s.refuse(f)
		return
	}
	if wrongPort {
		s.refuse(fault.Of(fault.PlainOnTLSPort))
		return
	}
	if s.misdirected(x, to) {
		s.refuse(fault.Of(fault.Misdirected))
		return
	}
	if f := x.checkPath(); !f.OK() {
		s.refuse(f)
		return
	}
	if r.Expects == http1.OtherExpectation {
		x.conn.SetClosing() // the client may or may not send its body now
		s.refuse(fault.Of(fault.UnknownExpectation))
		return
	}
	srv.Handler.Serve(x)
}

// Charge counts something that is no request and costs as much as so many, and is done for the
// peer: a handshake of TLS. It reports what speaks against it, if anything does. What a proxy that
// is trusted does is done for others, who are not known yet.
func (s *Session) Charge(requests int) fault.Reason {
	if !s.answerable() {
		return fault.NoReason
	}
	v := s.thread.Server.Limiter.Charge(s.addr, int64(s.thread.Clock.Now()), requests)
	if v.NewBan { // that it comes again is told to those only who look closely
		s.thread.Server.Observer.Unsecured(s.addr, fault.Banned, "too many handshakes")
	}
	return s.verdict(v)
}

// Blame counts something below HTTP that cannot be read, as if it were a request that cannot be
// parsed, and reports what speaks against the peer for it.
func (s *Session) Blame() fault.Reason {
	if !s.answerable() {
		return fault.NoReason
	}
	return s.verdict(s.thread.Server.Limiter.Judge(s.addr, int64(s.thread.Clock.Now()), limiter.Malformed))
}

// answerable reports whether the peer itself is held to the limits for what it does below HTTP.
func (s *Session) answerable() bool {
	return s.thread.Server.Limiter != nil && s.marks&exempt == 0 && !s.shared() && s.addr.IsValid()
}

// verdict is the reason for a refusal that the limiter wants, and counts a new ban.
func (s *Session) verdict(v limiter.Verdict) fault.Reason {
	if v.NewBan {
		s.thread.Server.Stats.Mitigate()
	}
	return refusalOf(v.Kind)
}

// answerProbe answers a request that is a probe. A probe may name any Host. But with a missing or
// malformed one it is not a valid request (RFC 9112 3.2), and is refused like any other.
func (s *Session) answerProbe(x *Exchange) bool {
	srv := s.thread.Server
	if srv.Prober == nil || !srv.Prober.IsProbe(x) || srv.Hosts.Check(addressee(x.Request())).Status == 400 {
		return false
	}
	x.probe = true
	srv.Prober.Probe(x)
	return true
}

// limited reports whether the limiter applies to the client.
func (s *Session) limited(x *Exchange) bool {
	return s.thread.Server.Limiter != nil && (s.marks&exempt == 0 || s.shared()) && x.client.IsValid()
}

// limit asks the limiter about one more request of this client.
func (s *Session) limit(x *Exchange, state limiter.State) (f fault.Fault) {
	if !s.limited(x) {
		return f
	}
	return s.refusalFor(x, s.thread.Server.Limiter.Judge(x.client, int64(s.thread.Clock.Now()), state))
}

// refusalFor is the fault of a request that a verdict of the limiter refuses.
func (s *Session) refusalFor(x *Exchange, v limiter.Verdict) (f fault.Fault) {
	if f.Reason = refusalOf(v.Kind); f.Reason == fault.NoReason {
		return f
	}
	if v.NewBan {
		s.thread.Server.Stats.Mitigate()
	}
	if v.Kind == limiter.Banned && !s.shared() { // a proxy's connection is not the client's
		x.conn.SetClosing()
	}
	f.Status = 429
	x.retry = v.RetryAfter
	return f
}

// malformed is the fault that a request is refused for when it cannot be parsed. It counts like any
// other request, since otherwise a client that sends only malformed ones would have no limit. Where
// it is malformed, and not only slow or cut short, it also counts towards a ban. TLS does not: a
// page by https with pictures of this server has browsers ask for them by https, too.
func (s *Session) malformed(x *Exchange, f fault.Fault) fault.Fault {
	state := limiter.MalformedBody
	if !x.headComplete {
		s.beginUnread(x)
		if f.Reason == fault.BodyTooLarge { // nothing is wrong with the head, which says whose it is
			s.identifyClient(x)
		}
		state = limiter.Malformed
	}
	if f.Status/100 != 4 || f.Status == 408 || !f.Reason.Refusal() || f.Reason == fault.TLSOnPlainPort {
		if x.headComplete {
			return f
		}
		state = limiter.Begun
	}
	if over := s.limit(x, state); !over.OK() {
		return over
	}
	return f
}

// beginUnread counts a request without a complete head. One of a proxy names no client.
func (s *Session) beginUnread(x *Exchange) {
	s.thread.Stats.Add(stats.Requests, 1)
	x.began = s.headBegan()
	if s.shared() {
		x.setUnknown()
	}
}

// completed tells the limiter that the body of a request which it let in has ended.
func (s *Session) completed(x *Exchange) {
	if x.Request().HasBody() && x.retry == 0 && !x.probe && s.limited(x) {
		s.thread.Server.Limiter.Completed(x.client)
	}
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

// fail ends an exchange whose state is unknown, after a panic for example.
func (s *Session) fail(x *Exchange) {
	x.abandon()
	x.conn.SetClosing()
	if x.conn.Status() == 0 {
		s.refuse(fault.Of(fault.Internal))
	} else {
		s.breakOff()
	}
}

// refuse counts, reports and answers a fault.
func (s *Session) refuse(f fault.Fault) {
	x := &s.req.x
	if sink := x.sink; sink != nil {
		x.sink = nil
		sink.Abort()
	}
	s.report(x, f)
	s.thread.Server.Handler.Refuse(x, f)
}

func (s *Session) report(x *Exchange, f fault.Fault) {
	s.thread.Stats.Refuse(f.Reason)
	s.thread.Server.Observer.Refused(x, f)
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
