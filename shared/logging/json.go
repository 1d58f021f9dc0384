package logging

// The JSON form. slog escapes what JSON demands, and leaves the rest of Unicode as it is: the
// control characters after ASCII, one of which some terminals take for ESC [, and marks that turn
// the direction of writing. A log is read at a terminal in this form too.

import (
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// printable writes lines of JSON with everything escaped that is not printable. In such a
// line, those characters can only stand in a string, where an escape means the same.
type printable struct{ w io.Writer }

// Write takes whole lines.
func (p printable) Write(lines []byte) (int, error) {
	plain := 0
	for plain < len(lines) && lines[plain] < 0x7f {
		plain++
	}
	if plain == len(lines) {
		return p.w.Write(lines)
	}
	escaped := append(make([]byte, 0, 2*len(lines)), lines[:plain]...)
	for i := plain; i < len(lines); {
		r, size := utf8.DecodeRune(lines[i:])
		if r < 0x7f {
			escaped = append(escaped, byte(r)) // the line's own end is no character of a string
		} else {
			escaped = AppendJSONRune(escaped, r)
		}
		i += size
	}
	if _, err := p.w.Write(escaped); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// AppendJSONRune appends a character to a string of JSON (RFC 8259 7), escaped if it is not
// printable. Quotation marks and backslashes are the caller's affair.
func AppendJSONRune(b []byte, r rune) []byte {
	switch {
	case strconv.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(b, high), low)
	}
	return appendUnit(b, r)
}

// appendUnit appends one unit of UTF-16.
func appendUnit(b []byte, u rune) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '\\', 'u', digits[u>>12&0xf], digits[u>>8&0xf], digits[u>>4&0xf], digits[u&0xf])
}
