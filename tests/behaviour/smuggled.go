package behaviour

// Known attacks on proxies (http1test), played through a process: nothing may be understood as two
// different sequences of messages, by whatever stands behind it or before it.
//
// Each row is sent, and then one more request, which shows that all before it was recorded. What
// must not be done: an upstream must not record a request whose body did not come whole, since an
// upload that is refused midway is already on its way.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/http1/http1test"
	"fourways/tests/harness"
)

// recorder is what a server has understood: "METHOD target body", in order.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
}

// take returns what was recorded, up to the request that marks the end, once that is there.
func (r *recorder) take(t *testing.T, mark string) (seen []string) {
	t.Helper()
	harness.Eventually(t, mark+" is recorded", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		last := len(r.seen) - 1
		if last < 0 || !strings.HasPrefix(r.seen[last], "GET "+mark+" ") {
			return false
		}
		seen, r.seen = r.seen[:last:last], nil
		return true
	})
	return seen
}

// ServeHTTP is the recorder as net/http's server.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if body, err := io.ReadAll(req.Body); err == nil {
		r.add(fmt.Sprintf("%s %s %q", req.Method, req.RequestURI, body))
	}
}

var _ = test("NothingIsSmuggledToTheUpstream", nothingIsSmuggledToTheUpstream, perDriver("sockets"))

// nothingIsSmuggledToTheUpstream: three servers, each with a parser of its own, find the requests
// that were understood, and no others.
func nothingIsSmuggledToTheUpstream(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *recorder) string{
		"net/http":             recordByNetHTTP,
		"nginx":                recordByNginx,
		"Python's http.server": recordByPython,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			s := harness.Start(t, "-proxy", "/="+start(t, r))
			for i, tt := range http1test.Requests {
				converse(t, s, tt.In)
				mark := fmt.Sprintf("/mark%d", i)
				status, _ := s.Get(t, mark)
				require.Equal(t, 200, status, tt.Name)
				seen := r.take(t, mark)
				require.True(t, slices.Equal(tt.Want, seen), "%s: %q and not %q", tt.Name, seen, tt.Want)
			}
		})
	}
}

// converse sends all of it on a connection of its own, and reads until the server ends that.
func converse(t *testing.T, s *harness.Server, in string) (answers []byte) {
	c := s.Dial(t).(*net.TCPConn)
	defer c.Close()
	c.SetDeadline(time.Now().Add(harness.Patience))
	c.Write([]byte(in)) // it may be refused before it is sent
	c.CloseWrite()
	answers, _ = io.ReadAll(c)
	return answers
}

func recordByNetHTTP(t *testing.T, r *recorder) string {
	return startBackend(t, "tcp", r.ServeHTTP).addr
}

// recordByNginx has nginx pass on what it understands; it waits for the whole of a body.
func recordByNginx(t *testing.T, r *recorder) string {
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("no nginx: install Debian's package of that name")
	}
	behind := recordByNetHTTP(t, r)
	dir := shortFolder(t)
	socket, file := filepath.Join(dir, "s"), filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(`daemon off;
master_process off;
pid `+dir+`/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path `+dir+`/body;
    proxy_temp_path `+dir+`/proxy;
    fastcgi_temp_path `+dir+`/fastcgi;
    uwsgi_temp_path `+dir+`/uwsgi;
    scgi_temp_path `+dir+`/scgi;
    server {
        listen unix:`+socket+`;
        location / {
            proxy_pass `+behind+`;
            proxy_http_version 1.1;
        }
    }
}
`), 0o600))
	run(t, exec.Command(program, "-c", file, "-p", dir))
	harness.Eventually(t, "nginx listens", func() bool { return answersAt(socket) })
	return "unix:" + socket
}

// pythonRecorder is a recorder as Python's http.server. It decodes chunks by itself: http.server
// leaves that to its user.
const pythonRecorder = `
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read(self, n):
        data = self.rfile.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def chunks(self):
        body = b""
        while True:
            n = int(self.rfile.readline().split(b";")[0], 16)
            body += self.read(n)
            if n > 0:
                self.rfile.readline()
                continue
            while self.rfile.readline().strip():
                pass
            return body

    def record(self):
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = self.chunks()
            else:
                body = self.read(int(self.headers.get("Content-Length", 0)))
        except (EOFError, ValueError):
            self.close_connection = True
            return
        text = body.decode("latin-1").replace("\r", "\\r").replace("\n", "\\n")
        print('%s %s "%s"' % (self.command, self.path, text))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PRI = record

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port)
server.serve_forever()
`

// recordByPython starts one, which says its port first and then what it has understood.
func recordByPython(t *testing.T, r *recorder) string {
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: install Debian's package of that name")
	}
	cmd := exec.Command(program, "-u", "-c", pythonRecorder)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	run(t, cmd)
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "python3 says its port")
	port := lines.Text()
	go func() {
		for lines.Scan() {
			r.add(lines.Text())
		}
	}()
	return "http://127.0.0.1:" + port
}

// run runs a server until the end of the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var says bytes.Buffer
	cmd.Stderr = &says
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s says:\n%s", cmd.Path, says.String())
		}
	})
}

func answersAt(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

var _ = test("NothingIsSmuggledToTheClient", nothingIsSmuggledToTheClient, perDriver("sockets"))

// nothingIsSmuggledToTheClient: of what an upstream sends, a client gets the answers that were
// understood, or 502, or half an answer that cannot be taken for a whole one; and no other client
// gets any of it.
func nothingIsSmuggledToTheClient(t *testing.T) {
	var flags []string
	for i, tt := range http1test.Answers {
		up := scripted(t, func(c net.Conn) { answerOnce(c, tt) })
		flags = append(flags, "-proxy", fmt.Sprintf("/row%d=%s", i, up))
	}
	s := harness.Start(t, flags...)
	for i, tt := range http1test.Answers {
		t.Run(tt.Name, func(t *testing.T) {
			got := converse(t, s, fmt.Sprintf("%s /row%d/first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", tt.Method, i))
			found, whole := http1test.ReadAnswers(tt.Method, got)
			want := slices.DeleteFunc(slices.Clone(tt.Want), func(s string) bool { return s == "100" }) // it did not wait for one
			if last := len(found) - 1; len(found) > len(want) {
				require.True(t, tt.Bad && strings.HasPrefix(found[last], "502 "), "%q", got)
				found = found[:last]
			} else if len(want) == 0 {
				require.False(t, whole, "%q", got)
			}
			require.True(t, slices.Equal(want, found), "%q and not %q: %q", found, want, got)
			status, body := s.Get(t, fmt.Sprintf("/row%d/second", i))
			require.Equal(t, 200, status)
			if tt.Bad {
				require.Equal(t, newConnection, string(body))
			}
		})
	}
}

const newConnection = "on a new connection"

// answerOnce gives the row's answer to the first request of all. The answer to the second one says
// whether that came on the same connection, as it may from a client on the same thread if nothing
// was wrong with the first.
func answerOnce(c net.Conn, tt http1test.Answer) {
	r := bufio.NewReader(c)
	for second := false; ; second = true {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		text := newConnection
		if second {
			text = "on the same connection"
		} else if strings.HasSuffix(req.URL.Path, "/first") {
			io.WriteString(c, tt.In)
			if tt.End {
				return
			}
			continue
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
	}
}
