package http1

import "iter"

// Method is a request's method. Methods are case-sensitive (RFC 9110 section 9.1).
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

// Target forms (RFC 9112 section 3.2).
type Form uint8

const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://authority/path?query
	AuthorityForm             // host:port, CONNECT only
	AsteriskForm              // *, OPTIONS only
)

// Field names that this server looks at. Others are kept under their name only.
type FieldID uint8

const (
	OtherField FieldID = iota
	Host
	Connection
	ContentLength
	ContentType
	TransferEncoding
	Expect
	Range
	IfRange
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince
	Accept
	AcceptEncoding
	UserAgent
	Referer
	Origin
	XForwardedFor
	XRequestID
	numFieldIDs
)

// Field is one field line. Both slices point into the receive buffer.
type Field struct {
	Name  []byte
	Value []byte // without the white space around it
	ID    FieldID
}

// Request is a complete, well-formed head.
type Request struct {
	Method     Method
	Form       Form
	Minor      uint8 // of the HTTP version: 0, or 1 for all later ones
	Chunked    bool  // the body is chunked
	Expects    Expectation
	MethodName []byte
	Target     []byte // as sent
	Authority  []byte // of an absolute- or authority-form target, else nil
	Path       []byte // still percent-encoded; "*" in asterisk-form
	Query      []byte // without the question mark
	Line       []byte // the whole request line, without CR LF, as far as it came
	Length     int64  // of the body in bytes; 0 where there is none or it is chunked
	Fields     []Field

	keepAlive bool                // what version and Connection fields ask for
	first     [numFieldIDs]uint16 // index into Fields plus one
}

// Expectation is what the Expect field asks for (RFC 9110 section 10.1.1).
type Expectation uint8

const (
	NoExpectation Expectation = iota
	Continue100
	OtherExpectation
)

// Get is the value of the first field line of that name, or nil.
func (r *Request) Get(id FieldID) []byte {
	if i := r.first[id]; i != 0 {
		return r.Fields[i-1].Value
	}
	return nil
}

// Has reports whether there is a field line of that name, be it empty.
func (r *Request) Has(id FieldID) bool { return r.first[id] != 0 }

// All yields the values of every field line of that name, in order.
func (r *Request) All(id FieldID) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if r.first[id] == 0 {
			return
		}
		for i := int(r.first[id]) - 1; i < len(r.Fields); i++ {
			if r.Fields[i].ID == id && !yield(r.Fields[i].Value) {
				return
			}
		}
	}
}

// HasBody reports whether a body was announced, be it empty by chunked coding.
func (r *Request) HasBody() bool { return r.Chunked || r.Length > 0 }

// WantsClose reports whether the client will not send another request on this
// connection (RFC 9112 section 9.3).
func (r *Request) WantsClose() bool { return !r.keepAlive }

func (r *Request) reset() {
	fields := r.Fields[:0]
	*r = Request{}
	r.Fields = fields
}

// ListContains reports whether a comma-separated list has the token, in any
// case (RFC 9110 section 5.6.1). token is in lower case.
func ListContains(list []byte, token string) bool {
	for item := range ListItems(list) {
		if EqualFold(item, token) {
			return true
		}
	}
	return false
}

// ListItems yields the items of a comma-separated list without the white space
// around them, skipping empty ones. Commas inside quoted strings separate too:
// it is for lists of tokens.
func ListItems(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			end := 0
			for end < len(list) && list[end] != ',' {
				end++
			}
			if item := TrimOWS(list[:end]); len(item) > 0 && !yield(item) {
				return
			}
			list = list[min(end+1, len(list)):]
		}
	}
}

// TrimOWS cuts optional white space, spaces and tabs, from both ends (RFC 9110
// section 5.6.3).
func TrimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// EqualFold reports whether b is s but for the case of ASCII letters. s is in
// lower case.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
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

var fieldNames = [numFieldIDs]string{
	Host:              "host",
	Connection:        "connection",
	ContentLength:     "content-length",
	ContentType:       "content-type",
	TransferEncoding:  "transfer-encoding",
	Expect:            "expect",
	Range:             "range",
	IfRange:           "if-range",
	IfMatch:           "if-match",
	IfNoneMatch:       "if-none-match",
	IfModifiedSince:   "if-modified-since",
	IfUnmodifiedSince: "if-unmodified-since",
	Accept:            "accept",
	AcceptEncoding:    "accept-encoding",
	UserAgent:         "user-agent",
	Referer:           "referer",
	Origin:            "origin",
	XForwardedFor:     "x-forwarded-for",
	XRequestID:        "x-request-id",
}

// byLength has, for each length of a name, the names of that length: hardly
// ever more than two, so a lookup is one or two comparisons.
var byLength [20][]FieldID

func init() {
	for id := Host; id < numFieldIDs; id++ {
		n := len(fieldNames[id])
		byLength[n] = append(byLength[n], id)
	}
}

func fieldIDOf(name []byte) FieldID {
	if len(name) >= len(byLength) {
		return OtherField
	}
	for _, id := range byLength[len(name)] {
		if EqualFold(name, fieldNames[id]) {
			return id
		}
	}
	return OtherField
}
