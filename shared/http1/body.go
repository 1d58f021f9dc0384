package http1

import "bytes"

// bodyPart hands out what is here of a body of known length or of a chunk's data.
// It reports false when nothing is, or nothing is left to come.
func (c *Conn) bodyPart() bool {
	if c.left == 0 {
		if c.rx == rxData {
			c.enter(rxDataEnd)
		} else {
			c.enter(rxEnd)
		}
		return false
	}
	n := int(min(int64(c.w-c.r), c.left))
	if n == 0 {
		c.compactBody()
		return false
	}
	c.body = c.buf[c.r : c.r+n]
	c.r += n
	c.scan = c.r
	c.left -= int64(n)
	c.bodyBytes += int64(n)
	return true
}

// compactBody moves what has not been parsed of a body to where the head ends.
func (c *Conn) compactBody() {
	if c.r > c.bodyAt {
		shift := c.r - c.bodyAt
		c.w = c.bodyAt + copy(c.buf[c.bodyAt:], c.buf[c.r:c.w])
		c.scan = max(c.scan-shift, c.bodyAt)
		c.r = c.bodyAt
	}
}

// chunkFraming parses what stands between the data of a chunked body (RFC 9112
// section 7.1). It reports false while it needs more.
func (c *Conn) chunkFraming() bool {
	switch c.rx {
	case rxSize:
		return c.chunkSize()
	case rxDataEnd:
		return c.chunkDataEnd()
	default:
		return c.trailerLine()
	}
}

// chunkSize parses a size line: hexadecimal digits, then extensions, which are
// bounded and ignored.
func (c *Conn) chunkSize() bool {
	line, res := c.line(maxChunkLine)
	if res != lineFound {
		return c.badChunkLine(res, BadChunk)
	}
	digits := 0
	var size int64
	for digits < len(line) && charClass[line[digits]]&hexDigit != 0 {
		if digits == maxChunkDigits {
			c.fail(400, BadChunk)
			return true
		}
		size = size<<4 | hexValue(line[digits])
		digits++
	}
	ext := line[digits:]
	c.extBytes += len(ext)
	if digits == 0 || !validExtension(ext) || c.extBytes > maxExtensions {
		c.fail(400, BadChunk)
		return true
	}
	if size > c.cfg.Body-c.bodyBytes {
		c.fail(413, BodyTooLarge)
		return true
	}
	if size == 0 {
		c.enter(rxTrailer)
		return true
	}
	c.left = size
	c.enter(rxData)
	return true
}

// validExtension accepts nothing, or a semicolon, which white space may precede (RFC 9110
// section 5.6.3: a recipient must bear it), and any text behind it. White space alone is
// no extension.
func validExtension(ext []byte) bool {
	text := TrimOWS(ext)
	return len(ext) == 0 || len(text) > 0 && text[0] == ';' && isAll(ext, valueChar)
}

// chunkDataEnd wants exactly CR LF behind a chunk's data.
func (c *Conn) chunkDataEnd() bool {
	have := c.buf[c.r:min(c.w, c.r+2)]
	if !bytes.HasPrefix(crlf, have) {
		c.fail(400, BadChunk)
		return true
	}
	if len(have) < 2 {
		return false
	}
	c.r += 2
	c.scan = c.r
	c.enter(rxSize)
	return true
}

// trailerLine parses and drops one line of the trailer section (RFC 9112 section
// 7.1.2): no trailer changes anything here.
func (c *Conn) trailerLine() bool {
	before := c.r
	line, res := c.line(maxTrailerLine)
	if res != lineFound {
		return c.badChunkLine(res, BadTrailer)
	}
	if len(line) == 0 {
		c.enter(rxEnd)
		return true
	}
	c.trailers++
	c.trailBytes += c.r - before
	if _, _, ok := splitField(line); !ok {
		c.fail(400, BadTrailer)
	} else if c.trailers > c.cfg.Fields || c.trailBytes > c.cfg.Head {
		c.fail(431, HeadTooLarge)
	}
	return true
}

func (c *Conn) badChunkLine(res lineResult, why Reason) bool {
	switch res {
	case lineOpen:
		return false
	case lineLong:
		c.fail(400, why)
	default:
		c.fail(400, BadLineEnding)
	}
	return true
}
