package book

// Runs: a fence whose commands are executed, and whose output is compared.
//
//	<!-- run -->            above a ```console fence. A line that begins with "$ " is a command, joined with the next
//	                        line where it ends in a backslash; the lines down to the next command are its output.
//	<!-- run: COMMAND -->   above a fence of any kind: all of it is COMMAND's output.
//
// Each command is one `sh -c` in the project's root, with standard output and standard error
// together, and is killed when the caller's context ends. It must succeed: a failure that a chapter
// wants to show is shown by `; echo $?`. Output is compared line by line after what varies is put
// by its kind (normal.go); a line "…" leaves out one or more lines; empty lines at its end do not
// count.
//
// A command that speaks to 127.0.0.1 at port 8080, where a reader's own server is, or to $ADDR
// (http://HOST:PORT), is run against a server that the test starts. What it prints of that server's
// port is put back to 8080.
//
// A fence that calls a program which is not installed is not run, and whoever runs the page is
// told.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	runLeave   = 2 * time.Second // for its output to end once it was killed
	runBytes   = 64 << 10        // of output; a page shows less
	readerPort = "8080"          // of the server in the chapters
)

// Runner executes the commands of pages.
type Runner struct {
	Project Project
	// Server gives the HOST:PORT of a running server. It is called when a command first needs one,
	// and again for each further one; nil if there is no server to be had.
	Server func() (string, error)
	// Skipped is told of each fence that is not run, since a command of it is not installed here.
	// Where it is nil, all are run.
	Skipped func(Finding)
}

// step is one command with the lines that a page shows beneath it.
type step struct {
	head    []string // the command's own lines in the fence
	command string
	shown   []string
}

var (
	runDirective = regexp.MustCompile(`^run(?::\s+(\S.*))?$`)
	usesAddr     = regexp.MustCompile(`\$ADDR\b|\$\{ADDR\}`)
	hostAndPort  = regexp.MustCompile(`\b(127\.0\.0\.1|localhost)(:| port | )(\d+)\b`)
)

// outputRules: lines are compared by what does not vary.
var outputRules = rules{
	hole: func(line string) bool { return strings.TrimSpace(line) == "…" },
	same: func(shown, now string) bool { return normal(shown) == normal(now) },
}

// Runs executes every run of a page.
func (r Runner) Runs(ctx context.Context, d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		if kind(f.Directive) == "run" {
			out = append(out, r.checkFence(ctx, d, f)...)
		}
	}
	return out
}

// HasRuns reports whether a page has any.
func HasRuns(d *Doc) bool {
	return slices.ContainsFunc(d.Fences, func(f Fence) bool { return kind(f.Directive) == "run" })
}

func (r Runner) checkFence(ctx context.Context, d *Doc, f Fence) []Finding {
	steps, err := steps(d, f)
	if err != nil {
		return []Finding{d.finding(f, err.Error())}
	}
	if tool := missing(steps); tool != "" && r.Skipped != nil {
		r.Skipped(d.finding(f, "it is not run, since there is no "+tool))
		return nil
	}
	var body, wrong []string
	for _, s := range steps {
		now, err := r.run(ctx, s.command)
		if err != nil {
			return []Finding{d.finding(f, fmt.Sprintf("%s\n%v", s.command, err))}
		}
		shown, rest := trimEmpty(s.shown)
		if !outputRules.matches(shown, now) {
			fitted, err := outputRules.refit(shown, now)
			if err != nil {
				return []Finding{d.finding(f, fmt.Sprintf("%s\n%v\nthe output is now\n%s", s.command, err, strings.Join(now, "\n")))}
			}
			wrong = append(wrong, s.command+diff(outputRules, shown, fitted))
			shown = fitted
		}
		body = slices.Concat(body, s.head, shown, rest)
	}
	if wrong == nil {
		return nil
	}
	return []Finding{d.repairable(f, strings.Join(wrong, "\n"), body)}
}

// trimEmpty parts the empty lines at the end from the others.
func trimEmpty(all []string) (rest, empty []string) {
	n := len(all)
	for n > 0 && strings.TrimSpace(all[n-1]) == "" {
		n--
	}
	return all[:n], all[n:]
}

