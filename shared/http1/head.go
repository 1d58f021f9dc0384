package http1

// The heads of answers. Begin and its variants write what frames a message and what becomes of the
// connection; a handler adds only the other fields.
//
// A connection has one Head. From Begin to End it belongs to the code that called Begin. What must
// not be done: nothing else goes into the chain in between, since the head is written into memory
// that the chain has reserved. Names and values must be free of CR and LF: they are not looked at
// here.

import (
	"strconv"
)

// Lengths of a body that are no number of bytes.
const (
	// UnknownLength: it is not known when the head is written. The body is chunked for HTTP/1.1 and
	// ended by the close for HTTP/1.0 (RFC 9112 6.3).
	UnknownLength int64 = -1
	// NoBody: a request has no body and does not say so, as most have (RFC 9110 8.6).
	NoBody int64 = -2
)

var (
	goOn      = []byte("HTTP/1.1 100 Continue\r\n\r\n")
	lastChunk = []byte("0\r\n\r\n")
	crlf      = []byte("\r\n")
)

// usualHead is the room reserved for a head, in bytes. A longer one is moved.
const usualHead = 1 << 10

// Head is the head of a message while it is being written. It is the connection's own:
// write the fields and call End before anything else.
type Head struct {
	s *sender
	b []byte
}

// Continue tells a waiting client to send its body (RFC 9110 10.1.1). It does nothing where the
// client did not ask or has begun already.
func (c *Conn) Continue() {
	if c.AwaitsContinue() && c.tx == txIdle {
		c.out.Copy(goOn)
	}
	c.continued = true
}

// AwaitsContinue reports whether the client may be holding its body back until
// it is told to send it.
func (c *Conn) AwaitsContinue() bool {
	return c.req.Expects == Continue100 && !c.continued && c.InBody() && c.bodyBytes == 0 && c.at == c.have
}

// Begin starts the final answer: status line, Server, Date, and the fields that
// frame the message and the connection. length is the body's, in bytes, or
// UnknownLength. For HEAD the fields are those of GET, and what is then written as
// the body is dropped.
func (c *Conn) Begin(status int, length int64) *Head {
	c.head.b = c.appendFraming(c.begin(status, length), status, length)
	return &c.head
}

// appendFraming appends the field that says where the body ends.
func (c *Conn) appendFraming(b []byte, status int, length int64) []byte {
	if status == 204 || status == 304 { // RFC 9110 8.6
		return b
	}
	return c.announce(b, length)
}

// Answered reports whether the current exchange's answer is complete.
func (c *Conn) Answered() bool { return c.Sent() }

// Status is the status of the current exchange's final answer, 0 before it.
func (c *Conn) Status() int { return c.status }

// NoBody reports whether the answer has a head only, so that its body need not be prepared.
func (c *Conn) NoBody() bool { return c.noBody }

// Prepared is the part of a head that all answers with the same content share: status, framing, and
// all fields but those that [Conn.Begin] writes by itself. It does not change.
type Prepared struct {
	status int
	length int64  // of the body, in bytes
	lines  []byte // field lines, and the empty line that ends the head
}

// Prepare puts a head together for [Conn.BeginWith]. length is the body's, in bytes; lines are
// whole field lines, each with its CR LF. Do not use it for 204 and 304, which have no
// Content-Length.
func Prepare(status int, length int64, lines ...[]byte) Prepared {
	b := appendLength(nil, length)
	for _, line := range lines {
		b = append(b, line...)
	}
	return Prepared{status: status, length: length, lines: append(b, crlf...)}
}

// BeginWith writes the whole head of the final answer: first what changes from one answer to the
// next, then, in one copy, what was prepared. It replaces Begin, the fields, and End. The body, if
// the answer has one, is written next.
func (c *Conn) BeginWith(p *Prepared) {
	b := c.begin(p.status, p.length)
	c.out.Commit(append(b, p.lines...))
	c.send(txBody)
}

// Interim writes an interim answer (RFC 9110 15.2); lines are whole field lines, each with its
// CR LF. An HTTP/1.0 client gets none. It may come any number of times before the final answer.
func (c *Conn) Interim(status int, lines []byte) {
	c.send(txIdle)
	if c.req.Minor == 0 {
		return
	}
	b := appendStatus(c.out.Reserve(usualHead), status)
	b = append(append(append(b, "\r\n"...), lines...), "\r\n"...)
	c.out.Commit(b)
}

