package main

// A hunt: somebody gets a copy of the project in which a line, or a few, are wrong, and says where.
//
// The copy has no docs and no table of mutants, which would show it. What must not be done: nothing
// here may say more of the mutant than the hints that were taken did, nor write to the project.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fourways/tests/conformance"
	"fourways/tests/mutants"
	kept "fourways/tests/progress"
)

// Marks of a hunt, in points.
const (
	fullMark  = 10
	halfMark  = 5 // for the check alone
	hintCosts = 2
	allHints  = 3
	near      = 3 // lines beside the edit that are right as well
	tellCheck = 2 // the hint that tells the check: after it there is no mark for that
)

// hunt is the exercise.
type hunt struct {
	root     string
	progress *progress
	out      io.Writer
	pick     picker
}

var errNoHunt = errors.New("you are hunting nothing; go run ./tests/grade hunt begins")

// current is the mutant that is looked for.
func (h *hunt) current() (mutants.Mutant, error) {
	m, ok := mutants.Find(h.progress.Hunting)
	if !ok {
		return m, errNoHunt
	}
	return m, nil
}

// begin gives a copy with a mutant in it: the one named, or any that was not found yet.
func (h *hunt) begin(name, dir string) error {
	m, err := h.pick.one(name, func(m mutants.Mutant) bool {
		mark := h.progress.Hunts[m.Name]
		return mark != nil && (mark.Found || mark.Shown)
	})
	if err != nil {
		return err
	}
	if dir, err = makeCopy(h.root, dir, "fourways-hunt-", m); err != nil {
		return err
	}
	h.progress.Hunting, h.progress.Tree = m.Name, dir
	h.progress.of(m.Name)
	fmt.Fprintf(h.out, "In %s is this project with one fault, which shows in %s (%s).\nRun it, judge it, read it; then: go run ./tests/grade hunt -at FILE:LINE\n",
		dir, m.Stage, h.pick.where(m))
	return nil
}

// answer marks a FILE:LINE.
func (h *hunt) answer(at string) (status int, err error) {
	m, err := h.current()
	if err != nil {
		return usage, err
	}
	file, number, _ := strings.Cut(at, ":")
	line, err := strconv.Atoi(number)
	if err != nil {
		return usage, fmt.Errorf("%q is not FILE:LINE", at)
	}
	file = strings.TrimPrefix(filepath.ToSlash(file), filepath.ToSlash(h.progress.Tree)+"/")
	from, to, err := editedLines(h.root, m)
	if err != nil {
		return usage, err
	}
	if path.Clean(file) != m.File || line < from-near || line > to+near {
		fmt.Fprintln(h.out, "No, the fault is elsewhere.")
		return wrong, nil
	}
	mark := h.progress.of(m.Name)
	mark.Found = true
	if points := fullMark - hintCosts*mark.Hints; !mark.Shown {
		mark.Points = max(mark.Points, points)
	}
	fmt.Fprintf(h.out, "Yes: %d of %d points. %s\nIt is caught by %s.\n", mark.Points, fullMark, m.Why, m.Check)
	h.end()
	return right, nil
}

