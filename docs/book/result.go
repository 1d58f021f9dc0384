package book

// Results: <!-- result: FILE KEY -->1.84<!-- /result --> within one line of prose.
//
// docs/results/FILE.json is one JSON object of plain values, written by a measurement and committed
// with it. The text between the two comments is the value's own: a string without its quotes, a
// number as the file writes it. How many digits a number deserves is known where it was measured,
// so nothing is rounded here. Of the bench's recorded run, measured.go tells, and of the labs'
// runs, lab.go.

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
	return d.pairs(resultOpen, resultClose, "result", func(arg, shown string) (string, error) {
		if words := strings.Fields(arg); len(words) > 2 && words[0] == benchFile {
			return p.measured(words[1:], shown)
		} else if len(words) > 2 && words[0] == labWord {
			return p.drawn(strings.TrimPrefix(arg, labWord+" "), shown)
		}
		return p.result(arg)
	})
}

// pairs looks at every text between an opening comment and its closing one. The right text is what
// right makes of the comment's words and the text shown.
func (d *Doc) pairs(open, end *regexp.Regexp, what string, right func(arg, shown string) (string, error)) []Finding {
	var out []Finding
	for _, l := range d.Prose {
		opens, ends := open.FindAllStringSubmatchIndex(l.Text, -1), end.FindAllStringIndex(l.Text, -1)
		unpaired := len(opens) != len(ends)
		for i := 0; i < len(opens) && !unpaired; i++ {
			from, to := opens[i][1], ends[i][0]
			if unpaired = to < from || strings.Contains(l.Text[from:to], "<!--"); unpaired {
				break
			}
			arg, shown := l.Text[opens[i][2]:opens[i][3]], l.Raw[from:to]
			f := Finding{File: d.Path, Line: l.Number, Directive: what + ": " + arg}
			switch want, err := right(arg, shown); {
			case err != nil:
				f.Text = err.Error()
				out = append(out, f)
			case shown != want:
				f.Text = fmt.Sprintf("the page says %q, the %s is %q", shown, what, want)
				f.Fix = &Edit{Start: l.Start + from, End: l.Start + to, New: want}
				out = append(out, f)
			}
		}
		if unpaired {
			out = append(out, Finding{File: d.Path, Line: l.Number, Text: fmt.Sprintf("%s and /%s must stand in pairs on one line", what, what)})
		}
	}
	return out
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
