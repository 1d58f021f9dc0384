//go:build linux

// Command bench measures the stages side by side with other servers.
//
//	go run ./tests/bench
//	go run ./tests/bench -quick
//	go run ./tests/bench -work small,new -servers 'stage3|nginx|limit' -json out.json
//	go run ./tests/bench -compare out.json
//	go run ./tests/bench -record
//	go run ./tests/bench -scoreboard
//	go run ./tests/bench -work small -server 'mine=./mine --port {port} --root {root}'
//
// One server runs at a time, on one processor, and the load generator on another. The
// servers take turns, round by round, so that a change of the machine's mood meets all
// of them, and a figure is the median of the rounds. Compare figures of one run only,
// and the processor time per request before the rate: once the generator's processor is
// full, fast servers look alike in requests a second.
//
// Whoever starts a process here stops it: servers and generators belong to the function
// that started them, temporary files to main. No process is left behind, whatever ends
// the run.
//
// The files, in the order of their story: main.go and namespace.go set the stage, build.go and
// servers.go say who is measured (configs.go and variants.go: by which configuration, own.go: a
// server of yours, behind.go: what stands behind a proxy), work.go at what, measure.go and asked.go
// how; report.go and page.go show it, and goals.go says whether it is enough. The packages below
// them run the generators (load), are the clients that no generator offers (client), and read the
// kernel's books (proc).
//
// Exit statuses: 0 all was measured, 1 something could not be, 2 the command line is
// wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit statuses.
const (
	measured = 0
	failed   = 1
	usage    = 2
)

// options is the command line.
type options struct {
	works    []*work
	servers  *regexp.Regexp
	rounds   int
	duration time.Duration
	touch    bool
	idle     int       // connections, where memory is measured
	json     string    // file, or empty
	html     string    // file, or empty
	fixed    bool      // -duration was given
	quick    bool      // the duration follows from how much there is to measure
	own      []*server // by -server
	ungated  bool      // they are measured whatever the suite says of them

	generator string // own or wrk

	compare string    // file of an earlier run, or empty
	old     *document // what is in it
	loosely bool      // the run fails only where a ratio has grown by half since
	from    *document // an earlier run that is shown, where nothing is to be measured
	record  bool      // the run is written to docs/results
	scores  bool      // the servers are judged, and nothing is measured
	scored  string    // file with what was found, or empty
	now     *document // a later run that it is compared with, where nothing is to be measured
}

