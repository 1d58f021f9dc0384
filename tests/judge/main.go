// Command judge runs the conformance suite against any HTTP/1.1 server, in any
// language, and says what to mend first.
//
//	go run ./tests/judge -write-site site
//	go run ./tests/judge -site site -addr 127.0.0.1:8080
//	go run ./tests/judge -cmd './mine --port {port} --root {root}'
//	go run ./tests/judge -cmd './mine --port {port} --root {root}' -level 3
//
// The server must serve the sample site: the folder that -write-site makes, or the one
// that {root} stands for. What is wrong with every answer is told first, and once. Then
// come the faults, those of one cause together and the most frequent first, with the
// sentence of the RFC that each breaks, the bytes of one exchange with a caret beneath the
// byte concerned, and the command that repeats it. -v tells of each case.
//
// -level plays as much of the suite as a server in the making has come to: fourteen steps,
// of which each is one sentence, and one fault at a time.
//
// The exit status is 0 where all is well, and 1 where something failed. It is 2 where there is
// nothing to judge: the command line is wrong, nobody listens, the command does not start, or
// what is served is not the sample site.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"fourways/tests/conformance"
	"fourways/tests/words"
)

// Exit statuses.
const (
	passed = 0
	failed = 1
	usage  = 2
)

// options is the command line.
type options struct {
	addr, cmd, site, run, topic, skip, profile string
	level, atOnce                              int
	variants, mustOnly, tls, zeroCopy          bool
	list, verbose                              bool
	json, junit, html, baseline, writeSite     string // files
	target                                     conformance.Target
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return passed
	}
	status := passed
	if err == nil {
		status, err = o.do(out)
	}
	if err != nil {
		fmt.Fprintf(errs, "judge: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return usage
	}
	return status
}

// do is what the command line asks for. An error is a reason not to judge at all.
func (o *options) do(out io.Writer) (status int, err error) {
	if o.writeSite != "" {
		return passed, writeSite(o.writeSite, out)
	}
	cases, err := o.cases()
	if err != nil {
		return usage, err
	}
	if o.list {
		list(out, cases, o.verbose)
		return passed, nil
	}
	before, err := readBaseline(o.baseline)
	if err != nil {
		return usage, err
	}
	suite, err := conformance.New(o.target)
	if err != nil {
		return usage, err
	}
	defer suite.Close()
	defer suite.CloseOnSignal(failed)()
	if err := suite.Reach(o.level == 0); err != nil {
		return usage, err
	}
	if o.level > 0 {
		return climb(o, suite, out), nil
	}
	v := o.judge(suite, cases)
	v.since = before
	if err := o.report(v, out); err != nil {
		return usage, err
	}
	return v.status(o.mustOnly), nil
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&o.addr, "addr", "", "`HOST:PORT` of a running server that serves the sample site")
	flags.StringVar(&o.cmd, "cmd", "", "`COMMAND` that starts a server; {port} and {root} are filled in, quotes group words")
	flags.StringVar(&o.site, "site", "", "`FOLDER`, made by -write-site, that the server at -addr serves: more cases can be played")
	flags.StringVar(&o.writeSite, "write-site", "", "make the sample site in a new `FOLDER`, and stop")
	flags.IntVar(&o.level, "level", 0, "judge a server in the making: climb from level 1 to level `N`, 14 at most, and stop at the first fault")
	flags.StringVar(&o.topic, "topic", "", "play only the cases of these `TOPICS`, with commas between them")
	flags.StringVar(&o.run, "run", "", "play only the cases whose TOPIC/NAME matches this `REGEXP`")
	flags.StringVar(&o.skip, "skip", "", "leave out the cases whose TOPIC/NAME matches this `REGEXP`")
	flags.StringVar(&o.profile, "profile", "rfc", "`PROFILE`: rfc judges by the RFCs alone, house by the policy of this project's servers too")
	flags.BoolVar(&o.variants, "variants", false, "the server of -cmd knows this project's flags: start it with other limits, timeouts and options too")
	flags.BoolVar(&o.tls, "tls", false, "speak TLS with the server, at -addr or {port}, and take whatever certificate it has")
	flags.BoolVar(&o.zeroCopy, "zero-copy", false, "the server sends files by sendfile(2): of one that shrinks meanwhile, zeros may be seen")
	flags.BoolVar(&o.mustOnly, "must-only", false, "exit with 0 although a SHOULD is not met")
	flags.IntVar(&o.atOnce, "at-once", 0, "play `N` cases at a time; 0 is eight, or one where the server serves one connection at a time")
	flags.BoolVar(&o.list, "list", false, "print the cases and stop; with -v also the sentences of the RFCs that they rest on")
	flags.BoolVar(&o.verbose, "v", false, "print every case, each failed one with its bytes, and why cases were not played")
	flags.StringVar(&o.json, "json", "", "write the report to a `FILE` as one JSON object; - is standard output, and nothing else is printed")
	flags.StringVar(&o.junit, "junit", "", "write the report to a `FILE` as JUnit's XML; - as with -json")
	flags.StringVar(&o.html, "html", "", "write the report to a `FILE` as a page; - as with -json")
	flags.StringVar(&o.baseline, "baseline", "", "a `FILE` that -json wrote: only what did not fail then counts")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is not understood; quote the whole command: -cmd './mine --port {port} --root {root}'", flags.Arg(0))
	}
	return o, o.check()
}

