// Package mutants holds small wrong edits to the servers, each of them a slip that
// somebody has made before. A mutant proves that a test works: its check passes on the
// server as it is and fails on the mutant. It is also an exercise: find it.
//
//	go run ./tests/mutants/mutate -list          what there is
//	go run ./tests/mutants/mutate NAME           run one, and look for its fault
//	go run ./tests/mutants/mutate -show NAME     the solution
//
// The sources stay as they are. An edit is made on a copy, which go build takes in place
// of the original by its -overlay flag. The tests put as many mutants as can be into one
// program, since building each takes minutes (see together.go).
//
// To add a mutant, add a row to the table of its topic. Old must stand in the file
// exactly once; a row whose text has moved on since is an error that says so. Choose a
// name that tells what somebody outside sees, not what is wrong; an edit with which the
// server still builds, starts and answers a plain request; and as the check the one a
// reader would look for first. Where no check fails, the suite has a hole: close it.
//
// The tests build from files of other modules, which the cache of go test does not
// watch: run them with -count=1.
package mutants

import (
	"fmt"
	"slices"
	"strings"
)

// Mutant is one wrong edit.
type Mutant struct {
	Name  string // what is seen from outside, in kebab-case
	Stage string // the folder of the program to build
	File  string // the file to edit, relative to the project's root
	Old   string // text that stands in the file exactly once
	New   string // what stands there in the mutant
	Check Check  // fails because of the edit
	Why   string // the fault, and how it shows in the field
}

// Check names what must catch a mutant: a case of the conformance suite, "topic/name", or
// a Go test, its package's folder and its full name with a blank between them.
type Check string

// GoTest takes the name of a Go test apart. It reports false for a conformance case.
func (c Check) GoTest() (folder, test string, ok bool) { return strings.Cut(string(c), " ") }

// All returns every mutant, stage by stage, and those that are no stage's own.
func All() []Mutant {
	return slices.Concat(stage1, stage2, stage3, ofCompletions, stage4, common, overTLS, passedOn, forwarded, ofUpstreams, ofQueues)
}

// Find returns the mutant of that name.
func Find(name string) (m Mutant, ok bool) {
	all := All()
	i := slices.IndexFunc(all, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return m, false
	}
	return all[i], true
}

// Apply makes the edit on the text of the mutant's file.
func (m Mutant) Apply(text string) (string, error) {
	if n := strings.Count(text, m.Old); n != 1 {
		return "", fmt.Errorf("mutant %s is stale: what it replaces stands %d times in %s, and must once:\n%s", m.Name, n, m.File, m.Old)
	}
	return strings.Replace(text, m.Old, m.New, 1), nil
}
