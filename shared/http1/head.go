package http1

import "strconv"

// UnknownLength is the length of a body that is not known when its head is
// written. It is chunked for HTTP/1.1 and ended by the close for HTTP/1.0 (RFC
// 9112 section 6.3).
const UnknownLength int64 = -1

var (
	goOn      = []byte("HTTP/1.1 100 Continue\r\n\r\n")
	lastChunk = []byte("0\r\n\r\n")
	crlf      = []byte("\r\n")
)

// usualHead is the room reserved for a head, in bytes. A longer one is moved.
const usualHead = 1 << 10

// Head is the head of an answer while it is being written. It is the Conn's own:
// write the fields and call End before anything else.
type Head struct {
	c *Conn
	b []byte
}

// SetClosing makes the next answer the connection's last, and say so.
func (c *Conn) SetClosing() { c.closing = true }

// Closing reports whether no further request will be answered.
func (c *Conn) Closing() bool { return c.closing }

// Status is the status of the current exchange's final answer, 0 before it.
func (c *Conn) Status() int { return c.status }

// Written is the number of bytes of the current answer's body.
func (c *Conn) Written() int64 { return c.written }

// Continue tells a waiting client to send its body (RFC 9110 section 10.1.1). It
// does nothing where the client did not ask or has begun already.
func (c *Conn) Continue() {
	if c.AwaitsContinue() && c.tx == txIdle {
		c.out.Copy(goOn)
	}
	c.continued = true
}

// AwaitsContinue reports whether the client may be holding its body back until
// it is told to send it.
func (c *Conn) AwaitsContinue() bool {
	return c.req.Expects == Continue100 && !c.continued && c.InBody() && c.bodyBytes == 0 && c.r == c.w
}

// Begin starts the final answer: status line, Server, Date, and the fields that
// frame the message and the connection. length is the body's, in bytes, or
// UnknownLength. For HEAD the fields are those of GET, and what is then written as
// the body is dropped.
func (c *Conn) Begin(status int, length int64) *Head {
	b := c.begin(status, length)
	switch {
	case status == 204 || status == 304: // RFC 9110 section 8.6
	case c.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case c.sized:
		b = appendLength(b, length)
	}
	c.head.b = b
	return &c.head
}

// Prepared is what answers with the same content have in common of their heads:
// status, framing, and all fields but those that [Conn.Begin] writes by itself. It does
// not change.
type Prepared struct {
	status int
	length int64  // of the body, in bytes
	lines  []byte // field lines, and the empty line that ends the head
}

// Prepare puts a head together for [Conn.BeginWith]. length is the body's, in bytes; lines
// are whole field lines, each with its CR LF. It is not for 204 and 304, which have no
// Content-Length.
func Prepare(status int, length int64, lines ...[]byte) Prepared {
	b := appendLength(nil, length)
	for _, line := range lines {
		b = append(b, line...)
	}
	return Prepared{status: status, length: length, lines: append(b, crlf...)}
}

// BeginWith writes the whole head of the final answer: what changes from one answer to
// the next, and behind it, in one copy, what was prepared. It stands for Begin, the
// fields, and End. The body, if the answer has one, is written next.
func (c *Conn) BeginWith(p *Prepared) {
	b := c.begin(p.status, p.length)
	c.out.Commit(append(b, p.lines...))
	c.tx = txBody
}

// begin settles how the answer is framed and whether it is the last, and begins its head
// with what any head has.
func (c *Conn) begin(status int, length int64) []byte {
	if c.tx != txIdle {
		panic("http1: a second final answer to one request")
	}
	c.tx, c.status = txHead, status
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

	b := c.out.Reserve(usualHead)
	b = append(b, statusLine[status]...)
	b = append(b, c.clk.Date()...)
	b = c.appendConnection(b)
	return append(b, c.cfg.Extra...)
}

// appendConnection ends the line of the Date, and says whether the connection stays open.
func (c *Conn) appendConnection(b []byte) []byte {
	if c.closing {
		return append(b, "\r\nConnection: close\r\n"...)
	}
	b = append(b, c.keep...)
	if c.cfg.Requests > 0 {
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

// End completes the head. The body, if the answer has one, is written next.
func (h *Head) End() {
	c := h.c
	if c.tx != txHead {
		panic("http1: no head is being written")
	}
	c.out.Commit(append(h.b, "\r\n"...))
	h.b = nil
	c.tx = txBody
}

// Write appends a copy of p to the answer's body. Small bodies belong here: they
// leave in the same write as their head.
func (c *Conn) Write(p []byte) {
	if len(p) == 0 || !c.willSend(int64(len(p))) {
		return
	}
	c.beginChunk(int64(len(p)))
	c.out.Copy(p)
	c.endChunk()
}

// WriteRef appends p itself to the answer's body. One reference of ref passes to
// the chain.
func (c *Conn) WriteRef(p []byte, ref Ref) {
	if len(p) == 0 || !c.willSend(int64(len(p))) {
		release(ref)
		return
	}
	c.beginChunk(int64(len(p)))
	c.out.AppendBytes(p, ref)
	c.endChunk()
}

// WriteFile appends n bytes of the file from off on to the answer's body. One
// reference of the file passes to the chain.
func (c *Conn) WriteFile(f File, off, n int64) {
	if n <= 0 || !c.willSend(n) {
		f.Release()
		return
	}
	c.beginChunk(n)
	c.out.AppendFile(f, off, n)
	c.endChunk()
}

// Finish completes the answer.
func (c *Conn) Finish() {
	if c.tx != txBody {
		panic("http1: no answer to finish")
	}
	if c.chunked && !c.noBody {
		c.out.Copy(lastChunk)
	}
	if c.sized && c.owed > 0 && !c.noBody {
		panic("http1: the body is shorter than its Content-Length")
	}
	c.tx = txDone
}

// NoBody reports whether the answer has a head only, so that preparing a body for
// it would be in vain.
func (c *Conn) NoBody() bool { return c.noBody }

// willSend counts n bytes of the body, and reports whether they are sent at all.
func (c *Conn) willSend(n int64) bool {
	if c.tx != txBody {
		panic("http1: a body before its head")
	}
	if c.noBody {
		return false
	}
	if c.owed -= n; c.owed < 0 && c.sized {
		panic("http1: the body is longer than its Content-Length")
	}
	c.written += n
	return true
}

// beginChunk and endChunk stand around what is written of a chunked body.
func (c *Conn) beginChunk(n int64) {
	if c.chunked {
		b := strconv.AppendInt(c.out.Reserve(len("7fffffffffffffff\r\n")), n, 16)
		c.out.Commit(append(b, "\r\n"...))
	}
}

func (c *Conn) endChunk() {
	if c.chunked {
		c.out.Copy(crlf)
	}
}
