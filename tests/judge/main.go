// Command judge runs the conformance suite against any HTTP/1.1 server, in any
// language, and grades it.
//
//	go run ./tests/judge -addr 127.0.0.1:8080
//	go run ./tests/judge -cmd './mine --port {port} --root {root}'
//	go run ./tests/judge -tls -addr 127.0.0.1:8443
//
// It prints a table by topic and, for each case that failed, the section of the RFC,
// the bytes of the exchange with a caret beneath the one concerned, and the command
// that repeats that case alone. The exit status is 0 where all is well, 1 where
// something failed, 2 where the command line is wrong or, with -tls, the server
// does not speak TLS.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fourways/tests/conformance"
)

// Exit statuses.
const (
	passed = 0
	failed = 1
	usage  = 2
)

// options is the command line.
type options struct {
	addr, cmd, run, profile string
	variants, mustOnly, tls bool
	list, verbose, asJSON   bool
	pattern                 *regexp.Regexp
	target                  conformance.Target
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	o, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return passed
	}
	if err != nil {
		fmt.Fprintf(errs, "judge: %v\n", err)
		return usage
	}
	cases := slices.DeleteFunc(conformance.Cases(), func(c conformance.Case) bool { return !o.pattern.MatchString(c.ID) })
	if len(cases) == 0 {
		fmt.Fprintf(errs, "judge: no case matches -run %s; -list shows them all\n", o.run)
		return usage
	}
	if o.list {
		list(out, cases)
		return passed
	}
	return judge(o, cases, out, errs)
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&o.addr, "addr", "", "`HOST:PORT` of a running server that serves the sample site")
	flags.StringVar(&o.cmd, "cmd", "", "`COMMAND` that starts a server; {port} and {root} are filled in, quotes group words")
	flags.StringVar(&o.run, "run", "", "play only the cases whose TOPIC/NAME matches this `REGEXP`")
	flags.StringVar(&o.profile, "profile", "house", "`PROFILE`: house also judges our own policy, rfc the RFCs alone")
	flags.BoolVar(&o.variants, "variants", false, "the server of -cmd knows our flags: start it with other limits, timeouts and options too")
	flags.BoolVar(&o.tls, "tls", false, "speak TLS with the server, at -addr or {port}, and take whatever certificate it has")
	flags.BoolVar(&o.mustOnly, "must-only", false, "exit with 0 although a SHOULD is not met")
	flags.BoolVar(&o.list, "list", false, "print the cases and stop")
	flags.BoolVar(&o.verbose, "v", false, "print every case, and why cases were skipped")
	flags.BoolVar(&o.asJSON, "json", false, "print one JSON object a case, and nothing else; the bytes of failures are in base64")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is not understood; quote the whole command: -cmd './mine --port {port} --root {root}'", flags.Arg(0))
	}
	return o, o.check()
}

// check turns the flags into a pattern and a target.
func (o *options) check() (err error) {
	if o.pattern, err = regexp.Compile(o.run); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if o.profile != "house" && o.profile != "rfc" {
		return fmt.Errorf("-profile is %q; give house or rfc", o.profile)
	}
	if o.list {
		return nil
	}
	if (o.addr == "") == (o.cmd == "") {
		return errors.New("give either -addr HOST:PORT or -cmd COMMAND")
	}
	o.target = conformance.Target{Addr: o.addr, RFCOnly: o.profile == "rfc", TLS: o.tls}
	if o.target.Cmd, err = splitWords(o.cmd); err != nil {
		return fmt.Errorf("-cmd: %w", err)
	}
	if o.variants {
		o.target.Args = conformance.FourWays
	}
	return nil
}

func list(out io.Writer, cases []conformance.Case) {
	for _, c := range cases {
		fmt.Fprintf(out, "%-40s %-6s %-14s %s\n", c.ID, c.Level, c.RFC, c.Says)
	}
}

// judge plays the cases and prints what became of them.
func judge(o *options, cases []conformance.Case, out, errs io.Writer) int {
	suite, err := conformance.New(o.target)
	if err != nil {
		fmt.Fprintf(errs, "judge: %v\n", err)
		return usage
	}
	defer suite.Close()
	defer closeOnSignal(suite)()
	if o.tls { // without TLS, every case would tell the same
		if err := suite.Reach(); err != nil {
			fmt.Fprintf(errs, "judge: %v\n", err)
			return usage
		}
	}
	began := time.Now()
	report := newReport(o, out)
	results := make(chan conformance.Result)
	go func() {
		var all sync.WaitGroup
		for i := range cases {
			all.Go(func() { results <- suite.Play(&cases[i]) })
		}
		all.Wait()
		close(results)
	}()
	for r := range results {
		report.add(r)
	}
	faults := suite.Finish()
	report.finish(faults, time.Since(began))
	return report.status(len(faults))
}

// closeOnSignal ends the servers when the command is interrupted: they are in process
// groups of their own and would stay. The function returned ends the watch.
func closeOnSignal(suite *conformance.Suite) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			suite.Close()
			os.Exit(failed)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// report gathers results.
type report struct {
	o       *options
	out     io.Writer
	results []conformance.Result
}

func newReport(o *options, out io.Writer) *report { return &report{o: o, out: out} }

func (p *report) add(r conformance.Result) {
	p.results = append(p.results, r)
	if p.o.asJSON {
		p.printJSON(r)
	}
}

