package session

// What a handler sees: one request, its answer, and the ways to take or make a body in parts.
//
// An Exchange belongs to its session's thread. While parked work runs, only the work may touch it.
// Of a Sink exactly one of End and Abort is called. A Source is asked for more of the body until it
// reports the last part, or Abort is called. An Exchange, or a slice of its request, must not be
// kept beyond the answer: both are used again for the next request. A handler must not block; it
// parks.

import (
	"net/netip"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/offload"
)

// Sink takes a request's body, and answers the request when it has all of it.
type Sink interface {
	// Body takes the next part of the body; p is valid during the call only. It may
	// call Park, Begin or Fail, or Wait where it cannot take more for now.
	Body(x *Exchange, p []byte)
	// End is called after the last part. It answers, or parks or waits and answers then.
	End(x *Exchange)
	// Abort is called instead of End when the body will not come whole, or when the answer was
	// given before its end. The Sink must not answer then.
	Abort()
}

// Source makes an answer's body in parts.
type Source interface {
	// More appends some of the body with Write, WriteRef or WriteFile, and reports
	// whether that was the last of it. The session then calls Finish itself. Where there is
	// nothing yet, because it comes from another machine, it calls Wait.
	More(x *Exchange) (last bool)
	// Abort is called when the rest is not wanted any more.
	Abort()
}

// Tunnel is the other end of a connection that is no HTTP any more ([Exchange.Tunnel]). Its methods
// are called on the session's thread.
type Tunnel interface {
	// FromClient is given what the client has sent. With it passes one reference of ref; where that
	// is nil, p is valid during the call.
	FromClient(p []byte, ref chain.Ref)
	ClientEnds() // the client sends nothing more
	Takes() bool // whether more of the client is to be read
	Room()       // little waits for the client: it may have more
	Moved()      // the client has taken some of what was written
	Gone()       // the connection is over
}

// Exchange is one request with its answer, as a Handler sees it. It is reused: it
// must not be kept beyond the answer.
type Exchange struct {
	conn   *http1.Conn
	thread *Thread
	s      *Session

	path   []byte // decoded
	client netip.Addr
	retry  int64      // nanoseconds until a limited client may come again
	began  clock.Time // when the head was complete
	id     []byte
	idBuf  [idLen]byte

	sink         Sink
	source       Source
	work         func()
	then         func()
	kind         offload.Kind // of work
	headComplete bool         // the head is complete
	worked       bool         // work has run
	logged       bool         // the answer has been counted and logged
	probe        bool         // counted, but not in the access log
	waiting      bool         // between Wait and Resume
	onGone       func()       // called if there will be no Resume

	unasked     bool     // whoever takes the body has not asked a waiting client for it; see PassBody
	writeBegun  bool     // the answer has begun to be written
	discards    bool     // the body is dropped while the Source makes the answer; see DiscardBody
	upstream    Upstream // who answered, if it was another server
	tunnel      Tunnel   // nil where the connection is HTTP
	writeEnded  bool     // nothing more will be written into the tunnel
	writeShut   bool     // and its client has been told so
	inputClosed bool     // nothing is taken out of the tunnel any more
	lastMoved   int64    // what had been sent when Moved was called last
	quiescent   bool     // nothing was wanted of the client's socket at the last step
	hungUp      bool     // the client sends nothing more than what is here already, and takes nothing

	unknown  bool  // a proxy did not say who the client is
	panicked bool  // work has panicked
	sent     int64 // bytes of the answer's body, once logged
}

// Request is the request's head.
func (x *Exchange) Request() *http1.Request { return x.conn.Request() }

// Path is the target's path, percent-decoded and found harmless by the guard: it
// begins with a slash and has no segment that is empty or all dots.
func (x *Exchange) Path() []byte { return x.path }

// Clock is the time.
func (x *Exchange) Clock() *clock.Clock { return &x.thread.Clock }

// Thread is the thread this exchange is served on.
func (x *Exchange) Thread() *Thread { return x.thread }

// Client is the client's address: the peer's, or what a trusted proxy says. It is
// invalid for a Unix socket's peer without such a proxy, and for one that is Unknown.
func (x *Exchange) Client() netip.Addr { return x.client }

// Unknown reports whether a trusted proxy does not say for which client it asks, or not in a
// readable form. The limiter does not count such a client, and it has no rights.
func (x *Exchange) Unknown() bool { return x.unknown }

// RetryAfter is how long a client that is refused with 429 should wait, in nanoseconds.
func (x *Exchange) RetryAfter() int64 { return x.retry }

// Began is when the request's head was complete, as exactly as the thread's clock is read: once a
// turn. If the head is never completed, it is when the head began.
func (x *Exchange) Began() clock.Time { return x.began }

// Status is the answer's status, 0 before Begin.
func (x *Exchange) Status() int { return x.conn.Status() }

