package http1

// The server's side of one connection: the receiver of requests and the sender of answers joined,
// and the limits of a connection.
//
// A Conn belongs to one thread at a time, with its request and its chain. What must not be done:
// the next request must not be looked at before this one's answer is complete, so that answers keep
// the order of requests. Shut comes before a Conn is put aside: it gives back what the chain holds.

import (
	"strconv"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
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
	maxEmptyLines  = 4       // before a request line (RFC 9112 2.2: "at least one")
	maxChunkDigits = 15      // of a chunk's size: it fits 63 bits and cannot wrap
	maxChunkLine   = 256     // bytes of a chunk's size line, its extensions included
	maxExtensions  = 4 << 10 // bytes by which the chunk extensions of a body may exceed its data
	maxTrailerLine = 2 << 10 // bytes of one line of a trailer section
	bodyRoom       = 8 << 10 // bytes of the receive buffer after the longest head
)

// Config is what all connections of a server have in common.
type Config struct {
	Limits
	KeepAlive int    // seconds, announced in the Keep-Alive field; 0 for no such field
	Extra     []byte // field lines added to every final answer, each with its CR LF
	Secured   []byte // the same for those of clients who came by https
}

// BufferSize is the size of a receive buffer under these limits, in bytes: the
// longest head, what may stand before it, and room for some of a body.
func (l Limits) BufferSize() int { return l.headRoom() + bodyRoom }

func (l Limits) headRoom() int { return max(l.Head, l.RequestLine+2) }

// Conn is one connection's HTTP, on the server's side: a receiver of requests and a sender of
// answers. Make one with [NewConn], and [Conn.Open] it for each stretch of a connection's life.
type Conn struct {
	receiver
	sender
	cfg *Config
	clk *clock.Clock

	req       Request
	secured   bool // the request has come by https
	continued bool // a 100 (Continue) was sent, or is no longer needed
	served    int  // requests begun on this connection
	status    int  // of the final answer, 0 before it
	head      Head
	keep      []byte // what a head says between its Date and the ", max=" of Keep-Alive
}

// requestRules are the bounds and faults of a receiver of requests.
var requestRules = rules{emptyLines: maxEmptyLines, badLine: fault.BadRequestLine, lineTooLong: fault.TargetTooLong}

// NewConn makes a Conn with its buffer. The pool lends chunks of ChunkSize bytes
// for answers; clk is where their Date comes from.
func NewConn(cfg *Config, clk *clock.Clock, pool *bufpool.Pool) *Conn {
	c := &Conn{cfg: cfg, clk: clk}
	c.req.Fields = make([]Field, 0, 16)
	c.receiver.init(&cfg.Limits, requestRules, &c.req, &c.req.Message)
	c.out = chain.New(pool)
	c.head.s = &c.sender
	c.keep = []byte("\r\nConnection: keep-alive")
	if cfg.KeepAlive > 0 {
		c.keep = append(c.keep, "\r\nKeep-Alive: timeout="+strconv.Itoa(cfg.KeepAlive)...)
	}
	return c
}

// Open begins or continues a connection that is between two requests. served is the number of
// requests it has had so far.
func (c *Conn) Open(served int) {
	c.receiver.open()
	c.closing, c.served = false, served
	if c.used {
		c.newExchange()
	}
}

// Shut drops everything unsent and unread.
func (c *Conn) Shut() {
	c.out.Reset()
	c.rx = rxClosed
}

// newExchange clears the last request and its answer.
func (c *Conn) newExchange() {
	c.receiver.renew()
	c.sender.renew()
	c.secured, c.continued, c.status = false, false, 0
	c.req.reset()
}

// Request is the request of the current exchange. After an Error it holds what was parsed before
// the fault.
func (c *Conn) Request() *Request { return &c.req }

// SetSecured notes that the current request has come by https.
func (c *Conn) SetSecured() { c.secured = true }

// Served is the number of requests begun on the connection.
func (c *Conn) Served() int { return c.served }

// Next parses on and returns what it found. It returns Unanswered where a request has ended and its
// answer has not. After Error or Closed each further call returns the same.
func (c *Conn) Next() Event {
	for {
		e := c.receive()
		switch {
		case e == Error && c.greeted():
			c.fault.Reason = fault.TLSOnPlainPort
			return Error
		case e == HasHead:
			c.served++
			return HasRequest
		case e != Unanswered:
			return e
		case c.tx != txDone:
			return Unanswered
		}
		c.nextExchange()
	}
}

// tlsHandshake is the first byte of a connection by TLS (RFC 8446 5.1). It can begin no request.
const tlsHandshake = 0x16

// greeted reports whether a connection that has failed began with TLS.
func (c *Conn) greeted() bool {
	return c.served == 0 && c.rx == rxFailed && c.fault.Reason == fault.BadRequestLine &&
		c.emptyLines == 0 && c.start < c.have && c.buf[c.start] == tlsHandshake
}

func (c *Conn) nextExchange() {
	if c.closing {
		c.enter(rxClosed)
		return
	}
	c.enter(rxIdle)
	c.send(txIdle)
	c.newExchange()
	c.start, c.scan = c.at, c.at
}
