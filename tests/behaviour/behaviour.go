// Package behaviour is what every stage must do as a process, beyond what one exchange
// of bytes can show: start and stop in order, obey signals, survive slow and rude
// clients and the lack of descriptors, and leak nothing.
//
// Each function is one test, for the program that Main built. A stage's own
// tests call them beside those for what only that stage does.
package behaviour

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// All runs every test of the package.
func All(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"CommandLine", CommandLine},
		{"Banner", Banner},
		{"ShortForm", ShortForm},
		{"BuiltInSite", BuiltInSite},
		{"Addresses", Addresses},
		{"Signals", Signals},
		{"StopUnderLoad", StopUnderLoad},
		{"StopCutsWhatIsLeft", StopCutsWhatIsLeft},
		{"StopEndsIdleConnections", StopEndsIdleConnections},
		{"StopAnswersTheBacklog", StopAnswersTheBacklog},
		{"StopFinishesDownloads", StopFinishesDownloads},
		{"PausedReader", PausedReader},
		{"AbsentReader", AbsentReader},
		{"ColdFiles", ColdFiles},
		{"RefusalWhileSending", RefusalWhileSending},
		{"Interruptions", Interruptions},
		{"Slowloris", Slowloris},
		{"RudeClientsLeakNothing", RudeClientsLeakNothing},
		{"OutOfDescriptors", OutOfDescriptors},
		{"ConnectionLimit", ConnectionLimit},
		{"RefusalsAreLogged", RefusalsAreLogged},
		{"AccessLog", AccessLog},
		{"LogRotation", LogRotation},
		{"Fail2Ban", Fail2Ban},
		{"TrustedProxy", TrustedProxy},
		{"CrashedUpload", CrashedUpload},
		{"Figures", Figures},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

// Conformance plays the suite against the stage. From stage 3 on files leave by
// sendfile(2).
func Conformance(t *testing.T) {
	name := filepath.Base(harness.Binary())
	conformance.Run(t, conformance.Target{
		Name:     name,
		Cmd:      []string{harness.Binary(), "--port", "{port}", "--root", "{root}"},
		Args:     conformance.FourWays,
		ZeroCopy: name >= "stage3",
	})
}

// CommandLine: what cannot be understood ends with status 2, what cannot start with
// status 1, each with one line that says what to do.
func CommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"an unknown flag", []string{"-no-such-flag"}, 2, "no-such-flag"},
		{"a value that is no number", []string{"-max-body", "much"}, 2, "max-body"},
		{"too many words", []string{"8080", "127.0.0.1", "4", "more"}, 2, ""},
		{"a port in use", []string{"-listen", taken.Addr().String()}, 1, "in use"},
		{"a root that is not there", []string{"-listen", "127.0.0.1:0", "-root", "/no/such/folder"}, 1, "-root"},
		{"a root that is a file", []string{"-listen", "127.0.0.1:0", "-root", file}, 1, "-root"},
		{"an address that is not ours", []string{"-listen", "192.0.2.1:8080"}, 1, "192.0.2.1"},
		{"a Unix socket where a file is", []string{"-listen", "unix:" + file}, 1, file},
		{"a log that cannot be written", []string{"-listen", "127.0.0.1:0", "-log-file", "/no/such/folder/log"}, 1, "-log-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := harness.Run(t, tt.args...)
			require.Equal(t, tt.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.says)
			last := strings.Split(strings.TrimSpace(stderr), "\n")
			require.NotContains(t, stderr, "goroutine")
			require.True(t, strings.HasPrefix(last[len(last)-1], filepath.Base(harness.Binary())+": "), stderr)
		})
	}
	t.Run("help and version", func(t *testing.T) {
		for _, flag := range []string{"-h", "-version"} {
			code, stdout, stderr := harness.Run(t, flag)
			require.Zero(t, code)
			require.Empty(t, stderr)
			require.NotEmpty(t, stdout)
		}
	})
}

// Banner: the log says where the server listens, who waits, and what is served.
func Banner(t *testing.T) {
	root := t.TempDir()
	s := harness.Start(t, "-root", root)
	s.Log.Await(t, regexp.MustCompile(
		`\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[main\] HTTP server \(stage \d: [^)]+\) started on http://127\.0\.0\.1:\d+\n`+
			`\S+ \S+ \[main\] .+\n`+
			`\S+ \S+ \[main\] Serving files from "`+regexp.QuoteMeta(root)+`"\n`+
			`\S+ \S+ \[main\] Press Ctrl\+C to stop`))
}

