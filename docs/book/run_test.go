package book

// Commands of a page: what they print, and what may vary in it. The commands are harmless ones of
// the shell; a server is started only where one is needed.

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"what is printed is what is shown", "<!-- run -->\n```console\n$ echo a; echo b\na\nb\n```\n", nil},
		{"each command has its own output", "<!-- run -->\n```console\n$ echo a\na\n\n$ echo b >&2\nb\n```\n", nil},
		{"a command may run over two lines", "<!-- run -->\n```console\n$ echo a \\\n    b\na b\n```\n", nil},
		{"a hidden command has the whole fence", "<!-- run: seq 2 -->\n```text\n1\n2\n```\n", nil},
		{"commands run in the project's root", "<!-- run: ls stage -->\n```text\nrunner.go\nrunner_test.go\n```\n", nil},
		{"an elision leaves out lines", "<!-- run -->\n```console\n$ seq 9\n1\n…\n9\n```\n", nil},
		{"what varies is compared by its kind", "<!-- run -->\n```console\n$ echo 'pid 7 at 127.0.0.1:999 took 1.5ms'\npid 8 at 127.0.0.1:8080 took 20µs\n```\n", nil},
		{"what go fetches first is no output", "<!-- run -->\n```console\n$ echo go: downloading example.org/m v1.2.3 >&2; echo ok\nok\n```\n", nil},
		{"another output shows as a diff", "<!-- run -->\n```console\n$ echo a\nb\n```\n", []string{"echo a\n--- the page\n+++ what is so\n- b\n+ a"}},
		{"an output that has lost an anchor is shown", "<!-- run -->\n```console\n$ seq 3\n0\n…\n3\n```\n", []string{"no longer match:\n\t0\nthe output is now\n1"}},
		{"a failure is not passed over", "<!-- run -->\n```console\n$ echo why; exit 3\n…\n```\n", []string{"it failed (exit status 3)"}},
		{"a failure may be shown", "<!-- run -->\n```console\n$ false; echo $?\n1\n```\n", nil},
		{"an endless output is cut", "<!-- run: yes -->\n```text\ny\n```\n", []string{"more than 65536 bytes"}},
		{"a fence without a command", "<!-- run -->\n```console\n```\n", []string{"has no command"}},
		{"output before the first command", "<!-- run -->\n```console\na\n$ echo a\n```\n", []string{"begins with no command"}},
		{"commands in a fence of another kind", "<!-- run -->\n```sh\n$ true\n```\n", []string{"```console fence"}},
		{"a directive that is neither form", "<!-- run echo -->\n```console\n$ true\n```\n", []string{"write it as"}},
		{"a command for a server when there is none", "<!-- run: curl $ADDR -->\n```text\n```\n", []string{"needs a server"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantFindings(t, Runner{Project: NewProject(fixture)}.Runs(t.Context(), page(c.text)), c.want...)
		})
	}
}

func TestACommandThatHangsIsNamedAndEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	wantFindings(t, Runner{Project: NewProject(fixture)}.Runs(ctx, page("<!-- run: sleep 1000; true -->\n```text\n```\n")), "sleep 1000; true\nit did not end")
}

// A fence of which a command is not installed is told, and is no finding.
func TestARunWithoutItsToolIsSkipped(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, command := range []string{"curl -s $ADDR", "sleep 1 | curl $ADDR", "for i in 1; do (true; curl $ADDR); done", "for i in 1; do curl $ADDR; done", "true | grep -c x; true"} {
		var skipped []Finding
		r := Runner{Project: NewProject(fixture), Skipped: func(f Finding) { skipped = append(skipped, f) }}
		wantFindings(t, r.Runs(t.Context(), page("<!-- run -->\n```console\n$ true\n$ "+command+"\nx\n```\n")))
		wantFindings(t, skipped, "there is no ")
	}
}

func TestRunsAgainstAServer(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	p := NewProject(fixture)
	s, err := p.StartServer("server", t.TempDir())
	require.NoError(t, err)
	asked := 0
	r := Runner{Project: p, Server: func() (string, error) { asked++; return s.Addr, nil }}

	wantFindings(t, r.Runs(t.Context(), page("<!-- run: echo 127.0.0.1:80801 -->\n```text\n127.0.0.1:1\n```\n")))
	require.Zero(t, asked, "a command that needs no server starts none")

	d := page("<!-- run -->\n```console\n$ curl -s http://127.0.0.1:8080/\n$ curl -s $ADDR/x\n```\n")
	found := r.Runs(t.Context(), d)
	wantFindings(t, found, "+ you asked 127.0.0.1:8080")
	require.Contains(t, found[0].Fix.New, "$ curl -s $ADDR/x\nyou asked 127.0.0.1:8080\n", "a reader sees the reader's port")
	require.Equal(t, 2, asked)
	require.NoError(t, s.Stop())
}

func TestAServerThatDoesNotStartIsReported(t *testing.T) {
	_, err := NewProject(fixture).StartServer("stage", t.TempDir())
	require.ErrorContains(t, err, "building stage")
	r := Runner{Project: NewProject(fixture), Server: func() (string, error) { return "", errors.New("no luck") }}
	wantFindings(t, r.Runs(t.Context(), page("<!-- run: curl localhost:8080 -->\n```text\n```\n")), "no luck")
}

func TestNormal(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"a Date field", "Date: Fri, 15 Mar 2024 10:30:00 GMT\r", "Date: DATE"},
		{"a line of the log", "[2024-03-15 10:30:00] [worker-1] up", "[TIME] [worker-1] up"},
		{"a line of the access log", `127.0.0.1 - [15/Mar/2024:10:30:00 +0000] "GET /"`, `127.0.0.1 - [TIME] "GET /"`},
		{"the name of an upload", "/uploads/upload_20240315_123456_a7b9.json", "/uploads/UPLOAD.json"},
		{"an entity tag, weak too", `ETag: W/"5f-17a"`, `ETag: W/"TAG"`},
		{"a request id", "X-Request-Id: 9f3c", "X-Request-Id: ID"},
		{"a process id in JSON", `{"pid": 4711,"n":3}`, `{"pid": PID,"n":3}`},
		{"a port of this machine", "Failed to connect to 127.0.0.1 port 9 after 0 ms", "Failed to connect to 127.0.0.1 port PORT after DURATION"},
		{"a port on IPv6", "http://[::1]:8080/", "http://[::1]:PORT/"},
		{"an address in memory", "at 0xc000012345", "at HEX"},
		{"a measured duration", "ok  	p	0.004s", "ok  	p	DURATION"},
		{"a setting in seconds is compared", "Keep-Alive: timeout=30, idle 30s", "Keep-Alive: timeout=30, idle 30s"},
		{"a length is compared", "Content-Length: 12345678", "Content-Length: 12345678"},
		{"a status is compared", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, normal(c.line)) })
	}
}
