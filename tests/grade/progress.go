package main

// What somebody has done, in the reader's progress: a part for each kind of exercise.
//
// All is read at a command's begin and written at its end, but for the labs' part, which is theirs.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"fourways/tests/grade/exercises"
	"fourways/tests/mutants"
	kept "fourways/tests/progress"
)

// Where each is kept.
const (
	huntsPart  = "hunts"
	fixesPart  = "fixes"
	buildsPart = "builds"
	labsPart   = "labs"
)

// progress is what is kept. Its own fields are the hunts'.
type progress struct {
	Hunting string           `json:"hunting,omitempty"` // the mutant that is looked for, "" for none
	Tree    string           `json:"tree,omitempty"`    // the copy that has it
	Hunts   map[string]*mark `json:"hunts,omitempty"`   // by the mutant's name

	fixes       fixes
	builds      builds
	predictions predictions
	root        string
}

// mark is what one hunt has come to.
type mark struct {
	Hints  int  `json:"hints,omitempty"`  // taken, of three
	Check  bool `json:"check,omitempty"`  // a failing check was named
	Found  bool `json:"found,omitempty"`  // the line was named
	Shown  bool `json:"shown,omitempty"`  // the solution was
	Points int  `json:"points,omitempty"` // of fullMark
}

// predictions are what was typed in labs, by their names.
type predictions map[string]prediction

type prediction struct {
	Predicted *float64 `json:"predicted"` // in the last run, nil where nothing was
	Measured  float64  `json:"measured"`
	Right     *bool    `json:"right"` // whether the first prediction was near enough, nil where there was none
}

func readProgress(root string) (*progress, error) {
	p := &progress{root: root, Hunts: map[string]*mark{}}
	err := errors.Join(
		kept.Read(root, huntsPart, p),
		kept.Read(root, fixesPart, &p.fixes),
		kept.Read(root, buildsPart, &p.builds),
		kept.Read(root, labsPart, &p.predictions))
	if p.fixes.Done == nil {
		p.fixes.Done = map[string]*task{}
	}
	if p.builds.Done == nil {
		p.builds.Done = map[string]*task{}
	}
	return p, err
}

// text is all that is kept, to see whether anything has changed.
func (p *progress) text() string {
	text, err := json.Marshal([]any{p, p.fixes, p.builds})
	if err != nil {
		panic(err) // they are maps and structs of plain values
	}
	return string(text)
}

func (p *progress) write() error {
	return errors.Join(
		kept.Write(p.root, huntsPart, p),
		kept.Write(p.root, fixesPart, p.fixes),
		kept.Write(p.root, buildsPart, p.builds))
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

// print tells how far somebody is, in one table.
func (p *progress) print(out io.Writer) {
	row := func(name string, done, all, points, most int) {
		fmt.Fprintf(out, "%-12s %3d of %3d    %4d of %4d points\n", name, done, all, points, most)
	}
	all := len(mutants.All())
	found, points := 0, 0
	for _, m := range p.Hunts {
		points += m.Points
		if m.Found {
			found++
		}
	}
	typed, near := p.predictions.count()
	row("predictions", near, typed, near, typed)
	row("hunts", found, all, points, all*fullMark)
	done, points := tally(p.fixes.Done)
	row("fixes", done, all, points, all*fixMark)
	done, points = tally(p.builds.Done)
	row("builds", done, len(exercises.All), points, len(exercises.All)*buildMark)
	if p.Hunting != "" {
		fmt.Fprintf(out, "You are looking for the fault in %s.\n", p.Tree)
	} else {
		fmt.Fprintln(out, "go run ./tests/grade hunt gives you the next fault to find.")
	}
	if p.fixes.Fixing != "" {
		fmt.Fprintf(out, "You are mending %s.\n", p.fixes.Tree)
	}
	if p.builds.Last != "" && !of(p.builds.Done, p.builds.Last).Done {
		fmt.Fprintf(out, "You are building %s in %s.\n", p.builds.Last, p.builds.Folders[p.builds.Last])
	}
}

// tally is how many tasks are done, and for how many points.
func tally(all map[string]*task) (done, points int) {
	for _, t := range all {
		points += t.Points
		if t.Done {
			done++
		}
	}
	return done, points
}

// count is how many labs somebody has made a prediction for, and how many of these were near
// enough.
func (p predictions) count() (typed, near int) {
	for _, one := range p {
		if one.Right != nil {
			typed++
			if *one.Right {
				near++
			}
		}
	}
	return typed, near
}

// print lists the labs that were run.
func (p predictions) print(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		one, verdict := p[name], "no prediction before the first result"
		if one.Right != nil && *one.Right {
			verdict = "the first prediction was near enough"
		} else if one.Right != nil {
			verdict = "the first prediction was off"
		}
		fmt.Fprintf(out, "%-12s measured %-8.4g %s\n", name, one.Measured, verdict)
	}
	typed, near := p.count()
	fmt.Fprintf(out, "%d of %d predictions were near enough. go run ./tests/lab lists the labs.\n", near, typed)
}