// ShortForm: PORT, HOST and WORKERS may stand without flags.
func ShortForm(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	free.Close()
	s := harness.StartCommand(t, exec.Command(harness.Binary(), port, "127.0.0.1", "3"))
	require.Equal(t, "127.0.0.1:"+port, s.Addr)
	s.Log.Await(t, regexp.MustCompile(`\[main\] 3 `))
}

// BuiltInSite: without -root there is a site, with pictures, and a place for uploads.
func BuiltInSite(t *testing.T) {
	s := harness.Start(t)
	for path, magic := range map[string]string{
		"/": "<!doctype html>", "/about.html": "<!doctype html>", "/contact.html": "<!doctype html>",
		"/logo.png": "\x89PNG", "/logo2.png": "\x89PNG", "/photo.jpg": "\xff\xd8\xff", "/sample.txt": "",
	} {
		status, body := s.Get(t, path)
		require.Equal(t, 200, status, path)
		require.True(t, strings.HasPrefix(strings.ToLower(string(body)), strings.ToLower(magic)), path)
	}
	root := s.Log.Await(t, regexp.MustCompile(`Serving files from "([^"]+)"`))[1]
	c := s.Dial(t)
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"kept\":true}")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	file := filepath.Join(root, resp.Header.Get("Location"))
	defer os.Remove(file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, `{"kept":true}`, string(text))
}

// Addresses: IPv4, IPv6, both on one socket, Unix sockets, and several at once.
func Addresses(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	s := harness.Start(t, "-listen", "unix:"+socket)
	for range 3 {
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
	_, _, stderr := harness.Run(t, "-listen", "unix:"+socket)
	require.Contains(t, stderr, "in use")
	s.Signal(t, syscall.SIGKILL)
	s.Wait(t)
	again := harness.Start(t, "-listen", "unix:"+socket, "-listen", "127.0.0.1:0", "-listen", "[::1]:0")
	status, _ := again.Get(t, "/")
	require.Equal(t, 200, status, "a socket file left behind is no obstacle")
	again.Signal(t, syscall.SIGTERM)
	require.Zero(t, again.Wait(t))
	require.NoFileExists(t, socket)

	both := harness.Start(t, "-listen", "[::]:0")
	_, port, err := net.SplitHostPort(both.Addr)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "::1"} {
		both.Addr = net.JoinHostPort(host, port)
		status, _ := both.Get(t, "/")
		require.Equal(t, 200, status, host)
	}
}

// Signals: HUP opens the log files anew without losing a line, a second INT stops at
// once.
func Signals(t *testing.T) {
	dir := t.TempDir()
	access := filepath.Join(dir, "access")
	s := harness.Start(t, "-access-log", access)
	s.Get(t, "/about.html")
	require.NoError(t, os.Rename(access, access+".1"))
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`\[main\].* Log files reopened`))
	s.Get(t, "/contact.html")
	harness.Eventually(t, "both requests are in the logs", func() bool {
		before, _ := os.ReadFile(access + ".1")
		after, _ := os.ReadFile(access)
		return strings.Contains(string(before), "/about.html") && strings.Contains(string(after), "/contact.html")
	})

	c := s.Dial(t)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\n") // a request that is never finished holds the stop up
	s.Signal(t, syscall.SIGINT)
	s.Log.Await(t, regexp.MustCompile("Stopping on interrupt"))
	s.Signal(t, syscall.SIGINT)
	require.Zero(t, s.Wait(t))
	require.Equal(t, 1, s.Log.Count("Stopped at once"))
}

// StopUnderLoad: clients that are in the middle of things when SIGTERM comes get every
// answer; the last one on each connection says that it is the last.
func StopUnderLoad(t *testing.T) {
	const clients = 8
	s := harness.Start(t, "-max-requests", "0")
	var wg sync.WaitGroup
	var answered atomic.Int64
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", s.Addr)
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(harness.Patience))
			n, err := askUntilClose(c, func() { answered.Add(1) })
			if err != nil {
				t.Errorf("request %d: %v", n, err)
			}
		})
	}
	harness.Eventually(t, "the clients are at work", func() bool { return answered.Load() > 20*clients })
	s.Signal(t, syscall.SIGTERM)
	wg.Wait()
	require.Zero(t, s.Wait(t))
	_, err := net.Dial("tcp", s.Addr)
	require.Error(t, err, "nobody listens any more")
}

