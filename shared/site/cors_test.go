package site

// Scripts of other origins: which may read answers, and what they are told before they ask. The rig
// is that of driver_test.go.

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCORS(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CORS = []string{"https://example.org"} })
	for _, request := range []string{"GET /small.txt HTTP/1.1", "GET /nothing.txt HTTP/1.1", "OPTIONS /upload HTTP/1.1", "GET /sub HTTP/1.1"} {
		got := r.ask(request)
		require.Equal(t, "https://example.org", got.Header.Get("Access-Control-Allow-Origin"), request)
		for _, name := range []string{"Content-Range", "ETag", "Location", "X-Request-Id", "Retry-After"} {
			require.Contains(t, strings.Split(got.Header.Get("Access-Control-Expose-Headers"), ", "), name, request)
		}
	}
	got := r.ask("OPTIONS /upload HTTP/1.1\nOrigin: https://example.org\nAccess-Control-Request-Method: POST")
	require.Equal(t, allowUploads, got.Header.Get("Access-Control-Allow-Methods"))
	require.Contains(t, got.Header.Get("Access-Control-Allow-Headers"), "Content-Type")
}

func TestSeveralOrigins(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CORS = []string{"https://a.example", "https://b.example"} })
	for _, request := range []string{"GET /small.txt HTTP/1.1", "GET /large.txt HTTP/1.1", "HEAD /small.txt HTTP/1.1", "GET /small.txt HTTP/1.1\nRange: bytes=0-1",
		"GET /small.txt HTTP/1.1\nIf-None-Match: *", "GET /nothing.txt HTTP/1.1", "OPTIONS /upload HTTP/1.1", "GET /sub HTTP/1.1"} {
		for origin, want := range map[string]string{"https://b.example": "https://b.example", "https://evil.example": "", "https://b.example.evil": "", "": ""} {
			ask := request
			if origin != "" {
				ask += "\nOrigin: " + origin
			}
			for range 2 { // from the disk, and from the cache
				got := r.ask(ask)
				require.Equal(t, want, got.Header.Get("Access-Control-Allow-Origin"), ask)
				require.Contains(t, got.Header.Values("Vary"), "Origin", "whoever asks, caches must know")
			}
		}
	}
	require.Equal(t, small, r.ask("GET /small.txt HTTP/1.1\nOrigin: https://a.example").body)
}

func TestReportsAreForNoOtherOrigin(t *testing.T) {
	for _, origins := range [][]string{{"*"}, {"https://example.org", "https://example.com"}} {
		r := newRig(t, func(c *Config) { c.CORS = origins })
		for _, path := range []string{"/health", "/stats", "/stats.html", "/metrics", "/livez", "/readyz"} {
			got := r.ask("GET " + path + " HTTP/1.1\nOrigin: https://example.org")
			require.Equal(t, 200, got.StatusCode, path)
			require.NotContains(t, got.raw, "Access-Control", path)
		}
		got := r.ask("OPTIONS /health HTTP/1.1\nOrigin: https://example.org\nAccess-Control-Request-Method: GET")
		require.Equal(t, 204, got.StatusCode)
		require.NotContains(t, got.raw, "Access-Control")
	}
}

func TestPreflight(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CORS = []string{"https://a.example", "https://b.example"} })
	const asks = "\nOrigin: https://a.example\nAccess-Control-Request-Method: PUT"
	for _, tt := range []struct {
		name, request    string
		methods, headers string
	}{
		{"of a file", "OPTIONS /small.txt HTTP/1.1" + asks, allowFiles, usualFields},
		{"of the upload route", "OPTIONS /upload HTTP/1.1" + asks, allowUploads, usualFields},
		{"with fields", "OPTIONS /upload HTTP/1.1" + asks + "\nAccess-Control-Request-Headers: authorization,x-trace", allowUploads, "authorization,x-trace"},
		{"with fields that are none", "OPTIONS /upload HTTP/1.1" + asks + "\nAccess-Control-Request-Headers: a b", allowUploads, usualFields},
		{"with too many fields", "OPTIONS /upload HTTP/1.1" + asks + "\nAccess-Control-Request-Headers: " + strings.Repeat("a,", 600), allowUploads, usualFields},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := r.ask(tt.request)
			require.Equal(t, 204, got.StatusCode)
			require.Equal(t, "https://a.example", got.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, tt.methods, got.Header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, tt.headers, got.Header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, "600", got.Header.Get("Access-Control-Max-Age"))
			require.Equal(t, []string{"Origin", "Access-Control-Request-Method, Access-Control-Request-Headers"}, got.Header.Values("Vary"))
		})
	}
	got := newRig(t, nil).ask("OPTIONS /upload HTTP/1.1" + asks)
	require.Empty(t, got.Header.Get("Access-Control-Allow-Methods"), "only where it is asked for")
	require.Empty(t, got.Header.Get("Vary"))
}
