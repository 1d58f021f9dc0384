package book

// This file reads as much Markdown as the checks need: fences, headings, and the prose between
// them. Whatever stands in a fence or in a `code span` is an example and makes no claim: no
// directive, heading or link is found there.

import (
	"io/fs"
	"regexp"
	"strings"
	"unicode"
)

// Doc is one parsed page.
type Doc struct {
	Path     string // relative to the project
	Text     string // the file, byte for byte; offsets in a Doc count from its beginning
	Prose    []Line // lines outside fences
	Fences   []Fence
	Headings []Heading
}

// Line is one line of prose.
type Line struct {
	Number int    // from 1
	Start  int    // offset of its first byte
	Text   string // without the line's end; code spans are blanked out, byte for byte
	Raw    string // the same with its code spans
}

// Fence is one fenced block.
type Fence struct {
	Info       string // the word after the opening marks: go, console
	Line       int    // of the opening marks, from 1
	Start, End int    // offsets of the body, which includes its last line's end
	Directive  string // what stands in the comment on the line just above; empty for none
	Indented   bool   // in a list, say: such a fence cannot be checked, as its body is not the bytes shown
	Marks      int    // length of the opening marks
}

// Heading is one heading line.
type Heading struct {
	Level int // 1 to 6
	Line  int // from 1
	Text  string
}

var (
	fenceMarks  = regexp.MustCompile("^(\\s*)(```+)\\s*([^`\\s]*)[^`]*$")
	headingLine = regexp.MustCompile(`^(#{1,6})\s+(.*?)\s*#*\s*$`)
	commentLine = regexp.MustCompile(`^<!--\s*(.*?)\s*-->\s*$`)
	comment     = regexp.MustCompile(`<!--.*?-->`)
	codeSpan    = regexp.MustCompile("``[^`]*(?:`[^`]+)*``|`[^`]*`")
)

// Open reads and parses one page of the project.
func (p Project) Open(path string) (*Doc, error) {
	text, err := fs.ReadFile(p.FS, path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(text)), nil
}

// Parse never fails: to Markdown, every text is a document. A fence left open runs to the end.
func Parse(path, text string) *Doc {
	d := &Doc{Path: path, Text: text}
	var open *Fence
	number, start, above := 0, 0, ""
	for raw := range strings.Lines(text) {
		number++
		line := strings.TrimRight(raw, "\r\n")
		next := start + len(raw)
		switch marks := fenceMarks.FindStringSubmatch(line); {
		case open != nil && closes(line, open.Marks):
			open.End = start
			d.Fences = append(d.Fences, *open)
			open = nil
		case open != nil:
		case marks != nil:
			open = &Fence{Info: marks[3], Line: number, Start: next, Directive: above, Indented: marks[1] != "", Marks: len(marks[2])}
		default:
			d.prose(Line{Number: number, Start: start, Raw: line})
		}
		above = ""
		if m := commentLine.FindStringSubmatch(line); m != nil && open == nil {
			above = m[1]
		}
		start = next
	}
	if open != nil {
		open.End = len(text)
		d.Fences = append(d.Fences, *open)
	}
	return d
}

func (d *Doc) prose(l Line) {
	l.Text = codeSpan.ReplaceAllStringFunc(l.Raw, func(s string) string { return strings.Repeat(" ", len(s)) })
	d.Prose = append(d.Prose, l)
	if m := headingLine.FindStringSubmatch(l.Raw); m != nil {
		d.Headings = append(d.Headings, Heading{Level: len(m[1]), Line: l.Number, Text: m[2]})
	}
}

// closes reports whether line ends a fence that was opened by n marks.
func closes(line string, n int) bool {
	marks := strings.TrimSpace(line)
	return len(marks) >= n && strings.Trim(marks, "`") == ""
}

// Body gives the lines of a fence.
func (d *Doc) Body(f Fence) []string { return lines(d.Text[f.Start:f.End]) }

// lines splits a text whose last line may lack its end. The empty text has no lines.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edit gives the fix that makes body the body of f, or nil where a line of it would close the
// fence.
func (f Fence) edit(body []string) *Edit {
	for _, line := range body {
		if closes(line, f.Marks) {
			return nil
		}
	}
	text := ""
	if len(body) > 0 {
		text = strings.Join(body, "\n") + "\n"
	}
	return &Edit{Start: f.Start, End: f.End, New: text}
}

// finding begins a finding about a fence.
func (d *Doc) finding(f Fence, text string) Finding {
	line := f.Line
	if f.Directive != "" {
		line--
	}
	return Finding{File: d.Path, Line: line, Directive: f.Directive, Text: text}
}

// Words counts the words of the prose, folded or not, and of no fence.
func (d *Doc) Words() int {
	s := d.Size()
	return s.Words + s.Folded
}

// words counts runs of letters and digits between spaces, so that no table rule or directive is
// counted.
func words(line string) int {
	n := 0
	for _, word := range strings.Fields(comment.ReplaceAllString(line, " ")) {
		if strings.ContainsFunc(word, isWordRune) {
			n++
		}
	}
	return n
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
