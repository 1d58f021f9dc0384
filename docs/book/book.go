// Package book checks that what the chapters say is so: that a listing is the source's own bytes,
// that a command prints what the page shows, that a number stands in a committed result, that a
// link leads somewhere.
//
// A chapter is an ordinary Markdown file. What is to be checked is marked by an HTML comment, which
// a reader never sees:
//
//	<!-- code: FILE DECLARATION; DECLARATION -->   above a ```go fence: the fence is those declarations (listing.go)
//	<!-- run -->                                   above a ```console fence: its `$ ` lines are commands (run.go)
//	<!-- run: COMMAND -->                          above any fence: the fence is what COMMAND prints
//	<!-- not run: REASON -->                       above a ```console fence that cannot be repeated in a test
//	<!-- recorded: DATE SYSTEM MARK: FILE NAME -->  above a ```console fence: a transcript of those functions (recorded.go)
//	<!-- diff: FILE NAME -> FILE NAME -->          above a ```diff fence: what leads from one declaration to another (pair.go)
//	<!-- result: FILE KEY -->1.84<!-- /result -->  within a line: the number is KEY of docs/results/FILE.json (result.go)
//	<!-- const: FOLDER NAME -->16 MiB<!-- /const -->  within a line: the number is a constant of the code (constant.go)
//	<!-- picture: NAME -->                         above a ```text fence: docs/pictures/NAME.svg stands for it in the book (web/picture.go)
//	<!-- lab: NAME -->                             above a ```text fence: what a recorded run of a lab drew (lab.go)
//	<!-- stepper: NAME -->                         a line of its own: the trace docs/steppers/NAME.json is played there (web/stepper.go)
//
// Every check gives Findings and changes nothing. A finding whose right text is known carries it as
// a Fix, and Repair writes those fixes. Paths are slash-separated and relative to the project's
// root throughout.
package book

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Project is the folder that holds the stages, the docs and the README.
type Project struct {
	Dir string // as the caller gave it, never cleaned: see NewProject
	FS  fs.FS  // the same folder; every read goes through it
}

// NewProject gives the project at dir. All reads open dir + "/" + path, with dir exactly as given.
// That matters to the go command, which remembers a passed test by the files it opened, but only by
// those below the test's own module: a test in docs says wd + "/..", which is below docs to the
// letter, and so is run again when a stage changes.
func NewProject(dir string) Project { return Project{Dir: dir, FS: os.DirFS(dir)} }

// Path gives the place of a project file for calls that do not take an fs.FS.
func (p Project) Path(name string) string { return p.Dir + "/" + name }

// Finding is one thing that is not as a page says.
type Finding struct {
	File      string // the page
	Line      int    // in the page, from 1; 0 for the page as a whole
	Directive string // the directive that made the claim; empty for a check of form
	Text      string // what is wrong, over several lines where a diff says it best
	Fix       *Edit  // the right text; nil where only an author can know it
}

func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Directive != "" {
		fmt.Fprintf(&b, ": <!-- %s -->", f.Directive)
	}
	b.WriteString(": " + f.Text)
	return b.String()
}

// Edit replaces the bytes [Start, End) of a page by New.
type Edit struct {
	Start, End int // bytes from the beginning of the page
	New        string
}

// Repair writes the fixes among the findings into the page, which must not have changed since it
// was parsed, and gives back the findings that have none. Bytes outside the fixes stay as they are;
// without a fix the file is not touched.
func (p Project) Repair(d *Doc, findings []Finding) (left []Finding, err error) {
	var edits []Edit
	for _, f := range findings {
		if f.Fix == nil {
			left = append(left, f)
			continue
		}
		edits = append(edits, *f.Fix)
	}
	if len(edits) == 0 {
		return left, nil
	}
	return left, replaceFile(p.Path(d.Path), splice(d.Text, edits))
}

// splice applies edits that do not overlap.
func splice(text string, edits []Edit) string {
	slices.SortFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(text[done:e.Start])
		b.WriteString(e.New)
		done = e.End
	}
	b.WriteString(text[done:])
	return b.String()
}

// replaceFile puts text in the place of an existing file in one step: a reader, or a crash, sees
// the old page or the new one and never half of either (rename(2)). The file keeps its permissions.
func replaceFile(name, text string) (err error) {
	old, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if err := fill(tmp, text, old.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// fill writes, flushes and closes f.
func fill(f *os.File, text string, mode fs.FileMode) error {
	_, err := f.WriteString(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
