package http1

import (
	"iter"

	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// A message is what requests and responses have in common: the field lines, and what they say about
// the body and the connection (RFC 9112 2.1). The receiver fills it in; its slices point into the
// receive buffer and are valid until the exchange is over.

// FieldID is a field name that this server looks at. Others are OtherField.
type FieldID uint8

const (
	OtherField FieldID = iota
	Host
	Connection
	ContentLength
	ContentType
	ContentEncoding
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
	Via
	XForwardedFor
	XForwardedProto
	Forwarded
	XRealIP
	XRequestID
	Authorization
	ACRequestMethod  // Access-Control-Request-Method, and so on
	ACRequestHeaders // (Fetch, "CORS-preflight request")
	numFieldIDs
)

// Field is one field line. Both slices point into the receive buffer.
type Field struct {
	Name  []byte
	Value []byte // without the white space around it
	ID    FieldID
}

// Message is a complete, well-formed header section.
type Message struct {
	Minor   uint8 // of the HTTP version: 0, or 1 for all later ones
	Chunked bool  // the body is chunked
	Length  int64 // of the body in bytes; 0 where there is none or it is chunked
	Fields  []Field

	keepAlive bool                // what version and Connection fields ask for
	first     [numFieldIDs]uint16 // index into Fields plus one
}

// Get is the value of the first field line of that name, or nil.
func (m *Message) Get(id FieldID) []byte {
	if i := m.first[id]; i != 0 {
		return m.Fields[i-1].Value
	}
	return nil
}

// Has reports whether there is a field line of that name, even an empty one.
func (m *Message) Has(id FieldID) bool { return m.first[id] != 0 }

// All yields the values of every field line of that name, in order.
func (m *Message) All(id FieldID) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if m.first[id] == 0 {
			return
		}
		for i := int(m.first[id]) - 1; i < len(m.Fields); i++ {
			if m.Fields[i].ID == id && !yield(m.Fields[i].Value) {
				return
			}
		}
	}
}

// Repeats reports whether there are several field lines of that name, which there must not be of
// one that is no list (RFC 9110 5.3): somebody on the way may have gone by another line than we
// would.
func (m *Message) Repeats(id FieldID) bool {
	lines := 0
	for range m.All(id) {
		lines++
	}
	return lines > 1
}

// parseVersion wants "HTTP/" DIGIT "." DIGIT, case-sensitive (RFC 9112 2.3). A higher minor version
// is taken as 1.1 (RFC 9110 2.5).
func (m *Message) parseVersion(v []byte) fault.Fault {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]) {
		return fault.Of(fault.BadVersion)
	}
	if v[5] != '1' {
		return fault.Of(fault.UnsupportedVersion)
	}
	m.Minor = min(v[7]-'0', 1)
	m.keepAlive = m.Minor == 1
	return fault.Fault{}
}

// announced is the state in which the body that the fields announce is received.
func (m *Message) announced() rxState {
	switch {
	case m.Chunked:
		return rxSize
	case m.Length > 0:
		return rxLength
	}
	return rxEnd
}

// length is the announced length, UnknownLength for chunks.
func (m *Message) length() int64 {
	if m.Chunked {
		return UnknownLength
	}
	return m.Length
}

// HasBody reports whether a body was announced. A chunked one may turn out to be empty.
func (m *Message) HasBody() bool { return m.Chunked || m.Length > 0 }

// WantsClose reports whether the peer will not use this connection for another message (RFC 9112
// 9.3).
func (m *Message) WantsClose() bool { return !m.keepAlive }

// HasOption reports whether Connection names an option, which is given in lower case (RFC 9110
// 7.6.1).
func (m *Message) HasOption(option string) bool {
	for value := range m.All(Connection) {
		if syntax.ListContains(value, option) {
			return true
		}
	}
	return false
}

// add adds a field line. It is filled in where it is, because copying it there costs more.
func (m *Message) add(name, value []byte) {
	n := len(m.Fields)
	if n == cap(m.Fields) {
		m.Fields = append(m.Fields, Field{})
	}
	m.Fields = m.Fields[:n+1]
	f := &m.Fields[n]
	f.Name, f.Value, f.ID = name, value, fieldIDOf(name)
	if m.first[f.ID] == 0 {
		m.first[f.ID] = uint16(n + 1)
	}
}

var fieldNames = [numFieldIDs]string{
	Host:              "host",
	Connection:        "connection",
	ContentLength:     "content-length",
	ContentType:       "content-type",
	ContentEncoding:   "content-encoding",
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
	Via:               "via",
	XForwardedFor:     "x-forwarded-for",
	XForwardedProto:   "x-forwarded-proto",
	Forwarded:         "forwarded",
	XRealIP:           "x-real-ip",
	XRequestID:        "x-request-id",
	Authorization:     "authorization",
	ACRequestMethod:   "access-control-request-method",
	ACRequestHeaders:  "access-control-request-headers",
}

// byLength lists the names of each length. There are hardly ever more than two, so a lookup is one
// or two comparisons.
var byLength [32][]FieldID

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
		if syntax.EqualFold(name, fieldNames[id]) {
			return id
		}
	}
	return OtherField
}
