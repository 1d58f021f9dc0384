// Command grade gives exercises, marks the answers, and keeps how far somebody has come.
//
//	go run ./tests/grade                        how far you are
//	go run ./tests/grade hunt                   a copy of this project with a fault somewhere
//	go run ./tests/grade hunt -hint             one hint more, of three
//	go run ./tests/grade hunt -at FILE:LINE     your answer: where the fault is
//	go run ./tests/grade hunt -check TOPIC/NAME half an answer: a case of the suite that fails because of it
//	go run ./tests/grade hunt -give-up          the solution
//
// The faults are the mutants of tests/mutants: small wrong edits, each a slip that somebody has
// made.
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

	"fourways/tests/mutants"
)

// Exit statuses.
const (
	right = 0
	wrong = 1
	usage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	root, err := mutants.Root()
	if err != nil {
		return complain(errs, err)
	}
	p, err := readProgress(root)
	if err != nil {
		return complain(errs, err)
	}
	if len(args) == 0 {
		p.print(out)
		return right
	}
	if args[0] != "hunt" {
		return complain(errs, fmt.Errorf("there is no exercise %q; there is hunt", args[0]))
	}
	h := &hunt{root: root, progress: p, out: out}
	flags := flag.NewFlagSet("grade hunt", flag.ContinueOnError)
	flags.SetOutput(errs)
	at := flags.String("at", "", "`FILE:LINE` of the fault, as it is in the copy")
	check := flags.String("check", "", "`TOPIC/NAME` of a case of the suite, or FOLDER TEST of a Go test, that fails because of the fault")
	hint := flags.Bool("hint", false, "tell one thing more; there are three")
	giveUp := flags.Bool("give-up", false, "show the solution")
	dir := flags.String("dir", "", "make the copy in this new `FOLDER`, and not in a temporary one")
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return right
	case err != nil:
		return usage
	}
	status := right
	switch {
	case *at != "":
		status, err = h.answer(*at)
	case *check != "":
		status, err = h.symptom(*check)
	case *hint:
		err = h.hint()
	case *giveUp:
		err = h.giveUp()
	case flags.NArg() > 1:
		err = errors.New("give one name, or none")
	default:
		err = h.begin(flags.Arg(0), *dir)
	}
	if err == nil {
		err = p.write()
	}
	if err != nil {
		return complain(errs, err)
	}
	return status
}

func complain(errs io.Writer, err error) int {
	fmt.Fprintf(errs, "grade: %v\n", err)
	return usage
}
