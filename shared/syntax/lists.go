package syntax

import "iter"

// Values of fields: lists, white space, case.
//
// These are pure functions, for any thread. The slices that they return point into the argument:
// nothing is copied. What must not be done: nothing but spaces and tabs may be cut as white space,
// and no letters but those of ASCII may be folded, or we read something else than others do.

// ListContains reports whether a comma-separated list has the token, in any case (RFC 9110 5.6.1).
// token is in lower case.
func ListContains(list []byte, token string) bool {
	for item := range ListItems(list) {
		if EqualFold(item, token) {
			return true
		}
	}
	return false
}

// ListItems yields the items of a comma-separated list without the white space
// around them, skipping empty ones. Commas inside quoted strings separate too:
// it is for lists of tokens.
func ListItems(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			end := 0
			for end < len(list) && list[end] != ',' {
				end++
			}
			if item := TrimOWS(list[:end]); len(item) > 0 && !yield(item) {
				return
			}
			list = list[min(end+1, len(list)):]
		}
	}
}

// TrimOWS cuts optional white space, spaces and tabs, from both ends (RFC 9110 5.6.3).
func TrimOWS(b []byte) []byte {
	b = SkipOWS(b)
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// SkipOWS cuts optional white space from the beginning.
func SkipOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// EqualFold reports whether b is s except for the case of ASCII letters. s is in lower case.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}
