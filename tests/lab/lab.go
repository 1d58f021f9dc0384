//go:build linux

package main

// What a lab is, and what comes out of it.
//
// A lab measures bars, each from one moment or number to another, or strips of cells, and judges
// claims about them. Claims are about counts, order and ratios within one run, never about how
// fast this machine is: they hold on every machine, and a test says so. A lab that could not
// measure returns an error; one whose claim is false returns a result that says it.

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// lab is one experiment.
type lab struct {
	name    string // its chapter is the one that sends readers to the lab of that name
	seconds int    // about how long it takes
	asks    string // the question, to be answered by a number
	unit    string // of that number; "" where it is a name, such as a status
	run     func(*rig) (result, error)
}

// labs is all of them, in the order of the course.
var labs = []lab{
	reads, ten, closing, staircase, slowReader, wakeup, idle, edges, splits, smuggle, corpus, zerocopy, truncate,
	slowPost, slowRead, flood, kill, reload, hang, held, resume, calls, rolling, fleet,
}

func find(name string) (lab, bool) {
	i := slices.IndexFunc(labs, func(l lab) bool { return l.name == name })
	if i < 0 {
		return lab{}, false
	}
	return labs[i], true
}

// bar is one row of a drawing.
type bar struct {
	Label    string
	From, To float64 // in the result's unit
	Open     bool    // it was still going on when it was no longer looked at
}

// kind is what a cell is: the drawing has a colour and a mark for each, and the result a name.
type kind int

const (
	plain kind = iota
	good
	bad
	other
	kinds
)

// cell is a piece of a strip.
type cell struct {
	Text string
	Kind kind
}

// strip is a row of cells, for what is a sequence and no amount.
type strip struct {
	Label string
	Cells []cell
}

// chart is curves over the same steps. The picture has them in the place of the bars; in a terminal
// the bars tell the same.
type chart struct {
	Over   string   // what the steps are of
	Steps  []string // from the left
	Curves []curve
}

// curve is one of them, with a height in the result's unit for each step.
type curve struct {
	Label string
	At    []float64
}

// claim is what a lab shows, and whether it was seen this time.
type claim struct {
	Text string
	Seen bool
}

// result is what has come out of a lab.
type result struct {
	Unit   string        // of all bars
	Kinds  [kinds]string // of the strips' cells; "" is not explained
	Strips []strip       // above the bars
	Bars   []bar         // from the top down
	Chart  *chart        // nil for none
	Answer float64       // to the lab's question
	Exact  bool          // the answer is a name, such as a status, and nothing is near it
	Apart  bool          // the answer is not on the scale of the bars
	Claims []claim
	Learnt string

	predicted *float64
}

// claims adds a claim.
func (r *result) claims(seen bool, text string, args ...any) {
	r.Claims = append(r.Claims, claim{Text: fmt.Sprintf(text, args...), Seen: seen})
}

// add adds a bar that begins at zero.
func (r *result) add(label string, to float64) {
	r.Bars = append(r.Bars, bar{Label: label, To: to})
}

// strip adds a strip.
func (r *result) strip(label string, cells ...cell) {
	r.Strips = append(r.Strips, strip{Label: label, Cells: cells})
}

// held reports whether all claims were seen.
func (r *result) held() bool {
	return !slices.ContainsFunc(r.Claims, func(c claim) bool { return !c.Seen })
}

// nearEnough is how far off a prediction may be, as a part of what was measured.
const nearEnough = 0.25

// near reports whether the prediction is near enough.
func (r *result) near() bool {
	return *r.predicted == r.Answer || !r.Exact && math.Abs(*r.predicted-r.Answer) <= nearEnough*r.Answer
}

// judged is the prediction beside the answer, the claims, and the lesson.
func (r *result) judged(l lab) string {
	var b strings.Builder
	answer := strings.TrimSpace(amount(r.Answer) + " " + l.unit)
	if p := r.predicted; p == nil {
		fmt.Fprintf(&b, "Measured: %s.\n", answer)
	} else {
		verdict := "off"
		if r.near() {
			verdict = "near enough"
		}
		fmt.Fprintf(&b, "You said %s, and it was %s: %s.\n", amount(*p), answer, verdict)
	}
	for _, c := range r.Claims {
		mark := "seen    "
		if !c.Seen {
			mark = "NOT SEEN"
		}
		fmt.Fprintf(&b, "  %s  %s\n", mark, c.Text)
	}
	fmt.Fprintf(&b, "\n%s\n", r.Learnt)
	return b.String()
}

// amount is a number with three digits that count.
func amount(n float64) string {
	switch {
	case n >= 100 || n == float64(int64(n)):
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}
