// Command grade gives exercises, marks the answers, and keeps how far somebody has come.
//
//	go run ./tests/grade                        how far you are, in all of it
//	go run ./tests/grade hunt                   a copy of this project with a fault somewhere
//	go run ./tests/grade hunt -chapter 6 -level 3
//	go run ./tests/grade hunt -list             how many there are of each chapter
//	go run ./tests/grade hunt -hint             one hint more, of three
//	go run ./tests/grade hunt -at FILE:LINE     your answer: where the fault is
//	go run ./tests/grade hunt -check TOPIC/NAME half an answer: a case of the suite that fails because of it
//	go run ./tests/grade hunt -give-up          the solution
//	go run ./tests/grade fix                    a copy with a fault, and the check that fails: mend it
//	go run ./tests/grade fix -check             its check and the whole suite decide
//	go run ./tests/grade build                  small pieces of servers to write: lists them
//	go run ./tests/grade build NAME             a skeleton and its tests, in a folder of your own
//	go run ./tests/grade build -check           the tests decide
//	go run ./tests/grade predict                what you predicted in labs, and what was measured
//
// The faults are the mutants of tests/mutants: small wrong edits, each a slip that somebody has
// made. Predictions are typed in the labs (go run ./tests/lab), and the first one of each counts.
// What you have done is kept in .progress.json at the project's root.
//
// The exit status is 0 where the answer is right or something was given, 1 where it is wrong, and 2
// where the command line is.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"fourways/tests/course"
	"fourways/tests/mutants"
)

// Exit statuses.
const (
	right = 0
	wrong = 1
	usage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// desk is what all kinds of exercises have.
type desk struct {
	progress *progress
	chapters []course.Chapter
	out      io.Writer
}

func run(args []string, out, errs io.Writer) int {
	root, err := mutants.Root()
	if err != nil {
		return complain(errs, err)
	}
	p, err := readProgress(root)
	if err != nil {
		return complain(errs, err)
	}
	chapters, _ := course.Read(root) // without them there are still exercises
	d := &desk{progress: p, chapters: chapters, out: out}
	before := p.text()
	status := right
	switch {
	case len(args) == 0:
		p.print(out)
		return right
	case args[0] == "hunt":
		status, err = d.hunt(args[1:], errs)
	case args[0] == "fix":
		status, err = d.fix(args[1:], errs)
	case args[0] == "build":
		status, err = d.build(args[1:], errs)
	case args[0] == "predict":
		if err = flagsOf("predict", errs).Parse(args[1:]); err == nil {
			p.predictions.print(out)
		}
	default:
		err = fmt.Errorf("there is no exercise %q; there are hunt, fix, build and predict", args[0])
	}
	if err == nil && p.text() != before {
		err = p.write()
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return right
	case err != nil:
		return complain(errs, err)
	}
	return status
}

func complain(errs io.Writer, err error) int {
	fmt.Fprintf(errs, "grade: %v\n", err)
	return usage
}

// flagsOf makes the flags of a kind of exercise.
func flagsOf(kind string, errs io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("grade "+kind, flag.ContinueOnError)
	flags.SetOutput(errs)
	return flags
}

// chosen adds the flags that choose among mutants.
func (d *desk) chosen(flags *flag.FlagSet) *picker {
	p := &picker{root: d.progress.root, chapters: d.chapters}
	flags.StringVar(&p.chapter, "chapter", "", "one of the chapter of this `NUMBER` alone")
	flags.IntVar(&p.level, "level", 0, "one of this difficulty alone: 1, 2 or 3")
	return p
}

var errOneName = errors.New("give one name, or none, and flags before it")

func (d *desk) hunt(args []string, errs io.Writer) (status int, err error) {
	flags := flagsOf("hunt", errs)
	pick := d.chosen(flags)
	at := flags.String("at", "", "`FILE:LINE` of the fault, as it is in the copy")
	check := flags.String("check", "", "`TOPIC/NAME` of a case of the suite, or FOLDER TEST of a Go test, that fails because of the fault")
	hint := flags.Bool("hint", false, "tell one thing more; there are three")
	giveUp := flags.Bool("give-up", false, "show the solution")
	list := flags.Bool("list", false, "how many there are, and how many you have found")
	dir := flags.String("dir", "", "make the copy in this new `FOLDER`, and not in a temporary one")
	if err := flags.Parse(args); err != nil {
		return usage, err
	}
	h := &hunt{root: d.progress.root, progress: d.progress, out: d.out, pick: *pick}
	switch {
	case *at != "":
		return h.answer(*at)
	case *check != "":
		return h.symptom(*check)
	case *hint:
		return right, h.hint()
	case *giveUp:
		return right, h.giveUp()
	case *list:
		pick.list(d.out, func(m mutants.Mutant) bool { mark := d.progress.Hunts[m.Name]; return mark != nil && mark.Found })
		return right, nil
	case flags.NArg() > 1:
		return usage, errOneName
	}
	return right, h.begin(flags.Arg(0), *dir)
}

func (d *desk) fix(args []string, errs io.Writer) (status int, err error) {
	flags := flagsOf("fix", errs)
	pick := d.chosen(flags)
	check := flags.Bool("check", false, "judge the copy, by the project's own tests and suite")
	giveUp := flags.Bool("give-up", false, "show the edit that made the fault")
	list := flags.Bool("list", false, "how many there are, and how many you have mended")
	dir := flags.String("dir", "", "make the copy in this new `FOLDER`, and not in a temporary one")
	if err := flags.Parse(args); err != nil {
		return usage, err
	}
	f := &fix{root: d.progress.root, kept: &d.progress.fixes, out: d.out, pick: *pick}
	switch {
	case *check:
		return f.check()
	case *giveUp:
		return right, f.giveUp()
	case *list:
		pick.list(d.out, func(m mutants.Mutant) bool { t := f.kept.Done[m.Name]; return t != nil && t.Done })
		return right, nil
	case flags.NArg() > 1:
		return usage, errOneName
	}
	return right, f.begin(flags.Arg(0), *dir)
}

func (d *desk) build(args []string, errs io.Writer) (status int, err error) {
	flags := flagsOf("build", errs)
	check := flags.Bool("check", false, "run the exercise's tests on what you have written")
	solution := flags.Bool("solution", false, "show how we have written it")
	dir := flags.String("dir", "", "lay it out in this new `FOLDER`, and not in a temporary one")
	if err := flags.Parse(args); err != nil {
		return usage, err
	}
	b := &build{root: d.progress.root, kept: &d.progress.builds, out: d.out, chapters: d.chapters}
	switch {
	case flags.NArg() > 1:
		return usage, errOneName
	case *check:
		return b.check(flags.Arg(0))
	case *solution:
		return right, b.solution(flags.Arg(0))
	case flags.NArg() == 0:
		b.list()
		return right, nil
	}
	return right, b.begin(flags.Arg(0), *dir)
}