// askUntilClose sends one request after the other until an answer says close, and then
// wants the end of the stream.
func askUntilClose(c net.Conn, each func()) (n int, err error) {
	r := bufio.NewReader(c)
	for n = 1; ; n++ {
		if _, err := io.WriteString(c, "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return n, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return n, err
		}
		if resp.StatusCode != 200 {
			return n, errors.New(resp.Status)
		}
		each()
		if resp.Close {
			if _, err := r.ReadByte(); err != io.EOF {
				return n, fmt.Errorf("behind the last answer: %w", err)
			}
			return n, nil
		}
	}
}

// Exchange asks for a path on a connection that stays open, and reads the whole answer.
func Exchange(c net.Conn, path string) (status int, err error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// StopCutsWhatIsLeft: a client that never finishes is given up after -drain-timeout.
func StopCutsWhatIsLeft(t *testing.T) {
	s := harness.Start(t, "-drain-timeout", "0.2", "-head-timeout", "600")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\n")
	harness.Eventually(t, "the server has the request", func() bool {
		_, body := s.Get(t, "/health")
		return strings.Contains(string(body), `"active":2`)
	})
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	_, err := io.ReadAll(c)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "the connection ended with the server")
}

// StopEndsIdleConnections: a client that has nothing to ask does not hold the stop up.
func StopEndsIdleConnections(t *testing.T) {
	s := harness.Start(t, "-drain-timeout", "600", "-idle-timeout", "600")
	c := s.Dial(t)
	status, err := Exchange(c, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
}

// StopAnswersTheBacklog: connections that the kernel has taken and the server has not
// seen yet when it is told to stop are served too.
func StopAnswersTheBacklog(t *testing.T) {
	s := harness.Start(t)
	s.Get(t, "/")
	s.Signal(t, syscall.SIGSTOP)
	var conns []net.Conn
	for range 8 {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conns = append(conns, c)
	}
	s.Signal(t, syscall.SIGTERM)
	s.Signal(t, syscall.SIGCONT)
	for i, c := range conns {
		answer, err := io.ReadAll(c)
		require.NoError(t, err, "connection %d", i)
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 200 "), "connection %d: %.40q", i, answer)
	}
	require.Zero(t, s.Wait(t))
}

// StopFinishesDownloads: who is in the middle of a large file when the server is told to
// stop gets the rest of it.
func StopFinishesDownloads(t *testing.T) {
	const size = 64 << 20
	s := harness.Start(t, "-root", rootWith(t, "big.txt", size))
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 1000)
	require.NoError(t, err)
	s.Signal(t, syscall.SIGTERM)
	s.Log.Await(t, regexp.MustCompile("Stopping"))
	rest, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size-1000, rest)
	require.Zero(t, s.Wait(t))
}

// rootWith makes a folder with one file of so many bytes, all zero.
func rootWith(t *testing.T, name string, size int64) string {
	root := t.TempDir()
	path := filepath.Join(root, name)
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Truncate(path, size)) // sparse
	return root
}

// AbsentReader: a client that asks for much and reads nothing is cut, though it does
// nothing that could wake anybody.
func AbsentReader(t *testing.T) {
	s := harness.Start(t, "-root", rootWith(t, "big.txt", 1<<30), "-min-rate", "10000000")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.Log.Await(t, regexp.MustCompile("reason=reader-too-slow"))
	harness.Eventually(t, "its connection is closed", func() bool {
		_, body := s.Get(t, "/health")
		return strings.Contains(string(body), `"active":1,`)
	})
}

// ColdFiles: a file that is on the disk and not in memory is sent like any other.
func ColdFiles(t *testing.T) {
	root := t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	path := filepath.Join(root, "cold.txt")
	require.NoError(t, os.WriteFile(path, content, 0o644))
	s := harness.Start(t, "-root", root)
	for range 3 {
		harness.DropFromCache(t, path)
		status, body := s.Get(t, "/cold.txt")
		require.Equal(t, 200, status)
		require.True(t, bytes.Equal(content, body))
	}
}

// PausedReader: a client that stops reading in mid-answer, for longer than any single
// write waits, gets every byte in the end.
func PausedReader(t *testing.T) {
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i ^ i>>8 ^ i>>16)
	}
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "big.txt"), content, 0o644))
	s := harness.Start(t, "-root", root, "-sock-buf", "16384")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	var got []byte
	for range 3 {
		time.Sleep(1200 * time.Millisecond) // nothing happens: that is the test
		part := make([]byte, 100_000)
		n, err := io.ReadFull(resp.Body, part)
		require.NoError(t, err)
		got = append(got, part[:n]...)
	}
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, append(got, rest...)))
}

