// Package harness runs a stage as a process of its own, as a user would, for tests.
//
// A test package builds its stage once, in [Main], and each test starts the program
// with the flags it needs. What a test starts, its cleanup stops by SIGTERM, and the
// test fails if the program does not end in order. Nothing here waits for a time
// where it can wait for an event.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/gobuild"
)

// Patience is how long a test waits for something that should happen soon. It only
// bounds how long a failure takes to be noticed.
var Patience = patience()

// CallPause is the time from an answer to a client's next call, where clients go on calling while
// something else happens: all of a busy machine's processors are not theirs.
const CallPause = 5 * time.Millisecond

// PatienceVariable names another Patience in the environment, for tests that are to fail.
const PatienceVariable = "FOURWAYS_TEST_PATIENCE"

func patience() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(PatienceVariable)); err == nil {
		return d
	}
	return time.Minute
}

// atOnce is how many parallel tests run together where the command line does not say: more than
// there are processors, since most of a test's time is spent waiting for a process.
const atOnce = 12

// lastLines is how long the last lines of a process that has ended may take to arrive.
const lastLines = time.Second

var binary string

// ServerVariable names a program in the environment that Main takes in place of one that it
// builds. Its file has the stage's name. The tests of the mutants give theirs in this way.
const ServerVariable = "FOURWAYS_TEST_SERVER"

// Main builds the stage, with the race detector if the test has it, runs the tests,
// and exits. Call it from TestMain.
func Main(m *testing.M, stage string) {
	ManyAtOnce()
	if binary = os.Getenv(ServerVariable); binary != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "fourways-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, stage)
	var flags []string
	if raceEnabled {
		flags = append(flags, "-race")
	}
	code := 1
	if out, err := gobuild.Command(context.Background(), "fourways/"+stage, binary, flags...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// ManyAtOnce has as many parallel tests run together as the command line says, or else atOnce.
// Main does so. Call it before the tests run.
func ManyAtOnce() {
	const parallel = "test.parallel"
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == parallel })
	if !said {
		flag.Set(parallel, strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0))))
	}
}

// Binary is the path of the program that Main built.
func Binary() string { return binary }

// WriteProgram writes a program's text, for whoever executes it. No child is begun meanwhile: it
// would have the file open for writing for a moment, in which nobody could execute it (ETXTBSY,
// execve(2)).
func WriteProgram(t testing.TB, path string, text []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(path, text, 0o755))
}

// ThroughVariable says in the environment that each server that a test starts by [Start] is to pass
// all requests on to another one behind it, of the same stage, which answers them; unless the test
// has them passed on itself.
const ThroughVariable = "FOURWAYS_TEST_THROUGH"

// Through reports whether it says so.
func Through() bool { return os.Getenv(ThroughVariable) != "" }

// answering are the flags that say what is answered; the true ones have a value.
var answering = map[string]bool{
	"-root": true, "-types": true, "-inline": false, "-chunked": false, "-cache-control": true, "-error-page": true,
	"-html-ext": false, "-spa": true, "-uploads": true, "-uploads-max": true, "-uploads-max-files": true,
}

// PassesOn stands in a test's log before the name of each test of which a server passes all on.
const PassesOn = "all is passed on in "

// through starts a server behind the one that args are for, and returns args with what passes all
// on to it. It takes more and longer fields, since a proxy adds some, and leaves names and speed to
// the one in front.
func through(t testing.TB, args []string) []string {
	t.Helper()
	if slices.Contains(args, "-proxy") {
		return args
	}
	behind := []string{"-listen", "127.0.0.1:0", "-host", "*", "-max-head", "16384", "-max-fields", "200", "-min-rate", "0"}
	for i, arg := range args {
		if valued, ok := answering[arg]; ok {
			behind = append(behind, arg)
			if valued {
				behind = append(behind, args[i+1])
			}
		}
	}
	b := StartCommand(t, exec.Command(binary, behind...))
	t.Log(PassesOn + t.Name())
	return append(args, "-proxy", "/=http://"+b.Addr)
}

// Server is a running stage.
type Server struct {
	Addr string // host:port, or the path of a Unix socket
	PID  int
	Log  *Log

	gets atomic.Int64
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	code int           // exit status, once done
}

// The first of the banner's lines, and the last: between them is what a test may look for at once.
var (
	startedOn   = regexp.MustCompile(`started on (?:http://([^,\s"]+)|unix:([^,\s"]+))`)
	endOfBanner = regexp.MustCompile(`Press Ctrl\+C to stop`)
)

// Start starts the stage, on a free port unless args say otherwise, and waits for its
// banner. The test's cleanup stops it.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "-listen") {
		args = append([]string{"-listen", "127.0.0.1:0"}, args...)
	}
	if Through() {
		args = through(t, args)
	}
	return StartCommand(t, exec.Command(binary, args...))
}

