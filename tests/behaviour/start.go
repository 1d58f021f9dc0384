package behaviour

// What a stage does before it serves: what it says to a command line, and where it listens.
//
// Each function is a behaviour that every stage has. Ports are asked for as 0 and read from the
// banner; no case may expect one to be free.

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("CommandLine", commandLine)

// commandLine: what cannot be understood ends with status 2, what cannot start with
// status 1, each with one line that says what to do.
func commandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
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
		{"a root that is a FIFO", []string{"-listen", "127.0.0.1:0", "-root", fifo}, 1, "-root"},
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
			require.True(t, strings.HasPrefix(last[len(last)-1], stage()+": "), stderr)
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

var _ = test("Check", check, perProcess("config"))

// check: the settings are tried, and the files that they name. Nothing is started or made, and the
// status says how it went.
func check(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file.html")
	require.NoError(t, os.WriteFile(file, []byte("<p>"), 0o644))
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	apart := t.TempDir()
	fifo, socket := filepath.Join(apart, "fifo"), filepath.Join(apart, "socket")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	listening, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer listening.Close()
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nothing at all", nil, 0, "can be used"},
		{"an address in use", []string{"-listen", taken.Addr().String(), "-root", dir}, 0, "can be used"},
		{"a log that would be made", []string{"-log-file", filepath.Join(dir, "log"), "-access-log", filepath.Join(dir, "access")}, 0, "can be used"},
		{"a page that is there", []string{"-root", dir, "-error-page", "404=/file.html", "-spa", "/file.html"}, 0, "can be used"},
		{"a certificate of its own making", []string{"-tls-listen", "127.0.0.1:0", "-tls-self-signed"}, 0, "can be used"},
		{"a setting that means little", []string{"-root", dir, "-cache-size", "1", "-cache-item", "2M"}, 0, "warning: -cache-item is more"},

		{"a value that does not fit", []string{"-idle-timeout", "10y"}, 2, "-idle-timeout"},
		{"a root that is not there", []string{"-root", filepath.Join(dir, "none")}, 2, "-root"},
		{"a root that is a file", []string{"-root", file}, 2, "-root"},
		{"a root that is a FIFO", []string{"-root", fifo}, 2, "-root"},
		{"a page that is not there", []string{"-root", dir, "-error-page", "404=/404.html"}, 2, "-error-page"},
		{"an application that is not there", []string{"-root", dir, "-spa", "/index.html"}, 2, "-spa"},
		{"a log in no folder", []string{"-log-file", filepath.Join(dir, "none", "log")}, 2, "-log-file"},
		{"a log that is a FIFO", []string{"-log-file", fifo}, 2, "a FIFO that nobody reads"},
		{"an access log that is a Unix socket", []string{"-access-log", socket}, 2, "a Unix socket, and no file"},
		{"an access log that is a folder", []string{"-access-log", dir}, 2, "-access-log"},
		{"a socket in no folder", []string{"-listen", "unix:" + filepath.Join(dir, "none", "x.sock")}, 2, "cannot listen on unix:"},
		{"a socket that is a file", []string{"-listen", "unix:" + file}, 2, "is not a socket"},
		{"an address twice", []string{"-listen", "127.0.0.1:1", "-listen", "127.0.0.1:1"}, 2, "twice"},
		{"any free port twice", []string{"-listen", "127.0.0.1:0", "-listen", "127.0.0.1:0"}, 0, "can be used"},
		{"redirects that are none", []string{"-redirects", file}, 2, "-redirects"},
		{"pages that the built-in site has", []string{"-error-page", "404=/about.html", "-spa", "/index.html"}, 0, "can be used"},
		{"a page that the built-in site does not have", []string{"-error-page", "404=/404.html"}, 2, "-error-page"},
		{"an application that is a folder", []string{"-spa", "/uploads"}, 2, "-spa"},
		{"passwords that would be served", []string{"-root", dir, "-auth", file}, 2, "lies in the served folder"},
		{"a log that would be served", []string{"-root", dir, "-log-file", filepath.Join(dir, "log.txt")}, 2, "-log-file"},
		{"an access log that would be served", []string{"-root", dir, "-access-log", filepath.Join(dir, "log.html")}, 2, "lies in the served folder"},
		{"a log beside the pages that is not served", []string{"-root", dir, "-log-file", filepath.Join(dir, "x.log")}, 0, "can be used"},
		{"uploads in no folder", []string{"-uploads", filepath.Join(dir, "none")}, 2, "-uploads"},
		{"a certificate that is none", []string{"-tls-listen", "127.0.0.1:0", "-tls-cert", file, "-tls-key", file}, 2, file},
		{"ticket keys that are none", []string{"-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-tls-ticket-keys", file}, 2, file},
		{"no folder for slow readers", []string{"-proxy", "/=http://127.0.0.1:9", "-proxy-spill-dir", filepath.Join(dir, "none")}, 2, "-proxy-spill-dir"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := harness.Run(t, append(tt.args, "-check")...)
			require.Equal(t, tt.code, code, stdout+stderr)
			if tt.code == 0 {
				require.Contains(t, stdout, tt.says)
				require.Empty(t, stderr)
			} else {
				require.Empty(t, stdout)
				require.Contains(t, stderr, tt.says)
				require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
			}
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, left, 1, "nothing is made")
		})
	}
}

