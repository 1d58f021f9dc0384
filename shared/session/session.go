package session

// The life of one connection as a machine, and what its driver calls. How it goes on stands in
// step.go. The phase says how far it has come and only ever moves forward; the wait says what the
// deadline stands for.
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
	"fourways/shared/limiter"
	"fourways/shared/machine"
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

// Fetch says that what comes next in Out has to be read from a disk before it can be sent. Step
// then answers WantWake, and Work runs read; an error of it breaks the answer off.
func (s *Session) Fetch(read func() error) {
	s.order.Called(machine.CallWrite)
	s.req.fetch = read
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