// fails reports whether a case of the suite fails at the copy. A fault may be caught by several, of
// which the judge tells any first.
func (h *hunt) fails(m mutants.Mutant, check string) (bool, error) {
	if !slices.ContainsFunc(conformance.Cases(), func(c conformance.Case) bool { return c.ID == check }) {
		return false, nil
	}
	dir, err := os.MkdirTemp("", "fourways-hunted-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	server, _, says, err := compile(h.root, h.progress.Tree, dir, m.Stage)
	if err == nil && says != nil {
		err = fmt.Errorf("the copy does not build:\n%s", says)
	}
	if err != nil {
		return false, err
	}
	failed, err := play(m, server, regexp.MustCompile("^"+regexp.QuoteMeta(check)+"$"))
	return len(failed) > 0, err
}

// symptom marks a check that fails.
func (h *hunt) symptom(check string) (status int, err error) {
	m, err := h.current()
	if err != nil {
		return usage, err
	}
	if check != string(m.Check) {
		fails, err := h.fails(m, check)
		if err != nil {
			return usage, err
		}
		if !fails {
			fmt.Fprintln(h.out, "That is neither the check that is meant, nor a case of the suite that fails.")
			return wrong, nil
		}
	}
	mark := h.progress.of(m.Name)
	mark.Check = true
	if points := halfMark - hintCosts*mark.Hints; !mark.Shown && mark.Hints < tellCheck {
		mark.Points = max(mark.Points, points)
	}
	fmt.Fprintf(h.out, "Yes, that fails: %d of %d points. Where is the fault?\n", mark.Points, fullMark)
	return right, nil
}

// hint tells one thing more.
func (h *hunt) hint() error {
	m, err := h.current()
	if err != nil {
		return err
	}
	mark := h.progress.of(m.Name)
	mark.Hints = min(mark.Hints+1, allHints)
	hints := hintsOf(m)
	for _, text := range hints[:mark.Hints] {
		fmt.Fprintln(h.out, text)
	}
	return nil
}

// hintsOf is what may be told of a mutant, a little more each time.
func hintsOf(m mutants.Mutant) [allHints]string {
	return [allHints]string{
		"In a few words: " + strings.ReplaceAll(m.Name, "-", " ") + ".",
		"What fails because of it: " + string(m.Check) + ".",
		"It is in " + path.Dir(m.File) + ".",
	}
}

// giveUp shows the solution.
func (h *hunt) giveUp() error {
	m, err := h.current()
	if err != nil {
		return err
	}
	diff, err := m.Diff(h.root)
	if err != nil {
		return err
	}
	h.progress.of(m.Name).Shown = true
	fmt.Fprintf(h.out, "%s\n%s\n\nIt is caught by %s.\n", diff, m.Why, m.Check)
	h.end()
	return nil
}

// end forgets what is hunted, and leaves the copy to whoever looks at it.
func (h *hunt) end() { h.progress.Hunting, h.progress.Tree = "", "" }

// editedLines are the first and the last line of the edit, from 1 on, as they are in the copy.
func editedLines(root string, m mutants.Mutant) (from, to int, err error) {
	text, err := m.Source(root)
	if err != nil {
		return 0, 0, err
	}
	edited, err := m.Apply(text)
	if err != nil {
		return 0, 0, err
	}
	before, after := strings.Split(text, "\n"), strings.Split(edited, "\n")
	same := 0
	for same < len(before) && same < len(after) && before[same] == after[same] {
		same++
	}
	end := 0
	for end < len(before)-same && end < len(after)-same && before[len(before)-1-end] == after[len(after)-1-end] {
		end++
	}
	return same + 1, max(same+1, len(after)-end), nil
}

// left are folders that a copy does not have: what tells of the mutants, and what no program needs.
var left = []string{".git", "docs", "tests/mutants", "tests/grade"}

// pages is the book that the stages serve. It shows the code as it ought to be.
const pages = "shared/course/pages/"

// withoutText keeps the first line of a page, which says what it is.
func withoutText(page string) string {
	head, _, _ := strings.Cut(page, "\n")
	return head + "\n<p>The text is not in this copy, since it shows the code without the fault.</p>\n"
}

// makeCopy makes a copy with a mutant in it, in a temporary folder if none is named.
func makeCopy(root, dir, prefix string, m mutants.Mutant) (_ string, err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", prefix); err != nil {
			return "", err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return dir, copyTree(root, dir, m)
}

// copyTree copies the project into a new folder and makes the mutant's edit there.
func copyTree(root, dir string, m mutants.Mutant) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is there already, and not empty", dir)
	}
	return filepath.WalkDir(root, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, from)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case slices.Contains(left, name) && d.IsDir():
			return fs.SkipDir
		case slices.Contains(left, name) || name == kept.File:
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		edited := string(text)
		if name == m.File {
			if edited, err = m.Apply(edited); err != nil {
				return err
			}
		}
		if strings.HasPrefix(name, pages) && path.Ext(name) == ".html" {
			edited = withoutText(edited)
		}
		if name == "go.work" {
			edited = strings.ReplaceAll(edited, "\t./docs\n", "")
		}
		return os.WriteFile(filepath.Join(dir, name), []byte(edited), 0o644)
	})
}