func main() {
	if len(os.Args) > 1 {
		if role := roles[os.Args[1]]; role != nil {
			os.Exit(role(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
		}
	}
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(measured)
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(usage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
	os.Exit(code)
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	names := flags.String("work", "all", "`KINDS` of work, with commas: "+strings.Join(workNames(), ", "))
	servers := flags.String("servers", "", "measure only servers whose name matches this `REGEXP`")
	flags.IntVar(&o.rounds, "rounds", 3, fmt.Sprintf("`ROUNDS`; a figure is the median of them; %d with -record, where this is not given", recordRounds))
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "length of one measurement, `TIME` such as 3s")
	flags.BoolVar(&o.touch, "touch", true, "make one request on each idle connection first; without it, a server that defers accept(2) has not seen them; by TLS one is always made")
	flags.IntVar(&o.idle, "idle", idleConns, "`CONNECTIONS` that are idle in idle-memory, tls-idle, tls-idle-hybrid and proxy-idle, and the most of curve")
	flags.StringVar(&o.json, "json", "", "write the figures to this `FILE` as well, after each work")
	flags.StringVar(&o.html, "html", "", "write a page with charts to this `FILE`, after each work")
	flags.BoolVar(&o.quick, "quick", false, "a first look in less than 2 minutes: "+strings.Join(quickWorks, ", ")+", or what -work names, as long as it fits")
	flags.Func("server", "measure a server of your own beside the others: `NAME=COMMAND`, in which {port}, {root} and {workers} are filled in; may be repeated", o.addOwn)
	flags.BoolVar(&o.ungated, "ungated", false, "measure the servers of -server although the conformance suite finds that they break a MUST")
	flags.StringVar(&o.compare, "compare", "", "compare with the run whose -json wrote `OLD.json`; followed by NEW.json, compare the two and measure nothing")
	flags.BoolVar(&o.loosely, "loosely", false, "with -compare: fail where what is to be reached is missed by half as much again as in OLD.json")
	from := flags.String("from", "", "measure nothing, and show the run whose -json wrote this `FILE`: its tables, and with -html its page")
	flags.BoolVar(&o.record, "record", false, "the reference run, in about half an hour: write "+resultsDir+"/"+recordFile+", and the README's table and picture; with -from, only these")
	flags.BoolVar(&o.scores, "scoreboard", false, "measure nothing: play the conformance suite against every server that serves files, and write "+resultsDir+"/"+scoreFile+" and the README's table of it; with -from, only these")
	flags.StringVar(&o.generator, "generator", "own", "what asks in works of plain requests: `own` or wrk")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if err := o.checkGiven(flags); err != nil {
		return nil, err
	}
	var err error
	if o.quick && *names == "all" {
		*names = strings.Join(quickWorks, ",")
	}
	if o.record && *names == "all" {
		*names = strings.Join(recordWorks, ",")
	}
	if err := o.readRuns(*from, flags.Args()); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0 && o.now == nil:
		return nil, fmt.Errorf("%q is not understood; all is said by flags", flags.Arg(0))
	case o.rounds < 1:
		return nil, errors.New("-rounds must be 1 at least")
	case o.duration < 10*time.Millisecond || o.duration > time.Minute:
		return nil, errors.New("-duration must be from 10ms to 1m")
	case o.generator != "own" && o.generator != "wrk":
		return nil, errors.New("-generator must be own or wrk")
	case o.idle < 1 || o.idle > idleConns:
		return nil, fmt.Errorf("-idle must be from 1 to %d", idleConns)
	}
	if o.servers, err = regexp.Compile(*servers); err != nil {
		return nil, fmt.Errorf("-servers: %w", err)
	}
	o.works, err = chooseWorks(*names)
	return o, err
}

// readRuns reads the runs that are to be compared.
func (o *options) readRuns(from string, args []string) (err error) {
	if from != "" && o.scores {
		o.scored = from
	} else if from != "" {
		if o.from, err = readDocument(from); err != nil {
			return fmt.Errorf("-from: %w", err)
		}
	}
	if o.compare == "" {
		if o.loosely {
			return errors.New("-loosely needs -compare OLD.json")
		}
		return nil
	}
	if o.old, err = readDocument(o.compare); err != nil {
		return fmt.Errorf("-compare: %w", err)
	}
	if len(args) == 1 {
		o.now, err = readDocument(args[0])
	}
	return err
}

// quickWorks are what a quick run measures.
var quickWorks = []string{"small", "1m", "proxy-small"}

// checkGiven refuses what a quick run finds out by itself, and lets a recorded run find out what
// is not given.
func (o *options) checkGiven(flags *flag.FlagSet) (err error) {
	rounds := false
	flags.Visit(func(f *flag.Flag) {
		if o.quick && f.Name == "duration" {
			err = errors.New("-quick says how long a measurement takes; leave -duration away")
		}
		o.fixed = o.fixed || f.Name == "duration"
		rounds = rounds || f.Name == "rounds"
	})
	if o.record && !rounds {
		o.rounds = recordRounds
	}
	return err
}

// checkFiles notices a path that cannot be written to before anything is measured, and leaves the
// files as they are.
func (o *options) checkFiles() error {
	for name, path := range map[string]string{"-json": o.json, "-html": o.html} {
		if path == "" {
			continue
		}
		_, before := os.Stat(path)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f.Close()
		if os.IsNotExist(before) {
			os.Remove(path)
		}
	}
	return nil
}

// chooseWorks finds the kinds of work by name, in the order of the tables.
func chooseWorks(names string) ([]*work, error) {
	if names == "all" {
		return works, nil
	}
	asked := strings.Split(names, ",")
	for _, name := range asked {
		if !slices.Contains(workNames(), name) {
			return nil, fmt.Errorf("-work: there is no %q; there are %s", name, strings.Join(workNames(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return !slices.Contains(asked, w.name) }), nil
}

// compared compares a run with the earlier one.
func (o *options) compared(out io.Writer, now *document) (int, error) {
	if err := compare(out, o.compare, o.old, now); err != nil {
		return failed, err
	}
	if all := drifted(o.old, now); o.loosely && len(all) > 0 {
		return failed, fmt.Errorf("ratios that have grown by half:\n\t%s", strings.Join(all, "\n\t"))
	}
	return measured, nil
}

// showAgain shows an earlier run.
func showAgain(ctx context.Context, o *options) (int, error) {
	p := &report{machine: o.from.Machine, works: o.from.Works, configs: o.from.Configs}
	p.printHead(os.Stdout)
	for _, now := range p.works {
		p.print(os.Stdout, now)
	}
	printGoals(os.Stdout, p.judge())
	err := p.writePage(o.html)
	if o.record {
		err = errors.Join(err, record(ctx, p))
	}
	if err != nil {
		return failed, err
	}
	return measured, nil
}

// run builds what is measured, out here where the module proxy can be reached, and then
// measures in a network namespace of its own. In there run is called a second time.
func run(ctx context.Context, o *options) (int, error) {
	if o.from != nil {
		return showAgain(ctx, o)
	}
	if o.scored != "" {
		return scoreAgain(ctx, o.scored)
	}
	if o.now != nil {
		return o.compared(os.Stdout, o.now)
	}
	if dir := os.Getenv(insideDir); dir != "" {
		notes := enterNamespace()
		return measureAll(ctx, o, dir, notes)
	}
	if err := o.checkFiles(); err != nil {
		return usage, err
	}
	dir, err := os.MkdirTemp("", "fourways-bench-*")
	if err != nil {
		return failed, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // a server may serve under another user
		return failed, err
	}
	if err := build(ctx, o, dir); err != nil {
		return failed, err
	}
	if o.scores {
		return scoreboard(ctx, o, dir)
	}
	if err := gate(ctx, o); err != nil {
		return failed, err
	}
	code, err := runInside(ctx, dir)
	if errors.Is(err, errNoNamespace) {
		return measureAll(ctx, o, dir, []string{err.Error()})
	}
	return code, err
}