// RefusalWhileSending: a client that is refused in the middle of its body, and goes on
// sending, can read the whole answer and then the end of the stream. A socket closed at
// once would reset it.
func RefusalWhileSending(t *testing.T) {
	s := harness.Start(t)
	for range 10 {
		c := s.Dial(t)
		fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n")
		for range 20 {
			if _, err := c.Write(make([]byte, 20_000)); err != nil {
				t.Fatalf("reset while sending: %v", err)
			}
		}
		answer, err := io.ReadAll(c)
		require.NoError(t, err, "no reset")
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 413 "), "%.40q", answer)
		c.Close()
	}
}

// Interruptions: a signal may end any system call early (EINTR, signal(7)); nobody must
// notice. Go's scheduler sends its own at any time.
func Interruptions(t *testing.T) {
	s := harness.Start(t)
	var conns []net.Conn
	for range 4 {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\n") // whoever serves it waits for the rest now
		conns = append(conns, c)
	}
	for range 20 {
		s.InterruptThreads(t)
		status, _ := s.Get(t, "/about.html")
		require.Equal(t, 200, status)
	}
	for _, c := range conns {
		fmt.Fprintf(c, "Host: localhost\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 200 "), "%.40q", answer)
	}
}

// Slowloris: 500 clients that send a head a byte at a time are cut after the head
// timeout, and do not make the server grow. Not even a table of descriptors: all threads
// wait while the kernel grows one.
func Slowloris(t *testing.T) {
	const slow = 500
	s := harness.Start(t, append([]string{"-head-timeout", "0.5"}, room(slow+50)...)...)
	s.Get(t, "/")
	before, slots := s.Memory(t), s.DescriptorTables(t)
	var wg sync.WaitGroup
	var told atomic.Int64
	for range slow {
		c := s.Dial(t)
		wg.Go(func() {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nX-Drip: ")
			stop := drip(c, "a")
			answer, _ := io.ReadAll(c)
			close(stop)
			if strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
				told.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, slow, told.Load(), "each is told why")
	require.Equal(t, slots, s.DescriptorTables(t), "slots in tables of descriptors")
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	if !harness.Race() {
		grown := s.Memory(t) - before
		require.Less(t, grown, slow*64, "KiB grown for %d slow clients", slow)
	}
}

// dripEvery is the time between two drops.
const dripEvery = 50 * time.Millisecond

// drip sends the drop now and then until stop is closed.
func drip(c net.Conn, drop string) (stop chan struct{}) {
	stop = make(chan struct{})
	go func() {
		tick := time.NewTicker(dripEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				io.WriteString(c, drop)
			case <-stop:
				return
			}
		}
	}()
	return stop
}

// room is flags for a stage to serve n connections at once. Stage 1 needs a thread for
// each; it has no other way.
func room(n int) []string {
	if strings.Contains(harness.Binary(), "stage1") {
		return []string{"-workers", fmt.Sprint(n), "-queue", "0"}
	}
	return nil
}

// RudeClientsLeakNothing: clients that break off at every point of an exchange leave
// neither a descriptor nor a thread behind.
func RudeClientsLeakNothing(t *testing.T) {
	s := harness.Start(t, "-idle-timeout", "1", "-head-timeout", "1")
	rude := []func(net.Conn){
		func(c net.Conn) {},
		func(c net.Conn) { fmt.Fprintf(c, "GET / HT") },
		func(c net.Conn) { fmt.Fprintf(c, "nonsense\r\n\r\n") },
		func(c net.Conn) { fmt.Fprintf(c, "GET /photo.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n") },
		func(c net.Conn) {
			fmt.Fprintf(c, "GET /photo.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.Read(make([]byte, 10))
		},
		func(c net.Conn) {
			fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n[%s", strings.Repeat("1,", 50000))
		},
		func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); io.ReadAll(c) },
		func(c net.Conn) {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			c.(*net.TCPConn).SetLinger(0)
		},
	}
	round := func(n int) {
		for i := range n {
			c, err := net.DialTimeout("tcp", s.Addr, harness.Patience)
			require.NoError(t, err)
			c.SetDeadline(time.Now().Add(harness.Patience))
			rude[i%len(rude)](c)
			c.Close()
		}
		harness.Eventually(t, "all connections have ended", func() bool {
			_, body := s.Get(t, "/health")
			return strings.Contains(string(body), `"active":1,`)
		})
	}
	round(200) // files are in the cache, threads exist
	descriptors, threads := s.Descriptors(t), s.Threads(t)
	round(2000)
	harness.Eventually(t, fmt.Sprintf("there are %d descriptors again", descriptors), func() bool {
		return s.Descriptors(t) <= descriptors
	})
	require.LessOrEqual(t, s.Threads(t), threads+4, "Go may have started a few threads of its own")
}

// OutOfDescriptors: with none left the server neither ends nor spins, and goes on when
// some are free again.
func OutOfDescriptors(t *testing.T) {
	const clients = 100
	s := harness.Start(t, append([]string{"-head-timeout", "1"}, room(clients+10)...)...)
	s.Get(t, "/")
	s.LimitDescriptors(t, clients/2)
	var conns []net.Conn
	for range clients {
		c := s.Dial(t)
		io.WriteString(c, "GET ") // a listener may be waiting for a first byte (TCP_DEFER_ACCEPT)
		conns = append(conns, c)
	}
	s.Log.Await(t, regexp.MustCompile("Out of descriptors"))
	before, began := s.CPU(t), time.Now()
	for _, c := range conns[clients*3/4:] {
		_, err := io.ReadAll(c) // refused, or served when its turn came: not left hanging
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	}
	busy := time.Duration(s.CPU(t)-before) * harness.ClockTick
	require.Less(t, busy, time.Since(began)/2+2*harness.ClockTick, "processor time spent on not accepting")
	for _, c := range conns {
		c.Close()
	}
	harness.Eventually(t, "it serves again", func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		answer, _ := io.ReadAll(c)
		return strings.HasPrefix(string(answer), "HTTP/1.1 200 ")
	})
	require.LessOrEqual(t, s.Log.Count("Out of descriptors"), clients/10, "now and then, not for every client")
}

