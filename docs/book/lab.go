package book

// Labs: <!-- lab: NAME --> above a ```text fence, and within one line of prose
// <!-- result: lab NAME LABEL -->2.1<!-- /result -->.
//
// docs/results/labs/NAME.json is a run of a lab of the course, with NAME.svg beside it. They are
// written by go run ./tests/lab -yes -record docs/results/labs NAME. The fence is what that run
// drew in letters, and when and where that was; in the book the SVG stands for it (web/picture.go).
// A number is the length of the bar of that label, with as many decimals as the text shows. What
// must not be done: nothing is written there by hand. After a lab was recorded,
// go test ./docs -run 'TestNumbers|TestListings' -update writes all of it again; then read the
// sentences around it.

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// LabsDir is the folder of the recorded runs.
const LabsDir = resultsDir + "labs/"

// labWord begins the directive of a fence, and the words of a number.
const labWord = "lab"

// Lab is the recorded run of a lab.
type Lab struct {
	At      time.Time
	Kernel  string // its name and release
	Machine string
	Drawn   []string // in letters, line by line
	Bars    []struct {
		Label    string
		From, To float64
	}
}

// Lab reads the recorded run of a lab.
func (p Project) Lab(name string) (l Lab, err error) {
	path := LabsDir + name + ".json"
	text, err := fs.ReadFile(p.FS, path)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// When says when and where the run was.
func (l Lab) When() string {
	return fmt.Sprintf("recorded %s on %s, %s.", l.At.Format(time.DateOnly), l.Kernel, l.Machine)
}

// Labs checks the drawings of a page that claim to come from a recorded run.
func (p Project) Labs(d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		name, is := strings.CutPrefix(f.Directive, labWord+": ")
		if kind(f.Directive) != labWord {
			continue
		}
		if !is || f.Info != "text" || f.Indented {
			out = append(out, d.finding(f, "write it as: lab: NAME, above a ```text fence at the margin"))
			continue
		}
		l, err := p.Lab(name)
		if err != nil {
			out = append(out, d.finding(f, err.Error()))
			continue
		}
		if want := append(l.Drawn, "", "go run ./tests/lab "+name+": "+l.When()); strings.Join(d.Body(f), "\n") != strings.Join(want, "\n") {
			out = append(out, d.repairable(f, "it is not what the recorded run drew", want))
		}
	}
	return out
}

// drawn looks up "NAME LABEL" for a text shown.
func (p Project) drawn(arg, shown string) (string, error) {
	name, label, _ := strings.Cut(arg, " ")
	l, err := p.Lab(name)
	if err != nil {
		return "", err
	}
	for _, b := range l.Bars {
		if b.Label == label {
			_, decimals, _ := strings.Cut(shown, ".")
			return strconv.FormatFloat(b.To-b.From, 'f', len(decimals), 64), nil
		}
	}
	return "", fmt.Errorf("the lab %s has no bar %q", name, label)
}
