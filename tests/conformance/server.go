package conformance

// A server under test: a process that the suite started, or an address only.
//
// A process belongs to the server that started it, with its whole group, and stop ends it.
// Exchanges of many goroutines use one server at once; the lock covers what they share. What must
// not be done: the group must be killed only once, since its number may be another's later.

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds of a server's life.
const (
	startWait  = 15 * time.Second // until it accepts
	stopWait   = 15 * time.Second // from SIGTERM to its exit
	endWait    = 3 * time.Second  // from a connection refused to the news that the process ended
	settleWait = 5 * time.Second  // until its descriptors are closed after the last case
	keptWait   = 5 * time.Second  // and those to a server behind it, which are kept for a while
	restPause  = 20 * time.Millisecond
	restLooks  = 10 // in a row that find the same number of sockets
	atOnce     = 8  // cases played at a time: a thread pool of ten must never refuse one
	startTries = 3  // with another port each, should somebody take the one chosen
	tailLines  = 20 // of its output that a report shows
)

// server is one variant of the target. Its process, if it has one, is its own.
type server struct {
	variant  Variant
	addr     string  // host:port
	upstream *server // whose answers it passes on; nil for none
	relay    string  // where exchanges connect in its place, in the tests of the suite itself
	root     string  // "" where it is not known
	house    bool    // our policy is judged too
	zeroCopy bool    // files leave straight from the page cache
	secure   bool    // it speaks TLS at addr
	sessions tls.ClientSessionCache
	slots    chan struct{}

	cmd    *exec.Cmd // nil where only an address is known
	output *tail
	exited chan error // holds one value from the process's end on
	killed sync.Once
	looked sync.Once // whether it streams
	why    string    // it is not to be asked for a very large file, "" where it may be

	mu      sync.Mutex
	refs    map[string]*Response
	sockets int // descriptors of sockets that it had at rest
}

// startServer starts a command, in which {port} and {root} are filled in, and waits
// until it accepts connections.
func startServer(v Variant, command []string, root string, secure bool) (*server, error) {
	var failure error
	for range startTries {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		fill := strings.NewReplacer("{port}", port, "{root}", root)
		args := make([]string, 0, len(command))
		for _, arg := range command {
			args = append(args, fill.Replace(arg))
		}
		s := newServer(v, net.JoinHostPort("127.0.0.1", port), root)
		s.secure = secure
		if failure = s.start(args); !errors.Is(failure, errEnded) {
			return s, failure
		}
	}
	return nil, failure
}

// errEnded is the end of a process that should have listened. Somebody may have taken its port.
var errEnded = errors.New("the server ended before it listened")

func newServer(v Variant, addr, root string) *server {
	return &server{variant: v, addr: addr, root: root, slots: make(chan struct{}, atOnce), output: newTail(), refs: map[string]*Response{}, sessions: tls.NewLRUClientSessionCache(1)}
}

// freePort asks the kernel for a port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (s *server) start(args []string) error {
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	// A group of its own, so that the last resort reaches its workers too.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("the server cannot be started: %w", err)
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.cmd.Wait() }()
	if err := s.awaitReady(); err != nil {
		s.kill()
		return fmt.Errorf("%s: %w%s", strings.Join(args, " "), err, s.lastWords())
	}
	s.sockets = s.atRest()
	return nil
}

// atRest is how many sockets the server has before anybody asks it for anything. One of
// several processes may accept before the last of them is there; so the number has to
// stand for a while.
func (s *server) atRest() (sockets int) {
	for same, deadline := 0, time.Now().Add(settleWait); same < restLooks && time.Now().Before(deadline); time.Sleep(restPause) {
		now, err := s.descriptors()
		if err != nil {
			return 0
		}
		if same++; now != sockets {
			same, sockets = 0, now
		}
	}
	return sockets
}

// awaitReady connects until a connection is accepted.
func (s *server) awaitReady() error {
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); {
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("%w on %s: %s", errEnded, s.addr, cmp.Or(exit(err), "exit status 0"))
		case <-time.After(20 * time.Millisecond): // connect(2) to a port without listener returns at once
		}
		if conn, err := net.Dial("tcp", s.addr); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("the server does not listen on %s after %v", s.addr, startWait)
}

// stop ends the process as an administrator would and reports what was not clean
// about it.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	defer s.kill()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("the server had gone before its end: %w", err)
	}
	select {
	case err := <-s.exited:
		s.exited <- err
		if err != nil && (s.house || !ofSIGTERM(err)) {
			return fmt.Errorf("after SIGTERM: %w", err)
		}
		return nil
	case <-time.After(stopWait):
		return fmt.Errorf("still there %v after SIGTERM", stopWait)
	}
}

