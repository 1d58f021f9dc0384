package main

// The judge's command line, its exit status, and the forms of its report.
//
// The forms are compared with files in testdata; `go test ./tests/judge -update` writes them again.
// What they show is made up here, so that no clock and no port is in it.

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
)

var update = flag.Bool("update", false, "write the files in testdata again")

// site is a folder with the sample site, and serve has it served by net/http.
func site(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "site")
	require.NoError(t, conformance.MakeSite(folder))
	return folder
}

func serve(t *testing.T, folder string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	return server
}

func addrOf(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestExitStatus(t *testing.T) {
	folder := site(t)
	good := serve(t, folder)
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		good.Config.Handler.ServeHTTP(w, r)
	}))
	defer bad.Close()
	secure := httptest.NewTLSServer(good.Config.Handler)
	defer secure.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	report := filepath.Join(t.TempDir(), "report.json")
	for _, row := range []struct {
		name string
		args []string
		want int
	}{
		{"all passed", []string{"-addr", addrOf(good), "-run", "^files/text$"}, passed},
		{"a MUST failed", []string{"-addr", addrOf(bad), "-run", "^head/no-body$"}, failed},
		{"a SHOULD failed", []string{"-addr", addrOf(good), "-run", "^method/unknown$"}, failed},
		{"a SHOULD failed and does not count", []string{"-addr", addrOf(good), "-must-only", "-run", "^method/unknown$"}, passed},
		{"it is written down", []string{"-addr", addrOf(good), "-json", report, "-run", "^method/unknown$"}, failed},
		{"it failed before", []string{"-addr", addrOf(good), "-baseline", report, "-run", "^method/unknown$"}, passed},
		{"another failed before", []string{"-addr", addrOf(good), "-baseline", report, "-run", "^method/(unknown|put)$"}, failed},
		{"what fails is left out", []string{"-addr", addrOf(good), "-run", "^(files/text|method/unknown)$", "-skip", "method/"}, passed},
		{"one topic of two", []string{"-addr", addrOf(good), "-run", "/(text|unknown)$", "-topic", "files"}, passed},
		{"all passed over TLS", []string{"-tls", "-addr", addrOf(secure), "-run", "^files/text$"}, passed},
		{"the first level", []string{"-addr", addrOf(good), "-level", "1"}, passed},
		{"a level that fails", []string{"-addr", addrOf(bad), "-level", "3"}, failed},
		{"the list", []string{"-list"}, passed},
		{"help", []string{"-h"}, passed},
		{"no TLS", []string{"-tls", "-addr", addrOf(good), "-run", "^files/text$"}, usage},
		{"another site", []string{"-addr", addrOf(other), "-run", "^files/text$"}, usage},
		{"no server", nil, usage},
		{"two servers", []string{"-addr", "a:1", "-cmd", "b"}, usage},
		{"an unknown flag", []string{"-nonsense"}, usage},
		{"an unquoted command", []string{"-cmd", "./mine", "--port"}, usage},
		{"an unknown profile", []string{"-addr", "a:1", "-profile", "x"}, usage},
		{"an unknown topic", []string{"-addr", "a:1", "-topic", "files,fiels"}, usage},
		{"no such case", []string{"-addr", "a:1", "-run", "no/such"}, usage},
		{"no regular expression", []string{"-addr", "a:1", "-run", "("}, usage},
		{"no such level", []string{"-addr", "a:1", "-level", "15"}, usage},
		{"a level of a topic", []string{"-addr", "a:1", "-level", "2", "-topic", "files"}, usage},
		{"a site that is the judge's own", []string{"-cmd", "a", "-site", "b"}, usage},
		{"no baseline", []string{"-addr", addrOf(good), "-baseline", report + "x"}, usage},
		{"a site that is there", []string{"-write-site", folder}, usage},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			assert.Equal(t, row.want, run(row.args, &out, &out), out.String())
		})
	}
}