// jsonResult is one line of -json.
type jsonResult struct {
	Case     string                `json:"case"`
	Level    string                `json:"level"`
	RFC      string                `json:"rfc,omitempty"`
	Says     string                `json:"says"`
	Outcome  string                `json:"outcome"` // passed, skipped, or the level failed
	Skipped  string                `json:"skipped,omitempty"`
	Seconds  float64               `json:"seconds"`
	Failures []conformance.Failure `json:"failures,omitempty"`
}

func (p *report) printJSON(r conformance.Result) {
	line, err := json.Marshal(jsonResult{r.Case.ID, r.Case.Level.String(), r.Case.RFC, r.Case.Says, outcome(&r), r.Skipped, r.Took.Seconds(), r.Failed})
	if err != nil {
		line = fmt.Appendf(nil, "{\"error\":%q}", err)
	}
	fmt.Fprintf(p.out, "%s\n", line)
}

func outcome(r *conformance.Result) string {
	switch {
	case r.Level() != conformance.None:
		return r.Level().String()
	case r.Skipped != "":
		return "skipped"
	}
	return "passed"
}

// finish prints the failures, then the table.
func (p *report) finish(faults []error, took time.Duration) {
	if p.o.asJSON {
		return
	}
	order := map[string]int{}
	for i, c := range conformance.Cases() {
		order[c.ID] = i
	}
	slices.SortFunc(p.results, func(a, b conformance.Result) int { return order[a.Case.ID] - order[b.Case.ID] })
	wide := map[string][]string{}
	for i := range p.results {
		r := &p.results[i]
		if text := r.Wide(); text != "" {
			wide[text] = append(wide[text], r.Case.ID)
			if len(wide[text]) > 1 {
				continue // it is told below, with the others
			}
		}
		p.printResult(r)
	}
	for text, ids := range wide {
		if len(ids) > 1 {
			fmt.Fprintf(p.out, "Also (%s):\n  %s\n\n", text, strings.Join(ids[1:], " "))
		}
	}
	p.printTable()
	for _, err := range faults {
		fmt.Fprintf(p.out, "after the last case: %v\n", err)
	}
	fmt.Fprintf(p.out, "%d cases in %.1f s\n", len(p.results), took.Seconds())
}

func (p *report) printResult(r *conformance.Result) {
	what := outcome(r)
	switch {
	case r.Level() != conformance.None:
		fmt.Fprintf(p.out, "%s\n  again: %s\n\n", r.Explain(), p.again(r.Case))
	case p.o.verbose && r.Skipped != "":
		fmt.Fprintf(p.out, "%-8s %s: %s\n", what, r.Case.ID, r.Skipped)
	case p.o.verbose:
		fmt.Fprintf(p.out, "%-8s %s (%d ms)\n", what, r.Case.ID, r.Took.Milliseconds())
	}
}

// again is the command that repeats one case.
func (p *report) again(c *conformance.Case) string {
	words := []string{"go run ./tests/judge"}
	if p.o.addr != "" {
		words = append(words, "-addr "+p.o.addr)
	} else {
		words = append(words, "-cmd "+shellQuote(p.o.cmd))
	}
	if p.o.tls {
		words = append(words, "-tls")
	}
	if p.o.variants {
		words = append(words, "-variants")
	}
	if p.o.profile != "house" {
		words = append(words, "-profile "+p.o.profile)
	}
	return strings.Join(append(words, "-run "+shellQuote("^"+regexp.QuoteMeta(c.ID)+"$")), " ")
}

// row is one line of the table.
type row struct {
	topic                             string
	passed, must, house, should, skip int
}

func (w *row) count(r *conformance.Result) {
	switch r.Level() {
	case conformance.MUST:
		w.must++
	case conformance.HOUSE:
		w.house++
	case conformance.SHOULD:
		w.should++
	default:
		if r.Skipped != "" {
			w.skip++
		} else {
			w.passed++
		}
	}
}

func (p *report) printTable() {
	const format = "%-20s %7v %7v %7v %7v %7v\n"
	fmt.Fprintf(p.out, format, "topic", "passed", "MUST", "HOUSE", "SHOULD", "skipped")
	var rows []*row
	total := &row{topic: "all"}
	for i := range p.results {
		r := &p.results[i]
		if len(rows) == 0 || rows[len(rows)-1].topic != r.Case.Topic() {
			rows = append(rows, &row{topic: r.Case.Topic()})
		}
		rows[len(rows)-1].count(r)
		total.count(r)
	}
	for _, w := range append(rows, total) {
		fmt.Fprintf(p.out, format, w.topic, w.passed, w.must, w.house, w.should, w.skip)
	}
}

// status is the exit status. A server that did not survive has failed too.
func (p *report) status(faults int) int {
	for i := range p.results {
		level := p.results[i].Level()
		if level > conformance.SHOULD || level == conformance.SHOULD && !p.o.mustOnly {
			return failed
		}
	}
	if faults > 0 {
		return failed
	}
	return passed
}

// splitWords splits a command as a shell does: blanks separate, quotes group, a
// backslash outside single quotes takes the next character as it is.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	inWord, escaped, quote := false, false, rune(0)
	for _, c := range text {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			inWord, quote = true, c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quotation mark or backslash at the end of %q is left open", text)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// shellQuote makes one word of a text for a shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
