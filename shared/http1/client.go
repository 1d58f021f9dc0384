package http1

// The client's side of one connection: the sender of requests and the receiver of responses joined.
//
// A Client belongs to one thread at a time, with its response and its chain. It has one exchange at
// a time: requests are not pipelined, because what has been sent of a second one could neither be
// taken back nor safely be repeated if the first one's answer is the connection's last.
//
// What must not be done: a connection must not be used for another request unless [Client.Reusable]
// says so. A byte that nobody asked for would become the beginning of the next client's answer.

import (
	"math"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// ResponseLimits are the limits of a Client that passes responses on: what it must hold is bounded,
// what passes through is not.
var ResponseLimits = Limits{RequestLine: 8 << 10, Head: 16 << 10, Fields: 256, Body: math.MaxInt64}

// responseRules are the bounds and faults of a receiver of responses. Nothing may come before one,
// not even an empty line.
var responseRules = rules{badLine: fault.BadStatusLine, lineTooLong: fault.HeadTooLarge}

// Client is one connection's HTTP, on the client's side. Make one with [NewClient], and
// [Client.Open] it for each connection or for each stretch of one's life.
type Client struct {
	receiver
	sender
	resp     Response
	interims int // answers of 1xx to the current request
	head     Head
}

// NewClient makes a Client with its buffer, of BufferSize bytes under these limits; RequestLine
// bounds a status line. The pool lends chunks of ChunkSize bytes for requests.
func NewClient(limits *Limits, pool *bufpool.Pool) *Client {
	c := &Client{}
	c.resp.Fields = make([]Field, 0, 16)
	c.receiver.init(limits, responseRules, &c.resp, &c.resp.Message)
	c.out = chain.New(pool)
	c.head.s = &c.sender
	return c
}

// Open begins or continues a connection that is between two requests. An idle connection needs no
// Client: any byte that it receives, or its end, is a reason to close it.
func (c *Client) Open() {
	c.receiver.open()
	c.closing = false
	c.newExchange()
}

// Shut drops everything unsent and unread.
func (c *Client) Shut() {
	c.out.Reset()
	c.rx = rxClosed
}

// newExchange clears the last request and its answer.
func (c *Client) newExchange() {
	c.receiver.renew()
	c.sender.renew()
	c.resp.to, c.interims = Unknown, 0
	c.resp.reset()
}

// Begin starts a request: its line, and the field that frames it. length is the body's, in bytes,
// or UnknownLength for a chunked one, or NoBody. It is for a Client that has been opened, or is
// Reusable. method and target must be well formed: they are not looked at here.
func (c *Client) Begin(method, target []byte, length int64) *Head {
	if c.tx == txDone {
		c.send(txIdle)
		c.enter(rxIdle)
		c.newExchange()
	}
	if c.at < c.have {
		c.unasked()
	}
	c.send(txHead)
	c.resp.to = methodOf(method)
	c.sized, c.chunked, c.owed = length != UnknownLength, length == UnknownLength, max(length, 0)
	b := append(append(append(c.out.Reserve(usualHead), method...), ' '), target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if c.closing {
		b = append(b, "Connection: close\r\n"...)
	}
	if length != NoBody {
		b = c.announce(b, length)
	}
	c.head.b = b
	return &c.head
}

// Response is the answer that HasInterim or HasResponse announced, valid until the next message
// begins: for an interim one until Next, for a final one until Begin, Open or Shut.
func (c *Client) Response() *Response { return &c.resp }

// Next parses on and returns what it found. An answer may begin, and end, before its request is
// complete. Closed means that the connection ended before any byte of an answer: the request may
// be sent again on another one, if it may be repeated at all (RFC 9112 9.3.1). Without a request,
// and after an End, there is nothing to come: NeedData, until the peer closes or sends something
// that nobody asked for.
func (c *Client) Next() Event {
	if c.rx == rxDone || c.tx == txIdle {
		return c.between()
	}
	if c.rx == rxEnd && c.resp.Interim() {
		c.nextResponse()
	}
	switch e := c.receive(); e {
	case HasHead:
		if c.resp.Interim() {
			c.interims++
			return HasInterim
		}
		return HasResponse
	case Closed:
		if c.interims > 0 || c.at < c.have {
			c.fault = fault.Of(fault.CutShort)
			return Error
		}
		return Closed
	default:
		return e
	}
}

// nextResponse goes on behind an interim answer.
func (c *Client) nextResponse() {
	c.enter(rxDone)
	c.enter(rxIdle)
	c.receiver.renew()
	c.resp.reset()
	c.start, c.scan = c.at, c.at
}

// between is Next where no answer is due. What comes then is not an answer (RFC 9112 9.2).
func (c *Client) between() Event {
	switch {
	case c.rx == rxFailed:
		return Error
	case c.rx == rxClosed || c.rx == rxDone && c.resp.switches():
		return Closed
	case c.at < c.have:
		c.unasked()
		return Error
	case c.eof:
		return Closed
	}
	c.compactBody() // it may have filled the buffer to its end, and Recv must not be empty
	return NeedData
}

// unasked gives the connection up because of bytes that no request asked for.
func (c *Client) unasked() {
	if c.rx == rxDone {
		c.enter(rxIdle)
	}
	c.fail(fault.Of(fault.UnaskedAnswer))
}

// Fault says what Error found. Its reason may be one that requests have too; its status is that of
// the answer to whoever waits for this one (RFC 9110 15.6.3).
func (c *Client) Fault() fault.Fault {
	f := c.fault
	if !f.OK() {
		f.Status = 502
	}
	return f
}

// Reusable reports whether the connection can be used for another request: this one is sent, its
// answer has ended where its head said, neither side announced the close, and nothing came behind.
func (c *Client) Reusable() bool {
	return c.rx == rxDone && c.tx == txDone && c.out.Empty() && !c.closing && !c.resp.WantsClose() &&
		!c.resp.switches() && c.at == c.have && !c.eof
}

// Rest is what has arrived behind the head of an answer that switches to another protocol
// (RFC 9110 7.8) or begins a tunnel (RFC 9110 9.3.6). It is valid until Open or Shut.
func (c *Client) Rest() []byte {
	if !c.resp.switches() {
		return nil
	}
	return c.buf[c.at:c.have]
}

// maxKeepAlive is the longest time-out that a server can name, in seconds: a longer one is as long.
const maxKeepAlive = 24 * 60 * 60

// KeepAlive is the time, in seconds, for which the peer keeps the connection open between two
// requests, by its Keep-Alive field (RFC 2068 19.7.1.1), the shortest where it names several. It is
// known from HasResponse on.
func (c *Client) KeepAlive() (seconds int, ok bool) {
	seconds = maxKeepAlive
	for i := range c.resp.Fields {
		f := &c.resp.Fields[i]
		if f.ID != OtherField || !syntax.EqualFold(f.Name, "keep-alive") {
			continue
		}
		for item := range syntax.ListItems(f.Value) {
			const name = "timeout="
			if len(item) < len(name) || !syntax.EqualFold(item[:len(name)], name) {
				continue
			}
			if n, valid := parseDigits(item[len(name):]); valid {
				seconds, ok = int(min(n, int64(seconds))), true
			}
		}
	}
	return seconds, ok
}
