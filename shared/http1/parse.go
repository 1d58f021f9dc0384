package http1

import (
	"bytes"
	"math"

	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// Parsing a head. Lines are parsed as they become complete, and the search for a line's end goes on
// where it stopped, so that a head that arrives a byte at a time costs the same work as one that
// arrives whole.
//
// Every verdict depends on the bytes alone and not on how they were cut: a limit is checked against
// the same position whether or not the bytes after it are here.

// lineResult is how the search for a line's end came out.
type lineResult uint8

const (
	lineFound lineResult = iota
	lineOpen             // no end yet
	lineLong             // no end within the limit
	lineBad              // a line feed without its carriage return
)

// line takes the next line, of at most limit bytes with its CR LF.
func (r *receiver) line(limit int) ([]byte, lineResult) {
	end := min(r.have, r.at+max(limit, 0))
	if i := bytes.IndexByte(r.buf[min(r.scan, end):end], '\n'); i >= 0 {
		lf := r.scan + i
		if lf == r.at || r.buf[lf-1] != '\r' {
			return nil, lineBad
		}
		line := r.buf[r.at : lf-1]
		r.at, r.scan = lf+1, lf+1
		return line, lineFound
	}
	r.scan = max(r.scan, end)
	if r.have-r.at >= limit {
		return nil, lineLong
	}
	return nil, lineOpen
}

// beginHead looks for the first byte of a message and skips a few empty lines (RFC 9112 2.2). It
// reports false while there is none.
func (r *receiver) beginHead() bool {
	for r.at < r.have && r.buf[r.at] == '\r' {
		if r.at+1 == r.have {
			break
		}
		if r.buf[r.at+1] != '\n' {
			r.fail(fault.Of(fault.BadLineEnding))
			return true
		}
		if r.emptyLines++; r.emptyLines > r.rules.emptyLines {
			r.fail(fault.Of(r.rules.badLine))
			return true
		}
		r.at += 2
		r.used = true
	}
	r.makeRoom()
	if r.at == r.have || r.buf[r.at] == '\r' {
		return false
	}
	// A byte that cannot begin a method is not HTTP. Its sender is told so at once: the line feed
	// that would end its line may never come.
	if syntax.CharClass[r.buf[r.at]]&syntax.TokenChar == 0 {
		why := r.rules.badLine
		if r.buf[r.at] == '\n' {
			why = fault.BadLineEnding
		}
		r.fail(fault.Of(why))
		return true
	}
	r.enter(rxLine)
	return true
}

// makeRoom moves what has come of the next message down to the buffer's beginning where the longest
// head and some of a body would not fit after it.
func (r *receiver) makeRoom() {
	if r.at == r.have {
		r.at, r.have = 0, 0
	} else if len(r.buf)-r.at < r.limits.headRoom()+bodyRoom/2 {
		r.have = copy(r.buf, r.buf[r.at:r.have])
		r.at = 0
	}
	r.start, r.scan = r.at, r.at
}

// startLine parses the first line (RFC 9112 3 and 4). It reports false while
// the line is not complete.
func (r *receiver) startLine() bool {
	line, res := r.line(r.limits.RequestLine + 2)
	switch res {
	case lineOpen:
		return false
	case lineLong:
		r.fail(fault.Of(r.rules.lineTooLong))
		return true
	case lineBad:
		r.fail(fault.Of(fault.BadLineEnding))
		return true
	}
	if f := r.role.startLine(line); !f.OK() {
		r.fail(f)
		return true
	}
	r.enter(rxFields)
	return true
}

// fieldLines parses field lines up to the empty line. It reports false while the
// header section is not complete.
func (r *receiver) fieldLines() bool {
	for {
		line, res := r.line(r.limits.Head - (r.at - r.start))
		switch res {
		case lineOpen:
			return false
		case lineLong:
			r.fail(fault.Of(fault.HeadTooLarge))
			return true
		case lineBad:
			r.fail(fault.Of(fault.BadLineEnding))
			return true
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := splitField(line)
		if !ok {
			r.fail(fault.Of(fault.BadField))
			return true
		}
		if len(r.msg.Fields) == r.limits.Fields {
			r.fail(fault.Of(fault.TooManyFields))
			return true
		}
		r.msg.add(name, value)
	}
	if f := r.framing(); !f.OK() {
		r.fail(f)
	}
	return true
}

// splitField takes a field line apart (RFC 9112 5). No white space may stand before the colon, and
// none at the line's beginning: a line folded by obs-fold is refused (RFC 9112 5.2).
func splitField(line []byte) (name, value []byte, ok bool) {
	colon := 0
	for colon < len(line) && syntax.CharClass[line[colon]]&syntax.TokenChar != 0 {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, nil, false
	}
	name, value = line[:colon], syntax.TrimOWS(line[colon+1:])
	return name, value, syntax.IsAll(value, syntax.ValueChar)
}

// framing decides where the message ends (RFC 9112 6.3) and what the Connection field asks for.
// Whatever could be read in two ways is refused: a proxy in front of us or a server after us may
// read it the other way.
func (r *receiver) framing() fault.Fault {
	m := r.msg
	if m.Has(TransferEncoding) {
		if f := m.transferCoding(); !f.OK() {
			return f
		}
		m.Chunked = true
	} else if m.Has(ContentLength) {
		n, ok := m.contentLength()
		if !ok {
			return fault.Of(fault.BadContentLength)
		}
		if n > r.limits.Body {
			return fault.Of(fault.BodyTooLarge)
		}
		m.Length = n
	}
	m.connection()
	next := r.role.complete()
	r.bodyAt, r.left = r.at, m.Length
	if next == rxUntilClose {
		r.left = min(r.limits.Body, math.MaxInt64-1) + 1
	}
	r.enter(next)
	return fault.Fault{}
}

// transferCoding accepts "chunked", once, alone (RFC 9112 6.1). RFC 9110 5.6.1 would have us ignore
// an empty element of the list. It is refused instead, because two servers may disagree whether
// ",chunked" is chunked.
func (m *Message) transferCoding() fault.Fault {
	if m.Has(ContentLength) {
		return fault.Of(fault.AmbiguousFraming)
	}
	if m.Minor == 0 {
		return fault.Of(fault.BadTransferEncoding)
	}
	var last []byte
	chunked, others := 0, 0
	for value := range m.All(TransferEncoding) {
		for coding := range bytes.SplitSeq(value, comma) {
			last = syntax.TrimOWS(coding)
			switch {
			case len(last) == 0:
				return fault.Of(fault.BadTransferEncoding)
			case syntax.EqualFold(last, "chunked"):
				chunked++
			default:
				others++
			}
		}
	}
	if chunked != 1 || !syntax.EqualFold(last, "chunked") {
		return fault.Of(fault.BadTransferEncoding)
	}
	if others > 0 {
		return fault.Of(fault.UnknownCoding)
	}
	return fault.Fault{}
}

// contentLength wants one field line of digits only, whose value fits 63 bits (RFC 9110 8.6).
// Repeated lines are refused even where they agree.
func (m *Message) contentLength() (n int64, ok bool) {
	lines := 0
	for value := range m.All(ContentLength) {
		lines++
		n, ok = parseDigits(value)
	}
	return n, ok && lines == 1
}

func parseDigits(b []byte) (n int64, ok bool) {
	for _, d := range b {
		if !isDigit(d) || n > (math.MaxInt64-int64(d-'0'))/10 {
			return 0, false
		}
		n = 10*n + int64(d-'0')
	}
	return n, len(b) > 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// connection reads the Connection field (RFC 9112 9.3). "close" wins over "keep-alive" wherever
// either stands.
func (m *Message) connection() {
	for value := range m.All(Connection) {
		if syntax.ListContains(value, "close") {
			m.keepAlive = false
			break
		}
		if m.Minor == 0 && syntax.ListContains(value, "keep-alive") {
			m.keepAlive = true
		}
	}
}

var comma = []byte(",")
