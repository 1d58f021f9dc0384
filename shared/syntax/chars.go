// Package syntax has the small words of HTTP's grammar: classes of bytes, lists, optional white
// space, and the host that a Host field or a target names (RFC 9110 5.6 and 7.2). It is below all
// that reads HTTP, so that there is only one definition of a token.
package syntax

// Classes of bytes, as bits of CharClass.
const (
	TokenChar  = 1 << iota // RFC 9110 5.6.2: tchar
	ValueChar              // RFC 9110 5.5: field-vchar, space, tab
	TargetChar             // what a request target may hold, see below
	HexDigit
	Alphanumeric
)

// CharClass says which classes a byte is in.
//
// A target is stricter than what is often accepted and laxer than RFC 3986: of
// the visible ASCII characters only " < > and # are refused. Browsers send the
// remaining ones that the RFC excludes, [ ] ^ ` { | } and the backslash, as they
// are in queries; in paths the checks above this package decide.
var CharClass = func() (class [256]uint8) {
	for c := range 256 {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			class[c] |= HexDigit | TokenChar | Alphanumeric
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
			class[c] |= TokenChar | Alphanumeric
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			class[c] |= ValueChar
		}
		if '!' <= c && c <= '~' {
			class[c] |= TargetChar
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		class[c] |= TokenChar
	}
	for _, c := range `"<>#` {
		class[c] &^= TargetChar
	}
	return class
}()

// IsAll reports whether every byte of b is in the class. Eight at a time are judged
// together: most of a head's bytes pass through here.
func IsAll(b []byte, class uint8) bool {
	for ; len(b) >= 8; b = b[8:] {
		if CharClass[b[0]]&CharClass[b[1]]&CharClass[b[2]]&CharClass[b[3]]&
			CharClass[b[4]]&CharClass[b[5]]&CharClass[b[6]]&CharClass[b[7]]&class == 0 {
			return false
		}
	}
	for _, c := range b {
		if CharClass[c]&class == 0 {
			return false
		}
	}
	return true
}

// HexValue is what a hexadecimal digit stands for.
func HexValue(c byte) int64 {
	switch {
	case c <= '9':
		return int64(c - '0')
	case c >= 'a':
		return int64(c-'a') + 10
	}
	return int64(c-'A') + 10
}
