package guard

// A target's path, decoded once and found harmless as text.
//
// Path keeps nothing: the result lies in the memory that its caller lends. What must not be done: a
// path must not be decoded again after this, here or by a caller, or %252e would become a dot, and
// a way out.

import (
	"unicode"
	"unicode/utf8"

	"fourways/shared/fault"
)

// Path decodes a target's path into dst, which it returns grown, and refuses what
// could be read as a way out of the root by anything that touches the path later.
// raw begins with a slash; so does the result, and a slash at its end is kept.
//
// It is decoded once (RFC 3986 2.4), and then checked in the form in which the file system gets it.
// 400 is for bytes without a meaning: a broken percent-encoding, text that is not UTF-8. 403 is for
// what no honest client asks for: a segment that is empty or dots only, a backslash, a control
// character, an encoded slash. 400 wins where both apply.
func Path(dst, raw []byte) ([]byte, fault.Fault) {
	if len(raw) == 0 || raw[0] != '/' {
		return dst, fault.Of(fault.BadTarget)
	}
	if plain(raw) {
		return append(dst, raw...), fault.Fault{}
	}
	from := len(dst)
	dst, slash, ok := decode(dst, raw)
	path := dst[from:]
	if !ok || !utf8.Valid(path) {
		return dst[:from], fault.Of(fault.BadPathEncoding)
	}
	if slash || !harmlessText(path) || !harmlessSegments(path) {
		return dst[:from], fault.Of(fault.PathTraversal)
	}
	return dst, fault.Fault{}
}

// plain reports whether a path is like nearly all: letters, digits and - _ . in segments that are
// neither empty nor begin with a dot. Such a path needs no decoding, and nothing in it is refused.
// One pass finds that out.
func plain(raw []byte) bool {
	before := byte(0)
	for _, c := range raw {
		if !plainByte[c] || before == '/' && (c == '/' || c == '.') {
			return false
		}
		before = c
	}
	return true
}

// plainByte says what may stand in a plain path: a table is one look per byte.
var plainByte = func() (plain [256]bool) {
	for c := range 256 {
		plain[c] = isAlphanumeric(byte(c)) || c == '-' || c == '_' || c == '.' || c == '/'
	}
	return plain
}()

// decode appends raw to dst, percent-decoded. slash reports whether one of the encoded characters
// was a slash; ok, whether two hexadecimal digits follow each percent sign.
func decode(dst, raw []byte) (_ []byte, slash, ok bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if len(raw)-i < 3 {
				return dst, false, false
			}
			high, low := unhex(raw[i+1]), unhex(raw[i+2])
			if high < 0 || low < 0 {
				return dst, false, false
			}
			c = byte(high<<4 | low)
			slash = slash || c == '/'
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, slash, true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// harmlessText reports whether the text, which is UTF-8, has neither a backslash, which some
// systems take for a slash, nor a control character, those after ASCII included.
func harmlessText(path []byte) bool {
	for i := 0; i < len(path); {
		c := path[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f || c == '\\' {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(path[i:])
		if unicode.IsControl(r) {
			return false
		}
		i += size
	}
	return true
}

// harmlessSegments reports whether no segment is empty or dots only. The path begins with a slash
// and may end with one. To some servers that we pass requests on to, what follows a semicolon in a
// segment are its parameters (RFC 3986 3.3), and "..;" is a parent.
func harmlessSegments(path []byte) bool {
	dots, others := 0, 0
	for _, c := range path[1:] {
		switch {
		case c == '/':
			if others == 0 {
				return false
			}
			dots, others = 0, 0
		case c == '.':
			dots++
		case c == ';' && dots > 0 && others == 0:
			return false
		default:
			others++
		}
	}
	return others > 0 || dots == 0
}
