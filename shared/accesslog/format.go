package accesslog

// The two forms of a line. Every byte that a client chose goes through an escape here, so that no request can end a
// line, leave its quotes, or reach a terminal as a control sequence.

import (
	"strconv"
	"time"
	"unicode/utf8"

	"fourways/shared/logging"
)

// How much of a client's text a line takes. What is longer is cut: a line has a bound, and a buffer a place for it.
const (
	maxTarget  = 8 << 10 // bytes
	maxHeader  = 2 << 10 // bytes of Referer or User-Agent
	maxShort   = 64      // bytes of method, version or request id
	maxEscape  = 6       // bytes that one byte may become: \u001b
	restOfLine = 512     // bytes of times, numbers, names and the address
	maxLine    = maxEscape*(maxTarget+2*maxHeader+3*maxShort) + restOfLine
)

const (
	combinedTime = "02/Jan/2006:15:04:05 -0700"
	jsonTime     = "2006-01-02T15:04:05.000Z07:00"
)

// appendCombined writes the combined log format of Apache and nginx, and behind it the request id and the duration in
// seconds, where tools that know the format only do not look.
func appendCombined(line []byte, e *Entry) []byte {
	line = appendClient(line, e)
	line = append(line, " - - ["...)
	line = time.Unix(0, e.Time).AppendFormat(line, combinedTime)
	line = append(line, `] "`...)
	if len(e.Method) == 0 {
		line = append(line, '-') // a request line that could not be read
	} else {
		line = appendQuoted(line, e.Method, maxShort)
		line = append(line, ' ')
		line = appendQuoted(line, e.Target, maxTarget)
		line = append(line, ' ')
		line = appendQuoted(line, e.Proto, maxShort)
	}
	line = append(line, `" `...)
	line = strconv.AppendInt(line, int64(e.Status), 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, e.Bytes, 10)
	line = append(line, ` "`...)
	line = appendOrDash(line, e.Referer, maxHeader)
	line = append(line, `" "`...)
	line = appendOrDash(line, e.UserAgent, maxHeader)
	line = append(line, `" "`...)
	line = appendOrDash(line, e.ID, maxShort)
	line = append(line, `" `...)
	line = appendSeconds(line, e.Duration)
	return append(line, '\n')
}

func appendClient(line []byte, e *Entry) []byte {
	if !e.Client.IsValid() { // a Unix socket
		return append(line, '-')
	}
	return e.Client.Unmap().WithZone("").AppendTo(line)
}

func appendOrDash(line, text []byte, limit int) []byte {
	if len(text) == 0 {
		return append(line, '-')
	}
	return appendQuoted(line, text, limit)
}

// appendQuoted escapes as nginx does (log_format, escape=default): quote, backslash and everything that is not printable
// ASCII become \xHH, byte by byte.
func appendQuoted(line, text []byte, limit int) []byte {
	for _, b := range text[:min(len(text), limit)] {
		if b < ' ' || b > '~' || b == '"' || b == '\\' {
			line = append(line, '\\', 'x', hex[b>>4], hex[b&0xf])
		} else {
			line = append(line, b)
		}
	}
	return line
}

const hex = "0123456789ABCDEF"

// appendSeconds writes nanoseconds as seconds with six digits behind the point.
func appendSeconds(line []byte, nanoseconds int64) []byte {
	const million = 1_000_000
	micros := max(nanoseconds, 0) / 1000
	line = strconv.AppendInt(line, micros/million, 10)
	line = append(line, '.')
	for digit := int64(million / 10); digit > 0; digit /= 10 {
		line = append(line, byte('0'+micros/digit%10))
	}
	return line
}

// appendJSON writes one object (RFC 8259).
func appendJSON(line []byte, e *Entry) []byte {
	line = append(line, `{"time":"`...)
	line = time.Unix(0, e.Time).UTC().AppendFormat(line, jsonTime)
	line = append(line, `","client":"`...)
	line = appendClient(line, e)
	line = append(line, `","method":`...)
	line = appendString(line, e.Method, maxShort)
	line = append(line, `,"target":`...)
	line = appendString(line, e.Target, maxTarget)
	line = append(line, `,"proto":`...)
	line = appendString(line, e.Proto, maxShort)
	line = append(line, `,"status":`...)
	line = strconv.AppendInt(line, int64(e.Status), 10)
	line = append(line, `,"bytes":`...)
	line = strconv.AppendInt(line, e.Bytes, 10)
	line = append(line, `,"referer":`...)
	line = appendString(line, e.Referer, maxHeader)
	line = append(line, `,"user_agent":`...)
	line = appendString(line, e.UserAgent, maxHeader)
	line = append(line, `,"id":`...)
	line = appendString(line, e.ID, maxShort)
	line = append(line, `,"duration":`...)
	line = appendSeconds(line, e.Duration)
	return append(line, "}\n"...)
}

// appendString writes a JSON string (RFC 8259 7). A string is Unicode, so a byte that is no UTF-8 becomes U+FFFD. What is
// not printable is escaped: control characters, U+2028 and U+2029, which JavaScript and some that count lines take for
// line ends, and marks that turn the direction of writing.
func appendString(line, text []byte, limit int) []byte {
	text = text[:min(len(text), limit)]
	line = append(line, '"')
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == '"' || r == '\\' {
			line = append(line, '\\')
		}
		line = logging.AppendJSONRune(line, r)
		i += size
	}
	return append(line, '"')
}
