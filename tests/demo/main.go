// Command demo shows the four stages at work side by side.
//
//	go run ./tests/demo
//	go run ./tests/demo -picture FILE.svg
//
// It builds and starts all four, on ports of 127.0.0.1 that it chooses, or on -port and the four
// after it. Each gets the same clients: a few that come for a page again and again, and then a
// crowd that asks once and stays connected. One page shows who waits on what in each, live, until
// Ctrl+C or for as long as -for says. Nothing is left behind.
//
// With -picture it records the same for ten seconds, and writes it as a picture that moves: an SVG
// without a script, as the README has it.
//
// The exit status is 0, 1 where something did not start or could not be written, and 2 where the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitOK    = 0
	exitFails = 1
	exitUsage = 2
)

// Bounds of what the command line may ask for: a demonstration is no load test.
const (
	mostIdle = 2000
	mostBusy = 16
	lastPort = 65535
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout))
}

// options are what the command line says.
type options struct {
	port       int           // of the page; the stages have the next four. 0: any free ones
	idle, busy int           // clients of each stage
	last       time.Duration // 0: until Ctrl+C
	picture    string        // a file; "" for the page
}

func command(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	var o options
	flags.IntVar(&o.port, "port", 0, "the page's `port`; the stages take the four after it (default any that are free)")
	flags.IntVar(&o.idle, "idle", 200, "`clients` of each stage that ask once, stay connected and are silent")
	flags.IntVar(&o.busy, "busy", 4, "`clients` of each stage that come for a page ten times a second")
	flags.DurationVar(&o.last, "for", 0, "end after this `time` (default at Ctrl+C)")
	flags.StringVar(&o.picture, "picture", "", "record ten seconds (or -for) into this `file` as a moving SVG, and end")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if wrong := o.wrong(flags.NArg()); wrong != "" {
		fmt.Fprintf(out, "demo: %s\n", wrong)
		return exitUsage
	}
	if err := show(ctx, o, out); err != nil {
		fmt.Fprintf(out, "demo: %v\n", err)
		return exitFails
	}
	return exitOK
}

// wrong is what is wrong with the command line, or "".
func (o options) wrong(words int) string {
	switch {
	case words > 0:
		return "it takes flags only; -h lists them"
	case o.port < 0 || o.port > lastPort-len(stages):
		return fmt.Sprintf("-port is a number from 1 to %d", lastPort-len(stages))
	case o.idle < 0 || o.idle > mostIdle || o.busy < 0 || o.busy > mostBusy:
		return fmt.Sprintf("-idle is at most %d, and -busy %d", mostIdle, mostBusy)
	case o.last < 0:
		return "-for is a time, as 30s"
	}
	return ""
}

// show starts everything, shows or records it, and ends everything.
func show(ctx context.Context, o options, out io.Writer) error {
	s, err := start(ctx, o, out)
	if err != nil {
		return err
	}
	defer s.close()
	if o.picture != "" {
		return s.record(ctx, o, out)
	}
	return s.serve(ctx, o, out)
}