// Sent is the number of bytes of the answer's body that have left or will. It is known
// when the Observer hears that the answer is done.
func (x *Exchange) Sent() int64 { return x.sent }

// ID is the request's id, made at the first call unless a trusted proxy sent one.
func (x *Exchange) ID() []byte {
	if x.id != nil {
		return x.id
	}
	if x.s.proxy {
		if id := x.Request().Get(http1.XRequestID); guard.RequestID(id) {
			x.id = id
			return id
		}
	}
	x.id = x.thread.ids.next(x.idBuf[:0])
	return x.id
}

// Begin starts the answer's head; see [http1.Conn.Begin].
func (x *Exchange) Begin(status int, length int64) *http1.Head {
	x.maySayLast()
	return x.conn.Begin(status, length)
}

// BeginWith writes the answer's head, all of it; see [http1.Conn.BeginWith].
func (x *Exchange) BeginWith(p *http1.Prepared) {
	x.maySayLast()
	x.conn.BeginWith(p)
}

// maySayLast makes the answer the connection's last where that is necessary.
func (x *Exchange) maySayLast() {
	if x.conn.AwaitsContinue() || x.thread.Server.Ending() {
		// A client that was never told to go on may send its body or not. So after this answer its
		// next bytes could be either the body or a request.
		x.conn.SetClosing()
	}
}

// BeginRelayed starts the head of another server's answer; see [http1.Conn.BeginRelayed].
func (x *Exchange) BeginRelayed(status int, length int64) *http1.Head {
	x.maySayLast()
	return x.conn.BeginRelayed(status, length)
}

// Interim writes an interim answer of another server; see [http1.Conn.Interim].
func (x *Exchange) Interim(status int, lines []byte) { x.conn.Interim(status, lines) }

// Pending is how many bytes of answers wait to be sent.
func (x *Exchange) Pending() int64 { return x.conn.Out().Len() }

// HasFile reports whether a range of a file is among what waits to be sent. It may be being read on
// another thread: then nothing may be written.
func (x *Exchange) HasFile() bool { return x.conn.Out().HasFile() }

// NoBody reports whether the answer has no body, whatever is written to it.
func (x *Exchange) NoBody() bool { return x.conn.NoBody() }

// Write appends a copy of p to the answer's body.
func (x *Exchange) Write(p []byte) { x.conn.Write(p) }

// WriteRef appends p itself to the answer's body; one reference of ref passes on. Where that is nil
// it is Write.
func (x *Exchange) WriteRef(p []byte, ref chain.Ref) {
	if ref == nil {
		x.conn.Write(p)
	} else {
		x.conn.WriteRef(p, ref)
	}
}

// WriteFile appends a range of a file to the answer's body; one reference of the
// file passes on.
func (x *Exchange) WriteFile(f chain.File, off, n int64) { x.conn.WriteFile(f, off, n) }

// TakesPipe reports whether some of the body may be written as what is in a pipe: nothing else
// waits to be sent, and nothing stands between the answer and the socket.
func (x *Exchange) TakesPipe() bool { return x.s.layer == nil && x.conn.TakesPipe() }

// WritePipe appends the n bytes in a pipe to the body; one reference of the pipe passes on.
func (x *Exchange) WritePipe(p chain.Pipe, n int64) { x.conn.WritePipe(p, n) }

// Finish completes the answer.
func (x *Exchange) Finish() { x.conn.Finish() }

// Stream has src make the rest of the body, as fast as the client takes it. It is called after a
// head's End, and replaces Finish.
func (x *Exchange) Stream(src Source) {
	if x.conn.NoBody() {
		src.Abort()
		x.conn.Finish()
		return
	}
	x.source = src
}

// TakeBody gives the request's body to sink. A client that waits for a 100 (Continue) is sent one
// (RFC 9110 10.1.1). Without TakeBody the body is read and dropped.
func (x *Exchange) TakeBody(sink Sink) {
	x.sink = sink
	x.conn.Continue()
}

// PassBody is TakeBody for a body that another server gets: it is that server that asks a waiting
// client for it, or does not. Until [Exchange.Continue], or until the client sends it unasked,
// nobody is too slow.
func (x *Exchange) PassBody(sink Sink) { x.sink, x.unasked = sink, true }

// Continue tells a waiting client to send its body; see [http1.Conn.Continue].
func (x *Exchange) Continue() {
	x.unasked = false
	x.conn.Continue()
}

// DropBody has the rest of the body read and dropped. The Sink is not called any more.
func (x *Exchange) DropBody() { x.sink = nil }

// DiscardBody is DropBody for an answer that a Source makes: what comes of the body is read and
// dropped while the answer is made. A client may send all of the body before it reads any of the
// answer. It is for an answer that comes from another machine: a thread that blocks on one socket
// can either read or write.
func (x *Exchange) DiscardBody() { x.sink, x.discards = nil, true }

