// Package load runs a load generator, wrk or else hey, and reads what it prints.
//
// Both are programs of others, and their output is for people: the parsers are strict,
// so that a changed format is an error and never a wrong figure.
package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tool is a load generator.
type Tool struct {
	Name string // wrk or hey
	Path string // of the program
}

// Spec is one load.
type Spec struct {
	URL         string
	Connections int
	Duration    time.Duration
	Close       bool   // ask for a new connection each time
	Script      string // a Lua script for wrk, or empty
}

// Result is what came of it.
type Result struct {
	Requests int // answered
	Errors   int // not answered, or not by 2xx or 3xx
	Elapsed  time.Duration
	Rate     float64 // answers a second
	P50, P99 time.Duration
}

// ErrNoScript says that only wrk runs scripts.
var ErrNoScript = errors.New("hey runs no scripts; install wrk")

// overrun is how long a generator may take to start and to come to an end, beside the
// load itself.
const overrun = 30 * time.Second

// Run makes the load. The command is handed to start, which may pin it.
func (t Tool) Run(ctx context.Context, s Spec, start func(*exec.Cmd) error) (Result, error) {
	args, parse, err := t.arguments(s)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Duration+overrun)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.Path, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(cmd); err != nil {
		return Result{}, err
	}
	if t.Name == "wrk" && s.Duration%time.Second != 0 {
		// wrk counts whole seconds, but comes to an orderly end on SIGINT.
		timer := time.AfterFunc(s.Duration, func() { cmd.Process.Signal(os.Interrupt) })
		defer timer.Stop()
	}
	if err := cmd.Wait(); err != nil {
		return Result{}, fmt.Errorf("%s: %w\n%s", t.Name, err, out.String())
	}
	r, err := parse(out.String())
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w in\n%s", t.Name, err, out.String())
	}
	return r, nil
}

// arguments are the command line for a load, and the parser of what it prints.
func (t Tool) arguments(s Spec) ([]string, func(string) (Result, error), error) {
	connections := strconv.Itoa(s.Connections)
	switch {
	case t.Name == "wrk":
		seconds := (s.Duration + time.Second - 1) / time.Second
		args := []string{"--latency", "-t", "1", "-c", connections, "-d", strconv.Itoa(int(seconds)) + "s"}
		if s.Close {
			args = append(args, "-H", "Connection: close")
		}
		if s.Script != "" {
			args = append(args, "-s", s.Script)
		}
		return append(args, s.URL), ParseWrk, nil
	case s.Script != "":
		return nil, nil, ErrNoScript
	}
	args := []string{"-cpus", "1", "-c", connections, "-z", s.Duration.String(), "-disable-compression", "-disable-redirects"}
	if s.Close {
		args = append(args, "-disable-keepalive")
	}
	return append(args, s.URL), ParseHey, nil
}

// Lines of wrk.
var (
	wrkTotal  = regexp.MustCompile(`(?m)^\s*(\d+) requests in ([\d.]+[a-z]+),`)
	wrkRate   = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkHalf   = regexp.MustCompile(`(?m)^\s+50%\s+([\d.]+[a-z]+)`)
	wrkMost   = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+[a-z]+)`)
	wrkErrors = regexp.MustCompile(`(?m)^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: (\d+)`)
)

// ParseWrk reads what wrk --latency prints.
func ParseWrk(text string) (Result, error) {
	p := parser{text: text}
	total := p.must("the total", wrkTotal)
	r := Result{
		Requests: p.count(total[1]),
		Elapsed:  p.duration(total[2]),
		Rate:     p.number(p.must("the rate", wrkRate)[1]),
		P50:      p.duration(p.must("the median latency", wrkHalf)[1]),
		P99:      p.duration(p.must("the 99th percentile", wrkMost)[1]),
	}
	for _, pattern := range []*regexp.Regexp{wrkErrors, wrkStatus} {
		r.Errors += p.counts(pattern.FindStringSubmatch(text))
	}
	return r, p.err
}

// Lines of hey.
var (
	heyTotal  = regexp.MustCompile(`(?m)^\s*Total:\s+([\d.]+) secs`)
	heyRate   = regexp.MustCompile(`(?m)^\s*Requests/sec:\s+([\d.]+)`)
	heyHalf   = regexp.MustCompile(`(?m)^\s*50%+ in ([\d.]+) secs`)
	heyMost   = regexp.MustCompile(`(?m)^\s*99%+ in ([\d.]+) secs`)
	heyStatus = regexp.MustCompile(`(?m)^\s*\[(\d{3})\]\s+(\d+) responses`)
	heyErrors = regexp.MustCompile(`(?m)^\s*\[(\d+)\]\s+(.*)$`)
)

// ParseHey reads hey's summary.
func ParseHey(text string) (Result, error) {
	p := parser{text: text}
	r := Result{
		Elapsed: p.seconds(p.must("the total", heyTotal)[1]),
		Rate:    p.number(p.must("the rate", heyRate)[1]),
		P50:     p.seconds(p.must("the median latency", heyHalf)[1]),
	}
	// A short run has too few answers for a 99th percentile, and hey leaves it out.
	r.P99 = r.P50
	if m := heyMost.FindStringSubmatch(text); m != nil {
		r.P99 = p.seconds(m[1])
	}
	for _, m := range heyStatus.FindAllStringSubmatch(text, -1) {
		n := p.count(m[2])
		if m[1] < "200" || m[1] >= "400" {
			r.Errors += n
		}
		r.Requests += n
	}
	if _, list, ok := strings.Cut(text, "Error distribution:"); ok {
		for _, m := range heyErrors.FindAllStringSubmatch(list, -1) {
			r.Errors += p.count(m[1])
		}
	}
	if p.err == nil && r.Requests == 0 {
		p.err = errors.New("no answer counted")
	}
	return r, p.err
}

// parser keeps the first error.
type parser struct {
	text string
	err  error
}

func (p *parser) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

// must finds a line that has to be there. Its groups are empty where it is not.
func (p *parser) must(what string, pattern *regexp.Regexp) []string {
	m := pattern.FindStringSubmatch(p.text)
	if m == nil {
		p.fail(fmt.Errorf("%s is missing", what))
		m = make([]string, pattern.NumSubexp()+1)
	}
	return m
}

func (p *parser) number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	p.fail(err)
	return f
}

func (p *parser) count(text string) int {
	n, err := strconv.Atoi(text)
	p.fail(err)
	return n
}

// counts is the sum of a match's groups, 0 where nothing matched.
func (p *parser) counts(match []string) (sum int) {
	for i := 1; i < len(match); i++ {
		sum += p.count(match[i])
	}
	return sum
}

// duration reads wrk's 1.02ms, 3.00s, 1.50m.
func (p *parser) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	p.fail(err)
	return d
}

func (p *parser) seconds(text string) time.Duration {
	return time.Duration(p.number(text) * float64(time.Second))
}
