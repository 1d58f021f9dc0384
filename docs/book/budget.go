package book

// Budgets: how long a chapter may be. A reader has 45 minutes, so a chapter has at most so many
// words and so much of the project's code. Chapters that are longer than that have a line in
// docs/budget.txt with what they may be at most: `15-prefork 9900 1200 20 700`. A bound may only
// become smaller: -update lowers it to what the chapter has, and takes the line away once the
// chapter is within the budget.
//
// What is folded away (<details>) is counted apart: it is read by those who want to.

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Budgets is the file with the chapters that are over the budget.
const Budgets = "docs/budget.txt"

// Size is how long a chapter is, or may be.
type Size struct {
	Words    int // of prose, outside <details>
	Folded   int // words inside
	Listings int // of the project's code
	Lines    int // of these together
}

// Budget is what every chapter may have.
var Budget = Size{Words: 2800, Folded: 800, Listings: 6, Lines: 110}

// Bounds are rounded up: a sentence may be mended, and a listing grows with its function.
const (
	wordStep = 100
	lineStep = 25
)

// Size measures a chapter. A fence that is cut from the project's code is a listing.
func (d *Doc) Size() Size {
	var s Size
	folds := 0
	for _, l := range d.Prose {
		folds += strings.Count(l.Text, "<details")
		if folds > 0 {
			s.Folded += words(l.Raw)
		} else {
			s.Words += words(l.Raw)
		}
		folds -= strings.Count(l.Text, "</details>")
	}
	for _, f := range d.Fences {
		if k := kind(f.Directive); k == "code" || k == "diff" {
			s.Listings++
			s.Lines += len(d.Body(f))
		}
	}
	return s
}

// over names what is larger in s than in most.
func (s Size) over(most Size) []string {
	var out []string
	for _, x := range []struct {
		what      string
		has, most int
	}{
		{"words", s.Words, most.Words}, {"folded words", s.Folded, most.Folded},
		{"listings", s.Listings, most.Listings}, {"lines of code", s.Lines, most.Lines},
	} {
		if x.has > x.most {
			out = append(out, fmt.Sprintf("%d %s, and may have %d", x.has, x.what, x.most))
		}
	}
	return out
}

// Lengths finds the chapters that are longer than they may be, and gives the text that the file of
// the bounds should have: the same with no bound higher than it has to be.
func (p Project) Lengths(chapters []*Doc) (found []Finding, bounds string, err error) {
	recorded, head, err := p.bounds()
	if err != nil {
		return nil, "", err
	}
	var b strings.Builder
	b.WriteString(head)
	for _, d := range chapters {
		name := strings.TrimSuffix(path.Base(d.Path), ".md")
		most, is := recorded[name]
		delete(recorded, name)
		if !is {
			most = Budget
		}
		has := d.Size()
		for _, text := range has.over(most) {
			found = append(found, Finding{File: d.Path, Text: "it has " + text + ": fold, cut or divide it"})
		}
		if len(has.over(Budget)) > 0 && is {
			fmt.Fprintf(&b, "%s %s\n", name, has.bound(most))
		}
	}
	for name := range recorded {
		found = append(found, Finding{File: Budgets, Text: "there is no chapter " + name + ": take the line out"})
	}
	return found, b.String(), nil
}

// bound is the smallest bound that holds, never above the one before and never below the budget.
func (s Size) bound(most Size) string {
	round := func(n, step int) int { return (n + step - 1) / step * step }
	return fmt.Sprint(
		max(min(round(s.Words, wordStep), most.Words), Budget.Words), " ", max(min(round(s.Folded, wordStep), most.Folded), Budget.Folded), " ",
		max(min(s.Listings, most.Listings), Budget.Listings), " ", max(min(round(s.Lines, lineStep), most.Lines), Budget.Lines))
}

// bounds reads the file: the bound of each chapter's name, and the comment at its head.
func (p Project) bounds() (recorded map[string]Size, head string, err error) {
	recorded = map[string]Size{}
	text, err := fs.ReadFile(p.FS, Budgets)
	if errors.Is(err, fs.ErrNotExist) {
		return recorded, "", nil
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			head += line
			continue
		}
		var name string
		var s Size
		if n, _ := fmt.Sscan(line, &name, &s.Words, &s.Folded, &s.Listings, &s.Lines); n != 5 {
			return nil, "", fmt.Errorf("%s: %q is not a name and four numbers", Budgets, line)
		}
		recorded[name] = s
	}
	return recorded, head, err
}

// LowerBounds writes the file of the bounds, where it differs.
func (p Project) LowerBounds(bounds string) error {
	if now, err := fs.ReadFile(p.FS, Budgets); err != nil || string(now) == bounds {
		return err
	}
	return replaceFile(p.Path(Budgets), bounds)
}
