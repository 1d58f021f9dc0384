package site

// Redirects of the administrator's, and Cache-Control by pattern. The rig is that of
// driver_test.go.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/guard"
)

const redirectLines = `# what has moved
/old        /new
/small.txt  /large.txt 302
/temp /upload 307

/blog/*       https://blog.example/:splat 308
/blog/2020/*  /archive/2020/:splat
/all/* /one?x=1
/f /new#part
/ü/* /ue/:splat
`

// redirecting is a rig with these lines.
func redirecting(t *testing.T, lines string) *rig {
	file := filepath.Join(t.TempDir(), "redirects")
	require.NoError(t, os.WriteFile(file, []byte(lines), 0o644))
	return newRig(t, func(c *Config) { c.Redirects = file })
}

func TestRedirects(t *testing.T) {
	r := redirecting(t, redirectLines)
	for _, tt := range []struct {
		name, target string
		status       int
		location     string
	}{
		{"a path", "/old", 301, "/new"},
		{"a path with a query", "/old?a=%20b", 301, "/new?a=%20b"},
		{"an encoded path", "/%6fld", 301, "/new"},
		{"a file that is there", "/small.txt", 302, "/large.txt"},
		{"a status that keeps the method", "/temp", 307, "/upload"},
		{"below a folder", "/blog/a/b.html", 308, "https://blog.example/a/b.html"},
		{"below a folder with a query", "/blog/a?x", 308, "https://blog.example/a?x"},
		{"the folder itself", "/blog/", 308, "https://blog.example/"},
		{"below a deeper folder", "/blog/2020/a", 301, "/archive/2020/a"},
		{"what needs to be encoded", "/blog/%C3%BC%20%3F", 308, "https://blog.example/%C3%BC%20%3F"},
		{"all to one", "/all/a/b", 301, "/one?x=1"},
		{"a query where there is one", "/all/a?y=2", 301, "/one?x=1"},
		{"a query where there is a fragment", "/f?y=2", 301, "/new#part"},
		{"a name beyond ASCII", "/%C3%BC/a", 301, "/ue/a"},

		{"a path with a slash", "/old/", 404, ""},
		{"the folder without its slash", "/blog", 404, ""},
		{"a longer name", "/blogs/a", 404, ""},
		{"two slashes are refused before", "/blog//evil.example", 403, ""},
		{"dots are refused before", "/blog/../x", 403, ""},
		{"what is not there", "/nothing.txt", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"GET ", "HEAD "} {
				got := r.ask(method + tt.target + " HTTP/1.1")
				require.Equal(t, tt.status, got.StatusCode)
				require.Equal(t, tt.location, got.Header.Get("Location"))
			}
		})
	}
	require.Equal(t, 200, r.ask("GET /health HTTP/1.1").StatusCode)
}

func TestRedirectsThatCannotBe(t *testing.T) {
	for line, want := range map[string]string{
		"/old":                           "give FROM TO",
		"/old /new 301 x":                "give FROM TO",
		"/old /new 200":                  "give a status",
		"/old /new 0301":                 "give a status",
		"old /new":                       "FROM is no path",
		"//old /new":                     "FROM is no path",
		"/a/../b /new":                   "FROM is no path",
		"/a//* /new":                     "FROM is no path",
		"/old new":                       "TO is neither",
		"/old //example.org/":            "TO is neither",
		"/old javascript:alert(1)":       "TO is neither",
		"/old https://example.org":       "TO is neither", // what is put behind it would be part of the host
		"/old https://user@example.org/": "TO is neither",
		"/old /new/:splat":               "TO is neither",
		"/old/* https://:splat.example/": "TO is neither",
		"/old /ne\x01w":                  "TO is neither",
		"/old /old":                      "TO leads to FROM again",
		"/old/* /old/new/:splat":         "TO leads to FROM again",
		"/* /new":                        "TO leads to FROM again",
		"/old /old?a":                    "TO leads to FROM again",
		"/old /%6fld#a":                  "TO leads to FROM again",
		"/old /a/../old":                 "TO leads to FROM again",
		"/old/* /a/../%6Fld/:splat":      "TO leads to FROM again",
		"/old/* /new/:splat/x":           "TO is neither",
		"/old/* /new:splat":              "TO is neither",
		"/old/* /new/:splat?x":           "TO is neither",
		"/old/* /new?x=/:splat":          "TO is neither",
		"/a/*/b /new":                    "FROM is no path",
		"/a* /new":                       "FROM is no path",
		"/a?x=1 /new":                    "FROM is no path",
		"/a%20b /new":                    "FROM is no path",
		"/old /a\n/old /b":               "FROM stands there twice",
	} {
		_, err := parseRedirects([]byte("# first\n" + line))
		require.ErrorContains(t, err, want, line)
		require.Regexp(t, `^:[23]: `, err.Error(), line)
	}
}

