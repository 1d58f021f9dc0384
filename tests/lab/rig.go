//go:build linux

package main

// What a lab has to work with: the stages as processes, files for them to serve, and clients.
//
// All that a lab starts is ended by close, whatever has become of the lab, and all its files lie in
// one folder, which goes with it. What must not be done: nothing may listen anywhere but on
// 127.0.0.1.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fourways/tests/gobuild"
	"fourways/tests/group"
	"fourways/tests/mutants"
)

const (
	// patience is how long a server may take to start or to end.
	patience = 20 * time.Second
	// answerTime is how long an answer may take, where the lab says nothing else.
	answerTime = 30 * time.Second
	// again is how long to wait before looking again.
	again = 10 * time.Millisecond
)

// rig is what one run of a lab has.
type rig struct {
	ctx   context.Context // ends on Ctrl+C
	root  string          // the project's
	dir   string          // a folder for this run
	quick bool
	out   io.Writer

	programs *programs
	servers  []*server
}

// newRig makes a rig with a folder of its own. Programs may be shared with others; they are of this
// rig alone if programs is nil.
func newRig(ctx context.Context, p *programs, root string, quick bool, out io.Writer) (*rig, error) {
	dir, err := os.MkdirTemp("", "fourways-lab-*")
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = &programs{dir: dir}
	}
	return &rig{ctx: ctx, root: root, dir: dir, quick: quick, out: out, programs: p}, nil
}

// programs are the stages that were built.
type programs struct {
	dir   string
	mu    sync.Mutex
	built map[string]string // by stage or mutant
}

// of is a stage's program. It is built the first time.
func (p *programs) of(r *rig, stage string) (string, error) {
	return p.once(stage, func(program string) error {
		r.say("building %s", stage)
		cmd := gobuild.Command(r.ctx, ".", program)
		cmd.Dir = filepath.Join(r.root, stage)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", stage, err, out)
		}
		return nil
	})
}

// with is a stage's program with a fault in it, one of the mutants.
func (p *programs) with(r *rig, mutant string) (string, error) {
	m, ok := mutants.Find(mutant)
	if !ok {
		return "", fmt.Errorf("there is no mutant %q", mutant)
	}
	return p.once(mutant, func(program string) error {
		r.say("building %s with a fault in it", m.Stage)
		dir, err := os.MkdirTemp(r.dir, "mutant-*")
		if err != nil {
			return err
		}
		return m.Build(r.root, dir, program)
	})
}

// once builds a program the first time.
func (p *programs) once(name string, build func(program string) error) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.built[name] != "" {
		return p.built[name], nil
	}
	program := filepath.Join(p.dir, name)
	if err := build(program); err != nil {
		return "", err
	}
	if p.built == nil {
		p.built = map[string]string{}
	}
	p.built[name] = program
	return program, nil
}

// close ends what was started and removes what was written.
func (r *rig) close() {
	for _, s := range r.servers {
		s.stop()
	}
	os.RemoveAll(r.dir)
}

// say tells how far the lab has come.
func (r *rig) say(format string, args ...any) { fmt.Fprintf(r.out, "· "+format+"\n", args...) }

// either is the first where the lab is to be quick, and otherwise the second.
func either[T any](r *rig, quick, whole T) T {
	if r.quick {
		return quick
	}
	return whole
}

// folder makes a folder with one file of so many bytes.
func (r *rig) folder(name string, size int) (string, error) {
	dir, err := os.MkdirTemp(r.dir, "root-*")
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{'x'}, size), 0o644)
}

// folderWithHole makes a folder with page.txt and a large file that takes no room on the disk.
func (r *rig) folderWithHole(name string, size int64) (string, error) {
	dir, err := r.folder("page.txt", 100)
	if err != nil {
		return "", err
	}
	large := filepath.Join(dir, name)
	return dir, errors.Join(os.WriteFile(large, nil, 0o644), os.Truncate(large, size))
}

