package http1

// Classes of bytes, as bits of charClass.
const (
	tokenChar  = 1 << iota // RFC 9110 section 5.6.2: tchar
	valueChar              // RFC 9110 section 5.5: field-vchar, space, tab
	targetChar             // what a request target may hold, see below
	hexDigit
	alphanumeric
)

// charClass says which classes a byte is in.
//
// A target is stricter than what is often accepted and laxer than RFC 3986: of
// the visible ASCII characters only " < > and # are refused. Browsers send the
// remaining ones that the RFC excludes, [ ] ^ ` { | } and the backslash, as they
// are in queries; in paths the checks above this package decide.
var charClass = func() (class [256]uint8) {
	for c := range 256 {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			class[c] |= hexDigit | tokenChar | alphanumeric
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
			class[c] |= tokenChar | alphanumeric
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			class[c] |= valueChar
		}
		if '!' <= c && c <= '~' {
			class[c] |= targetChar
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		class[c] |= tokenChar
	}
	for _, c := range `"<>#` {
		class[c] &^= targetChar
	}
	return class
}()

// isAll reports whether every byte of b is in the class. Eight at a time are judged
// together: most of a head's bytes pass through here.
func isAll(b []byte, class uint8) bool {
	for ; len(b) >= 8; b = b[8:] {
		if charClass[b[0]]&charClass[b[1]]&charClass[b[2]]&charClass[b[3]]&
			charClass[b[4]]&charClass[b[5]]&charClass[b[6]]&charClass[b[7]]&class == 0 {
			return false
		}
	}
	for _, c := range b {
		if charClass[c]&class == 0 {
			return false
		}
	}
	return true
}

func hexValue(c byte) int64 {
	switch {
	case c <= '9':
		return int64(c - '0')
	case c >= 'a':
		return int64(c-'a') + 10
	}
	return int64(c-'A') + 10
}
