package book

// Results: <!-- result: FILE KEY -->1.84<!-- /result --> within one line of prose.
//
// docs/results/FILE.json is one JSON object of plain values, written by a measurement and committed
// with it. The text between the two comments is the value's own: a string without its quotes, a
// number as the file writes it. How many digits a number deserves is known where it was measured,
// so nothing is rounded here.

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

const resultsDir = "docs/results/"

var (
	resultOpen  = regexp.MustCompile(`<!--\s*result\b:?\s*(.*?)\s*-->`)
	resultClose = regexp.MustCompile(`<!--\s*/\s*result\s*-->`)
)

// Results checks every number of a page that claims to come from a result file.
func (p Project) Results(d *Doc) []Finding {
	var out []Finding
	for _, l := range d.Prose {
		opens, closes := resultOpen.FindAllStringSubmatchIndex(l.Text, -1), resultClose.FindAllStringIndex(l.Text, -1)
		if len(opens) != len(closes) {
			out = append(out, Finding{File: d.Path, Line: l.Number, Text: "result and /result must stand in pairs on one line"})
			continue
		}
		for i, o := range opens {
			out = append(out, p.checkResult(d, l, l.Text[o[2]:o[3]], o[1], closes[i][0])...)
		}
	}
	return out
}

// checkResult compares the bytes [from, to) of a line with the value that arg names.
func (p Project) checkResult(d *Doc, l Line, arg string, from, to int) []Finding {
	f := Finding{File: d.Path, Line: l.Number, Directive: "result: " + arg}
	if to < from || strings.Contains(l.Text[from:to], "<!--") {
		f.Text = "result and /result must stand in pairs on one line"
		return []Finding{f}
	}
	want, err := p.result(arg)
	if err != nil {
		f.Text = err.Error()
		return []Finding{f}
	}
	if shown := l.Raw[from:to]; shown != want {
		f.Text = fmt.Sprintf("the page says %q, the result is %q", shown, want)
		f.Fix = &Edit{Start: l.Start + from, End: l.Start + to, New: want}
		return []Finding{f}
	}
	return nil
}

// result looks up "FILE KEY".
func (p Project) result(arg string) (string, error) {
	words := strings.Fields(arg)
	if len(words) != 2 {
		return "", fmt.Errorf("write it as: result: FILE KEY")
	}
	path := resultsDir + words[0] + ".json"
	text, err := fs.ReadFile(p.FS, path)
	if err != nil {
		return "", err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	raw, ok := values[words[1]]
	if !ok {
		return "", fmt.Errorf("%s has no key %q", path, words[1])
	}
	return plain(path, words[1], raw)
}

// plain writes one JSON value as a page does.
func plain(path, key string, raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '{', '[', 'n':
		return "", fmt.Errorf("%s: %q is not a number, string or boolean", path, key)
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	return string(raw), nil
}