// server is a stage's process.
type server struct {
	addr string // host:port
	tls  string // the same for TLS, "" where it does not listen for that
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	log []string // the lines that it has logged
}

var started = regexp.MustCompile(`started on http://([^\s,]+)(?:, https://(\S+))?`)

// start builds a stage, the first time, and runs it.
func (r *rig) start(stage string, flags ...string) (*server, error) {
	program, err := r.programs.of(r, stage)
	if err != nil {
		return nil, err
	}
	return r.run(program, flags...)
}

// run starts a program of a stage, on a free port unless its flags say where.
func (r *rig) run(program string, flags ...string) (*server, error) {
	stage := filepath.Base(program)
	s := &server{done: make(chan struct{})}
	if !slices.Contains(flags, "-listen") {
		flags = append([]string{"-listen", "127.0.0.1:0"}, flags...)
	}
	s.cmd = exec.Command(program, flags...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	r.servers = append(r.servers, s)
	addrs := make(chan []string, 1)
	go s.read(log, addrs) // a program that takes over logs on, so this may last longer than the process
	go func() {
		s.cmd.Process.Wait()
		close(s.done)
	}()
	select {
	case found := <-addrs:
		s.addr, s.tls = found[1], found[2]
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("%s does not start: %s", stage, s.said())
	case <-time.After(patience):
		return nil, fmt.Errorf("%s does not say where it listens: %s", stage, s.said())
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
}

// read reads the log to its end, and finds the addresses in it.
func (s *server) read(log io.Reader, addrs chan<- []string) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		s.mu.Lock()
		s.log = append(s.log, lines.Text())
		s.mu.Unlock()
		if m := started.FindStringSubmatch(lines.Text()); m != nil && addrs != nil {
			addrs <- m
			addrs = nil
		}
	}
	io.Copy(io.Discard, log) // where a line was too long
}

// said is the last line that it has logged.
func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) == 0 {
		return "nothing"
	}
	return s.log[len(s.log)-1]
}

// logged is how many lines have that text in them.
func (s *server) logged(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.log {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// stop ends the server, in order if it can, and whatever has come out of it: all of it is in one
// process group, a program that has taken over as well.
func (s *server) stop() { group.End(s.cmd.Process.Pid) }

// request is a GET, after which the server closes.
func request(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
}

// How a request has ended.
type ending int

const (
	answered ending = iota
	refused         // no connection came about
	lost            // there was a connection, and no whole answer
)

// fetch asks for a path on a connection of its own, and reads all of the answer.
func fetch(addr, path string) (ending, error) { return fetchWithin(addr, path, answerTime) }

func fetchWithin(addr, path string, within time.Duration) (ending, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return refused, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, request(path)); err != nil {
		return lost, err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return lost, err
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		first, _, _ := bytes.Cut(answer, []byte("\r\n"))
		return lost, fmt.Errorf("the answer is %q", first)
	}
	return answered, nil
}

// until waits until something is so.
func (r *rig) until(what string, so func() bool) error {
	end := time.After(patience)
	for !so() {
		select {
		case <-time.After(again):
		case <-end:
			return fmt.Errorf("after %v it is not so that %s", patience, what)
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
	return nil
}

// crowd is connections that are closed together.
type crowd []net.Conn

// gather opens n connections and sends the same bytes on each.
func gather(addr string, n int, send string) (c crowd, err error) {
	for range n {
		conn, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.EMFILE) {
			err = fmt.Errorf("only %d connections: more files may not be open in a process (ulimit -n)", len(c))
		}
		if err == nil {
			c = append(c, conn)
			_, err = io.WriteString(conn, send)
		}
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// leaveWhenTold has each connection closed as soon as the server ends it, as a client does.
func (c crowd) leaveWhenTold() {
	for _, conn := range c {
		go func() {
			io.Copy(io.Discard, conn)
			conn.Close()
		}()
	}
}

func (c crowd) close() {
	for _, conn := range c {
		conn.Close()
	}
}
