package accesslog

// The two forms of a line. Every byte that a client chose goes through an escape here, so that no
// request can end a line, leave its quotes, or reach a terminal as a control sequence.

import (
	"strconv"
	"time"
	"unicode/utf8"

	"fourways/shared/logging"
)

// How much of a client's text a line takes, in bytes as they are written: an escape is six times as
// long as what it stands for. What is longer is cut, and ends in dots. A line of an error is short,
// so that nobody makes us write more by nonsense than it costs to send.
const (
	maxTarget  = 2 << 10
	maxHeader  = 512 // of Referer or User-Agent, or an upstream's name
	maxShort   = 64  // of method, version, request id, or a name asked for by TLS
	maxFailed  = 300 // of a target that was answered with an error
	maxFailing = 100 // of its Referer or User-Agent
	maxEscape  = 12  // that one character may become: \ud83d\ude00
	restOfLine = 512 // of times, numbers, names and the address
	maxLine    = maxTarget + 3*maxHeader + 4*maxShort + 8*(maxEscape+len(cutMark)) + restOfLine
)

// cutMark stands at the end of a text that was cut.
const cutMark = "..."

// bounds is how much a line takes of the target, and of each field.
func (e *Entry) bounds() (target, field int) {
	if e.Status >= 400 || e.Status == 0 {
		return maxFailed, maxFailing
	}
	return maxTarget, maxHeader
}

const (
	combinedTime = "02/Jan/2006:15:04:05 -0700"
	jsonTime     = "2006-01-02T15:04:05.000Z07:00"
)

// appendCombined writes the combined log format of Apache and nginx, and behind it the request id,
// the duration in seconds, the version and cipher of TLS, and the upstream with its times, where
// tools that know the format only do not look.
func appendCombined(line []byte, e *Entry) []byte {
	target, field := e.bounds()
	line = appendClient(line, e)
	line = append(line, " - - ["...)
	line = time.Unix(0, e.Time).AppendFormat(line, combinedTime)
	line = append(line, `] "`...)
	if len(e.Method) == 0 {
		line = append(line, '-') // a request line that could not be read
	} else {
		line = appendQuoted(line, e.Method, maxShort)
		line = append(line, ' ')
		line = appendQuoted(line, e.Target, target)
		line = append(line, ' ')
		line = appendQuoted(line, e.Proto, maxShort)
	}
	line = append(line, `" `...)
	if e.Status == 0 {
		line = append(line, "00"...) // three digits, for who reads lines
	}
	line = strconv.AppendInt(line, int64(e.Status), 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, e.Bytes, 10)
	line = append(line, ` "`...)
	line = appendOrDash(line, e.Referer, field)
	line = append(line, `" "`...)
	line = appendOrDash(line, e.UserAgent, field)
	line = append(line, `" "`...)
	line = appendOrDash(line, e.ID, maxShort)
	line = append(line, `" `...)
	line = appendSeconds(line, e.Duration)
	if e.TLS != "" {
		line = append(append(line, ' '), e.TLS...)
		line = append(append(line, ' '), e.Cipher...)
	}
	if e.Upstream != "" {
		line = append(line, ` "`...)
		line = appendQuotedString(line, e.Upstream)
		line = append(line, '"')
		for _, t := range e.stages() {
			line = append(line, ' ')
			line = appendSecondsOr(line, t, "-")
		}
	}
	return append(line, '\n')
}

// stages are the times of an upstream, in order.
func (e *Entry) stages() [3]int64 { return [...]int64{e.Connect, e.Head, e.Whole} }

// appendQuotedString is appendQuoted for a string, without memory of its own.
func appendQuotedString(line []byte, text string) []byte {
	var b [maxHeader]byte
	return appendQuoted(line, b[:copy(b[:], text)], maxHeader)
}

// appendSecondsOr writes seconds, or a text for a time that did not come.
func appendSecondsOr(line []byte, nanoseconds int64, none string) []byte {
	if nanoseconds < 0 {
		return append(line, none...)
	}
	return appendSeconds(line, nanoseconds)
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

// appendQuoted escapes as nginx does (log_format, escape=default): quote, backslash and everything
// that is not printable ASCII become \xHH, byte by byte.
func appendQuoted(line, text []byte, limit int) []byte {
	begin := len(line)
	for _, b := range text {
		if len(line)-begin >= limit {
			return append(line, cutMark...)
		}
		if b < ' ' || b > '~' || b == '"' || b == '\\' {
			line = append(line, '\\', 'x', hex[b>>4], hex[b&0xf])
		} else {
			line = append(line, b)
		}
	}
	return line
}

const hex = "0123456789ABCDEF"

// appendSeconds writes nanoseconds as seconds with six digits after the point.
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
	target, field := e.bounds()
	line = append(line, `{"time":"`...)
	line = time.Unix(0, e.Time).UTC().AppendFormat(line, jsonTime)
	line = append(line, `","client":"`...)
	line = appendClient(line, e)
	line = append(line, `","method":`...)
	line = appendString(line, e.Method, maxShort)
	line = append(line, `,"target":`...)
	line = appendString(line, e.Target, target)
	line = append(line, `,"proto":`...)
	line = appendString(line, e.Proto, maxShort)
	line = append(line, `,"status":`...)
	line = strconv.AppendInt(line, int64(e.Status), 10)
	line = append(line, `,"bytes":`...)
	line = strconv.AppendInt(line, e.Bytes, 10)
	line = append(line, `,"referer":`...)
	line = appendString(line, e.Referer, field)
	line = append(line, `,"user_agent":`...)
	line = appendString(line, e.UserAgent, field)
	line = append(line, `,"id":`...)
	line = appendString(line, e.ID, maxShort)
	line = append(line, `,"duration":`...)
	line = appendSeconds(line, e.Duration)
	if e.TLS != "" {
		line = append(append(append(line, `,"tls":"`...), e.TLS...), '"')
		line = append(append(append(line, `,"cipher":"`...), e.Cipher...), '"')
		line = strconv.AppendBool(append(line, `,"resumed":`...), e.Resumed)
		var name [maxShort + 1]byte // a string's bytes, without memory of their own
		n := copy(name[:], e.ServerName)
		line = appendString(append(line, `,"sni":`...), name[:n], maxShort)
	}
	if e.Upstream != "" {
		var name [maxHeader]byte
		n := copy(name[:], e.Upstream)
		line = appendString(append(line, `,"upstream":`...), name[:n], maxHeader)
		for i, t := range e.stages() {
			line = append(line, [...]string{`,"upstream_connect":`, `,"upstream_head":`, `,"upstream_whole":`}[i]...)
			line = appendSecondsOr(line, t, "null")
		}
	}
	return append(line, "}\n"...)
}

// appendString writes a JSON string (RFC 8259 7). A string is Unicode, so a byte that is no UTF-8
// becomes U+FFFD. What is not printable is escaped: control characters, U+2028 and U+2029, which
// JavaScript and some that count lines take for line ends, and marks that turn the direction of
// writing.
func appendString(line, text []byte, limit int) []byte {
	line = append(line, '"')
	begin := len(line)
	for i := 0; i < len(text); {
		if len(line)-begin >= limit {
			line = append(line, cutMark...)
			break
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == '"' || r == '\\' {
			line = append(line, '\\')
		}
		line = logging.AppendJSONRune(line, r)
		i += size
	}
	return append(line, '"')
}
