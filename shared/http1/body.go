package http1

// The receiver's part for bodies: of known length, until the close, and in chunks (RFC 9112 7.1).
//
// The body's slice points into the receive buffer and is valid until the next call. What must not
// be done: a chunk's size must not be added to the total before it is compared with what the limit
// leaves, and nothing of an extension or a trailer may change the message. Both are still parsed
// strictly and bounded, so that we and every other server agree where a message ends.

import (
	"bytes"

	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// bodyPart hands out what is here of a body or of a chunk's data. It reports false when nothing is
// here, or when nothing of it is left to come. What is left of a body without an end of its own is
// one byte more than the limit.
func (r *receiver) bodyPart() bool {
	if r.left == 0 {
		switch r.rx {
		case rxData:
			r.enter(rxDataEnd)
		case rxUntilClose:
			r.fail(fault.Of(fault.BodyTooLarge))
		default:
			r.enter(rxEnd)
		}
		return false
	}
	n := int(min(int64(r.have-r.at), r.left))
	if n == 0 {
		r.compactBody()
		return false
	}
	r.body = r.buf[r.at : r.at+n]
	r.at += n
	r.scan = r.at
	r.left -= int64(n)
	r.bodyBytes += int64(n)
	return true
}

// compactBody moves the part of a body that has not been parsed down to the end of the head.
func (r *receiver) compactBody() {
	if r.at > r.bodyAt {
		shift := r.at - r.bodyAt
		r.have = r.bodyAt + copy(r.buf[r.bodyAt:], r.buf[r.at:r.have])
		r.scan = max(r.scan-shift, r.bodyAt)
		r.at = r.bodyAt
	}
}

// chunkFraming parses what stands between the data of a chunked body (RFC 9112 7.1). It reports
// false while it needs more.
func (r *receiver) chunkFraming() bool {
	switch r.rx {
	case rxSize:
		return r.chunkSize()
	case rxDataEnd:
		return r.chunkDataEnd()
	default:
		return r.trailerLine()
	}
}

// chunkSize parses a size line: hexadecimal digits, then extensions, which are bounded,
// parsed and ignored.
func (r *receiver) chunkSize() bool {
	line, res := r.line(maxChunkLine)
	if res != lineFound {
		return r.badChunkLine(res, fault.BadChunk)
	}
	digits := 0
	var size int64
	for digits < len(line) && syntax.CharClass[line[digits]]&syntax.HexDigit != 0 {
		if digits == maxChunkDigits {
			r.fail(fault.Of(fault.BadChunk))
			return true
		}
		size = size<<4 | syntax.HexValue(line[digits])
		digits++
	}
	ext := line[digits:]
	r.extBytes += len(ext)
	if digits == 0 || !validExtensions(ext) || int64(r.extBytes) > maxExtensions+r.bodyBytes {
		r.fail(fault.Of(fault.BadChunk))
		return true
	}
	if size > r.limits.Body-r.bodyBytes {
		r.fail(fault.Of(fault.BodyTooLarge))
		return true
	}
	if size == 0 {
		r.enter(rxTrailer)
		return true
	}
	r.left = size
	r.enter(rxData)
	return true
}

// validExtensions reports whether what follows a chunk's size is nothing but extensions
// (RFC 9112 7.1.1):
//
//	chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
//
// They have no effect, but are parsed all the same: a server for which an open quote hides the end
// of the line would see another message than we do.
func validExtensions(ext []byte) bool {
	for ok := true; len(ext) > 0; {
		if ext, ok = cutExtension(ext); !ok {
			return false
		}
	}
	return true
}

// cutExtension cuts the first extension off.
func cutExtension(b []byte) (rest []byte, ok bool) {
	if b = syntax.SkipOWS(b); len(b) == 0 || b[0] != ';' {
		return nil, false
	}
	rest, ok = cutToken(syntax.SkipOWS(b[1:]))
	value := syntax.SkipOWS(rest)
	if !ok || len(value) == 0 || value[0] != '=' {
		return rest, ok
	}
	if value = syntax.SkipOWS(value[1:]); len(value) > 0 && value[0] == '"' {
		return cutQuoted(value)
	}
	return cutToken(value)
}

// cutToken cuts off a token, which has at least one character (RFC 9110 5.6.2).
func cutToken(b []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(b) && syntax.CharClass[b[n]]&syntax.TokenChar != 0 {
		n++
	}
	return b[n:], n > 0
}

// cutQuoted cuts off a quoted-string, which begins here (RFC 9110 5.6.4).
func cutQuoted(b []byte) (rest []byte, ok bool) {
	for i := 1; i < len(b) && syntax.CharClass[b[i]]&syntax.ValueChar != 0; i++ {
		switch b[i] {
		case '"':
			return b[i+1:], true
		case '\\':
			i++ // quoted-pair: the next one is data, whichever it is
			if i == len(b) || syntax.CharClass[b[i]]&syntax.ValueChar == 0 {
				return nil, false
			}
		}
	}
	return nil, false
}

// chunkDataEnd wants exactly CR LF after a chunk's data.
func (r *receiver) chunkDataEnd() bool {
	have := r.buf[r.at:min(r.have, r.at+2)]
	if !bytes.HasPrefix(crlf, have) {
		r.fail(fault.Of(fault.BadChunk))
		return true
	}
	if len(have) < 2 {
		return false
	}
	r.at += 2
	r.scan = r.at
	r.enter(rxSize)
	return true
}

// trailerLine parses and drops one line of the trailer section (RFC 9112 7.1.2): no trailer changes
// anything here.
func (r *receiver) trailerLine() bool {
	before := r.at
	line, res := r.line(maxTrailerLine)
	if res != lineFound {
		return r.badChunkLine(res, fault.BadTrailer)
	}
	if len(line) == 0 {
		r.enter(rxEnd)
		return true
	}
	r.trailers++
	r.trailBytes += r.at - before
	if _, _, ok := splitField(line); !ok {
		r.fail(fault.Of(fault.BadTrailer))
	} else if r.trailers > r.limits.Fields || r.trailBytes > r.limits.Head {
		r.fail(fault.Of(fault.HeadTooLarge))
	}
	return true
}

func (r *receiver) badChunkLine(res lineResult, why fault.Reason) bool {
	switch res {
	case lineOpen:
		return false
	case lineLong:
		r.fail(fault.Of(why))
	default:
		r.fail(fault.Of(fault.BadLineEnding))
	}
	return true
}