// Switch writes the answer with which the connection stops being HTTP (101, RFC 9110 15.2.2); lines
// are whole field lines, each with its CR LF. What is then written as its body has no framing and
// no end but the connection's.
func (c *Conn) Switch(lines []byte) {
	c.send(txHead)
	c.status, c.closing = 101, true
	b := appendStatus(c.out.Reserve(usualHead), 101)
	b = append(append(append(b, "\r\n"...), lines...), "\r\n"...)
	c.out.Commit(b)
	c.send(txBody)
}

// Rest is what has arrived behind the current request. It is valid until the next call.
func (c *Conn) Rest() []byte { return c.buf[c.at:c.have] }

// BeginRelayed is Begin for an answer from another server. Framing and connection fields are ours;
// Server and Date are that server's, among the fields that follow.
func (c *Conn) BeginRelayed(status int, length int64) *Head {
	c.frame(status, length)
	b := appendStatus(c.out.Reserve(usualHead), status)
	b = c.appendConnection(b)
	c.head.b = c.appendFraming(b, status, length)
	return &c.head
}

// appendStatus appends a status line without its CR LF. A status that we do not know has no reason
// phrase (RFC 9112 4 allows that), only the space before it.
func appendStatus(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(status), 10), ' ')
	return append(b, StatusText(status)...)
}

// begin writes what the heads of all our own answers begin with.
func (c *Conn) begin(status int, length int64) []byte {
	c.frame(status, length)
	b := c.out.Reserve(usualHead)
	b = append(b, statusLine[status]...)
	b = append(b, c.clk.Date()...)
	b = c.appendConnection(b)
	if c.secured {
		b = append(b, c.cfg.Secured...)
	}
	return append(b, c.cfg.Extra...)
}

// frame settles how the answer is framed and whether it is the last.
func (c *Conn) frame(status int, length int64) {
	c.send(txHead)
	c.status = status
	if c.rx == rxFailed || c.req.WantsClose() || c.cfg.Requests > 0 && c.served >= c.cfg.Requests {
		c.closing = true
	}
	c.noBody = c.req.Method == HEAD || status == 204 || status == 304
	c.sized = length >= 0
	c.chunked = !c.sized && c.req.Minor >= 1
	if !c.sized && !c.chunked {
		c.closing = true
	}
	c.owed = max(length, 0)
}

// appendConnection ends the line of the Date, and says whether the connection stays open.
func (c *Conn) appendConnection(b []byte) []byte {
	if c.closing {
		return append(b, "\r\nConnection: close\r\n"...)
	}
	b = append(b, c.keep...)
	if c.cfg.Requests > 0 && c.cfg.KeepAlive > 0 {
		b = append(b, ", max="...)
		b = strconv.AppendInt(b, int64(c.cfg.Requests-c.served), 10)
	}
	return append(b, "\r\n"...)
}

func appendLength(b []byte, length int64) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, length, 10)
	return append(b, "\r\n"...)
}

// Field adds a field line. Neither name nor value may hold CR or LF.
func (h *Head) Field(name, value string) {
	h.b = append(append(append(append(h.b, name...), ": "...), value...), "\r\n"...)
}

// FieldBytes adds a field line.
func (h *Head) FieldBytes(name string, value []byte) {
	h.b = append(append(append(append(h.b, name...), ": "...), value...), "\r\n"...)
}

// Open adds a field line's name and lends the head's bytes, for a value that is
// appended in pieces; Close takes them back and ends the line.
func (h *Head) Open(name string) []byte { return append(append(h.b, name...), ": "...) }

// Close ends a field line that Open began.
func (h *Head) Close(b []byte) { h.b = append(b, "\r\n"...) }

// Raw adds whole field lines, each with its CR LF.
func (h *Head) Raw(lines []byte) { h.b = append(h.b, lines...) }

// End completes the head. The body, if the message has one, is written next.
func (h *Head) End() {
	s := h.s
	s.out.Commit(append(h.b, "\r\n"...))
	h.b = nil
	s.send(txBody)
}
