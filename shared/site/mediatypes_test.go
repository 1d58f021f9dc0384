package site

// The types that files are sent as, and which of them are shown. The list that `-types web` stands
// for is package config's, and must agree with the table here.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
)

// ofTypes is the settings of `-types` with these words.
func ofTypes(t testing.TB, words string) func(*Config) {
	c, err := config.Parse(config.Stage{DefaultWorkers: 1}, []string{"-types", words}, nil)
	require.NoError(t, err)
	return func(s *Config) { s.Types, s.Shown = c.Types, c.Shown }
}

func TestEveryTypeOfTheWebHasAMediaType(t *testing.T) {
	var cfg Config
	ofTypes(t, "web")(&cfg)
	for _, ext := range cfg.Types {
		require.NotEqual(t, anyType, kindOf("a."+ext), ext)
	}
	for ext := range typeOf {
		if ext != "zip" { // nobody looks at it in a browser
			require.Contains(t, cfg.Types, ext)
		}
	}
}

func TestTypesOfTheWebAreShown(t *testing.T) {
	r := newRig(t, ofTypes(t, "web,zip"))
	for name, want := range map[string]string{
		"app.js": "text/javascript; charset=utf-8", "app.MJS": "text/javascript; charset=utf-8", "app.css": "text/css; charset=utf-8",
		"app.js.map": "application/json", "data.json": "application/json", "site.webmanifest": "application/manifest+json",
		"page.htm": htmlType, "a.txt": "text/plain; charset=utf-8", "a.md": "text/markdown; charset=utf-8", "feed.xml": "application/xml",
		"i.svg": "image/svg+xml", "i.webp": "image/webp", "i.avif": "image/avif", "favicon.ico": "image/x-icon",
		"f.woff2": "font/woff2", "f.ttf": "font/ttf", "v.mp4": "video/mp4", "v.webm": "video/webm", "v.vtt": "text/vtt; charset=utf-8",
		"a.pdf": "application/pdf", "a.wasm": "application/wasm",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, name), []byte("x"), 0o644))
		got := r.ask("GET /" + name + " HTTP/1.1")
		require.Equal(t, 200, got.StatusCode, name)
		require.Equal(t, want, got.Header.Get("Content-Type"), name)
		require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"), name)
		require.Empty(t, got.Header.Get("Content-Disposition"), name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "a.zip"), []byte("x"), 0o644))
	got := r.ask("GET /a.zip HTTP/1.1")
	require.Equal(t, anyType, got.Header.Get("Content-Type"), "a type beside web is a download as ever")
	require.Equal(t, `attachment; filename="a.zip"`, got.Header.Get("Content-Disposition"))
	require.Equal(t, 415, r.ask("GET /a.php HTTP/1.1").StatusCode)
}

func TestWhatGetsSmallerIsCompressed(t *testing.T) {
	r := newRig(t, ofTypes(t, "web"))
	text := strings.Repeat("compress me ", 500)
	for name, want := range map[string]string{"a.js": "gzip", "a.json": "gzip", "a.svg": "gzip", "a.map": "gzip", "a.wasm": "gzip", "a.woff2": "", "a.png": "", "a.mp4": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644))
		got := r.ask("GET /" + name + " HTTP/1.1\nAccept-Encoding: gzip")
		require.Equal(t, want, got.Header.Get("Content-Encoding"), name)
	}
}
