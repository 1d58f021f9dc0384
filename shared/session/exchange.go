package session

import (
	"net/netip"

	"fourways/shared/clock"
	"fourways/shared/guard"
	"fourways/shared/http1"
)

// Sink takes a request's body, and answers the request when it has all of it.
type Sink interface {
	// Body takes the next part of the body; p is valid during the call only. It may
	// call Park, Begin or Fail.
	Body(x *Exchange, p []byte)
	// End is called behind the last part. It answers, or parks and answers then.
	End(x *Exchange)
	// Abort is called instead of End when the body will not come whole, or when the
	// answer was given before its end. The exchange's answer is none of its business.
	Abort()
}

// Source makes an answer's body piece by piece.
type Source interface {
	// More appends some of the body with Write, WriteRef or WriteFile, and reports
	// whether that was the last of it. The session then calls Finish itself.
	More(x *Exchange) (last bool)
	// Abort is called when the rest is not wanted any more.
	Abort()
}

// Exchange is one request with its answer, as a Handler sees it. It is reused: it
// must not be kept beyond the answer.
type Exchange struct {
	conn *http1.Conn
	loc  *Local
	s    *Session

	path   []byte // decoded
	client netip.Addr
	retry  int64      // nanoseconds until a limited client may come again
	began  clock.Time // when the head was complete
	id     []byte
	idBuf  [idLen]byte

	sink   Sink
	source Source
	work   func()
	then   func()
	heard  bool // the head was complete
	worked bool // work has run
	logged bool // the answer has been counted and logged

	panicked bool  // work has panicked
	sent     int64 // bytes of the answer's body, once logged
}

// Request is the request's head.
func (x *Exchange) Request() *http1.Request { return x.conn.Request() }

// Path is the target's path, percent-decoded and found harmless by the guard: it
// begins with a slash and has no segment that is empty or all dots.
func (x *Exchange) Path() []byte { return x.path }

// Clock is the time.
func (x *Exchange) Clock() *clock.Clock { return &x.loc.Clock }

// Local is the thread this exchange is served on.
func (x *Exchange) Local() *Local { return x.loc }

// Client is the client's address: the peer's, or what a trusted proxy says. It is
// invalid for a Unix socket's peer without such a proxy.
func (x *Exchange) Client() netip.Addr { return x.client }

// RetryAfter is how long a client that was refused with 429 should wait, in
// nanoseconds.
func (x *Exchange) RetryAfter() int64 { return x.retry }

// Began is when the request's head was complete, as exactly as the thread's clock is
// read: once a turn. Of a request whose head never was, it is when that began.
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
	x.id = x.loc.ids.next(x.idBuf[:0])
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

// maySayLast makes the answer the connection's last where it must be.
func (x *Exchange) maySayLast() {
	if x.conn.AwaitsContinue() || x.loc.Server.Draining() {
		// A client that was never told to go on may send its body or not: after this
		// answer nobody could say what its next bytes are.
		x.conn.SetClosing()
	}
}

// NoBody reports whether the answer has no body, whatever is written to it.
func (x *Exchange) NoBody() bool { return x.conn.NoBody() }

// Write appends a copy of p to the answer's body.
func (x *Exchange) Write(p []byte) { x.conn.Write(p) }

// WriteRef appends p itself to the answer's body; one reference of ref passes on.
func (x *Exchange) WriteRef(p []byte, ref http1.Ref) { x.conn.WriteRef(p, ref) }

// WriteFile appends a range of a file to the answer's body; one reference of the
// file passes on.
func (x *Exchange) WriteFile(f http1.File, off, n int64) { x.conn.WriteFile(f, off, n) }

// Finish completes the answer.
func (x *Exchange) Finish() { x.conn.Finish() }

// Stream has the rest of the body made by src, as fast as the client takes it. It
// is called between a head's End and Finish, which it replaces.
func (x *Exchange) Stream(src Source) {
	if x.conn.NoBody() {
		src.Abort()
		x.conn.Finish()
		return
	}
	x.source = src
}

// TakeBody has the request's body given to sink; a client that waits for it is told
// to go on (RFC 9110 section 10.1.1). Without it the body is read and dropped.
func (x *Exchange) TakeBody(sink Sink) {
	x.sink = sink
	x.conn.Continue()
}

// Park runs work where it may block, and then on the session's thread then. While
// work runs it is the only one to touch the exchange and what the handler keeps. then
// is called even if the client has gone meanwhile, and may answer as usual.
func (x *Exchange) Park(work, then func()) {
	if x.work != nil {
		panic("session: parked twice")
	}
	x.work, x.then, x.worked = work, then, false
}

// Report counts a fault, and logs it where it should be, for a handler that answers by
// itself.
func (x *Exchange) Report(f http1.Fault) { x.s.report(x, f) }

// Fail refuses the request: it is counted, logged where it should be, and answered
// by the handler's Refuse. It is for use before Begin only.
func (x *Exchange) Fail(f http1.Fault) { x.s.refuse(f) }
