package http1

import (
	"bytes"
	"strconv"

	"fourways/shared/bufpool"
	"fourways/shared/clock"
)

// Limits bound what one connection may make the server hold or do.
type Limits struct {
	RequestLine int   // bytes of a request line, without CR LF; over it 414
	Head        int   // bytes of a head, its request line included; over it 431
	Fields      int   // field lines of a head, and of a trailer section; over it 431
	Body        int64 // bytes of a body; over it 413
	Requests    int   // requests on one connection, 0 for no limit
}

// Bounds that nobody needs to change.
const (
	maxEmptyLines  = 4       // before a request line (RFC 9112 section 2.2: "at least one")
	maxChunkDigits = 15      // of a chunk's size: it fits 63 bits and cannot wrap
	maxChunkLine   = 256     // bytes of a chunk's size line, its extensions included
	maxExtensions  = 4 << 10 // bytes of all chunk extensions of one body
	maxTrailerLine = 2 << 10 // bytes of one line of a trailer section
	bodyRoom       = 8 << 10 // bytes of the receive buffer behind the longest head
)

// Config is what all connections of a server have in common.
type Config struct {
	Limits
	KeepAlive int    // seconds, announced in the Keep-Alive field
	Extra     []byte // field lines added to every final answer, each with its CR LF
}

// BufferSize is the size of a receive buffer under these limits, in bytes: the
// longest head, what may stand before it, and room for some of a body.
func (l Limits) BufferSize() int { return l.headRoom() + bodyRoom }

func (l Limits) headRoom() int { return max(l.Head, l.RequestLine+2) }

// Conn is one connection's HTTP. Make one with [NewConn], and [Conn.Open] it for
// each stretch of a connection's life.
type Conn struct {
	cfg *Config
	clk *clock.Clock

	// The receive buffer. buf[:start] is used up; the current message's head
	// begins at start; buf[r:w] has arrived and is not parsed. Once a head is
	// complete, what follows it may move down to bodyAt, the head may not.
	buf    []byte
	start  int
	r, w   int
	scan   int // buf[r:scan] has no line feed: where the search goes on
	bodyAt int
	eof    bool

	rx         rxState
	tx         txState
	emptyLines int   // skipped before this request
	left       int64 // bytes of the body or chunk still to come
	bodyBytes  int64 // bytes of the body so far
	extBytes   int   // bytes of chunk extensions so far
	trailers   int   // field lines of the trailer section so far
	trailBytes int   // bytes of the trailer section so far
	continued  bool  // a 100 was sent, or is not needed any more
	body       []byte
	req        Request
	fault      Fault
	served     int  // requests begun on this connection
	used       bool // something has come since newExchange

	out     Chain
	head    Head
	keep    []byte // what a head says between its Date and the ", max=" of Keep-Alive
	status  int    // of the answer begun
	sized   bool   // the answer has a Content-Length
	chunked bool   // the answer is chunked
	noBody  bool   // the answer has a head only
	owed    int64  // bytes of a sized body still to be put in
	written int64  // bytes of the answer's body put into the chain
	closing bool   // the answer announces that the connection will be closed
}

// NewConn makes a Conn with its buffer. The pool lends chunks of ChunkSize bytes
// for answers; clk is where their Date comes from.
func NewConn(cfg *Config, clk *clock.Clock, pool *bufpool.Pool) *Conn {
	c := &Conn{cfg: cfg, clk: clk, used: true, buf: make([]byte, cfg.BufferSize()), out: NewChain(pool)}
	c.req.Fields = make([]Field, 0, 16)
	c.head.c = c
	c.keep = []byte("\r\nConnection: keep-alive\r\nKeep-Alive: timeout=" + strconv.Itoa(cfg.KeepAlive))
	return c
}

// Open begins, or takes up again, a connection between two requests. served is
// the number of requests it has had so far.
func (c *Conn) Open(served int) {
	c.start, c.r, c.w, c.scan = 0, 0, 0, 0
	c.eof, c.closing = false, false
	c.rx, c.served = rxIdle, served
	if c.used {
		c.newExchange()
	}
}

// Shut drops everything unsent and unread.
func (c *Conn) Shut() {
	c.out.Reset()
	c.rx = rxClosed
}

// newExchange forgets the last request and its answer.
func (c *Conn) newExchange() {
	c.used = false
	c.tx = txIdle
	c.emptyLines, c.left, c.bodyBytes, c.extBytes, c.trailers, c.trailBytes = 0, 0, 0, 0, 0, 0
	c.continued, c.body, c.fault = false, nil, Fault{}
	c.status, c.sized, c.chunked, c.noBody, c.owed, c.written = 0, false, false, false, 0, 0
	c.req.reset()
}

