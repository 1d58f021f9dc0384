package main

// What somebody has found, in the part "hunts" of the reader's progress.
//
// It is read at a command's begin and written at its end.

import (
	"fmt"
	"io"

	"fourways/tests/mutants"
	kept "fourways/tests/progress"
)

// part is where it is kept.
const part = "hunts"

// progress is what is kept.
type progress struct {
	Hunting string           `json:"hunting,omitempty"` // the mutant that is looked for, "" for none
	Tree    string           `json:"tree,omitempty"`    // the copy that has it
	Hunts   map[string]*mark `json:"hunts,omitempty"`   // by the mutant's name

	root string
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
	p := &progress{root: root, Hunts: map[string]*mark{}}
	return p, kept.Read(root, part, p)
}

func (p *progress) write() error { return kept.Write(p.root, part, p) }

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