// check holds the flags against one another, and makes the target of them.
func (o *options) check() (err error) {
	switch {
	case o.profile != "house" && o.profile != "rfc":
		return fmt.Errorf("-profile is %q; give house or rfc", o.profile)
	case o.level < 0 || o.level > len(levels):
		return fmt.Errorf("-level is %d; there are 1 to %d", o.level, len(levels))
	case o.level > 0 && (o.run != "" || o.topic != "" || o.baseline != "" || o.json != "" || o.junit != "" || o.html != ""):
		return errors.New("-level says what is played and how it is told; give it without -run, -topic, -baseline, -json, -junit and -html")
	case o.list || o.writeSite != "":
		return nil
	case (o.addr == "") == (o.cmd == ""):
		return errors.New("give either -addr HOST:PORT or -cmd COMMAND")
	case o.site != "" && o.addr == "":
		return errors.New("-site goes with -addr; a server of -cmd gets a folder of its own, {root}")
	}
	o.target = conformance.Target{Addr: o.addr, Root: o.site, RFCOnly: o.profile == "rfc" || o.level > 0, TLS: o.tls, ZeroCopy: o.zeroCopy, AtOnce: o.atOnce}
	if o.level > 0 {
		o.target.AtOnce = 1
	}
	if o.target.Cmd, err = words.Split(o.cmd); err != nil {
		return fmt.Errorf("-cmd: %w", err)
	}
	if o.variants {
		o.target.Args = conformance.FourWays
	}
	return nil
}

// cases are those that the flags select.
func (o *options) cases() ([]conformance.Case, error) {
	run, err := regexp.Compile(o.run)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	skip, err := regexp.Compile(o.skip)
	if err != nil {
		return nil, fmt.Errorf("-skip: %w", err)
	}
	topics := strings.FieldsFunc(o.topic, func(r rune) bool { return r == ',' || r == ' ' })
	all := conformance.Cases()
	for _, topic := range topics {
		if !slices.ContainsFunc(all, func(c conformance.Case) bool { return c.Topic() == topic }) {
			return nil, fmt.Errorf("there is no topic %q; -list shows them before the slashes", topic)
		}
	}
	cases := slices.DeleteFunc(all, func(c conformance.Case) bool {
		return !run.MatchString(c.ID) || o.skip != "" && skip.MatchString(c.ID) || len(topics) > 0 && !slices.Contains(topics, c.Topic()) ||
			!o.list && o.profile == "rfc" && c.Level == conformance.HOUSE
	})
	if len(cases) == 0 {
		return nil, fmt.Errorf("no case is left by -run, -topic, -skip and -profile %s; -list shows them all", o.profile)
	}
	return cases, nil
}

// writeSite makes the sample site.
func writeSite(folder string, out io.Writer) error {
	if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is there already, and not empty", folder)
	}
	if err := conformance.MakeSite(folder); err != nil {
		return err
	}
	fmt.Fprintf(out, "The sample site is in %s, and what nobody may get at in %s-secret beside it.\nHave your server serve %s, and judge it: go run ./tests/judge -site %s -addr HOST:PORT\n", folder, folder, folder, words.Word(folder))
	return nil
}

func list(out io.Writer, cases []conformance.Case, quotes bool) {
	for _, c := range cases {
		fmt.Fprintf(out, "%-40s %-6s %-14s %s\n", c.ID, c.Level, c.RFC, c.Says)
		if quotes && c.Quote != "" {
			fmt.Fprintf(out, "    \"%s\"\n", c.Quote)
		}
	}
}

// judge plays the cases.
func (o *options) judge(suite *conformance.Suite, cases []conformance.Case) *verdict {
	began := time.Now()
	results := make([]conformance.Result, len(cases))
	var all sync.WaitGroup
	for i := range cases {
		all.Go(func() { results[i] = suite.Play(&cases[i]) })
	}
	all.Wait()
	v := newVerdict(o, results)
	if suite.Serial() {
		v.notes = append(v.notes, "It serves one connection at a time, so the cases were played one after another.")
	}
	v.after = suite.Finish()
	v.took = time.Since(began)
	return v
}

// again is the command that repeats what a regular expression names.
func (o *options) again(flags ...string) string {
	line := []string{"go run ./tests/judge"}
	if o.addr != "" {
		line = append(line, "-addr "+o.addr)
	} else {
		line = append(line, "-cmd "+words.Quote(o.cmd))
	}
	for _, f := range []struct {
		given bool
		text  string
	}{
		{o.site != "", "-site " + words.Word(o.site)}, {o.tls, "-tls"}, {o.variants, "-variants"},
		{o.zeroCopy, "-zero-copy"}, {o.profile != "rfc", "-profile " + o.profile},
	} {
		if f.given {
			line = append(line, f.text)
		}
	}
	return strings.Join(append(line, flags...), " ")
}

// againCase is the command that repeats one case, and tells of it.
func (o *options) againCase(id string) string {
	return o.again("-run " + words.Quote("^"+regexp.QuoteMeta(id)+"$"))
}
