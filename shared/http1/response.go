package http1

// The head of a response: its first line, and which body follows it.
//
// A Response belongs to its Client. Its slices point into the receive buffer and are valid until
// the next message begins. What must not be done: a response must not be read without the request
// that it answers, because where it ends depends on that one's method (RFC 9112 6.3). And no
// leniency: two readers of one response could find two different ones in it.

import (
	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// Response is a complete, well-formed head of a response.
type Response struct {
	Message
	Status     int  // 100 to 599
	Bodyless   bool // it ends with its head, whatever its fields announce
	UntilClose bool // its body ends with the connection

	to Method // of the request
}

// Interim reports whether another answer follows to the same request (RFC 9110 15.2).
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// HasBody reports whether a body follows. One that is chunked or ends with the connection may turn
// out to be empty.
func (r *Response) HasBody() bool { return !r.Bodyless && (r.UntilClose || r.Message.HasBody()) }

// BodyLength is the announced length of the body as [Conn.BeginRelayed] takes it. An answer to HEAD
// announces that of GET.
func (r *Response) BodyLength() int64 {
	if !r.Has(ContentLength) {
		return UnknownLength
	}
	return r.length()
}

// switches reports whether what follows on the connection is no HTTP any more.
func (r *Response) switches() bool {
	return r.Status == 101 || r.to == CONNECT && 200 <= r.Status && r.Status < 300
}

// The receiver's role: the parts of a message that only responses have.

// startLine parses "version SP status SP [ reason ]" (RFC 9112 4). A reason may hold anything that
// a field value may, and is not kept. The space before an empty one is often left out, and nobody
// can take such a line for another. A status outside 100 to 599 has no meaning (RFC 9110 15).
func (r *Response) startLine(line []byte) fault.Fault {
	const version, status = len("HTTP/1.1"), len("HTTP/1.1 200")
	if len(line) < status || line[version] != ' ' || len(line) > status && line[status] != ' ' {
		return fault.Of(fault.BadStatusLine)
	}
	if f := r.parseVersion(line[:version]); !f.OK() {
		return f
	}
	for _, d := range line[version+1 : status] {
		if !isDigit(d) {
			return fault.Of(fault.BadStatusLine)
		}
		r.Status = 10*r.Status + int(d-'0')
	}
	if r.Status < 100 || r.Status > 599 || !syntax.IsAll(line[status:], syntax.ValueChar) {
		return fault.Of(fault.BadStatusLine)
	}
	return fault.Fault{}
}

// partOfLine keeps nothing: what is no response is shown to nobody.
func (r *Response) partOfLine([]byte) {}

// complete decides which body follows (RFC 9112 6.3). Fields that announce one where there can be
// none were still parsed, and are still at fault where they contradict each other.
func (r *Response) complete() rxState {
	switch {
	case r.Status < 200, r.Status == 204, r.Status == 304, r.to == HEAD, r.switches():
		r.Bodyless = true
		return rxEnd
	case r.Chunked || r.Has(ContentLength):
		return r.announced()
	}
	r.UntilClose = true
	return rxUntilClose
}

func (r *Response) reset() {
	fields, to := r.Fields[:0], r.to
	*r = Response{}
	r.Fields, r.to = fields, to
}
