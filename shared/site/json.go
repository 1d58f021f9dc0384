package site

// Checking that an upload is one JSON text, while it arrives.
//
// A checker is a pushdown automaton over bytes: what it expects next, and the arrays and objects
// that are open. So a text may come in parts of any size. Each byte is looked at once, at about the
// speed of memory, and none is kept: an upload whose first bytes are wrong is refused at once, and
// checking a part costs no more than its length.
//
// What it takes is exactly one JSON text (RFC 8259 2) in UTF-8 (RFC 8259 8.1), nested at most
// maxDepth deep. json.Valid takes the same texts, except those that are not UTF-8; it wants the
// whole text at once. What a string or a number means is not looked at.

// expectation is what may come next in a JSON text.
type expectation uint8

const (
	aValue       expectation = iota // and nothing else
	aFirstValue                     // of an array, or its end
	aFirstName                      // of an object, or its end
	aName                           // after a comma
	aColon                          // after a name
	aComma                          // or the end of the array or object; white space at the top
	stringBytes                     // the rest of a string
	escapedByte                     // after a backslash
	hexDigits                       // of \uXXXX
	continuation                    // bytes of a character beyond ASCII
	wordBytes                       // the rest of true, false or null
	afterMinus                      // a digit
	afterZero                       // a fraction, an exponent, or the number's end
	inInteger                       // digits, or what may come after a zero
	afterPoint                      // a digit
	inFraction                      // digits, an exponent, or the number's end
	afterE                          // a sign or a digit
	afterSign                       // a digit
	inExponent                      // digits, or the number's end
	nothing                         // the text has gone wrong
)

// checker checks one text. The zero value is ready.
type checker struct {
	next     expectation
	name     bool     // the string under way is a name
	left     uint8    // hex digits, or bytes of a character, still to come
	lo, hi   byte     // what the character's next byte may be
	word     string   // what is still to come of it
	depth    int      // open arrays and objects
	isObject []uint64 // one bit for each of them
}

// take looks at the next part. It reports false when the text cannot become valid any more.
func (c *checker) take(p []byte) bool {
	for i := 0; i < len(p) && c.next != nothing; i++ {
		switch {
		case c.next == stringBytes:
			if i += plain(p[i:]); i < len(p) {
				c.special(p[i])
			}
		case c.next < stringBytes:
			c.structure(p[i])
		case c.next >= afterMinus:
			c.number(p[i])
		default:
			c.rest(p[i])
		}
	}
	return c.next != nothing
}

// end reports whether what has come is a whole text.
func (c *checker) end() bool {
	if endsNumber(c.next) {
		c.next = aComma
	}
	return c.next == aComma && c.depth == 0
}

// structure takes a byte between values.
func (c *checker) structure(b byte) {
	switch b {
	case ' ', '\t', '\n', '\r':
		return
	case ',':
		c.comma()
	case ':':
		c.expect(aColon, aValue)
	case ']':
		c.close(false, c.next == aFirstValue)
	case '}':
		c.close(true, c.next == aFirstName)
	case '"':
		c.quote()
	default:
		c.value(b)
	}
}

// expect goes on from one expectation to another.
func (c *checker) expect(from, to expectation) {
	if c.next != from {
		to = nothing
	}
	c.next = to
}

// comma separates what one array or object has.
func (c *checker) comma() {
	switch {
	case c.next != aComma || c.depth == 0:
		c.next = nothing
	case c.inObject():
		c.next = aName
	default:
		c.next = aValue
	}
}

// quote begins a string: a name or a value.
func (c *checker) quote() {
	c.name = c.next == aFirstName || c.next == aName
	if !c.name && c.next != aValue && c.next != aFirstValue {
		c.next = nothing
		return
	}
	c.next = stringBytes
}

// value begins any other value.
func (c *checker) value(b byte) {
	if c.next != aValue && c.next != aFirstValue {
		c.next = nothing
		return
	}
	switch {
	case b == '[':
		c.open(false, aFirstValue)
	case b == '{':
		c.open(true, aFirstName)
	case b == 't':
		c.next, c.word = wordBytes, "rue"
	case b == 'f':
		c.next, c.word = wordBytes, "alse"
	case b == 'n':
		c.next, c.word = wordBytes, "ull"
	case b == '-':
		c.next = afterMinus
	case b == '0':
		c.next = afterZero
	case isDigit(b):
		c.next = inInteger
	default:
		c.next = nothing
	}
}

