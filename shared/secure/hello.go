package secure

// The first message of a client, before anything is done for it: is all of it here, is it one at
// all, and does it name a ticket?
//
// It is looked at from its beginning each time that more has come, so the verdict depends on the
// bytes and not on how they were cut. What must not be done: nothing here may read beyond the
// lengths that the message has for itself. Whether it makes sense is for crypto/tls to say.

import (
	"encoding/binary"

	"fourways/shared/syntax"
)

// Numbers of the protocol (RFC 8446 4, 4.2, 5.1 and 6).
const (
	recordHeader  = 5 // bytes: type, version, length
	messageHeader = 4 // bytes: type, length

	typeAlert     = 21
	typeHandshake = 22
	typeHello     = 1

	extName   = 0
	extTicket = 35
	extPSK    = 41

	alertUnexpectedMessage = 10
	alertRecordOverflow    = 22
	alertIllegalParameter  = 47
	alertDecodeError       = 50
	alertUnrecognizedName  = 112
)

// greeting is what a connection has begun with.
type greeting uint8

const (
	greetingOpen  greeting = iota // more has to come
	greetingWhole                 // a ClientHello is here
	greetingPlain                 // it is HTTP
	greetingBad                   // neither
)

// greet looks at the bytes of a connection so far. ticket says that the client asks to resume a
// session; alert is what a bad one is answered with, 0 for nothing.
func greet(b []byte) (g greeting, ticket bool, alert byte) {
	if len(b) == 0 {
		return greetingOpen, false, 0
	}
	if b[0] != typeHandshake {
		if begins := b[0] == '\r' || b[0] == '\n' || syntax.CharClass[b[0]]&syntax.TokenChar != 0; begins {
			return greetingPlain, false, 0
		}
		return greetingBad, false, 0
	}
	var whole []byte // the message, gathered out of its records where it lies in several
	for at := 0; ; {
		if len(b)-at < recordHeader {
			return greetingOpen, false, 0
		}
		n := int(binary.BigEndian.Uint16(b[at+3:]))
		switch {
		case b[at] != typeHandshake || b[at+1] != 3 || n == 0:
			return greetingBad, false, alertUnexpectedMessage
		case n > 16<<10:
			return greetingBad, false, alertRecordOverflow
		}
		end := min(at+recordHeader+n, len(b))
		part := b[at+recordHeader : end]
		if at == 0 {
			whole = part[:len(part):len(part)]
		} else {
			whole = append(whole, part...)
		}
		if g, alert = measure(whole); g != greetingOpen {
			if g == greetingWhole {
				return judge(whole)
			}
			return g, false, alert
		}
		if end-at < recordHeader+n {
			return greetingOpen, false, 0
		}
		at = end
	}
}

// measure says whether all of the message is here.
func measure(m []byte) (greeting, byte) {
	switch {
	case len(m) > 0 && m[0] != typeHello:
		return greetingBad, alertUnexpectedMessage
	case len(m) < messageHeader:
		return greetingOpen, 0
	}
	n := messageHeader + (int(m[1])<<16 | int(m[2])<<8 | int(m[3]))
	switch {
	case n > maxHello:
		return greetingBad, alertDecodeError
	case len(m) < n:
		return greetingOpen, 0
	}
	return greetingWhole, 0
}

// fields is what is left of a message to be read.
type fields []byte

// vector takes a vector with a length of so many bytes (RFC 8446 3.4).
func (f *fields) vector(size int) (v fields, ok bool) {
	if len(*f) < size {
		return nil, false
	}
	n := 0
	for _, b := range (*f)[:size] {
		n = n<<8 | int(b)
	}
	if len(*f) < size+n {
		return nil, false
	}
	v, *f = (*f)[size:size+n], (*f)[size+n:]
	return v, true
}

// judge looks at the extensions of a ClientHello (RFC 8446 4.1.2). Those of RFC 8446 4.2.11 and RFC
// 5077 3.2 ask to resume a session. One that names a server (RFC 6066 3) by more bytes than a name
// may have is bad: the name is kept as long as the connection. One with a dot at its end has a
// reason of its own, by which nobody is banned. What cannot be read is for crypto/tls to refuse.
func judge(m []byte) (g greeting, ticket bool, alert byte) {
	const fixed = messageHeader + 2 + 32 // version, random
	if len(m) < fixed {
		return greetingWhole, false, 0
	}
	f := fields(m[fixed:])
	for _, size := range []int{1, 2, 1} { // session id, cipher suites, compression methods
		if _, ok := f.vector(size); !ok {
			return greetingWhole, false, 0
		}
	}
	list, ok := f.vector(2)
	for ok && len(list) >= 2 {
		kind := binary.BigEndian.Uint16(list)
		list = list[2:]
		var body fields
		body, ok = list.vector(2)
		switch {
		case kind == extName && len(body) > maxName:
			return greetingBad, false, alertIllegalParameter
		case kind == extName && len(body) > 0 && body[len(body)-1] == '.':
			return greetingBad, false, alertUnrecognizedName
		case len(body) > 0 && (kind == extTicket || kind == extPSK):
			ticket = true
		}
	}
	return greetingWhole, ticket, 0
}