// steps gives the commands of a run fence, in order.
func steps(d *Doc, f Fence) ([]step, error) {
	m := runDirective.FindStringSubmatch(f.Directive)
	switch {
	case m == nil:
		return nil, errors.New("write it as: run, or run: COMMAND")
	case f.Indented:
		return nil, errors.New("a run is a fence at the margin")
	case m[1] != "":
		return []step{{command: m[1], shown: d.Body(f)}}, nil
	case f.Info != "console":
		return nil, errors.New("the commands to run stand in a ```console fence")
	}
	var out []step
	joined := false // this line continues a command
	for _, line := range d.Body(f) {
		command, is := strings.CutPrefix(line, "$ ")
		switch {
		case is && !joined:
			out = append(out, step{head: []string{line}, command: command})
		case len(out) == 0:
			return nil, errors.New("the fence begins with no command: `$ ` and the command")
		case joined:
			last := &out[len(out)-1]
			last.head = append(last.head, line)
			last.command += "\n" + line
		default:
			last := &out[len(out)-1]
			last.shown = append(last.shown, line)
			continue
		}
		joined = strings.HasSuffix(line, `\`)
	}
	if out == nil {
		return nil, errors.New("the fence has no command: `$ ` and the command")
	}
	return out, nil
}

// missing gives a program that the commands call, of those that are not on every machine, and that
// is not installed here; "" for none.
func missing(steps []step) string {
	for _, s := range steps {
		for _, tool := range called(s.command) {
			if _, err := exec.LookPath(tool); err != nil {
				return tool
			}
		}
	}
	return ""
}

// run gives the lines that a command of a page prints, as the reader would see them.
func (r Runner) run(ctx context.Context, command string) ([]string, error) {
	dir := filepath.Clean(r.Project.Dir)
	if !usesAddr.MatchString(command) && movePort(command, readerPort, "") == command {
		return execute(ctx, dir, command, nil)
	}
	if r.Server == nil {
		return nil, errors.New("it needs a server, and there is none")
	}
	addr, err := r.Server()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	now, err := execute(ctx, dir, movePort(command, readerPort, port), []string{"ADDR=http://" + addr})
	for i := range now {
		now[i] = movePort(now[i], port, readerPort)
	}
	return now, err
}

// movePort turns every mention of this machine at one port to another port: HOST:PORT, and HOST
// PORT as nc(1) takes it.
func movePort(text, from, to string) string {
	return hostAndPort.ReplaceAllStringFunc(text, func(mention string) string {
		if m := hostAndPort.FindStringSubmatch(mention); m[3] == from {
			return m[1] + m[2] + to
		}
		return mention
	})
}

// execute gives the lines that one command prints. It runs in a process group of its own, so that
// what it started ends with it.
func execute(ctx context.Context, dir, command string, env []string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(append(cmd.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = runLeave
	var out limited
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case out.over:
		err = fmt.Errorf("it prints more than %d bytes", runBytes)
	case ctx.Err() != nil:
		err = fmt.Errorf("it did not end: %w", ctx.Err())
	case errors.As(err, &exit):
		err = fmt.Errorf("it failed (%w); to show a failure, end the command with: ; echo $?\n%s", err, out.kept.String())
	}
	now, _ := trimEmpty(lines(out.kept.String()))
	// On a machine that builds for the first time the go command says what it fetches.
	now = slices.DeleteFunc(now, func(line string) bool { return strings.HasPrefix(line, "go: downloading ") })
	for i := range now {
		now[i] = strings.TrimRight(now[i], " \t\r")
	}
	return now, err
}

// limited keeps an output of bounded size. The buffer is not embedded: its ReadFrom would know of
// no bound.
type limited struct {
	kept bytes.Buffer
	over bool // there was more
}

func (l *limited) Write(p []byte) (int, error) {
	if l.kept.Len()+len(p) > runBytes {
		l.over = true
		return 0, io.ErrShortWrite // ends the command by SIGPIPE
	}
	return l.kept.Write(p)
}
