package logging

// The text form. slog's own text handler quotes the message and writes the time as an attribute,
// which is right for machines; this one is for a terminal, and for a fail2ban filter that is a
// pattern over whole lines.

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

const (
	timeLayout = "2006-01-02 15:04:05"
	levelKey   = "level"
	lineSize   = 256     // bytes that a new line buffer has room for
	keepSize   = 8 << 10 // bytes; a buffer that grew beyond this is not kept
)

// textHandler is immutable; WithAttrs and WithGroup make changed copies, as slog.Handler asks.
type textHandler struct {
	out    io.Writer
	level  slog.Leveler
	worker string // shown in brackets; empty for none
	attrs  []byte // ` key=value` of With, ready to append
	prefix string // of keys inside groups: "group."
}

var lines = sync.Pool{New: func() any { line := make([]byte, 0, lineSize); return &line }}

func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	buf := lines.Get().(*[]byte)
	line := h.format((*buf)[:0], &r)
	_, err := h.out.Write(line)
	if cap(line) <= keepSize {
		*buf = line
		lines.Put(buf)
	}
	return err
}

func (h *textHandler) format(line []byte, r *slog.Record) []byte {
	if !r.Time.IsZero() {
		line = append(line, '[')
		line = r.Time.AppendFormat(line, timeLayout)
		line = append(line, "] "...)
	}
	worker := h.worker
	r.Attrs(func(a slog.Attr) bool {
		if h.names(a) {
			worker = a.Value.Resolve().String()
		}
		return true
	})
	if worker != "" {
		line = append(line, '[')
		line = appendEscaped(line, worker, '[', ']')
		line = append(line, "] "...)
	}
	line = appendEscaped(line, r.Message)
	if r.Level >= slog.LevelWarn {
		line = appendAttr(line, "", slog.Any(levelKey, r.Level))
	}
	line = append(line, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		if !h.names(a) {
			line = appendAttr(line, h.prefix, a)
		}
		return true
	})
	return append(line, '\n')
}

// names reports whether a says who speaks.
func (h *textHandler) names(a slog.Attr) bool { return h.prefix == "" && a.Key == WorkerKey }

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	changed := *h
	changed.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		if h.names(a) {
			changed.worker = a.Value.Resolve().String()
		} else {
			changed.attrs = appendAttr(changed.attrs, h.prefix, a)
		}
	}
	return &changed
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	changed := *h
	changed.prefix += name + "."
	return &changed
}

// appendAttr appends ` key=value`, quoted where a blank or a sign could make two readings of it.
func appendAttr(line []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			line = appendAttr(line, prefix, member)
		}
		return line
	}
	if a.Equal(slog.Attr{}) {
		return line
	}
	line = append(line, ' ')
	line = appendEscaped(line, prefix+a.Key, ' ', '=', '"')
	line = append(line, '=')
	text := value.String()
	if bare(text) {
		return append(line, text...)
	}
	line = append(line, '"')
	line = appendEscaped(line, text, '"')
	return append(line, '"')
}

// bare reports whether a value needs neither quotes nor escapes.
func bare(s string) bool {
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || r == '\\' || r == utf8.RuneError || !strconv.IsPrint(r) {
			return false
		}
	}
	return s != ""
}

// appendEscaped appends s with a backslash escape for everything that is not printable: line
// breaks, terminal control sequences, marks that turn the direction of writing, bytes that are no
// UTF-8. The backslash itself is doubled, and special characters get one, so that every line has
// one reading.
func appendEscaped(line []byte, s string, special ...rune) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			line = append(line, `\x`...)
			line = append(line, hex[s[i]>>4], hex[s[i]&0xf])
		case r == '\\' || slices.Contains(special, r):
			line = append(line, '\\')
			line = utf8.AppendRune(line, r)
		case strconv.IsPrint(r):
			line = utf8.AppendRune(line, r)
		default:
			quoted := len(line)
			line = strconv.AppendQuoteRune(line, r) // '\n', '\x1b', '\u202e'
			line = slices.Delete(line[:len(line)-1], quoted, quoted+1)
		}
		i += size
	}
	return line
}

const hex = "0123456789abcdef"