func TestWhatCannotBeJudgedIsToldInOneLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := l.Addr().String()
	require.NoError(t, l.Close())
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, row := range []struct {
		name string
		args []string
		says string
	}{
		{"nobody listens", []string{"-addr", nobody}, "nobody listens at " + nobody},
		{"a wrong command", []string{"-cmd", "./not-there {port}"}, "the server cannot be started: fork/exec ./not-there: no such file or directory"},
		{"another site", []string{"-addr", addrOf(other)}, addrOf(other) + " does not serve the sample site (-write-site makes one): GET /sample.txt is answered with 404"},
		{"no TLS", []string{"-tls", "-addr", addrOf(other)}, addrOf(other) + " does not speak TLS (tls: first record does not look like a TLS handshake)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, errs strings.Builder
			assert.Equal(t, usage, run(row.args, &out, &errs))
			assert.Empty(t, out.String())
			assert.Equal(t, "judge: "+row.says+"\n", errs.String())
		})
	}
}

func TestWriteSiteMakesWhatTheJudgeAsksFor(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	var out strings.Builder
	require.Equal(t, passed, run([]string{"-write-site", folder}, &out, &out), out.String())
	assert.Contains(t, out.String(), "go run ./tests/judge -site "+folder+" -addr HOST:PORT")
	server := serve(t, folder)
	out.Reset()
	require.Equal(t, passed, run([]string{"-site", folder, "-addr", addrOf(server), "-run", "^files/(text|content|large)$"}, &out, &out), out.String())
	assert.Equal(t, addrOf(server)+", by the RFCs: 3 of 3 cases pass.\n", out.String())
}

func TestAFailureTellsHowToRepeatIt(t *testing.T) {
	folder := site(t)
	server := serve(t, folder)
	require.NoError(t, os.Remove(filepath.Join(folder, "one.txt")))
	var out strings.Builder
	require.Equal(t, failed, run([]string{"-site", folder, "-addr", addrOf(server), "-run", "files/one-byte"}, &out, &out))
	for _, part := range []string{"RFC 9110 8.6", `GET /one.txt HTTP/1.1\r\n`, `HTTP/1.1 404 Not Found\r\n`, "\n              ^",
		"go run ./tests/judge -addr " + addrOf(server) + " -site " + folder + " -run '^files/one-byte$'"} {
		assert.Contains(t, out.String(), part)
	}
}

