package behaviour

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// An attack on whoever reads the logs, by eye or by fail2ban: text that would end a line,
// begin one, leave its quotes, or speak to a terminal.

// poisons is what is put into every part of a request that a log may show.
var poisons = []struct{ name, text string }{
	{"nothing special", "abc"},
	{"a line feed and a line of the log", "x\n[2024-03-15 10:30:00] [main] refused level=WARN client=192.0.2.66 reason=banned"},
	{"a carriage return and a line of the log", "x\r[2024-03-15 10:30:00] [main] refused level=WARN client=192.0.2.66 reason=banned"},
	{"a line of the access log behind a quote", `x" 200 0 "-" "-" "0" 0.1` + "\n" + `192.0.2.66 - - [15/Mar/2024:10:30:00 +0000] "GET / HTTP/1.1" 200 0 "-" "-" "0" 0.1`},
	{"a JSON object behind a quote", `x","status":200}` + "\n" + `{"client":"192.0.2.66"`},
	{"further attributes", `x client=192.0.2.66 reason=banned status=429`},
	{"a quote and further attributes", `x" client=192.0.2.66 reason="banned`},
	{"a backslash at the end", `x\`},
	{"escapes that are text", `x\n\x1b[2J\u000a\"`},
	{"escapes in percent", `x%0a%0d%1b%5b2J%22%e2%80%ae`},
	{"a terminal's clear screen", "x\x1b[2J\x1b]0;owned\x07"},
	{"the same introduced by one byte", "x\x9b2J"},
	{"the same as UTF-8", "x\u009b2J"},
	{"backspaces", "x\b\b\b\b\b\b"},
	{"a tab", "x\ty"},
	{"a NUL", "x\x00y"},
	{"a delete", "x\x7fy"},
	{"line ends of Unicode", "x\u0085y\u2028y\u2029y"},
	{"text that turns direction", "x\u202e66.2.0.291\u202c"},
	{"text that is not seen", "x\u200b\ufeff\U000e0041"},
	{"bytes that are no UTF-8", "x\xff\xfe\xc0\x80\xed\xa0\x80"},
	{"more than a line takes", strings.Repeat("y", 4000)},
	{"more escapes than a line takes", strings.Repeat("\x1b", 2500)},
}

// wounds is where: requests with a place for the poison, each without its last lines.
var wounds = []struct{ name, request string }{
	{"the target", "GET /%s HTTP/1.1\r\nHost: localhost\r\n"},
	{"a file's query", "GET /small.txt?%s HTTP/1.1\r\nHost: localhost\r\n"},
	{"the method", "%s /small.txt HTTP/1.1\r\nHost: localhost\r\n"},
	{"the version", "GET /small.txt HTTP/%s\r\nHost: localhost\r\n"},
	{"Host", "GET /small.txt HTTP/1.1\r\nHost: %s\r\n"},
	{"User-Agent", "GET /small.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %s\r\n"},
	{"Referer", "GET /small.txt HTTP/1.1\r\nHost: localhost\r\nReferer: %s\r\n"},
	{"X-Request-Id", "GET /small.txt HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\n"},
	{"X-Request-Id of what is refused", "GET /../x HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %s\r\n"},
	{"X-Forwarded-For", "GET /small.txt HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n"},
	{"X-Forwarded-For of what is refused", "GET /../x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s, 192.0.2.1\r\n"},
	{"a field's name", "GET /small.txt HTTP/1.1\r\nHost: localhost\r\n%s: x\r\n"},
}

// Lines of the logs, whole.
var (
	quoted      = `"(?:[^"\\]|\\.)*"`
	textLine    = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[[a-z]+(?:-\d+)?\] `)
	refusedLine = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[[a-z]+(?:-\d+)?\] refused level=WARN` +
		` client=(127\.66\.0\.20|192\.0\.2\.1|unknown) reason=[a-z0-9-]+ status=\d{3} id=[A-Za-z0-9._-]{1,64} request=(?:` + quoted + `|[^ ="\\]+)(?: host=(?:` + quoted + `|[^ ="\\]+))?(?: see=-[a-z-]+)?$`)
	combinedLine = regexp.MustCompile(`^(?:127\.66\.0\.20|127\.0\.0\.1|192\.0\.2\.1|-) - - \[[^\]"]+\] "[^"\\]*(?:\\x[0-9A-F]{2}[^"\\]*)*" \d{3} \d+` +
		strings.Repeat(` "[^"\\]*(?:\\x[0-9A-F]{2}[^"\\]*)*"`, 3) + ` \d+\.\d{6}( "` + upstreamName + `"(?: (?:-|\d+\.\d{6})){3})?$`)
	upstreamName = `http://127\.0\.0\.1:\d+` // of a request that was passed on
)

// logInjection: whatever a request holds, each event is one line of each log, of the log's
// own form, and printable.
func logInjection(t testing.TB) {
	for _, format := range []string{"text", "json"} {
		access := "combined"
		if format == "json" {
			access = "json"
		}
		root, accessLog := t.TempDir(), filepath.Join(t.TempDir(), "access")
		require.NoError(t, os.WriteFile(filepath.Join(root, "small.txt"), []byte(smallText), 0o644))
		s := harness.Start(t, "-root", root, "-trusted-proxy", "127.0.0.0/8", "-log-format", format, "-access-log", accessLog, "-access-format", access)
		answers := 1 // /health is the first
		for _, wound := range wounds {
			for _, poison := range poisons {
				answer, err := inject(s.Addr, fmt.Sprintf(wound.request, poison.text))
				require.NoError(t, err)
				require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 "), "%s in %s: %.200q", poison.name, wound.name, answer)
				answers++
			}
		}
		var h health
		_, body := s.Get(t, "/health")
		require.NoError(t, json.Unmarshal(body, &h))
		s.Signal(t, syscall.SIGTERM)
		require.Zero(t, s.Wait(t))

		refused := 0
		for _, line := range linesOf(t, s.Log.String()) {
			refused += examine(t, format, line)
		}
		require.Equal(t, h.Requests.Blocked, refused, "each refusal has its line")
		text, err := os.ReadFile(accessLog)
		require.NoError(t, err)
		lines := linesOf(t, string(text))
		require.Len(t, lines, answers, "each answer has its line")
		passedOn := 0
		for _, line := range lines {
			passedOn += examineAccess(t, access, line)
		}
		require.Equal(t, harness.Through(), passedOn > 0, "%d lines of %d name an upstream", passedOn, len(lines))
	}
}

// inject sends a request that may be none, and reads what comes until the end.
func inject(addr, head string) (string, error) {
	c, err := connect(addr, "127.66.0.20")
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, head+"Connection: close\r\n\r\n"); err != nil {
		return "", err
	}
	return cut(c)
}

