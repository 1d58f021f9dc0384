package main

// The judge's command line and its report: words, exit status, how a failure is repeated, and JSON.
// The servers are small ones of the tests' own.

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitWordsAsAShellDoes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"  a   b ":                 {"a", "b"},
		`'a b' c`:                  {"a b", "c"},
		`"a 'b'" c`:                {"a 'b'", "c"},
		`a\ b`:                     {"a b"},
		`x'y z'w`:                  {"xy zw"},
		`'' b`:                     {"", "b"},
		`'a\b'`:                    {`a\b`},
		`./s --port {port} -h 'X'`: {"./s", "--port", "{port}", "-h", "X"},
	} {
		got, err := splitWords(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{`'a`, `a"b`, `a\`} {
		_, err := splitWords(text)
		assert.Error(t, err, text)
	}
}

func TestShellQuoteIsUndoneBySplitWords(t *testing.T) {
	for _, text := range []string{"a b", "it's", `a\b "c"`, ""} {
		got, err := splitWords(shellQuote(text))
		assert.NoError(t, err)
		assert.Equal(t, []string{text}, got)
	}
}

func TestExitStatus(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	defer good.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer bad.Close()
	secure := httptest.NewTLSServer(good.Config.Handler)
	defer secure.Close()
	addr := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	for _, row := range []struct {
		name string
		args []string
		want int
	}{
		{"all passed", []string{"-addr", addr(good), "-profile", "rfc", "-run", "^files/text$"}, passed},
		{"a MUST failed", []string{"-addr", addr(bad), "-profile", "rfc", "-run", "^head/no-body$"}, failed},
		{"a SHOULD failed", []string{"-addr", addr(good), "-profile", "rfc", "-run", "^method/unknown$"}, failed},
		{"a SHOULD failed and does not count", []string{"-addr", addr(good), "-profile", "rfc", "-must-only", "-run", "^method/unknown$"}, passed},
		{"all passed over TLS", []string{"-tls", "-addr", addr(secure), "-profile", "rfc", "-run", "^files/text$"}, passed},
		{"no TLS", []string{"-tls", "-addr", addr(good), "-profile", "rfc", "-run", "^files/text$"}, usage},
		{"the list", []string{"-list"}, passed},
		{"help", []string{"-h"}, passed},
		{"no server", nil, usage},
		{"two servers", []string{"-addr", "a:1", "-cmd", "b"}, usage},
		{"an unknown flag", []string{"-nonsense"}, usage},
		{"an unquoted command", []string{"-cmd", "./mine", "--port"}, usage},
		{"an unknown profile", []string{"-addr", "a:1", "-profile", "x"}, usage},
		{"no such case", []string{"-addr", "a:1", "-run", "no/such"}, usage},
		{"no regular expression", []string{"-addr", "a:1", "-run", "("}, usage},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			assert.Equal(t, row.want, run(row.args, &out, &out), out.String())
		})
	}
}

func TestAFailureTellsHowToRepeatIt(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var out strings.Builder
	addr := strings.TrimPrefix(server.URL, "http://")
	require.Equal(t, failed, run([]string{"-addr", addr, "-profile", "rfc", "-run", "files/text"}, &out, &out))
	for _, part := range []string{"RFC 9110 9.3.1", `GET /sample.txt HTTP/1.1\r\n`, `HTTP/1.1 404 Not Found\r\n`, "         ^",
		"go run ./tests/judge -addr " + addr + " -profile rfc -run '^files/text$'"} {
		assert.Contains(t, out.String(), part)
	}
}

func TestAServerWithoutTLSIsToldInOneLine(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var out, errs strings.Builder
	addr := server.Listener.Addr().String()
	require.Equal(t, usage, run([]string{"-tls", "-addr", addr}, &out, &errs))
	assert.Empty(t, out.String())
	assert.Equal(t, "judge: "+addr+" does not speak TLS (tls: first record does not look like a TLS handshake)\n", errs.String())
}

func TestJSONIsOneObjectACase(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var out, errs strings.Builder
	run([]string{"-addr", strings.TrimPrefix(server.URL, "http://"), "-json", "-run", "^files/(text|large|missing)$"}, &out, &errs)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		var r jsonResult
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		assert.NotEmpty(t, r.Outcome)
	}
}
