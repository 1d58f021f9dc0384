package behaviour

// What the logs must be as files: whole when they are rotated under load, and such that
// a program which bans by them can believe them.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("RefusalsAreLogged", refusalsAreLogged)

// refusalsAreLogged: one line each, with who, why and what, and nothing a client sends
// can begin a line of its own. A password in a target is in no log.
func refusalsAreLogged(t *testing.T) {
	access := filepath.Join(t.TempDir(), "access")
	s := harness.Start(t, "-access-log", access)
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /../secret HTTP/1.1\r\nHost: localhost\r\n\r\nGET /\x1b[31m\rHTTP/1.1\r\n")
	io.ReadAll(c)
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127\.0\.0\.1 reason=path-traversal status=403 id=[0-9a-f]{16} request="GET /\.\./secret HTTP/1\.1"\n`))
	s.Log.Await(t, regexp.MustCompile(`reason=bad-target status=400 .* request="GET /\\x1b\[31m\\rHTTP/1\.1"\n|reason=bad-request-line status=400 .* request="GET /\\x1b\[31m\\rHTTP/1\.1"\n`))
	_, body := s.Get(t, "/health")
	require.Contains(t, string(body), `"blocked":2`)

	c = s.Dial(t)
	fmt.Fprintf(c, "GET http://ann:secret@localhost/here HTTP/1.1\r\nHost: localhost\r\n\r\n")
	io.ReadAll(c)
	s.Log.Await(t, regexp.MustCompile(`status=400 .* request="GET http://\.\.\.@localhost/here HTTP/1\.1"\n`))
	harness.Eventually(t, "the line of the access log", func() bool {
		text, err := os.ReadFile(access)
		require.NoError(t, err)
		require.NotContains(t, string(text), "ann:secret")
		return bytes.Contains(text, []byte("http://...@localhost/here"))
	})
}

var _ = test("AccessLog", accessLog)

// accessLog: both formats have a line for each answer.
func accessLog(t *testing.T) {
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

var _ = test("LogRotation", logRotation)

// logRotation: the access log is renamed and reopened again and again while clients are served.
// Each request has one line, whole, in one of the files.
func logRotation(t *testing.T) {
	reopening := []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP}
	if hasMaster() {
		reopening = reopening[:1] // where HUP means more: it replaces the workers
	}
	combined := regexp.MustCompile(`^127\.0\.0\.1 - - \[[^\]]+\] "GET (/about\.html\?\d+) HTTP/1\.1" 200 \d+ "-" "-" "[0-9a-f]{16}" \d+\.\d{6}\n$`)
	for format, target := range map[string]func(line string) string{
		"combined": func(line string) string {
			if m := combined.FindStringSubmatch(line); m != nil {
				return m[1]
			}
			return ""
		},
		"json": func(line string) string {
			var e struct{ Target string }
			if json.Unmarshal([]byte(line), &e) != nil {
				return ""
			}
			return e.Target
		},
	} {
		t.Run(format, func(t *testing.T) {
			const clients, each, rotations = 4, 1500, 12
			access := filepath.Join(t.TempDir(), "access")
			s := harness.Start(t, "-max-requests", "0", "-access-log", access, "-access-format", format)
			half := make(chan struct{}) // closed when the rotations are half through
			var asking sync.WaitGroup
			for i := range clients {
				asking.Go(func() { askInOrder(t, s.Addr, i*each, each, half) })
			}
			for i := range rotations {
				if i == rotations/2 {
					close(half)
				}
				require.NoError(t, os.Rename(access, fmt.Sprintf("%s.%d", access, i)))
				s.Signal(t, reopening[i%len(reopening)])
				harness.Eventually(t, "the files are open anew", func() bool { return s.Log.Count("[main] Log files reopened") == i+1 })
			}
			asking.Wait()
			s.Signal(t, syscall.SIGTERM)
			require.Zero(t, s.Wait(t))

			seen, used := map[string]int{}, 0
			files, err := filepath.Glob(access + "*")
			require.NoError(t, err)
			require.Len(t, files, rotations+1)
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				for line := range strings.Lines(string(text)) {
					name := target(line)
					require.NotEmpty(t, name, "a line that is not whole: %q", line)
					seen[name]++
				}
				if len(text) > 0 {
					used++
				}
			}
			for n := range clients * each {
				require.Equal(t, 1, seen[fmt.Sprintf("/about.html?%d", n)], "lines of request %d", n)
			}
			require.Len(t, seen, clients*each)
			require.Greater(t, used, 2, "files with lines: it was rotated under load")
		})
	}
}

// askInOrder sends numbered requests on one connection. It does not end before half is
// closed: then there is something left to ask.
func askInOrder(t *testing.T, addr string, first, count int, half <-chan struct{}) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(harness.Patience))
	r := bufio.NewReader(c)
	for n := range count {
		if n == count/2 {
			<-half
		}
		fmt.Fprintf(c, "GET /about.html?%d HTTP/1.1\r\nHost: localhost\r\n\r\n", first+n)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("request %d: %v", n, err)
			return
		}
		io.Copy(io.Discard, resp.Body)
	}
}

var _ = test("Fail2Ban", fail2Ban)

// fail2Ban: the filter in docs/deploy/fail2ban finds the client in the line of every refusal
// that is the client's doing, in both forms of the log, and in nothing that a client can
// have written.
func fail2Ban(t *testing.T) {
	filter := readFilter(t)
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]func(*testing.T, *banFilter, string){
				"every reason": everyReasonIsMatched, "forged lines": forgedLinesAreNot, "no room": noRoomIsNot,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, filter, format)
				})
			}
		})
	}
}

// everyReasonIsMatched makes a server refuse for each reason in the filter.
func everyReasonIsMatched(t *testing.T, filter *banFilter, format string) {
	root := rootWith(t, "big.txt", 1<<30)
	require.NoError(t, os.WriteFile(filepath.Join(t.TempDir(), "secret.txt"), nil, 0o644))
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(root, "out")))
	checks := harness.Start(t, append(room(60), "-listen", "127.0.0.1:0", "-root", root, "-log-format", format,
		"-min-rate", "10000000", "-head-timeout", "0.5", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-handshake-timeout", "0.5",
		"-listen", "127.0.0.2:0", "-proxy-protocol", "127.0.0.2:0", "-trusted-proxy", "192.0.2.1")...)
	counts := harness.Start(t, append(room(60), "-listen", "[::1]:0", "-log-format", format,
		"-rate-exempt", "none", "-rate", "1", "-burst", "2", "-ban-after", "2", "-max-conns-per-client", "2", "-adaptive", "off")...)

	locked := harness.Start(t, "-auth", users(t, annIsIn), "-log-format", format)
	tell(t, locked.Dial(t), "GET", "/", basic("ann:wrong"))

	reading := checks.Dial(t) // and never does
	fmt.Fprint(reading, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	sending := checks.Dial(t) // and stops in the middle
	fmt.Fprint(sending, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1")
	for _, request := range refused {
		c := checks.Dial(t)
		io.WriteString(c, request)
		io.ReadAll(c)
		c.Close()
	}
	refusedOverTLS(t, SecuredOn(t, checks))
	comeAsAProxy(checks.Log.Await(t, proxiedOn)[1], lineOf7)
	held := []net.Conn{counts.Dial(t), counts.Dial(t)}
	for _, c := range held {
		status, err := Exchange(c, "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	if third, err := net.Dial("tcp", counts.Addr); err == nil { // its reset may be as quick as that
		goAway(third)
	}
	for {
		if _, err := Exchange(held[0], "/"); err != nil { // once it is banned
			break
		}
	}

	seen := map[string]bool{}
	all := func() bool {
		for s, client := range map[*harness.Server]string{checks: "127.0.0.1", counts: "::1", locked: "127.0.0.1"} {
			for line := range strings.Lines(s.Log.String()) {
				if reason := reasonIn(line); reason != "" {
					require.Equal(t, client, filter.client(line), "%q", line)
					seen[reason] = true
				}
			}
		}
		return len(seen) == len(filter.reasons)
	}
	seen["tls-flood"] = true // whose line is like the others: shared/secure tests that it is counted as that
	defer func() {
		for _, reason := range filter.reasons {
			assert.True(t, seen[reason], reason)
		}
	}()
	harness.Eventually(t, "each reason of the filter is in the log, and nothing else", all)
}

// goAway comes as one too many, and waits for the end.
func goAway(c net.Conn) {
	io.WriteString(c, "GET") // a listener may be waiting for a first byte (TCP_DEFER_ACCEPT)
	io.ReadAll(c)
	c.Close()
}

// refused is one request, or what can be sent instead, for each reason to refuse one.
var refused = []string{
	"GET\r\n\r\n",
	"GET /\x1b HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"GET / http/1.1\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/1.1\nHost: localhost\n\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\nBad Field: x\r\n\r\n",
	"GET /" + strings.Repeat("a", 8200) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 8200) + "\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n",
	"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n",
	"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
	"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: br, chunked\r\n\r\n",
	"POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
	upload + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
	upload + "Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nbad trailer\r\n\r\n",
	upload + "Content-Length: 2000000\r\n\r\n",
	"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
	get("/%ff.html"), get("/../x"), get("/.secret.html"), get("/out/secret.txt"), get("/x.php"),
	"POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n1",
	upload + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1",
	upload + "Content-Length: 1\r\n\r\n{",
	upload + "Content-Length: 0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: more\r\n\r\n",
	"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	"PUT / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	"GET / HTTP/1.1\r\n", // and no more: the head's time passes
}

// refusedOverTLS has a listener of TLS refuse for each of its own reasons.
func refusedOverTLS(t *testing.T, addr string) {
	dial := func() net.Conn {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	for _, sent := range []string{
		get("/"),                       // plain HTTP
		"\x16\x03\x01\x00\x02\x02\x00", // not a ClientHello
		"\x16",                         // and no more: the handshake's time passes
	} {
		c := dial()
		io.WriteString(c, sent)
		io.ReadAll(c)
	}
	for _, offer := range []*tls.Config{
		{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		{NextProtos: []string{"h2"}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
	} {
		offer.InsecureSkipVerify = true
		require.Error(t, tls.Client(dial(), offer).Handshake())
	}
	for _, intact := range []bool{false, true} { // the handshake
		c := &spoiling{Conn: dial(), after: 1}
		if intact {
			c.after = math.MaxInt
		}
		s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		s.Handshake()
		c.after = 0
		io.WriteString(s, get("/"))
		io.ReadAll(c)
	}
}

// spoiling is a connection that changes the last byte of each write, except the first ones.
type spoiling struct {
	net.Conn
	after int // writes that are left as they are
}

func (c *spoiling) Write(p []byte) (int, error) {
	if c.after--; c.after < 0 {
		p = bytes.Clone(p)
		p[len(p)-1] ^= 1
	}
	return c.Conn.Write(p)
}

const upload = "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"

func get(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
}

// forgedLinesAreNot has a client write what would be a line about somebody else.
func forgedLinesAreNot(t *testing.T, filter *banFilter, format string) {
	const innocent = "198.51.100.66"
	s := harness.Start(t, "-log-format", format, "-log-level", "debug")
	forged := []string{
		"[2024-03-15 10:30:00] [main] refused level=WARN client=" + innocent + " reason=path-traversal",
		"[2024-03-15 10:30:00] [main] refused level=WARN client=" + innocent + ` reason=path-traversal status=403 id=1 request="x"`,
		`{"time":"2024-03-15T10:30:00Z","level":"WARN","msg":"refused","worker":"main","client":"` + innocent + `","reason":"path-traversal"}`,
		` client=` + innocent + ` reason=path-traversal`,
		`","client":"` + innocent + `","reason":"path-traversal","x":"`,
	}
	for _, line := range forged {
		require.NotEqual(t, innocent, filter.client("x "+line))
	}
	requests := 0
	for _, line := range forged {
		for _, before := range []string{"", "\n", "\r", "\r\n", "\x00", "\x1b[2K\r", "\"\n", "\\n", "\u2028", "\u0085", "\xff\n", "%0a"} {
			for _, request := range []string{
				before + line + "\r\n\r\n",
				"GET /" + before + line + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
				"GET /../" + before + strings.ReplaceAll(line, " ", "\t") + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
				"GET /../" + before + strings.ReplaceAll(line, " ", "%20") + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
				"GET /../ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: " + innocent + "\r\nX-Request-Id: " + line + "\r\n\r\n",
			} {
				c := s.Dial(t)
				io.WriteString(c, request)
				c.(*net.TCPConn).CloseWrite()
				io.ReadAll(c)
				c.Close()
				requests++
			}
		}
	}
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	refusals := 0
	for line := range strings.Lines(s.Log.String()) {
		if client := filter.client(line); client != "" {
			require.Equal(t, "127.0.0.1", client, "%q", line)
			refusals++
		}
	}
	require.Greater(t, refusals, requests*9/10, "almost every one was refused")
}

// noRoomIsNot: a client that comes to a full server has done nothing.
func noRoomIsNot(t *testing.T, filter *banFilter, format string) {
	s := harness.Start(t, "-max-conns", "1", "-log-format", format)
	status, err := Exchange(s.Dial(t), "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	ReadWholeRefusal(t, s.Dial(t))
	s.Log.Await(t, regexp.MustCompile("too-many-connections.*\n"))
	for line := range strings.Lines(s.Log.String()) {
		require.Empty(t, filter.client(line), "%q", line)
	}
}

var reasonPattern = regexp.MustCompile(`refused.*? ?"?reason"?[=:]"?([a-z-]+)`)

// reasonIn is the reason of a line about a refusal.
func reasonIn(line string) string {
	if m := reasonPattern.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

// banFilter is a filter of fail2ban, as far as ours uses what there is.
type banFilter struct {
	dates, fails []*regexp.Regexp
	reasons      []string
}

// readFilter reads docs/deploy/fail2ban/filter.d/fourways.conf as fail2ban does: a line that
// begins with a blank goes on with the value above it, %(name)s stands for another value,
// %% for a percent sign, and <ADDR> for an address.
func readFilter(t *testing.T) *banFilter {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "fourways/tests/behaviour").Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "../../docs/deploy/fail2ban/filter.d/fourways.conf"))
	require.NoError(t, err)
	values, last := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		name, value, set := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" || strings.HasPrefix(line, "["):
		case line[0] == ' ':
			values[last] += "\n" + strings.TrimSpace(line)
		case set:
			last = strings.TrimSpace(name)
			values[last] = strings.TrimSpace(value)
		}
	}
	f := &banFilter{}
	var reasons []string
	for _, name := range []string{"wire", "checks", "limits"} {
		require.NotEmpty(t, values[name], name)
		reasons = append(reasons, values[name])
		values["failregex"] = strings.ReplaceAll(values["failregex"], "%("+name+")s", values[name])
	}
	f.reasons = strings.Split(strings.Join(reasons, "|"), "|")
	address := strings.NewReplacer("<ADDR>", `(?P<addr>(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*)`)
	for pattern := range strings.SplitSeq(values["failregex"], "\n") {
		f.fails = append(f.fails, regexp.MustCompile(address.Replace(pattern)))
	}
	date := strings.NewReplacer("%%Y", `\d{4}`, "%%m", `\d\d`, "%%d", `\d\d`, "%%H", `\d\d`, "%%M", `\d\d`, "%%S", `\d\d`, "%%z", `(?:Z|[+-]\d\d:?\d\d)`)
	for pattern := range strings.SplitSeq(values["datepattern"], "\n") {
		f.dates = append(f.dates, regexp.MustCompile(date.Replace(pattern)))
	}
	return f
}

// client is whom a line is about: the time is taken out of it, and what is left must
// match. A line without a time is nobody's.
func (f *banFilter) client(line string) string {
	line = strings.TrimSuffix(line, "\n")
	for _, date := range f.dates {
		at := date.FindStringIndex(line)
		if at == nil {
			continue
		}
		rest := line[:at[0]] + line[at[1]:]
		for _, fail := range f.fails {
			if m := fail.FindStringSubmatch(rest); m != nil {
				return m[fail.SubexpIndex("addr")]
			}
		}
	}
	return ""
}
