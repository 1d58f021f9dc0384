package http1

import (
	"bytes"
	"math"
)

// Parsing a head. Lines are parsed as they become complete, and the search for a
// line's end goes on where it stopped, so that a head which comes a byte at a time
// costs the same work as one that comes whole.
//
// Every verdict depends on the bytes alone and not on how they were cut: a limit is
// checked against the same position whether or not the bytes behind it are here.

// lineResult is how the search for a line's end came out.
type lineResult uint8

const (
	lineFound lineResult = iota
	lineOpen             // no end yet
	lineLong             // no end within the limit
	lineBad              // a line feed without its carriage return
)

// line takes the next line, which with its CR LF may have limit bytes.
func (c *Conn) line(limit int) ([]byte, lineResult) {
	end := min(c.w, c.r+max(limit, 0))
	if i := bytes.IndexByte(c.buf[min(c.scan, end):end], '\n'); i >= 0 {
		lf := c.scan + i
		if lf == c.r || c.buf[lf-1] != '\r' {
			return nil, lineBad
		}
		line := c.buf[c.r : lf-1]
		c.r, c.scan = lf+1, lf+1
		return line, lineFound
	}
	c.scan = max(c.scan, end)
	if c.w-c.r >= limit {
		return nil, lineLong
	}
	return nil, lineOpen
}

// beginHead looks for the first byte of a request, past a few empty lines (RFC 9112
// section 2.2). It reports false while there is none.
func (c *Conn) beginHead() bool {
	for c.r < c.w && c.buf[c.r] == '\r' {
		if c.r+1 == c.w {
			break
		}
		if c.buf[c.r+1] != '\n' {
			c.fail(400, BadLineEnding)
			return true
		}
		if c.emptyLines++; c.emptyLines > maxEmptyLines {
			c.fail(400, BadRequestLine)
			return true
		}
		c.r += 2
		c.used = true
	}
	c.makeRoom()
	if c.r == c.w || c.buf[c.r] == '\r' {
		return false
	}
	// What cannot begin a method is no HTTP: a TLS hello is told so at once and
	// need not wait for a line feed that never comes.
	if charClass[c.buf[c.r]]&tokenChar == 0 {
		why := BadRequestLine
		if c.buf[c.r] == '\n' {
			why = BadLineEnding
		}
		c.fail(400, why)
		return true
	}
	c.enter(rxLine)
	return true
}

// makeRoom moves what has come of the next message down to the buffer's beginning
// where the longest head and some of a body would not fit behind it.
func (c *Conn) makeRoom() {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if len(c.buf)-c.r < c.cfg.headRoom()+bodyRoom/2 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	c.start, c.scan = c.r, c.r
}

// requestLine parses the request line (RFC 9112 section 3). It reports false while
// the line is not complete.
func (c *Conn) requestLine() bool {
	line, res := c.line(c.cfg.RequestLine + 2)
	switch res {
	case lineOpen:
		return false
	case lineLong:
		c.fail(414, TargetTooLong)
		return true
	case lineBad:
		c.fail(400, BadLineEnding)
		return true
	}
	c.req.Line = line
	if f := c.req.parseLine(line); !f.OK() {
		c.fail(f.Status, f.Reason)
		return true
	}
	c.enter(rxFields)
	return true
}

// parseLine takes "method SP target SP version" apart: one space each, nothing
// around them.
func (r *Request) parseLine(line []byte) Fault {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 || !isAll(line[:sp], tokenChar) {
		return Fault{400, BadRequestLine}
	}
	r.MethodName, r.Method = line[:sp], methodOf(line[:sp])
	rest := line[sp+1:]
	sp = bytes.IndexByte(rest, ' ')
	if sp <= 0 {
		return Fault{400, BadRequestLine}
	}
	if f := r.parseVersion(rest[sp+1:]); !f.OK() {
		return f
	}
	r.Target = rest[:sp]
	if !isAll(r.Target, targetChar) || !r.parseTarget() {
		return Fault{400, BadTarget}
	}
	return Fault{}
}

// parseVersion wants "HTTP/" DIGIT "." DIGIT, case-sensitive (RFC 9112 section
// 2.3). A higher minor version is served as 1.1 (RFC 9110 section 2.5).
func (r *Request) parseVersion(v []byte) Fault {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]) {
		return Fault{400, BadVersion}
	}
	if v[5] != '1' {
		return Fault{505, UnsupportedVersion}
	}
	r.Minor = min(v[7]-'0', 1)
	r.keepAlive = r.Minor == 1
	return Fault{}
}

// parseTarget tells the four forms of a target apart (RFC 9112 section 3.2) and
// splits it.
func (r *Request) parseTarget() bool {
	t := r.Target
	switch {
	case r.Method == CONNECT:
		r.Form, r.Authority = AuthorityForm, t
		_, port, ok := SplitHost(t)
		return ok && port != NoPort
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
	if _, _, ok := SplitHost(r.Authority); !ok || !r.splitPath(rest[end:]) {
		return false
	}
	if len(r.Path) == 0 {
		r.Path = rootPath
		if r.Method == OPTIONS && len(r.Query) == 0 { // RFC 9112 section 3.2.4
			r.Path = asterisk
		}
	}
	return true
}

var rootPath, asterisk = []byte("/"), []byte("*")

// splitPath cuts the query off, and wants two hexadecimal digits behind each percent
// sign of the path (RFC 3986 section 2.1).
func (r *Request) splitPath(t []byte) bool {
	r.Path = t
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		r.Path, r.Query = t[:q], t[q+1:]
	}
	for i, c := range r.Path {
		if c == '%' && (len(r.Path)-i < 3 || !isAll(r.Path[i+1:i+3], hexDigit)) {
			return false
		}
	}
	return true
}

