package behaviour

// A front-end's folder as its build leaves it: the types of the web, clean URLs, and one page for
// all paths of an application.

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("FrontEnd", frontEnd, once("site"))

// frontEnd: everything is shown under its own type, and a path of the application is answered with
// its page where a browser goes there, but nothing else that is missing is.
func frontEnd(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"index.html": "<div id=app>", "about.html": "<p>about", "assets/app.js": "run()", "assets/app.js.map": "{}", "assets/app.css": "a{}", "f.woff2": "font",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	s := harness.Start(t, "-root", root, "-types", "web", "-html-ext", "-spa", "/index.html", "-idle-timeout", "1m")
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, tt := range []struct {
		path, accept string
		status       int
		kind         string
	}{
		{"/", browser, 200, "text/html; charset=utf-8"},
		{"/about", browser, 200, "text/html; charset=utf-8"},
		{"/assets/app.js", "*/*", 200, "text/javascript; charset=utf-8"},
		{"/assets/app.js.map", "*/*", 200, "application/json"},
		{"/assets/app.css", "text/css,*/*;q=0.1", 200, "text/css; charset=utf-8"},
		{"/f.woff2", "*/*", 200, "font/woff2"},
		{"/users/7", browser, 200, "text/html; charset=utf-8"},
		{"/users/7", "*/*", 404, "text/html; charset=utf-8"},
		{"/assets/old.js", browser, 404, "text/html; charset=utf-8"},
		{"/script.php", browser, 415, "text/html; charset=utf-8"},
	} {
		request, err := http.NewRequest("GET", s.URL(tt.path), nil)
		require.NoError(t, err)
		request.Header.Set("Accept", tt.accept)
		resp, err := client.Do(request)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, tt.status, resp.StatusCode, tt.path)
		require.Equal(t, tt.kind, resp.Header.Get("Content-Type"), tt.path)
		require.Empty(t, resp.Header.Get("Content-Disposition"), tt.path)
	}
}