// ofSIGTERM reports whether a process died of SIGTERM, or is a shell whose child did.
func ofSIGTERM(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM || exit.ExitCode() == 128+int(syscall.SIGTERM)
}

// kill ends the process and its children without asking, once: later the number of
// the group may be another's.
func (s *server) kill() {
	s.killed.Do(func() {
		if s.cmd != nil && s.cmd.Process != nil {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
}

// killAll is kill for the server and the one behind it; s may be nil.
func (s *server) killAll() {
	for ; s != nil; s = s.upstream {
		s.kill()
	}
}

// alive says why the server is not, or nil.
func (s *server) alive() error {
	s.forget(probePath)
	r, err := s.ref(probePath)
	if err == nil && r.Status != 200 {
		err = fmt.Errorf("GET %s is answered with %d", probePath, r.Status)
	}
	if err == nil || s.cmd == nil {
		return err
	}
	if end := s.ended(); end != "" {
		return fmt.Errorf("the server ended: %s", end)
	}
	return err
}

// ended says how the process has ended, and "" where it goes on. One that answers does; one that
// takes a connection may be about to end.
func (s *server) ended() string {
	if len(s.firstBytes(probePath)) > 0 {
		return ""
	}
	select {
	case end := <-s.exited:
		s.exited <- end
		return cmp.Or(exit(end), "exit status 0")
	case <-time.After(endWait):
		return ""
	}
}

// exit is the text of a process's end, "" where that was well.
func exit(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// lastWords is the last line that the process has printed, as a part of a sentence.
func (s *server) lastWords() string {
	lines := strings.Split(strings.TrimSpace(s.output.String()), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return fmt.Sprintf("; it last said %q", last)
	}
	return ""
}

// settled waits until no more sockets are open than before the first case.
func (s *server) settled() error {
	if s.cmd == nil {
		return nil
	}
	var now int
	wait := settleWait
	if s.upstream != nil {
		wait += keptWait
	}
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if now, err = s.descriptors(); err != nil || now <= s.sockets {
			return err
		}
	}
	return fmt.Errorf("%d sockets are open, %d were before the first case: descriptors leak", now, s.sockets)
}

// descriptors counts the sockets that the process and its children hold (proc(5)).
// Files do not count: a cache of open files is no leak.
func (s *server) descriptors() (sockets int, err error) {
	for _, pid := range processTree(s.cmd.Process.Pid) {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			return 0, err
		}
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:") {
				sockets++
			}
		}
	}
	return sockets, nil
}

// holdsOpen reports whether the process, or one behind it, has that file open.
func (s *server) holdsOpen(path string) bool {
	if s.upstream != nil && s.upstream.holdsOpen(path) {
		return true
	}
	for _, pid := range processTree(s.cmd.Process.Pid) {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && target == path {
				return true
			}
		}
	}
	return false
}

// processTree lists a process and its descendants.
func processTree(pid int) []int {
	tree := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				tree = append(tree, processTree(child)...)
			}
		}
	}
	return tree
}

// local reports whether the server runs on this machine, by this machine's clock.
func (s *server) local() bool {
	host, _, _ := net.SplitHostPort(s.addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ref returns the answer to a plain GET of a path, and remembers it.
func (s *server) ref(path string) (*Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.refs[path]; r != nil {
		return r, nil
	}
	conn, _, err := s.dial(s.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		return nil, err
	}
	in := reader{conn: conn}
	r, err := in.response("GET", time.Now().Add(answerWait))
	if err != nil {
		return nil, err
	}
	s.refs[path] = r
	return r, nil
}

func (s *server) forget(path string) {
	s.mu.Lock()
	delete(s.refs, path)
	s.mu.Unlock()
}

// inRoot is a file's full path below the root.
func (s *server) inRoot(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

// uploads lists the names in the upload folder.
func (s *server) uploads() ([]string, error) {
	entries, err := os.ReadDir(s.inRoot("uploads"))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// tail keeps the last lines of a process's output.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  string
}

func newTail() *tail { return &tail{} }

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bufio.NewScanner(strings.NewReader(t.part + string(p)))
	lines.Buffer(nil, len(t.part)+len(p)+1)
	t.part = ""
	for lines.Scan() {
		t.lines = append(t.lines, lines.Text())
	}
	if n := len(p); n > 0 && p[n-1] != '\n' {
		t.part, t.lines = t.lines[len(t.lines)-1], t.lines[:len(t.lines)-1]
	}
	t.lines = slices.Delete(t.lines, 0, max(0, len(t.lines)-tailLines))
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(slices.Clone(t.lines), t.part), "\n")
}
