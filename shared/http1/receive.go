package http1

// The receiver: bytes that arrived, as messages. It is the same for requests and for responses, so
// that a field line, a length or a chunk is parsed in one way. Two parsers would differ somewhere,
// and request smuggling makes use of such differences.
//
// Who owns what: the receiver owns its buffer. A message's slices point into it and are valid until
// the next message begins; a body's until the next call. What differs between the roles is behind
// an interface: the first line, and what the fields mean apart from framing.
//
// What must not be done: after a fault nothing that follows may be read as HTTP, because it is no
// longer known where the message ended.

import (
	"bytes"

	"fourways/shared/fault"
)

// role is the part of a receiver that differs between requests and responses.
type role interface {
	// startLine parses the first line, without its CR LF.
	startLine(line []byte) fault.Fault
	// partOfLine takes what has arrived of a first line that will not be completed.
	partOfLine(line []byte)
	// complete is called once the header section and its framing are parsed and well formed. It
	// returns the state in which the body is received, rxEnd where there is none.
	complete() rxState
}

// rules are a role's bounds and faults.
type rules struct {
	emptyLines  int          // at most so many before a message
	badLine     fault.Reason // for a malformed first line
	lineTooLong fault.Reason // for a first line over the limit
}

// receiver is the receiving half of a connection.
type receiver struct {
	limits *Limits
	rules  rules
	role   role
	msg    *Message // the role's

	// buf[:start] is used up; the current message's head begins at start; buf[at:have] has
	// arrived and is not parsed. Once a head is complete, what follows it may move down to
	// bodyAt, the head may not.
	buf      []byte
	start    int
	at, have int
	scan     int // buf[at:scan] has no line feed: where the search goes on
	bodyAt   int
	eof      bool

	rx         rxState
	used       bool  // something has arrived since renew
	emptyLines int   // skipped before this message
	left       int64 // bytes of the body or chunk still to come
	bodyBytes  int64 // bytes of the body so far
	extBytes   int   // bytes of chunk extensions so far
	trailers   int   // field lines of the trailer section so far
	trailBytes int   // bytes of the trailer section so far
	body       []byte
	fault      fault.Fault
}

func (r *receiver) init(l *Limits, rules rules, role role, msg *Message) {
	r.limits, r.rules, r.role, r.msg = l, rules, role, msg
	r.buf, r.used = make([]byte, l.BufferSize()), true
}

// open begins between two messages, with nothing received.
func (r *receiver) open() {
	r.start, r.at, r.have, r.scan = 0, 0, 0, 0
	r.eof, r.rx = false, rxIdle
}

// renew clears the last message.
func (r *receiver) renew() {
	r.used = false
	r.emptyLines, r.left, r.bodyBytes, r.extBytes, r.trailers, r.trailBytes = 0, 0, 0, 0, 0, 0
	r.body, r.fault = nil, fault.Fault{}
}

// Recv is the free end of the receive buffer. It is never empty after Next returned NeedData.
func (r *receiver) Recv() []byte {
	if r.rx == rxClosed {
		return r.buf // whatever still comes is dropped
	}
	if r.have == len(r.buf) && r.InBody() {
		r.compactBody()
	}
	return r.buf[r.have:]
}

// Received notes that n bytes have arrived in Recv's slice.
func (r *receiver) Received(n int) {
	if r.rx != rxClosed {
		r.have += n
	}
}

// EOF notes that the peer will send no more. What it has already sent is still answered: closing
// one direction does not close the other (RFC 9112 9.6).
func (r *receiver) EOF() { r.eof = true }

// Body is the part of the body that HasBody announced. It is valid until Next.
func (r *receiver) Body() []byte { return r.body }

// BodyBytes is the number of bytes of the body that have come so far.
func (r *receiver) BodyBytes() int64 { return r.bodyBytes }

// Due is how many bytes come next that are nothing but body: no framing is among them, and all that
// came before has been parsed. They may be read to wherever they go, which Passed then tells.
func (r *receiver) Due() int64 {
	if r.at < r.have || r.rx != rxLength && r.rx != rxData && r.rx != rxUntilClose {
		return 0
	}
	return r.left
}

// Passed notes that n bytes of those that were Due have come, and went past Recv.
func (r *receiver) Passed(n int64) {
	r.left -= n
	r.bodyBytes += n
}

// Fault says what Error found.
func (r *receiver) Fault() fault.Fault { return r.fault }

// Idle reports whether the connection is between two messages and no byte of the next one has
// arrived. Another connection can use its buffer meanwhile.
func (r *receiver) Idle() bool {
	return r.rx == rxIdle && r.at == r.have && r.emptyLines == 0 && !r.eof
}

// InHead reports whether a head has begun and is not complete. Empty lines before it do not count.
func (r *receiver) InHead() bool { return r.rx == rxLine || r.rx == rxFields }

// InBody reports whether the message's head is complete and its body is not.
func (r *receiver) InBody() bool { return rxLength <= r.rx && r.rx <= rxTrailer }

// Clean reports whether nothing has arrived that was not asked for: no bytes after
// the last message, no part of a body left unread, no fault.
func (r *receiver) Clean() bool { return r.rx == rxClosed && r.at == r.have }

// Fail gives up the message being received for a reason that is not in its bytes, such as a
// timeout. It must not be called between the end of one message and the beginning of the next.
func (r *receiver) Fail(f fault.Fault) { r.fail(f) }

// receive parses on and returns what it found: HasHead for a complete head, Unanswered where a
// message has ended and the next one may not begin yet.
func (r *receiver) receive() Event {
	r.body = nil
	for {
		switch r.rx {
		case rxIdle:
			if !r.beginHead() {
				return r.starved(Closed)
			}
		case rxLine:
			if !r.startLine() {
				return r.starved(Error)
			}
		case rxFields:
			if !r.fieldLines() {
				return r.starved(Error)
			}
			if r.rx != rxFailed {
				return HasHead
			}
		case rxLength, rxData, rxUntilClose:
			if r.bodyPart() {
				return HasBody
			}
			if r.left > 0 {
				return r.starved(Error)
			}
		case rxSize, rxDataEnd, rxTrailer:
			if !r.chunkFraming() {
				return r.starved(Error)
			}
		case rxEnd:
			r.enter(rxDone)
			return End
		case rxDone:
			return Unanswered
		case rxFailed:
			return Error
		case rxClosed:
			return Closed
		}
	}
}

// starved is what receive returns when it needs more bytes: NeedData, or atEOF if the peer has
// ended its side. For one kind of body that is the proper end.
func (r *receiver) starved(atEOF Event) Event {
	switch {
	case !r.eof:
		return NeedData
	case atEOF == Closed:
		r.enter(rxClosed)
	case r.rx == rxUntilClose:
		r.enter(rxEnd)
		r.enter(rxDone)
		return End
	default:
		r.fail(fault.Of(fault.CutShort))
	}
	return atEOF
}

// fail notes a fault, after which nothing is parsed any more.
func (r *receiver) fail(f fault.Fault) {
	if r.rx <= rxLine {
		line := r.buf[r.at:min(r.have, r.at+r.limits.RequestLine)]
		if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
			line = line[:end]
		}
		r.role.partOfLine(line)
	}
	r.fault = f
	r.enter(rxFailed)
}