// A server that sends no Date is told so once, and its other faults are found all the same.
func TestWhatIsWrongEverywhereCountsAgainstNoCase(t *testing.T) {
	files := http.FileServer(http.Dir(site(t)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", "7")
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	var out strings.Builder
	require.Equal(t, failed, run([]string{"-addr", addrOf(server), "-json", "-", "-run", "^(files/text|head/length|connection/close|pipeline/two)$"}, &out, &out))
	var report jsonReport
	require.NoError(t, json.Unmarshal([]byte(out.String()), &report), out.String())
	require.Len(t, report.Everywhere, 1)
	assert.Equal(t, "the answer has no Date", report.Everywhere[0].Text)
	assert.Equal(t, 4, report.Everywhere[0].Count)
	require.Len(t, report.Faults, 1)
	assert.Equal(t, []string{"head/length"}, report.Faults[0].Cases)
	assert.Equal(t, row{Topic: "all", Passed: 3, Must: 1}, report.Counts)
}

// Whoever stops at a level is told of one fault.
func TestALevelTellsOneFault(t *testing.T) {
	files := http.FileServer(http.Dir(site(t)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", "7")
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	var out strings.Builder
	require.Equal(t, failed, run([]string{"-addr", addrOf(server), "-level", "14"}, &out, &out))
	text := strings.ReplaceAll(out.String(), addrOf(server), "127.0.0.1:8080")
	text = regexp.MustCompile(`(Date|Last-Modified): [^\\]*`).ReplaceAllString(text, "$1: …")
	golden(t, "level.txt", text)
	out.Reset()
	require.Equal(t, passed, run([]string{"-addr", addrOf(server), "-level", "2"}, &out, &out))
	assert.Equal(t, "Levels 1 to 2 hold.\nThe next one, 3: HEAD is answered as GET is, without the body.\n", out.String())
}

// Each case that an RFC demands is of one of the levels before the last, and each of those has one.
func TestLevelsHoldEveryMust(t *testing.T) {
	musts := map[int]int{}
	for _, c := range conformance.Cases() {
		at := levelOf(&c)
		if c.Level == conformance.MUST && c.Variant() == conformance.Default {
			assert.Less(t, at, len(levels), c.ID)
		}
		musts[at]++
	}
	for n := range len(levels) {
		assert.NotZero(t, musts[n+1], "level %d", n+1)
	}
	for id, at := range later {
		c := caseByID(t, id)
		assert.Less(t, 1+slices.IndexFunc(levels, func(l level) bool { return l.cases.MatchString(c.ID) }), at, "%s would come no earlier", id)
	}
}

// caseByID is a case of the suite's.
func caseByID(t *testing.T, id string) *conformance.Case {
	t.Helper()
	for _, c := range conformance.Cases() {
		if c.ID == id {
			return &c
		}
	}
	require.Fail(t, "no such case", id)
	return nil
}

// invented is a verdict with a bit of everything.
func invented(t *testing.T) *verdict {
	t.Helper()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
	date := conformance.Fault{Level: conformance.MUST, RFC: "9110 6.6.1", Quote: "An origin server with a clock MUST generate a Date header field.", Text: "the answer has no Date", Wide: true, At: 9}
	status := func(text string) conformance.Fault {
		return conformance.Fault{Level: conformance.MUST, RFC: "9112 3.2", Quote: "A server MUST respond with a 400.", Text: text, Kind: conformance.WrongStatus, Got: 200, At: 9}
	}
	failure := func(sent string, how conformance.Replay, faults ...conformance.Fault) []conformance.Failure {
		return []conformance.Failure{{How: how, Faults: faults, Sent: []byte(sent), Mark: -1, Received: []byte(answer)}}
	}
	result := func(id string, failed []conformance.Failure) conformance.Result {
		return conformance.Result{Case: caseByID(t, id), Failed: failed, Took: 2 * time.Millisecond}
	}
	skipped := conformance.Result{Case: caseByID(t, "files/large"), Skipped: "needs the suite's own files: -cmd, or -site with -addr"}
	o := &options{addr: "127.0.0.1:8080", profile: "rfc"}
	v := newVerdict(o, []conformance.Result{
		result("request-line/plain", failure("GET /sample.txt HTTP/1.1\r\nHost: localhost\r\n\r\n", conformance.Whole, date)),
		result("host/missing", failure("GET /sample.txt HTTP/1.1\r\n\r\n", conformance.Whole, date, status("the status is 200, not 400"))),
		result("host/twice", failure("GET /sample.txt HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\n\r\n", conformance.Whole, status("the status is 200, not 400"))),
		result("connection/close", failure("GET / HTTP/1.1\r\n", conformance.ByteByByte, date,
			conformance.Fault{Level: conformance.MUST, RFC: "9112 9.6", Text: "the connection stays open for 3s and more, and should be closed", Kind: conformance.NotClosed, At: -1})),
		result("files/text", nil),
		skipped,
		result("method/unknown", failure("BREW /sample.txt HTTP/1.1\r\n\r\n", conformance.Whole,
			conformance.Fault{Level: conformance.SHOULD, RFC: "9110 15.6.2", Text: "the status is 200, not 400 or 405 or 501", Kind: conformance.WrongStatus, Got: 200, At: 9})),
	})
	v.took = 1500 * time.Millisecond
	v.notes = []string{"It serves one connection at a time, so the cases were played one after another."}
	v.after = []error{errors.New("still there 15s after SIGTERM")}
	return v
}

func TestTheReportInEachForm(t *testing.T) {
	for _, row := range []struct {
		file  string
		write func(*verdict, io.Writer) error
	}{
		{"report.txt", func(v *verdict, out io.Writer) error { v.print(out); return nil }},
		{"verbose.txt", func(v *verdict, out io.Writer) error { v.o.verbose = true; v.print(out); return nil }},
		{"report.json", writeJSON},
		{"junit.xml", writeJUnit},
		{"report.html", writeHTML},
	} {
		t.Run(row.file, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, row.write(invented(t), &out))
			golden(t, row.file, out.String())
		})
	}
}

func TestTheReportSinceAnEarlierOne(t *testing.T) {
	before := invented(t)
	before.results[1].Failed, before.own[1] = nil, nil
	before.results[4].Failed, before.own[4] = before.results[2].Failed, before.own[2]
	file := filepath.Join(t.TempDir(), "before.json")
	require.NoError(t, writeTo(file, nil, before, writeJSON))
	v := invented(t)
	var err error
	v.since, err = readBaseline(file)
	require.NoError(t, err)
	var out strings.Builder
	v.printSince(&out)
	golden(t, "since.txt", strings.ReplaceAll(out.String(), file, "before.json"))
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./tests/judge -update writes %s again", path)
}

// The course's last chapter tells of the levels, in the words of the command.
func TestTheChapterHasEachLevel(t *testing.T) {
	text, err := os.ReadFile("../../docs/23-your-own-server.md")
	require.NoError(t, err)
	for i, l := range levels {
		require.Contains(t, string(text), fmt.Sprintf("\n| %d | %s |", i+1, l.says))
	}
}

// A level asks for no more than the levels up to it say. This server knows what the first six say,
// and nothing else: it asks for no host, decodes what it is asked for, and reads no body.
func TestALevelAsksForNoMoreThanItSays(t *testing.T) {
	var out strings.Builder
	require.Equal(t, failed, run([]string{"-addr", sixLevels(t, false), "-level", "14"}, &out, &out))
	assert.True(t, strings.HasPrefix(out.String(), "Levels 1 to 6 hold.\n"), out.String())
}

// Whoever goes on after an answer in HTTP/1.0 is told what made that one the last.
func TestALastAnswerIsNamed(t *testing.T) {
	var out strings.Builder
	require.Equal(t, failed, run([]string{"-addr", sixLevels(t, true), "-run", "^connection/http10-keep-alive-case$"}, &out, &out))
	assert.Contains(t, out.String(), `more comes after HTTP/1.0's answer without "Connection: keep-alive"`)
}

// sixLevels is the address of a server that holds six levels. One that is forgetful goes on in
// HTTP/1.0 where it is asked to, and does not say so.
func sixLevels(t *testing.T, forgetful bool) string {
	root := site(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSixLevels(conn, root, forgetful)
		}
	}()
	return listener.Addr().String()
}

var (
	requestLine = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+) (/[!-~]*) HTTP/1\.([01])$`)
	fieldLine   = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$`)
)