var _ = test("Banner", banner)

// banner: the log says where the server listens, who waits, and what is served.
func banner(t *testing.T) {
	root := t.TempDir()
	s := harness.Start(t, "-root", root)
	s.Log.Await(t, regexp.MustCompile(
		`\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[main\] HTTP server \(stage \d: [^)]+\) started on http://127\.0\.0\.1:\d+\n`+
			`\S+ \S+ \[main\] .+\n`+
			`\S+ \S+ \[main\] Serving files from "`+regexp.QuoteMeta(root)+`"\n`+
			`\S+ \S+ \[main\] Press Ctrl\+C to stop`))
}

var _ = test("ShortForm", shortForm)

// shortForm: PORT, HOST and WORKERS may stand without flags.
func shortForm(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	free.Close()
	s := harness.StartCommand(t, exec.Command(harness.Binary(), port, "127.0.0.1", "3"))
	require.Equal(t, "127.0.0.1:"+port, s.Addr)
	s.Log.Await(t, regexp.MustCompile(`\[main\] 3 `))
}

var _ = test("BuiltInSite", builtInSite, once("site"))

// builtInSite: without -root there is a site, with pictures, and a place for uploads.
func builtInSite(t *testing.T) {
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

var _ = test("Addresses", addresses)

// addresses: IPv4, IPv6, both on one socket, Unix sockets, and several at once.
func addresses(t *testing.T) {
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

var _ = test("FewDescriptors", fewDescriptors)

// fewDescriptors: with too few descriptors the server ends with one line that says what to do.
// With just enough it serves, and a client for whom there is no room gets an answer, or waits
// for his turn.
func fewDescriptors(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "index.html"), []byte("here"), 0o644))
	workers := map[string]string{"stage1-threadpool": "8", "stage4-prefork": "1"}[stage()]
	if workers == "" {
		workers = "2" // in stage 1 each client takes one, and in stage 4 each speaks for itself
	}
	args := []string{"-c", `ulimit -n "$1" && shift && exec "$0" "$@"`, harness.Binary(), "",
		"-listen", "127.0.0.1:0", "-workers", workers, "-root", root, "-uploads", "off"}
	enough := 0
	for n := 12; n < 64 && enough == 0; n++ {
		args[3] = fmt.Sprint(n)
		code, said := untilItServes(t, exec.Command("sh", args...))
		if code == 0 {
			enough = n
			continue
		}
		require.Equal(t, 1, code, "%d descriptors: %s", n, said)
		require.Equal(t, 1, strings.Count(said, "\n"), "%d descriptors, one line: %q", n, said)
		require.Contains(t, said, "ulimit -n", "%d descriptors", n)
	}
	require.NotZero(t, enough)
	for n := enough; n < enough+4; n++ {
		args[3] = fmt.Sprint(n)
		serveInLittleRoom(t, harness.StartCommand(t, exec.Command("sh", args...)))
	}
}

var lowered = regexp.MustCompile(`max-conns lowered from \d+ to (\d+)`)

// serveInLittleRoom fills the server. Each client that it has room for is served, and one more
// is either told to come later or served once another has gone.
func serveInLittleRoom(t *testing.T, s *harness.Server) {
	room, err := strconv.Atoi(s.Log.Await(t, lowered)[1])
	require.NoError(t, err)
	var clients []net.Conn
	for i := range room {
		c := s.Dial(t)
		status, err := Exchange(c, "/")
		require.NoError(t, err, "client %d of %d", i+1, room)
		require.Equal(t, http.StatusOK, status, "client %d of %d", i+1, room)
		clients = append(clients, c)
	}
	got := make(chan int)
	another := s.Dial(t)
	go func() {
		status, _ := Exchange(another, "/")
		got <- status
	}()
	if !hasMaster() {
		require.Equal(t, http.StatusServiceUnavailable, <-got)
		another.Close()
	}
	for _, c := range clients {
		c.Close()
	}
	if hasMaster() { // a worker that is full lets its listener wait
		require.Equal(t, http.StatusOK, <-got)
	}
	require.Zero(t, s.Log.Count("Out of descriptors"), "%s", s.Log)
}

// untilItServes runs a command until it has ended, or has begun to serve: then it is stopped,
// and the code is 0.
func untilItServes(t *testing.T, cmd *exec.Cmd) (code int, said string) {
	t.Helper()
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(harness.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewReader(log)
	for err == nil {
		var line string
		line, err = lines.ReadString('\n')
		said += line
		if strings.Contains(line, "started on") {
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), said
}
