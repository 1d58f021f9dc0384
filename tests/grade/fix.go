package main

// A fix: somebody gets a copy of the project with a fault and the check that fails, and mends it.
//
// The copy is judged by the project's own tests and suite: what differs from the project in shared
// and in the stages, tests excepted, is laid over it (go build -overlay). What must not be done:
// nothing of the project is written to, and no test of the copy's is believed.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"fourways/shared/plural"
	"fourways/tests/conformance"
	"fourways/tests/harness"
	"fourways/tests/mutants"
)

// fixMark is the points of a fix.
const fixMark = 10

// fixes is what is kept of them.
type fixes struct {
	Fixing string           `json:"fixing,omitempty"` // the mutant that is to be mended, "" for none
	Tree   string           `json:"tree,omitempty"`   // the copy that has it
	Done   map[string]*task `json:"done,omitempty"`   // by the mutant's name
}

// task is what one fix or one build has come to.
type task struct {
	Done   bool `json:"done,omitempty"`
	Shown  bool `json:"shown,omitempty"` // the solution was
	Points int  `json:"points,omitempty"`
}

// finish notes that a task is done. Whoever has seen the solution gets no points for it.
func (t *task) finish(points int) {
	t.Done = true
	if !t.Shown {
		t.Points = points
	}
}

// of is a task by its name, new where there was none.
func of(all map[string]*task, name string) *task {
	if all[name] == nil {
		all[name] = &task{}
	}
	return all[name]
}

// fix is the exercise.
type fix struct {
	root string
	kept *fixes
	out  io.Writer
	pick picker
	only string // plays these cases of the suite alone, a pattern; "" for all
}

var errNoFix = errors.New("you are mending nothing; go run ./tests/grade fix begins")

// begin gives a copy with a mutant in it, and says what fails.
func (f *fix) begin(name, dir string) error {
	m, err := f.pick.one(name, func(m mutants.Mutant) bool {
		t := f.kept.Done[m.Name]
		return t != nil && (t.Done || t.Shown)
	})
	if err != nil {
		return err
	}
	if dir, err = makeCopy(f.root, dir, "fourways-fix-", m); err != nil {
		return err
	}
	f.kept.Fixing, f.kept.Tree = m.Name, dir
	fmt.Fprintf(f.out, "In %s is this project with one fault, which shows in %s (%s).\nBecause of it this fails: %s\nMend it there; then: go run ./tests/grade fix -check\n",
		dir, m.Stage, f.pick.where(m), m.Check)
	return nil
}

// check judges the copy.
func (f *fix) check() (status int, err error) {
	m, ok := mutants.Find(f.kept.Fixing)
	if !ok {
		return usage, errNoFix
	}
	dir, err := os.MkdirTemp("", "fourways-fixed-")
	if err != nil {
		return usage, err
	}
	defer os.RemoveAll(dir)
	server, overlay, text, err := compile(f.root, f.kept.Tree, dir, m.Stage)
	switch {
	case text != nil:
		fmt.Fprintf(f.out, "It does not build.\n%s", text)
		return wrong, nil
	case err != nil:
		return usage, err
	}
	if says, err := f.judge(m, server, overlay); err != nil || says != "" {
		fmt.Fprint(f.out, says)
		return wrong, err
	}
	t := of(f.kept.Done, m.Name)
	t.finish(fixMark)
	fmt.Fprintf(f.out, "Mended: %d of %d points. %s\n", t.Points, fixMark, m.Why)
	f.kept.Fixing, f.kept.Tree = "", ""
	return right, nil
}

// judge says what is still wrong, "" for nothing.
func (f *fix) judge(m mutants.Mutant, server, overlay string) (says string, err error) {
	if folder, test, ok := m.Check.GoTest(); ok {
		env := append(os.Environ(), harness.ServerVariable+"="+server)
		if text, err := goIn(f.root, folder, env, "test", "-count=1", "-overlay", overlay, "-run", exactly(test), "."); err != nil {
			return fmt.Sprintf("Its check still fails: %s\n%s", m.Check, text), nil
		}
	}
	only, err := regexp.Compile(f.only)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(f.out, "Playing the suite …")
	failed, err := play(m, server, only)
	if len(failed) > 0 {
		says = fmt.Sprintf("%s: %s\n", plural.Of(len(failed), "case fails", "cases fail"), strings.Join(failed[:min(len(failed), 5)], ", "))
	}
	return says, err
}

// play gives the cases of the suite that fail at a server, of those that a pattern fits.
func play(m mutants.Mutant, server string, only *regexp.Regexp) (failed []string, err error) {
	suite, err := conformance.New(conformance.Target{
		Cmd: []string{server, "--port", "{port}", "--root", "{root}"}, Args: conformance.FourWays, Streams: true,
		ZeroCopy: strings.HasPrefix(m.Stage, "stage3") || strings.HasPrefix(m.Stage, "stage4"),
	})
	if err != nil {
		return nil, err
	}
	defer suite.Close()
	defer suite.CloseOnSignal(wrong)()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, c := range conformance.Cases() {
		if !only.MatchString(c.ID) {
			continue
		}
		all.Go(func() {
			if r := suite.Play(&c); len(r.Failed) > 0 {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, c.ID)
			}
		})
	}
	all.Wait()
	return failed, nil
}

// giveUp shows the solution.
func (f *fix) giveUp() error {
	m, ok := mutants.Find(f.kept.Fixing)
	if !ok {
		return errNoFix
	}
	diff, err := m.Diff(f.root)
	if err != nil {
		return err
	}
	of(f.kept.Done, m.Name).Shown = true
	fmt.Fprintf(f.out, "This made the fault:\n%s\n%s\n", diff, m.Why)
	f.kept.Fixing, f.kept.Tree = "", ""
	return nil
}

// compile builds a stage of a copy into dir. Where that fails for the copy's text, it gives what
// the compiler says.
func compile(root, tree, dir, stage string) (server, overlay string, says []byte, err error) {
	if overlay, err = writeOverlay(root, tree, dir); err != nil {
		return "", "", nil, err
	}
	server = filepath.Join(dir, stage)
	if text, err := goIn(root, stage, nil, "build", "-buildvcs=false", "-overlay", overlay, "-o", server, "."); err != nil {
		return "", "", text, err
	}
	return server, overlay, nil, nil
}

// goIn runs the go command in a folder of the project.
func goIn(root, folder string, env []string, args ...string) (output []byte, err error) {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = filepath.Join(root, folder), env
	return cmd.CombinedOutput()
}

// exactly is the pattern for -run that fits a test's full name alone.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// writeOverlay writes into dir what go build has to take from a copy in the place of the project's
// own files, and returns its path.
func writeOverlay(root, tree, dir string) (string, error) {
	replace := map[string]string{}
	here, err := programText(root)
	if err != nil {
		return "", err
	}
	there, err := programText(tree)
	if err != nil {
		return "", err
	}
	for name, text := range there {
		if before, ok := here[name]; !ok || before != text {
			replace[filepath.Join(root, name)] = filepath.Join(tree, name)
		}
	}
	for name := range here {
		if _, ok := there[name]; !ok {
			replace[filepath.Join(root, name)] = "" // it is not there
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// programText is the Go files of shared and of the stages, without tests, by their names from root.
func programText(root string) (map[string]string, error) {
	all := map[string]string{}
	stages, err := filepath.Glob(filepath.Join(root, "stage*"))
	if err != nil {
		return nil, err
	}
	for _, top := range append(stages, filepath.Join(root, "shared")) {
		err = errors.Join(err, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			all[name] = string(text)
			return err
		}))
	}
	return all, err
}