// serveSixLevels answers one client with the files of a folder.
func serveSixLevels(conn net.Conn, root string, forgetful bool) {
	defer conn.Close()
	var had []byte // what has come and is not yet understood
	for {
		head, rest, whole := strings.Cut(string(had), "\r\n\r\n")
		if !whole {
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if had = append(had, b[:n]...); err != nil {
				return
			}
			continue
		}
		had = []byte(rest)
		lines := strings.Split(head, "\r\n")
		line, connection := requestLine.FindStringSubmatch(lines[0]), ""
		for _, l := range lines[1:] {
			f := fieldLine.FindStringSubmatch(l)
			if f == nil {
				line = nil
				break
			}
			if strings.EqualFold(f[1], "Connection") {
				connection += "," + strings.ToLower(f[2])
			}
		}
		if line == nil {
			fmt.Fprintf(conn, "HTTP/1.1 400 Bad Request\r\nDate: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", time.Now().UTC().Format(http.TimeFormat))
			return
		}
		status, body := "501 Not Implemented", []byte(nil)
		if line[1] == "GET" || line[1] == "HEAD" {
			path, _, _ := strings.Cut(line[2], "?")
			path, err := url.PathUnescape(path)
			if status = "404 Not Found"; err == nil {
				if path == "/" {
					path = "/index.html"
				}
				if b, err := os.ReadFile(filepath.Join(root, filepath.Clean(path))); err == nil {
					status, body = "200 OK", b
				}
			}
		}
		last := line[3] == "0" && !(forgetful && connection == ",keep-alive")
		for _, option := range strings.Split(connection, ",") {
			last = last || strings.TrimSpace(option) == "close"
		}
		said := ""
		if last {
			said = "Connection: close\r\n"
		}
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Length: %d\r\n%s\r\n", status, time.Now().UTC().Format(http.TimeFormat), len(body), said)
		if line[1] != "HEAD" {
			conn.Write(body)
		}
		if last {
			return
		}
	}
}
