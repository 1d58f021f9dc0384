//go:build linux

// Command lab runs the experiments of the course.
//
//	go run ./tests/lab
//	go run ./tests/lab NAME
//
// The first lists them. The second asks for your prediction, runs the experiment here and now,
// draws what came out beside what you said, and tells what it shows. It builds and starts all that
// it needs, on 127.0.0.1, and leaves nothing behind.
//
// Your predictions and what was measured are kept in .progress.json at the project's root.
//
// The exit status is 0 where what the lab claims was seen, 1 where it was not or could not be
// tried, and 2 where the command line is wrong.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"fourways/tests/course"
	"fourways/tests/mutants"
)

// Exit statuses.
const (
	exitOK    = 0
	exitFails = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdin, os.Stdout))
}

// options are what the command line says.
type options struct {
	yes, quick bool
	record     string
}

func command(ctx context.Context, args []string, in io.Reader, out io.Writer) int {
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.SetOutput(out)
	var o options
	flags.BoolVar(&o.yes, "yes", false, "ask for no prediction")
	flags.BoolVar(&o.quick, "quick", false, "smaller numbers and shorter waits, with the same lesson")
	flags.StringVar(&o.record, "record", "", "write the result into this `folder`, as NAME.json and NAME.svg")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() == 0:
		return list(out)
	case flags.NArg() > 1:
		fmt.Fprintln(out, "lab: one name, and flags before it")
		return exitUsage
	}
	l, ok := find(flags.Arg(0))
	if !ok {
		fmt.Fprintf(out, "lab: there is no lab %q; without a name they are listed\n", flags.Arg(0))
		return exitUsage
	}
	if info, err := os.Stat(o.record); o.record != "" && (err != nil || !info.IsDir()) {
		fmt.Fprintf(out, "lab: -record wants a folder that is there, and not %q\n", o.record)
		return exitUsage
	}
	held, err := perform(ctx, l, o, in, out)
	if err != nil {
		fmt.Fprintf(out, "lab %s: %v\n", l.name, err)
	}
	if !held {
		return exitFails
	}
	return exitOK
}

func list(out io.Writer) int {
	root, err := mutants.Root()
	if err != nil {
		fmt.Fprintf(out, "lab: %v\n", err)
		return exitFails
	}
	fmt.Fprintln(out, "go run ./tests/lab NAME, where NAME is one of these:")
	chapters, _ := course.Read(root) // without them there are still labs
	for _, l := range labs {
		fmt.Fprintf(out, "\n%s: %v, about %d s\n  %s\n", l.name, course.Lab(chapters, l.name), l.seconds, l.asks)
	}
	return exitOK
}

// perform is a lab from the question to what it has shown. It reports whether all that the lab
// claims was seen.
func perform(ctx context.Context, l lab, o options, in io.Reader, out io.Writer) (held bool, err error) {
	root, err := mutants.Root()
	if err != nil {
		return false, err
	}
	chapters, _ := course.Read(root)
	fmt.Fprintf(out, "%s (%v)\n\n", l.asks, course.Lab(chapters, l.name))
	var predicted *float64
	if !o.yes {
		if predicted, err = ask(l, in, out); err != nil {
			return false, err
		}
	}
	r, err := newRig(ctx, nil, root, o.quick, out)
	if err != nil {
		return false, err
	}
	defer r.close()
	res, err := l.run(r)
	if err != nil {
		return false, err
	}
	res.predicted = predicted
	fmt.Fprintf(out, "\n%s\n%s", res.drawn(), res.judged(l))
	if err := keep(root, l, res); err != nil {
		return false, err
	}
	if o.record != "" {
		return res.held(), recordInto(o.record, l, res)
	}
	return res.held(), nil
}

// ask asks for a prediction until it is a number. Without an answer there is none.
func ask(l lab, in io.Reader, out io.Writer) (*float64, error) {
	lines := bufio.NewScanner(in)
	for {
		fmt.Fprintf(out, "Your prediction%s (Enter for none): ", inUnit(l.unit))
		if !lines.Scan() {
			fmt.Fprintln(out)
			return nil, lines.Err()
		}
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			return nil, nil
		}
		n, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err == nil && n >= 0 {
			return &n, nil
		}
		fmt.Fprintf(out, "%q is no number.\n", text)
	}
}

// inUnit says in what a prediction is wanted. A status, which is a name, has no unit.
func inUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return ", in " + unit
}