// ConnectionLimit: above -max-conns a client reads a whole 503, and no reset.
func ConnectionLimit(t *testing.T) {
	s := harness.Start(t, "-max-conns", "4")
	var held []net.Conn
	for i := range 4 {
		c := s.Dial(t)
		held = append(held, c)
		fmt.Fprintf(c, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode, "connection %d", i)
	}
	for range 20 {
		ReadWholeRefusal(t, s.Dial(t))
	}
	held[0].Close()
	harness.Eventually(t, "there is room again", func() bool {
		status, _ := s.Get(t, "/")
		return status == 200
	})
}

// ReadWholeRefusal sends a request on a connection that is not served, and wants all
// of a 503 and then the end of the stream.
func ReadWholeRefusal(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	require.True(t, resp.Close)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	_, err = r.ReadByte()
	require.Equal(t, io.EOF, err, "no reset behind the answer")
	c.Close()
}

// RefusalsAreLogged: one line each, with who, why and what, and nothing a client sends
// can begin a line of its own.
func RefusalsAreLogged(t *testing.T) {
	s := harness.Start(t)
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /../secret HTTP/1.1\r\nHost: localhost\r\n\r\nGET /\x1b[31m\rHTTP/1.1\r\n")
	io.ReadAll(c)
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127\.0\.0\.1 reason=path-traversal status=403 id=[0-9a-f]{16} request="GET /\.\./secret HTTP/1\.1"\n`))
	s.Log.Await(t, regexp.MustCompile(`reason=bad-target status=400 .* request="GET /\\x1b\[31m\\rHTTP/1\.1"\n|reason=bad-request-line status=400 .* request="GET /\\x1b\[31m\\rHTTP/1\.1"\n`))
	_, body := s.Get(t, "/health")
	require.Contains(t, string(body), `"blocked":2`)
}

// AccessLog: both formats have a line for each answer.
func AccessLog(t *testing.T) {
	for format, want := range map[string]string{
		"combined": `^127\.0\.0\.1 - - \[[^\]]+\] "GET /index\.html\?q HTTP/1\.1" 200 \d+ "-" "test" "[0-9a-f]{16}" [\d.]+\n$`,
		"json":     `^\{.*"status":200.*\}\n$`,
	} {
		log := filepath.Join(t.TempDir(), format)
		s := harness.Start(t, "-access-log", log, "-access-format", format)
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /index.html?q HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nConnection: close\r\n\r\n")
		io.ReadAll(c)
		s.Signal(t, syscall.SIGTERM)
		require.Zero(t, s.Wait(t))
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Regexp(t, want, string(text))
	}
}
