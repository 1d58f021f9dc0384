package book

// Listings: <!-- code: FILE DECLARATION; DECLARATION --> above a ```go fence.
//
// The fence shows the declarations with their doc comments, byte for byte, in the order in which
// the directive names them, with one empty line between two of them. They are of one file; another
// file is another fence. A line "// …" in the fence, however far indented, leaves out one or more
// lines.

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

var (
	codeDirective = regexp.MustCompile(`^code:\s+(\S+\.go)\s+(\S.*)$`)
	typeArguments = regexp.MustCompile(`\[[^\]]*\]`)
)

// listing is what a code directive asks for.
type listing struct {
	path  string
	names []string
}

var errListing = errors.New("write it as: code: path/file.go name; (*type).method")

func parseListing(directive string) (listing, error) {
	m := codeDirective.FindStringSubmatch(directive)
	if m == nil {
		return listing{}, errListing
	}
	l := listing{path: m[1]}
	for name := range strings.SplitSeq(typeArguments.ReplaceAllString(m[2], ""), ";") {
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsAny(name, " \t") {
			return listing{}, errListing
		}
		l.names = append(l.names, name)
	}
	return l, nil
}

// listingRules: bytes are compared as they are.
var listingRules = rules{
	hole: func(line string) bool { return strings.TrimSpace(line) == "// …" },
	same: func(shown, now string) bool { return shown == now },
}

// Listings checks every listing of a page.
func (p Project) Listings(d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		switch kind(f.Directive) {
		case "code":
			out = append(out, p.checkListing(d, f)...)
		case "":
			out = append(out, checkSketch(d, f)...)
		}
	}
	return out
}

func (p Project) checkListing(d *Doc, f Fence) []Finding {
	l, err := parseListing(f.Directive)
	if err != nil {
		return []Finding{d.finding(f, err.Error())}
	}
	if f.Info != "go" || f.Indented {
		return []Finding{d.finding(f, "a listing is a ```go fence at the margin")}
	}
	now, err := p.source(l)
	if err != nil {
		return []Finding{d.finding(f, err.Error())}
	}
	return d.compare(f, listingRules, d.Body(f), now)
}

// source gives what the fence of a listing is to show.
func (p Project) source(l listing) ([]string, error) {
	var out []string
	for i, name := range l.names {
		one, err := p.find(l.path, name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, "")
		}
		out = append(out, one.lines...)
	}
	return out, nil
}

// compare gives the finding, if there is one, about a fence that shows an excerpt of now.
func (d *Doc) compare(f Fence, r rules, shown, now []string) []Finding {
	if len(shown) > 0 && !slices.ContainsFunc(shown, func(line string) bool { return !r.hole(line) }) {
		return []Finding{d.finding(f, "an elision alone shows nothing")}
	}
	if r.matches(shown, now) {
		return nil
	}
	fitted, err := r.refit(shown, now)
	if err != nil {
		return []Finding{d.finding(f, err.Error())}
	}
	return []Finding{d.repairable(f, diff(r, shown, fitted), fitted)}
}

// repairable gives a finding whose fix is a new body for the fence.
func (d *Doc) repairable(f Fence, text string, body []string) Finding {
	out := d.finding(f, text)
	if out.Fix = f.edit(body); out.Fix == nil {
		out.Text += "\na line of it would close the fence: open the fence with more marks"
	}
	return out
}

// checkSketch holds Go that is no listing to being Go: a file, declarations, or statements.
func checkSketch(d *Doc, f Fence) []Finding {
	if f.Info != "go" {
		return nil
	}
	body := strings.Join(d.Body(f), "\n")
	var err error
	for _, frame := range []string{"%s\n", "package p;%s\n", "package p; func _() {%s\n}"} {
		_, err = parser.ParseFile(token.NewFileSet(), "", fmt.Sprintf(frame, body), parser.SkipObjectResolution)
		if err == nil {
			return nil
		}
	}
	return []Finding{d.finding(f, "this is neither a Go file, nor declarations, nor statements: "+err.Error())}
}