// StartCommand is Start for a command that runs the stage in some special way.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Server {
	t.Helper()
	s := &Server{cmd: cmd, Log: newLog(), done: make(chan struct{})}
	log, writer, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	writer.Close()
	s.PID = cmd.Process.Pid
	go s.follow(log)
	t.Cleanup(func() { s.cleanup(t) })
	line := s.Log.Await(t, startedOn)
	if s.Addr = line[1]; s.Addr == "" {
		s.Addr = line[2]
	}
	s.Log.Await(t, endOfBanner)
	return s
}

// follow takes the log, and notes the end of the process. Another one to which it has
// handed over may go on writing.
func (s *Server) follow(log *os.File) {
	whole := make(chan struct{})
	go func() {
		io.Copy(s.Log, log)
		log.Close()
		s.Log.close()
		close(whole)
	}()
	s.cmd.Wait()
	s.code = s.cmd.ProcessState.ExitCode()
	select {
	case <-whole:
	case <-time.After(lastLines):
	}
	close(s.done)
}

// cleanup stops the server in order, if the test has not, and shows its log if
// something failed.
func (s *Server) cleanup(t testing.TB) {
	select {
	case <-s.done:
	default:
		s.Signal(t, syscall.SIGTERM)
		if code := s.Wait(t); code != 0 {
			t.Errorf("exit status %d after SIGTERM", code)
		}
	}
	if t.Failed() {
		t.Logf("the server's log:\n%s", s.Log.Tail(60))
	}
	if strings.Contains(s.Log.String(), "DATA RACE") {
		t.Errorf("the race detector speaks:\n%s", s.Log.Tail(200))
	}
}

// Signal sends the process a signal.
func (s *Server) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
}

// Wait waits for the process to end, and returns its exit status. One that does not
// end is killed, and fails the test.
func (s *Server) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-s.done:
		return s.code
	case <-time.After(Patience):
		s.cmd.Process.Signal(syscall.SIGQUIT) // its stacks go to the log
		select {
		case <-s.done:
		case <-time.After(2 * time.Second):
			s.cmd.Process.Kill()
			<-s.done
		}
		t.Errorf("the server did not end within %v", Patience)
		return -1
	}
}

// Ended reports whether the process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// URL is the address of a path on the server.
func (s *Server) URL(path string) string { return "http://" + s.Addr + path }

// Dial opens a connection that the test's cleanup closes.
func (s *Server) Dial(t testing.TB) net.Conn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(s.Addr, "/") {
		network = "unix"
	}
	c, err := net.DialTimeout(network, s.Addr, Patience)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(Patience)))
	return c
}

// Get fetches a path on a connection of its own.
func (s *Server) Get(t testing.TB, path string) (status int, body []byte) {
	t.Helper()
	s.gets.Add(1)
	c := s.Dial(t)
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

// Gets is how often Get was called.
func (s *Server) Gets() int64 { return s.gets.Load() }

// Run runs the stage to its end, for command lines that do not serve.
func Run(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// Eventually waits until what returns true. It is for states of another process, which
// announces no event. The longer it waits, the more rarely it looks: to look takes processor time
// from those that are waited for.
func Eventually(t testing.TB, says string, what func() bool) {
	t.Helper()
	const first, last = 5 * time.Millisecond, 25 * time.Millisecond
	pause := first
	for end := time.Now().Add(Patience); !what(); pause = min(pause+pause/8, last) {
		if time.Now().After(end) {
			require.Fail(t, "never: "+says)
		}
		time.Sleep(pause)
	}
}

// Log is what a server writes, line by line.
type Log struct {
	mu     sync.Mutex
	text   bytes.Buffer
	more   *sync.Cond
	closed bool
}

func newLog() *Log {
	l := &Log{}
	l.more = sync.NewCond(&l.mu)
	return l
}

// Write takes some of the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.text.Write(p)
}

func (l *Log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.more.Broadcast()
}

// String is all of the log so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Tail is the last n lines.
func (l *Log) Tail(n int) string {
	lines := strings.Split(l.String(), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// Count is how often the text stands in the log.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }

// Await waits until the pattern stands in the log, and returns its match and groups.
func (l *Log) Await(t testing.TB, pattern *regexp.Regexp) []string {
	t.Helper()
	timer := time.AfterFunc(Patience, l.close)
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if m := pattern.FindStringSubmatch(l.text.String()); m != nil {
			return m
		}
		if l.closed {
			require.Fail(t, "not in the log: "+pattern.String(), l.text.String())
		}
		l.more.Wait()
	}
}

// Race reports whether programs are built with the race detector, which makes their
// memory and speed say nothing.
func Race() bool { return raceEnabled }