// Park runs work where it may block, together with other work of its kind, and afterwards calls
// then on the session's thread. While work runs, nothing else may touch the exchange and what the
// handler keeps. then is called even if the client has gone meanwhile, and may answer as usual. But
// nothing that it parks itself will run if the client has left.
func (x *Exchange) Park(k offload.Kind, work, then func()) {
	if x.work != nil {
		panic("session: parked twice")
	}
	x.kind, x.work, x.then, x.worked = k, work, then, false
}

// Left reports whether the client has gone, and the exchange ends with what is being called: then
// nothing need be begun any more.
func (x *Exchange) Left() bool { return x.s.phase >= phaseOver }

// Wait has the session wait for another machine of its thread: nothing more is read of the request,
// and nothing more is asked of a Source, until Resume. What there is of the answer is sent
// meanwhile. There is no deadline; the handler must have its own. gone is called instead of Resume
// when the exchange ends before that, because its client has left for example. Afterwards the
// exchange must not be touched: it may be another request's. gone may be nil where the Abort of a
// Sink or Source is enough.
func (x *Exchange) Wait(gone func()) { x.waiting, x.onGone = true, gone }

// Resume ends Wait. It is for the session's thread; the session goes on at the end of this turn.
func (x *Exchange) Resume() {
	x.waiting, x.onGone = false, nil
	x.Nudge()
}

// Nudge has what was written sent at the end of this turn, also while the session waits.
func (x *Exchange) Nudge() { x.thread.Host.Nudge(int(x.s.handle)) }

// Cut ends the connection, for a handler that cannot complete an answer that it has begun: what the
// client has of it must not look whole ([Session.breakOff]). The fault is counted. Nothing of the
// handler is called any more.
func (x *Exchange) Cut(f fault.Fault) {
	if !f.OK() {
		x.s.report(x, f)
	}
	x.sink, x.source, x.waiting, x.onGone, x.tunnel = nil, nil, false, nil, nil
	x.s.breakOff()
	x.Nudge()
}

// Tunnel answers with 101 (RFC 9110 15.2.2), and with that the connection is no HTTP any more. What
// the client has sent behind its request, and what it sends from now on, goes to t as it is, and
// what is written with Write goes to the client. lines are whole field lines, each with its CR LF.
func (x *Exchange) Tunnel(lines []byte, t Tunnel) {
	x.conn.Switch(lines)
	x.tunnel, x.sink, x.source, x.waiting, x.onGone = t, nil, nil, false, nil
	x.s.phase = max(x.s.phase, phaseTunnel) // its socket may have failed in this turn
	if rest := x.conn.Rest(); len(rest) > 0 {
		t.FromClient(rest, nil)
	}
	if x.s.eof {
		t.ClientEnds()
	}
	x.Nudge()
}

// EndTunnel ends our direction of a tunnel, after what was written.
func (x *Exchange) EndTunnel() {
	x.writeEnded = true
	x.Nudge()
}

// Held is how many bytes the kernel holds for the client.
func (x *Exchange) Held() int64 { return x.s.unsent() }

// CloseTunnel says that the other end of a tunnel is gone. What its client still sends is dropped,
// and how long it may take for the rest is a matter of its reading alone. EndTunnel comes after the
// last of that.
func (x *Exchange) CloseTunnel() {
	x.inputClosed = true
	x.Nudge()
}

// Upstream is another server that has answered a request, or has failed to, and how long that took;
// times are below 0 where it did not come so far.
type Upstream struct {
	Name    string     // empty where no other server was asked
	Connect clock.Time // until the connection was there
	Head    clock.Time // until the answer's head was complete
	Whole   clock.Time // until its end
}

// SetUpstream notes who has answered.
func (x *Exchange) SetUpstream(u Upstream) { x.upstream = u }

// Upstream is what SetUpstream noted.
func (x *Exchange) Upstream() Upstream { return x.upstream }

// Peer is the address that the connection comes from; invalid for a Unix socket's. Where the peer
// is a proxy, it is not the client's.
func (x *Exchange) Peer() netip.Addr { return x.s.addr }

// Proxied reports whether the peer is a proxy that is trusted to say for whom it asks.
func (x *Exchange) Proxied() bool { return x.s.proxy }

// Report counts a fault, and logs it where it should be, for a handler that answers by
// itself.
func (x *Exchange) Report(f fault.Fault) { x.s.report(x, f) }

// Charge counts what the request has us do beyond itself, as much as so many requests of its
// client. A fault says that the client may not have it: the request is then to be refused for that.
func (x *Exchange) Charge(requests int) (f fault.Fault) {
	if !x.s.limited(x) {
		return f
	}
	return x.s.refusalFor(x, x.thread.Server.Limiter.Charge(x.client, int64(x.thread.Clock.Now()), requests))
}

// Fail refuses the request: it is counted, logged where it should be, and answered
// by the handler's Refuse. It is for use before Begin only.
func (x *Exchange) Fail(f fault.Fault) { x.s.refuse(f) }