// linesOf takes a log apart. All of it is printable: control characters and what has no
// form of its own are escaped, and what is no UTF-8 is not there.
func linesOf(t testing.TB, log string) []string {
	t.Helper()
	require.True(t, strings.HasSuffix(log, "\n"))
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	for _, line := range lines {
		for _, r := range line {
			require.True(t, unicode.IsPrint(r), "%q in %q", r, line)
		}
	}
	return lines
}

// examine looks at a line of the log, and reports 1 if it tells of a refusal.
func examine(t testing.TB, format, line string) (refused int) {
	t.Helper()
	if format == "text" {
		require.Regexp(t, textLine, line)
		if strings.Contains(line, "] refused ") {
			require.Regexp(t, refusedLine, line)
			refused = 1
		}
		return refused
	}
	var entry map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &entry), "%q", line)
	if entry["msg"] == "refused" {
		require.Contains(t, []any{"127.66.0.20", "192.0.2.1", "unknown"}, entry["client"])
		refused = 1
	}
	return refused
}

// examineAccess looks at a line of the access log, and reports 1 if it tells of an upstream.
func examineAccess(t testing.TB, format, line string) (passedOn int) {
	t.Helper()
	if format == "combined" {
		found := combinedLine.FindStringSubmatch(line)
		require.NotNil(t, found, "%q", line)
		if found[1] != "" {
			passedOn = 1
		}
		return passedOn
	}
	var entry map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &entry), "%q", line)
	fields := 11
	if upstream, ok := entry["upstream"]; ok {
		require.Regexp(t, "^"+upstreamName+"$", upstream)
		passedOn = 1
		fields += 4 // its name and three times
	}
	require.Len(t, entry, fields)
	require.Contains(t, []any{"127.66.0.20", "127.0.0.1", "192.0.2.1", "-"}, entry["client"])
	return passedOn
}
