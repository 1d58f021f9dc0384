package site

// Answers to what is refused: pages, JSON, and pages of the administrator's. The rig is that of
// driver_test.go.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/http1"
)

func TestErrorsAreJSONWhereAcceptPrefersIt(t *testing.T) {
	r := newRig(t, nil)
	tests := []struct {
		name   string
		accept string
		json   bool
	}{
		{"no Accept", "", false},
		{"JSON alone", "Accept: application/json", true},
		{"JSON in capitals", "Accept: Application/JSON", true},
		{"anything", "Accept: */*", false},
		{"a browser", "Accept: text/html,application/xhtml+xml,*/*;q=0.8", false},
		{"both alike", "Accept: text/html, application/json", false},
		{"JSON more", "Accept: text/html;q=0.4, application/json;q=0.5", true},
		{"HTML more", "Accept: text/html;q=0.5, application/json;q=0.4", false},
		{"JSON beside anything", "Accept: application/json, */*;q=0.5", true},
		{"anything but HTML", "Accept: text/html;q=0, */*", true},
		{"a range of types", "Accept: application/*", true},
		{"the most specific counts", "Accept: application/*, application/json;q=0.1, text/html;q=0.2", false},
		{"a parameter before the quality", "Accept: application/json;v=1;q=0.3, text/html;q=0.2", true},
		{"thousandths count", "Accept: application/json;q=0.501, text/html;q=0.5", true},
		{"a quality over one is none", "Accept: application/json;q=2", false},
		{"a quality of letters is none", "Accept: application/json;q=x", false},
		{"a quality of four digits is none", "Accept: application/json;q=0.0001", false},
		{"two lines", "Accept: text/html;q=0.1\nAccept: application/json", true},
		{"another type", "Accept: image/png", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.ask(strings.TrimSuffix("GET /nothing.html HTTP/1.1\n"+tt.accept, "\n"))
			require.Equal(t, 404, got.StatusCode)
			require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "Accept", got.Header.Get("Vary"), "caches must not give one's answer to the other")
			if !tt.json {
				require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
				require.Contains(t, got.body, "<title>404 Not Found</title>")
				require.Regexp(t, `Request [0-9a-f]{16}<`, got.body)
				return
			}
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			var body struct {
				Status, Message string
				Code            int
				RequestID       string `json:"request_id"`
			}
			require.NoError(t, json.Unmarshal([]byte(got.body), &body))
			require.Equal(t, "error", body.Status)
			require.Equal(t, 404, body.Code)
			require.Equal(t, "Not Found", body.Message)
			require.Len(t, body.RequestID, 16)
		})
	}
}

func TestMalformedRequestsAreAnswered(t *testing.T) {
	r := newRig(t, nil)
	got := r.parse("GET / HTTP/1.1\r\nBad Field: x\r\n\r\n", false)
	require.Equal(t, 400, got.StatusCode)
	require.True(t, got.Close)
	require.Contains(t, got.body, "400 Bad Request")
}

func TestAnErrorPageCanBeReplaced(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ErrorPages = map[int]string{404: "/404.html"} })
	got := r.ask("GET /nothing.html HTTP/1.1")
	require.Equal(t, 404, got.StatusCode)
	require.Equal(t, "<p>own page", got.body)
	require.Len(t, got.Header.Get("X-Request-Id"), 16, "the page does not name it")
	ours := r.ask("GET /nothing.php HTTP/1.1")
	require.Contains(t, ours.body, "415")
	require.Empty(t, ours.Header.Get("X-Request-Id"), "our own page does")
	require.Contains(t, r.ask("GET /nothing.html HTTP/1.1\nAccept: application/json").body, `"code":404`)
}

func TestAnErrorPageMustBeThere(t *testing.T) {
	r := newRig(t, nil)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "big.html"), make([]byte, maxErrorPage+1), 0o644))
	for _, path := range []string{"/no.html", "/sub", "/big.html"} {
		cfg := r.site.cfg
		cfg.ErrorPages = map[int]string{404: path}
		_, err := New(cfg)
		require.ErrorContains(t, err, path)
	}
}

func TestEveryErrorFitsItsScratch(t *testing.T) {
	id := []byte(strings.Repeat("i", 64))
	for status := 400; status < 600; status++ {
		if http1.StatusText(status) == "" {
			continue
		}
		require.Less(t, len(appendErrorPage(nil, status, id)), 1<<10)
		require.True(t, json.Valid(appendErrorJSON(nil, status, id)))
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	require.Equal(t, int64(1), wholeSeconds(0))
	require.Equal(t, int64(1), wholeSeconds(1e9))
	require.Equal(t, int64(2), wholeSeconds(1e9+1))
}
