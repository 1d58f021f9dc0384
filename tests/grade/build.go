package main

// A build: somebody gets the skeleton of a small piece and its tests, and writes the piece.
//
// The pieces are in the folder exercises, which says how they are laid out. What must not be done:
// the tests of the reader's folder are not those that decide, and nothing of the project is written
// to.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"fourways/tests/course"
	"fourways/tests/grade/exercises"
)

// buildMark is the points of a build.
const buildMark = 20

// builds is what is kept of them.
type builds struct {
	Folders map[string]string `json:"folders,omitempty"` // where the reader writes, by the exercise's name
	Last    string            `json:"last,omitempty"`    // the exercise that was begun last
	Done    map[string]*task  `json:"done,omitempty"`
}

// build is the exercise.
type build struct {
	root     string
	kept     *builds
	out      io.Writer
	chapters []course.Chapter
}

// list prints which exercises there are.
func (b *build) list() {
	for _, e := range exercises.All {
		mark := "  "
		if t := b.kept.Done[e.Name]; t != nil && t.Done {
			mark = "✓ "
		}
		fmt.Fprintf(b.out, "%s%-10s %-4s %v: %s\n", mark, e.Name, strings.Repeat("★", e.Stars), course.Named(b.chapters, e.Chapter...), e.Asks)
	}
	fmt.Fprintln(b.out, "go run ./tests/grade build NAME gives you one.")
}

// named is an exercise by its name, or the one that was begun last.
func (b *build) named(name string) (exercises.Exercise, error) {
	if name == "" {
		name = b.kept.Last
	}
	for _, e := range exercises.All {
		if e.Name == name {
			return e, nil
		}
	}
	return exercises.Exercise{}, fmt.Errorf("there is no exercise %q; go run ./tests/grade build lists them", name)
}

// begin lays an exercise out in a new folder.
func (b *build) begin(name, dir string) error {
	e, err := b.named(name)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fourways-"+e.Name+"-"); err != nil {
			return err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty", dir))
	}
	skeleton, err := b.text(e, exercises.Skeleton)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, e.Name+".go"), []byte(skeleton), 0o644); err != nil {
		return err
	}
	if err := b.addTests(e, dir); err != nil {
		return err
	}
	if b.kept.Folders == nil {
		b.kept.Folders = map[string]string{}
	}
	b.kept.Folders[e.Name], b.kept.Last = dir, e.Name
	fmt.Fprintf(b.out, "%s\n\nWrite %s, and run go test there until it passes. Then: go run ./tests/grade build -check\n", e.Asks, filepath.Join(dir, e.Name+".go"))
	return nil
}

// addTests puts an exercise's tests into a folder, and what makes a module of it.
func (b *build) addTests(e exercises.Exercise, dir string) error {
	tests, err := b.text(e, exercises.Tests)
	return errors.Join(err,
		os.WriteFile(filepath.Join(dir, e.Name+"_test.go"), []byte(tests), 0o644),
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+e.Name+"\n\ngo 1.26\n"), 0o644))
}

// text is a file of an exercise, without the line that keeps it out of other builds.
func (b *build) text(e exercises.Exercise, file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(b.root, "tests", "grade", "exercises", e.Name, file))
	if err != nil {
		return "", err
	}
	first, rest, _ := strings.Cut(string(text), "\n\n")
	if !strings.HasPrefix(first, "//go:build") {
		return string(text), nil
	}
	return rest, nil
}

// check runs the exercise's own tests on what the reader has written.
func (b *build) check(name string) (status int, err error) {
	e, err := b.named(name)
	if err != nil {
		return usage, err
	}
	if b.kept.Folders[e.Name] == "" {
		return usage, fmt.Errorf("you have not begun %s", e.Name)
	}
	dir, err := os.MkdirTemp("", "fourways-built-")
	if err != nil {
		return usage, err
	}
	defer os.RemoveAll(dir)
	written, err := filepath.Glob(filepath.Join(b.kept.Folders[e.Name], "*.go"))
	if err != nil {
		return usage, err
	}
	for _, file := range written {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o644)
		}
		if err != nil {
			return usage, err
		}
	}
	if err := b.addTests(e, dir); err != nil {
		return usage, err
	}
	test := exec.Command("go", "test", "-count=1", "-timeout=1m", ".")
	test.Dir, test.Env = dir, append(os.Environ(), "GOWORK=off")
	if text, err := test.CombinedOutput(); err != nil {
		fmt.Fprintf(b.out, "Not yet.\n%s", text)
		return wrong, nil
	}
	t := of(b.kept.Done, e.Name)
	t.finish(buildMark)
	fmt.Fprintf(b.out, "Built: %d of %d points. To compare: go run ./tests/grade build -solution %s\n", t.Points, buildMark, e.Name)
	return right, nil
}

// solution shows how we have written it.
func (b *build) solution(name string) error {
	e, err := b.named(name)
	if err != nil {
		return err
	}
	text, err := b.text(e, exercises.Solution)
	if err != nil {
		return err
	}
	of(b.kept.Done, e.Name).Shown = true
	fmt.Fprint(b.out, text)
	return nil
}
