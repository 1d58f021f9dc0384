package book

// Pairs: <!-- diff: FILE NAME -> FILE NAME; WORD WORD; … --> above a ```diff fence.
//
// The fence shows what leads from one declaration to another, without their doc comments: a line
// that only the first has begins with "-", one that only the second has with "+". A pair of words
// says that the first word in the first declaration counts as the second one: two stages call their
// receivers otherwise. A line "…" leaves out one or more lines. A declaration that a fence compares
// counts as shown (coverage.go).

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

var (
	diffDirective = regexp.MustCompile(`^diff: (\S+\.go) (\S+) -> (\S+\.go) ([^\s;]+)((?:; \S+ \S+)*)$`)
	errPair       = errors.New("write it as: diff: path/a.go name -> path/b.go name; word word")
)

// pair is what a diff directive asks for.
type pair struct {
	from, to listing
	words    []string // the first's, and what stands for it in the second
}

func parsePair(directive string) (pair, error) {
	m := diffDirective.FindStringSubmatch(directive)
	if m == nil {
		return pair{}, errPair
	}
	return pair{
		from:  listing{m[1], []string{m[2]}},
		to:    listing{m[3], []string{m[4]}},
		words: strings.FieldsFunc(m[5], func(r rune) bool { return r == ';' || r == ' ' }),
	}, nil
}

// pairRules: as in an output, a line "…" is a hole; bytes are compared as they are.
var pairRules = rules{hole: outputRules.hole, same: listingRules.same}

// Pairs checks every diff of a page.
func (p Project) Pairs(d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		if kind(f.Directive) != "diff" {
			continue
		}
		want, err := p.changes(f.Directive)
		switch {
		case err != nil:
			out = append(out, d.finding(f, err.Error()))
		case f.Info != "diff" || f.Indented:
			out = append(out, d.finding(f, "two declarations are compared in a ```diff fence at the margin"))
		default:
			out = append(out, d.compare(f, pairRules, d.Body(f), want)...)
		}
	}
	return out
}

// changes gives the lines that a diff directive's fence is to show.
func (p Project) changes(directive string) ([]string, error) {
	pair, err := parsePair(directive)
	if err != nil {
		return nil, err
	}
	from, err := p.bare(pair.from)
	if err != nil {
		return nil, err
	}
	to, err := p.bare(pair.to)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(pair.words); i += 2 {
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(pair.words[i]) + `\b`)
		for j := range from {
			from[j] = word.ReplaceAllString(from[j], pair.words[i+1])
		}
	}
	return allChanges(listingRules, from, to), nil
}

// bare gives a declaration without its doc comment.
func (p Project) bare(l listing) ([]string, error) {
	text, err := p.source(l)
	if err != nil {
		return nil, err
	}
	begin := slices.IndexFunc(text, func(line string) bool { return !strings.HasPrefix(line, "//") })
	return slices.Clone(text[max(begin, 0):]), nil
}
