package http1

// The head of a request: its first line, its target, and what it expects.
//
// A Request belongs to its Conn. Its slices point into the receive buffer and are valid until the
// exchange is over; nothing is copied or decoded. What must not be done: no leniency. A line that
// two servers could split in two ways is refused, because request smuggling makes use of
// differences between a proxy and this server.

import (
	"bytes"

	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// Method is a request's method. Methods are case-sensitive (RFC 9110 9.1).
type Method uint8

const (
	Unknown Method = iota
	GET
	HEAD
	POST
	PUT
	DELETE
	PATCH
	OPTIONS
	TRACE
	CONNECT
)

// Form is the form of a target (RFC 9112 3.2).
type Form uint8

const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://authority/path?query
	AuthorityForm             // host:port, CONNECT only
	AsteriskForm              // *, OPTIONS only
)

// Request is a complete, well-formed head of a request.
type Request struct {
	Message
	Method     Method
	Form       Form
	Expects    Expectation
	MethodName []byte
	Target     []byte // as sent
	Authority  []byte // of an absolute- or authority-form target, else nil
	Path       []byte // still percent-encoded; "*" in asterisk-form
	Query      []byte // without the question mark
	Line       []byte // the whole request line, without CR LF, as far as it came
}

// Expectation is what the Expect field asks for (RFC 9110 10.1.1).
type Expectation uint8

const (
	NoExpectation Expectation = iota
	Continue100
	OtherExpectation
)

// The receiver's role: the parts of a message that only requests have.

// startLine is the receiver's first line.
func (r *Request) startLine(line []byte) fault.Fault {
	r.Line = line
	return r.parseLine(line)
}

// partOfLine keeps what has arrived of a request line that will not be completed. The log shows it,
// and an answer to HEAD has no body even then.
func (r *Request) partOfLine(line []byte) {
	if r.Line != nil {
		return
	}
	r.Line = line
	if sp := bytes.IndexByte(line, ' '); sp > 0 {
		r.MethodName, r.Method = line[:sp], methodOf(line[:sp])
	}
}

// complete reads the fields that only requests have. A request ends where its fields say.
func (r *Request) complete() rxState {
	r.expectation()
	return r.announced()
}

// BodyLength is the length of the body as [Client.Begin] takes it: NoBody where none was announced.
func (r *Request) BodyLength() int64 {
	if !r.Chunked && !r.Has(ContentLength) {
		return NoBody
	}
	return r.length()
}

func (r *Request) reset() {
	fields := r.Fields[:0]
	*r = Request{} // cleared in place: copying another one over it costs more
	r.Fields = fields
}

// parseLine splits "method SP target SP version": single spaces, and nothing around them.
func (r *Request) parseLine(line []byte) fault.Fault {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 || !syntax.IsAll(line[:sp], syntax.TokenChar) {
		return fault.Of(fault.BadRequestLine)
	}
	r.MethodName, r.Method = line[:sp], methodOf(line[:sp])
	rest := line[sp+1:]
	sp = bytes.IndexByte(rest, ' ')
	if sp <= 0 {
		return fault.Of(fault.BadRequestLine)
	}
	if f := r.parseVersion(rest[sp+1:]); !f.OK() {
		return f
	}
	r.Target = rest[:sp]
	if !syntax.IsAll(r.Target, syntax.TargetChar) || !r.parseTarget() {
		return fault.Of(fault.BadTarget)
	}
	return fault.Fault{}
}

// parseTarget tells the four forms of a target apart (RFC 9112 3.2) and splits it.
func (r *Request) parseTarget() bool {
	t := r.Target
	switch {
	case r.Method == CONNECT:
		r.Form, r.Authority = AuthorityForm, t
		_, port, ok := syntax.SplitHost(t)
		return ok && port != syntax.NoPort
	case t[0] == '/':
		r.Form = OriginForm
		return r.splitPath(t)
	case string(t) == "*":
		r.Form, r.Path = AsteriskForm, t
		return r.Method == OPTIONS
	}
	r.Form = AbsoluteForm
	rest, ok := cutScheme(t)
	if !ok {
		return false
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	r.Authority = rest[:end]
	if _, _, ok := syntax.SplitHost(r.Authority); !ok || !r.splitPath(rest[end:]) {
		return false
	}
	if len(r.Path) == 0 {
		r.Path = rootPath
		if r.Method == OPTIONS && len(r.Query) == 0 { // RFC 9112 3.2.4
			r.Path = asterisk
		}
	}
	return true
}

// ForHTTPS reports whether the target itself says that it is one of https, as only the absolute
// form can.
func (r *Request) ForHTTPS() bool {
	return r.Form == AbsoluteForm && len(r.Target) > 5 && syntax.EqualFold(r.Target[:6], "https:")
}

var rootPath, asterisk = []byte("/"), []byte("*")

// splitPath cuts the query off, and wants two hexadecimal digits after each percent sign of the
// path (RFC 3986 2.1).
func (r *Request) splitPath(t []byte) bool {
	r.Path = t
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		r.Path, r.Query = t[:q], t[q+1:]
	}
	for i, c := range r.Path {
		if c == '%' && (len(r.Path)-i < 3 || !syntax.IsAll(r.Path[i+1:i+3], syntax.HexDigit)) {
			return false
		}
	}
	return true
}

func cutScheme(t []byte) ([]byte, bool) {
	if len(t) > 7 && syntax.EqualFold(t[:7], "http://") {
		return t[7:], true
	}
	if len(t) > 8 && syntax.EqualFold(t[:8], "https://") {
		return t[8:], true
	}
	return nil, false
}

// expectation reads the Expect field (RFC 9110 10.1.1).
func (r *Request) expectation() {
	if r.Minor == 0 {
		return // HTTP/1.0 has no Expect
	}
	for list := range r.All(Expect) {
		for item := range syntax.ListItems(list) {
			if syntax.EqualFold(item, "100-continue") && r.Expects != OtherExpectation {
				r.Expects = Continue100
			} else {
				r.Expects = OtherExpectation
			}
		}
	}
}

func methodOf(b []byte) Method {
	switch string(b) {
	case "GET":
		return GET
	case "HEAD":
		return HEAD
	case "POST":
		return POST
	case "PUT":
		return PUT
	case "DELETE":
		return DELETE
	case "PATCH":
		return PATCH
	case "OPTIONS":
		return OPTIONS
	case "TRACE":
		return TRACE
	case "CONNECT":
		return CONNECT
	}
	return Unknown
}
