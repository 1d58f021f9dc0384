// Command mutate runs a server with a fault in it, for somebody to find.
//
//	go run ./tests/mutants/mutate -list
//	go run ./tests/mutants/mutate NAME [FLAG ...]
//	go run ./tests/mutants/mutate -o ./mutant NAME
//	go run ./tests/mutants/mutate -show NAME
//
// The first prints the names. A name says what somebody outside sees, and the stage
// beside it where to look. The second builds that mutant into a temporary folder and runs
// it in the foreground with the flags behind its name, so that curl can be pointed at it;
// Ctrl+C stops it. The third builds it only, into the file ./mutant, which is what a tool
// wants that starts the server itself:
//
//	go run ./tests/judge -profile house -variants -zero-copy -cmd './mutant --port {port} --root {root}'
//
// The fourth is the solution: the edit, what it does in the field, and the check of this
// project that catches it.
//
// Nothing in the sources is touched. The exit status is that of the server, or 2 where
// the command line is wrong, or 1 where the mutant cannot be built.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"fourways/tests/mutants"
)

// Exit statuses.
const (
	exitOK    = 0
	exitBuild = 1
	exitUsage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(errs)
	list := flags.Bool("list", false, "print the mutants' names and stages")
	show := flags.Bool("show", false, "print the solution: the edit, its consequence, the check that catches it")
	file := flags.String("o", "", "build the mutant into this `FILE` and do not run it")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if *list {
		printList(out)
		return exitOK
	}
	m, ok := mutants.Find(flags.Arg(0))
	if !ok {
		fmt.Fprintf(errs, "mutate: there is no mutant %q; -list prints the names\n", flags.Arg(0))
		return exitUsage
	}
	status, err := exitOK, error(nil)
	switch {
	case *show:
		err = printSolution(out, m)
	case *file != "":
		err = buildInto(m, *file)
	default:
		status, err = serve(m, flags.Args()[1:])
	}
	if err != nil {
		fmt.Fprintf(errs, "mutate: %v\n", err)
		return exitBuild
	}
	return status
}

func printList(out io.Writer) {
	for _, m := range mutants.All() {
		fmt.Fprintf(out, "%-20s %s\n", m.Stage, m.Name)
	}
}

func printSolution(out io.Writer, m mutants.Mutant) error {
	root, err := mutants.Root()
	if err != nil {
		return err
	}
	diff, err := m.Diff(root)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n%s\n\nCaught by %s\n", diff, m.Why, m.Check)
	return nil
}

// buildInto builds the mutant into a file.
func buildInto(m mutants.Mutant, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	root, err := mutants.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fourways-mutant-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return m.Build(root, dir, file)
}

// serve runs the mutant until it ends, and returns its exit status. Ctrl+C reaches both
// of us: it is the server's to obey. A TERM that is for us is passed on.
func serve(m mutants.Mutant, args []string) (status int, err error) {
	dir, err := os.MkdirTemp("", "fourways-mutant-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, m.Stage)
	if err := buildInto(m, binary); err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		for sig := range signals {
			if sig == syscall.SIGTERM {
				cmd.Process.Signal(sig) // fails only when it has ended, and then so do we
			}
		}
	}()
	cmd.Wait() // its error is the status again
	return cmd.ProcessState.ExitCode(), nil
}
