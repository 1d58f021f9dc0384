package main

// What somebody has done, in .progress.json at the project's root.
//
// It is read at a command's begin and written at its end. What must not be done: a field must not
// change its meaning, since the file outlives many versions of this program.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fourways/tests/mutants"
)

// progressFile is its name; git does not see it.
const progressFile = ".progress.json"

// progress is what is kept.
type progress struct {
	Hunting string           `json:"hunting,omitempty"` // the mutant that is looked for, "" for none
	Tree    string           `json:"tree,omitempty"`    // the copy that has it
	Hunts   map[string]*mark `json:"hunts,omitempty"`   // by the mutant's name

	file string
}

// mark is what one hunt has come to.
type mark struct {
	Hints  int  `json:"hints,omitempty"`  // taken, of three
	Check  bool `json:"check,omitempty"`  // a failing check was named
	Found  bool `json:"found,omitempty"`  // the line was named
	Shown  bool `json:"shown,omitempty"`  // the solution was
	Points int  `json:"points,omitempty"` // of fullMark
}

func readProgress(root string) (*progress, error) {
	p := &progress{file: filepath.Join(root, progressFile), Hunts: map[string]*mark{}}
	text, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	return p, nil
}

func (p *progress) write() error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.file, append(text, '\n'), 0o644)
}

// of is the mark of a hunt, new where there was none.
func (p *progress) of(name string) *mark {
	m := p.Hunts[name]
	if m == nil {
		m = &mark{}
		p.Hunts[name] = m
	}
	return m
}

// print tells how far somebody is.
func (p *progress) print(out io.Writer) {
	found, points := 0, 0
	for _, m := range p.Hunts {
		points += m.Points
		if m.Found {
			found++
		}
	}
	all := len(mutants.All())
	fmt.Fprintf(out, "hunts: %d of %d found, %d of %d points\n", found, all, points, all*fullMark)
	if p.Hunting != "" {
		fmt.Fprintf(out, "You are looking for the fault in %s.\n", p.Tree)
	} else {
		fmt.Fprintln(out, "go run ./tests/grade hunt gives you the next.")
	}
}