func TestRedirectsMayBeginWithAByteOrderMark(t *testing.T) {
	r := redirecting(t, "\ufeff/old /new\r\n/100% /new")
	require.Equal(t, "/new", r.ask("GET /old HTTP/1.1").Header.Get("Location"))
	require.Equal(t, "/new", r.ask("GET /100%25 HTTP/1.1").Header.Get("Location"))
}

func TestRedirectsAreReadAgain(t *testing.T) {
	r := redirecting(t, "/old /new\n")
	require.NoError(t, os.WriteFile(r.site.cfg.Redirects, []byte("/old /newer\n"), 0o644))
	require.Equal(t, "/new", r.ask("GET /old HTTP/1.1").Header.Get("Location"))
	_, err := r.site.Reopen()
	require.NoError(t, err)
	require.Equal(t, "/newer", r.ask("GET /old HTTP/1.1").Header.Get("Location"))
	require.NoError(t, os.WriteFile(r.site.cfg.Redirects, []byte("nonsense\n"), 0o644))
	_, err = r.site.Reopen()
	require.ErrorContains(t, err, ":1: give FROM TO")
	require.Equal(t, "/newer", r.ask("GET /old HTTP/1.1").Header.Get("Location"), "the old ones stay")
}

func TestFindingARedirectDoesNotAllocate(t *testing.T) {
	r, err := parseRedirects([]byte(redirectLines))
	require.NoError(t, err)
	for _, path := range []string{"/old", "/blog/a/b/c", "/nothing/at/all"} {
		path := []byte(path)
		require.Zero(t, testing.AllocsPerRun(100, func() { r.find(path) }))
	}
}

func FuzzRedirects(f *testing.F) {
	f.Add([]byte(redirectLines), []byte("/blog/a"))
	f.Add([]byte("/a/* /b/:splat 308"), []byte("/a/%2e%2e"))
	f.Fuzz(func(t *testing.T, lines, raw []byte) {
		r, err := parseRedirects(lines)
		path, fault := guard.Path(nil, raw)
		if err != nil || !fault.OK() {
			return
		}
		to, rest, ok := r.find(path)
		if !ok {
			return
		}
		for _, c := range []byte(to.target + string(appendPath(nil, rest))) {
			require.True(t, c > ' ' && c <= '~')
		}
	})
}

func TestCacheControlByPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.html", "/index.html", true}, {"*.html", "/a/b.html", true}, {"*.html", "/a.html/b.txt", false}, {"*.html", "/a.htm", false},
		{"/assets/*", "/assets/a/b.js", true}, {"/assets/*", "/assets", false}, {"/assets/*", "/x/assets/a.js", false}, {"/*", "/a", true}, {"*", "/a/b", true},
		{"app.*.js", "/assets/app.0a1b.js", true}, {"app.*.js", "/app.js", false}, {"a*b*c", "/abc", true}, {"a*b*c", "/aXbYbc", true}, {"a*b*c", "/acb", false},
		{"/a/*/c.js", "/a/b/c.js", true}, {"index.html", "/sub/index.html", true}, {"/index.html", "/sub/index.html", false}, {"a*a", "/a", false},
	} {
		require.Equal(t, tt.want, matches(tt.pattern, tt.path), "%s %s", tt.pattern, tt.path)
	}
	r := newRig(t, func(c *Config) {
		c.CacheRules = []CacheRule{{"/sub/*", "max-age=31536000, immutable"}, {"*.html", "no-store"}, {"*.png", ""}}
	})
	for path, want := range map[string]string{"/sub/": "max-age=31536000, immutable", "/index.html": "no-store", "/": "no-store", "/pic.png": "", "/small.txt": "no-cache"} {
		got := r.ask("GET " + path + " HTTP/1.1")
		require.Equal(t, want, got.Header.Get("Cache-Control"), path)
		tag := got.Header.Get("ETag")
		require.Equal(t, want, r.ask("GET "+path+" HTTP/1.1\nIf-None-Match: "+tag).Header.Get("Cache-Control"), path)
	}
}