func cutScheme(t []byte) ([]byte, bool) {
	if len(t) > 7 && EqualFold(t[:7], "http://") {
		return t[7:], true
	}
	if len(t) > 8 && EqualFold(t[:8], "https://") {
		return t[8:], true
	}
	return nil, false
}

// fieldLines parses field lines up to the empty line. It reports false while the
// header section is not complete.
func (c *Conn) fieldLines() bool {
	for {
		line, res := c.line(c.cfg.Head - (c.r - c.start))
		switch res {
		case lineOpen:
			return false
		case lineLong:
			c.fail(431, HeadTooLarge)
			return true
		case lineBad:
			c.fail(400, BadLineEnding)
			return true
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := splitField(line)
		if !ok {
			c.fail(400, BadField)
			return true
		}
		if len(c.req.Fields) == c.cfg.Fields {
			c.fail(431, TooManyFields)
			return true
		}
		c.req.add(name, value)
	}
	if f := c.framing(); !f.OK() {
		c.fail(f.Status, f.Reason)
	}
	return true
}

// splitField takes a field line apart (RFC 9112 section 5). No white space may stand
// before the colon, and none at the line's beginning: a line folded by obs-fold is refused
// (section 5.2).
func splitField(line []byte) (name, value []byte, ok bool) {
	colon := 0
	for colon < len(line) && charClass[line[colon]]&tokenChar != 0 {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, nil, false
	}
	name, value = line[:colon], TrimOWS(line[colon+1:])
	return name, value, isAll(value, valueChar)
}

// add adds a field line. Like a [Chain]'s segment it is filled in where it is.
func (r *Request) add(name, value []byte) {
	n := len(r.Fields)
	if n == cap(r.Fields) {
		r.Fields = append(r.Fields, Field{})
	}
	r.Fields = r.Fields[:n+1]
	f := &r.Fields[n]
	f.Name, f.Value, f.ID = name, value, fieldIDOf(name)
	if r.first[f.ID] == 0 {
		r.first[f.ID] = uint16(n + 1)
	}
}

// framing decides where the message ends (RFC 9112 section 6.3) and what the
// Connection and Expect fields ask for. Whatever could be read in two ways is
// refused: the other reading may be that of a proxy before us.
func (c *Conn) framing() Fault {
	r := &c.req
	if r.Has(TransferEncoding) {
		if f := r.transferCoding(); !f.OK() {
			return f
		}
		r.Chunked = true
	} else if r.Has(ContentLength) {
		n, ok := r.contentLength()
		if !ok {
			return Fault{400, BadContentLength}
		}
		if n > c.cfg.Body {
			return Fault{413, BodyTooLarge}
		}
		r.Length = n
	}
	r.options()
	c.bodyAt, c.left = c.r, r.Length
	switch {
	case r.Chunked:
		c.enter(rxSize)
	case r.Length > 0:
		c.enter(rxLength)
	default:
		c.enter(rxEnd)
	}
	return Fault{}
}

// transferCoding accepts "chunked", once, alone (RFC 9112 section 6.1).
func (r *Request) transferCoding() Fault {
	if r.Has(ContentLength) {
		return Fault{400, AmbiguousFraming}
	}
	if r.Minor == 0 {
		return Fault{400, BadTransferEncoding}
	}
	var last []byte
	chunked, others := 0, 0
	for value := range r.All(TransferEncoding) {
		for coding := range ListItems(value) {
			last = coding
			if EqualFold(coding, "chunked") {
				chunked++
			} else {
				others++
			}
		}
	}
	if chunked != 1 || !EqualFold(last, "chunked") {
		return Fault{400, BadTransferEncoding}
	}
	if others > 0 {
		return Fault{501, UnknownCoding}
	}
	return Fault{}
}

// contentLength wants one field line of digits only that fit 63 bits (RFC 9110
// section 8.6). Repeated ones are refused even where they agree.
func (r *Request) contentLength() (n int64, ok bool) {
	lines := 0
	for value := range r.All(ContentLength) {
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

// options reads the Connection and Expect fields (RFC 9112 section 9.3, RFC 9110
// section 10.1.1). "close" wins over "keep-alive" wherever either stands.
func (r *Request) options() {
	for value := range r.All(Connection) {
		if ListContains(value, "close") {
			r.keepAlive = false
			break
		}
		if r.Minor == 0 && ListContains(value, "keep-alive") {
			r.keepAlive = true
		}
	}
	if r.Minor == 0 {
		return // an HTTP/1.0 client cannot expect
	}
	for value := range r.All(Expect) {
		if EqualFold(value, "100-continue") && r.Expects != OtherExpectation {
			r.Expects = Continue100
		} else {
			r.Expects = OtherExpectation
		}
	}
}