func (c *checker) open(object bool, first expectation) {
	if c.depth == maxDepth {
		c.next = nothing
		return
	}
	word, bit := c.depth/64, uint64(1)<<(c.depth%64)
	if word == len(c.isObject) {
		c.isObject = append(c.isObject, 0)
	}
	c.isObject[word] &^= bit
	if object {
		c.isObject[word] |= bit
	}
	c.depth++
	c.next = first
}

// close ends an array or object. empty is that its first member may still come.
func (c *checker) close(object, empty bool) {
	if c.depth == 0 || c.inObject() != object || !empty && c.next != aComma {
		c.next = nothing
		return
	}
	c.depth--
	c.next = aComma
}

func (c *checker) inObject() bool {
	top := c.depth - 1
	return c.isObject[top/64]>>(top%64)&1 == 1
}

// special takes a byte of a string that is not plain.
func (c *checker) special(b byte) {
	switch {
	case b == '"' && c.name:
		c.next = aColon
	case b == '"':
		c.next = aComma
	case b == '\\':
		c.next = escapedByte
	default:
		c.character(b)
	}
}

// character takes the first byte of a character beyond ASCII (Unicode, table 3-7). Control
// characters are none, and neither are bytes that begin nothing.
func (c *checker) character(b byte) {
	c.next, c.lo, c.hi = continuation, 0x80, 0xBF
	switch {
	case b >= 0xC2 && b <= 0xDF:
		c.left = 1
	case b >= 0xE0 && b <= 0xEF:
		c.left = 2
	case b >= 0xF0 && b <= 0xF4:
		c.left = 3
	default:
		c.next = nothing
	}
	switch b {
	case 0xE0: // shorter forms exist
		c.lo = 0xA0
	case 0xED: // surrogates
		c.hi = 0x9F
	case 0xF0: // shorter forms exist
		c.lo = 0x90
	case 0xF4: // beyond U+10FFFF
		c.hi = 0x8F
	}
}

// rest takes the next byte of something whose length is known.
func (c *checker) rest(b byte) {
	switch {
	case c.next == escapedByte && b == 'u':
		c.next, c.left = hexDigits, 4
	case c.next == escapedByte && isEscape(b):
		c.next = stringBytes
	case c.next == wordBytes && b == c.word[0]:
		if c.word = c.word[1:]; c.word == "" {
			c.next = aComma
		}
	case c.next == hexDigits && isHex(b), c.next == continuation && c.lo <= b && b <= c.hi:
		c.lo, c.hi = 0x80, 0xBF
		if c.left--; c.left == 0 {
			c.next = stringBytes
		}
	default:
		c.next = nothing
	}
}

// number takes a byte of a number, or the one after it (RFC 8259 6).
func (c *checker) number(b byte) {
	before := c.next
	switch {
	case isDigit(b):
		c.digit(b)
	case b == '.' && (before == afterZero || before == inInteger):
		c.next = afterPoint
	case (b == 'e' || b == 'E') && before != inExponent && endsNumber(before):
		c.next = afterE
	case (b == '+' || b == '-') && before == afterE:
		c.next = afterSign
	case endsNumber(before):
		c.next = aComma
		c.structure(b)
	default:
		c.next = nothing
	}
}

func (c *checker) digit(b byte) {
	switch c.next {
	case afterMinus:
		if c.next = inInteger; b == '0' {
			c.next = afterZero
		}
	case afterZero:
		c.next = nothing // no leading zeros
	case afterPoint:
		c.next = inFraction
	case afterE, afterSign:
		c.next = inExponent
	}
}

// endsNumber reports whether a number may end here.
func endsNumber(e expectation) bool {
	return e == afterZero || e == inInteger || e == inFraction || e == inExponent
}

// plain is how many bytes at the beginning of p stand for themselves in a string.
func plain(p []byte) int {
	for i, b := range p {
		if b < ' ' || b == '"' || b == '\\' || b >= 0x80 {
			return i
		}
	}
	return len(p)
}

func isDigit(b byte) bool { return b-'0' < 10 }

func isHex(b byte) bool { return isDigit(b) || b|0x20-'a' < 6 }

func isEscape(b byte) bool {
	switch b {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}
