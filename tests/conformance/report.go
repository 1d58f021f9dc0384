package conformance

// How a failure is shown: what was expected, by which section, and the bytes of both
// directions with a caret beneath the one that matters.

import (
	"bytes"
	"fmt"
	"strings"

	"fourways/shared/plural"
)

// Bounds of what a report shows.
const (
	shownFirst  = 12  // lines of each direction from its beginning
	shownAround = 6   // lines before and after the one with the caret
	shownWidth  = 110 // bytes of a line, around the caret
)

// Explain describes the failures of a result over several lines.
func (r *Result) Explain() string {
	var b strings.Builder
	c := r.Case
	fmt.Fprintf(&b, "%s: %s", c.ID, c.Says)
	if c.RFC != "" {
		fmt.Fprintf(&b, " (RFC %s)", c.RFC)
	}
	if c.Quote != "" {
		fmt.Fprintf(&b, "\n  \"%s\"", c.Quote)
	}
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "\n  played %s", f.Played())
		if c.variant != Default {
			fmt.Fprintf(&b, ", server %q", c.variant)
		}
		for _, fault := range f.Faults {
			fmt.Fprintf(&b, "\n  %s: %s", fault.Level, fault.Text)
			if fault.RFC != "" && fault.RFC != c.RFC {
				fmt.Fprintf(&b, " (RFC %s)", fault.RFC)
			}
		}
		b.WriteString("\n" + f.Transcript(f.caret()))
	}
	return b.String()
}

// caret is the offset of the first byte received that a fault blames, -1 for none.
func (f *Failure) caret() int {
	for _, fault := range f.Faults {
		if fault.At >= 0 {
			return fault.At
		}
	}
	return -1
}

// Played says how the bytes went out.
func (f *Failure) Played() string {
	if f.How == Whole && len(f.Sent) > len(probe) && bytes.HasSuffix(f.Sent, []byte(probe)) {
		return f.How.String() + ", and another request after the answer"
	}
	return f.How.String()
}

// Transcript shows the bytes of both directions, with a caret beneath the byte received at an
// offset, or beneath none for -1.
func (f *Failure) Transcript(at int) string {
	var b strings.Builder
	show(&b, "sent", f.Sent, f.Mark)
	show(&b, "received", f.Received, at)
	return strings.TrimPrefix(b.String(), "\n")
}

// wireLine is one line of a transcript as it is shown.
type wireLine struct {
	text  string
	caret int // column of the caret beneath, -1 for none
}

// show writes bytes escaped, a wire line to a line, with a caret beneath the byte at
// mark. Of a long transcript it writes the beginning and what is around the caret.
func show(b *strings.Builder, what string, wire []byte, mark int) {
	fmt.Fprintf(b, "\n  %s, %s:", what, plural.Of(len(wire), "byte", "bytes"))
	lines, at := wireLines(wire, mark)
	hidden := 0
	for i, line := range lines {
		if i >= shownFirst && (i < at-shownAround || i > at+shownAround) {
			hidden++
			continue
		}
		gap(b, &hidden)
		b.WriteString("\n    " + line.text)
		if line.caret >= 0 {
			b.WriteString("\n    " + strings.Repeat(" ", line.caret) + "^")
		}
	}
	gap(b, &hidden)
}

// gap writes how many lines were left out.
func gap(b *strings.Builder, hidden *int) {
	if *hidden > 0 {
		fmt.Fprintf(b, "\n    … %s …", plural.Of(*hidden, "line", "lines"))
	}
	*hidden = 0
}

// wireLines cuts bytes at their line feeds. at is the number of the line with the caret, or 0. A
// caret at the very end stands after the last line.
func wireLines(wire []byte, mark int) (lines []wireLine, at int) {
	for from := 0; from < len(wire); {
		to := endOfLine(wire, from)
		if from <= mark && (mark < to || mark == to && to == len(wire)) {
			text, column := window(wire, from, to, mark)
			at, lines = len(lines), append(lines, wireLine{text, column})
		} else {
			lines = append(lines, wireLine{escape(wire, from, to), -1})
		}
		from = to
	}
	return lines, at
}

// endOfLine is the offset after the next LF, or the end.
func endOfLine(b []byte, from int) int {
	if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(b)
}

// escape writes wire[from:to] on one line, shortened in the middle.
func escape(wire []byte, from, to int) string {
	if to-from > shownWidth {
		return quote(wire[from:from+shownWidth/2]) + " … " + quote(wire[to-shownWidth/4:to])
	}
	return quote(wire[from:to])
}

// window is escape around the byte at mark, with the column at which it stands.
func window(wire []byte, from, to, mark int) (text string, column int) {
	start, end := max(from, mark-shownWidth/2), min(to, mark+shownWidth/2)
	before := quote(wire[start:mark])
	if start > from {
		before = "… " + before
	}
	return before + quote(wire[mark:end]), len([]rune(before))
}

// quote is strconv.Quote for bytes of which most are ASCII: one escape a byte, so
// that a caret can point at it.
func quote(wire []byte) string {
	var b strings.Builder
	for _, c := range wire {
		switch {
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