// Recv is the free end of the receive buffer. It is never empty after Next
// answered NeedData.
func (c *Conn) Recv() []byte {
	if c.rx == rxClosed {
		return c.buf // whatever still comes is dropped
	}
	if c.w == len(c.buf) && c.InBody() {
		c.compactBody()
	}
	return c.buf[c.w:]
}

// Received notes that n bytes have arrived in Recv's slice.
func (c *Conn) Received(n int) {
	if c.rx != rxClosed {
		c.w += n
	}
}

// EOF notes that the peer will send no more. What it has sent is still answered:
// closing one direction does not close the other (RFC 9112 section 9.6).
func (c *Conn) EOF() { c.eof = true }

// Request is the request of the current exchange. After an Error it holds what
// was understood before the fault.
func (c *Conn) Request() *Request { return &c.req }

// Body is the part of the body that HasBody announced. It is valid until Next.
func (c *Conn) Body() []byte { return c.body }

// BodyBytes is the number of bytes of the body that have come so far.
func (c *Conn) BodyBytes() int64 { return c.bodyBytes }

// Fault says what Error found.
func (c *Conn) Fault() Fault { return c.fault }

// Out is what is to be sent.
func (c *Conn) Out() *Chain { return &c.out }

// Served is the number of requests begun on the connection.
func (c *Conn) Served() int { return c.served }

// Idle reports whether the connection is between two requests with nothing of
// the next one here: its buffer can serve another connection meanwhile.
func (c *Conn) Idle() bool { return c.rx == rxIdle && c.r == c.w && c.emptyLines == 0 && !c.eof }

// InHead reports whether some of a head has come, and not all.
func (c *Conn) InHead() bool {
	return c.rx == rxLine || c.rx == rxFields || c.rx == rxIdle && c.r < c.w
}

// Clean reports whether nothing has arrived that was not asked for: no bytes behind
// the last request, no part of a body left unread, no fault.
func (c *Conn) Clean() bool { return c.rx == rxClosed && c.r == c.w }

// Fail gives up the message being received, for a reason that is not in its bytes:
// it takes too long. It must not be called between a message's end and the next one's
// beginning.
func (c *Conn) Fail(f Fault) { c.fail(f.Status, f.Reason) }

// InBody reports whether the message's head is complete and its body is not.
func (c *Conn) InBody() bool { return rxLength <= c.rx && c.rx <= rxTrailer }

// Answered reports whether the current request's answer is complete.
func (c *Conn) Answered() bool { return c.tx == txDone }

// Next parses on, and says what it found. Between End and the following request
// the answer must have been completed. After Error or Closed it repeats itself.
func (c *Conn) Next() Event {
	c.body = nil
	for {
		switch c.rx {
		case rxIdle:
			if !c.beginHead() {
				return c.starved(Closed)
			}
		case rxLine:
			if !c.requestLine() {
				return c.starved(Error)
			}
		case rxFields:
			if !c.fieldLines() {
				return c.starved(Error)
			}
			if c.rx != rxFailed {
				c.served++
				return HasRequest
			}
		case rxLength, rxData:
			if c.bodyPart() {
				return HasBody
			}
			if c.left > 0 {
				return c.starved(Error)
			}
		case rxSize, rxDataEnd, rxTrailer:
			if !c.chunkFraming() {
				return c.starved(Error)
			}
		case rxEnd:
			c.enter(rxDone)
			return End
		case rxDone:
			if c.tx != txDone {
				panic("http1: Next before the answer is complete")
			}
			c.nextExchange()
		case rxFailed:
			return Error
		case rxClosed:
			return Closed
		}
	}
}

// starved is what Next answers when it needs more bytes: NeedData, or, when none
// will come, the event that the peer's end means here.
func (c *Conn) starved(atEOF Event) Event {
	switch {
	case !c.eof:
		return NeedData
	case atEOF == Closed:
		c.enter(rxClosed)
	default:
		c.fail(400, CutShort)
	}
	return atEOF
}

func (c *Conn) nextExchange() {
	if c.closing {
		c.enter(rxClosed)
		return
	}
	c.enter(rxIdle)
	c.newExchange()
	c.start, c.scan = c.r, c.r
}

// fail notes a fault. Of a request line that is not complete it keeps what there is: for
// the log, and because an answer to HEAD has no body even then.
func (c *Conn) fail(status int, why Reason) {
	if c.rx <= rxLine && c.req.Line == nil {
		line := c.buf[c.r:min(c.w, c.r+c.cfg.RequestLine)]
		if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
			line = line[:end]
		}
		c.req.Line = line
		if sp := bytes.IndexByte(line, ' '); sp > 0 {
			c.req.MethodName, c.req.Method = line[:sp], methodOf(line[:sp])
		}
	}
	c.fault = Fault{Status: status, Reason: why}
	c.enter(rxFailed)
}
