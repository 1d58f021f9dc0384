package site

// The routes of a site and who may use them, and files as they are answered. The rig is that of
// driver_test.go.

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/fault"
	"fourways/shared/filecache"
)

func TestAnswers(t *testing.T) {
	r := newRig(t, nil)
	const attachment = `attachment; filename="small.txt"`
	tests := []struct {
		name    string
		request string
		status  int
		body    string // empty for any
		fields  map[string]string
	}{
		{"the root is its index", "GET / HTTP/1.1", 200, "<p>home", map[string]string{
			"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff",
			"Content-Length": "7", "Content-Disposition": "", "Cache-Control": "no-cache", "Accept-Ranges": "bytes",
			"Last-Modified": "Sat, 05 Nov 1994 08:49:37 GMT",
		}},
		{"a page by its name", "GET /index.html HTTP/1.1", 200, "<p>home", nil},
		{"a query changes nothing", "GET /index.html?a=b HTTP/1.1", 200, "<p>home", nil},
		{"a folder with its slash", "GET /sub/ HTTP/1.1", 200, "<p>sub", nil},
		{"a text is a download", "GET /small.txt HTTP/1.1", 200, small, map[string]string{
			"Content-Type": "application/octet-stream", "Content-Disposition": attachment, "X-Content-Type-Options": "",
		}},
		{"an empty file", "GET /empty.txt HTTP/1.1", 200, "", map[string]string{"Content-Length": "0"}},
		{"a body too large to copy", "GET /middle.txt HTTP/1.1", 200, strings.Repeat("m", copied+1), nil},
		{"a file too large for memory", "GET /large.txt HTTP/1.1", 200, strings.Repeat("0123456789abcdef", 8<<10), map[string]string{"Content-Length": "131072"}},
		{"an encoded name", "GET /%C3%BC%20%25%20%22q%22.txt HTTP/1.1", 200, "umlaut", map[string]string{
			"Content-Disposition": `attachment; filename="_ _ \"q\".txt"; filename*=UTF-8''%C3%BC%20%25%20%22q%22.txt`,
		}},
		{"an HTTP/1.0 client", "GET /small.txt HTTP/1.0", 200, small, map[string]string{"Content-Length": "100"}},

		{"a folder without its slash", "GET /sub HTTP/1.1", 301, "", map[string]string{"Location": "/sub/"}},
		{"a folder without its slash keeps the query", "GET /sub?a=%20b HTTP/1.1", 301, "", map[string]string{"Location": "/sub/?a=%20b"}},
		{"a folder whose name has an extension", "GET /d.html HTTP/1.1", 301, "", map[string]string{"Location": "/d.html/"}},
		{"a folder without index", "GET /bare/ HTTP/1.1", 404, "", nil},
		{"a folder's name as a file's", "GET /index.html/ HTTP/1.1", 404, "", nil},
		{"no such file", "GET /nothing.html HTTP/1.1", 404, "", map[string]string{"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff"}},
		{"no such folder", "GET /nothing HTTP/1.1", 404, "", nil},
		{"a file without extension", "GET /noext HTTP/1.1", 404, "", nil},
		{"a name too long", "GET /" + strings.Repeat("n", 300) + ".txt HTTP/1.1", 404, "", nil},
		{"a name too long for a folder", "GET /" + strings.Repeat("n", 300) + " HTTP/1.1", 404, "", nil},
		{"a path too long", "GET /" + strings.Repeat("n/", 2500) + "a.txt HTTP/1.1", 404, "", nil},
		{"another type", "GET /script.php HTTP/1.1", 415, "", nil},
		{"a folder with a dot in its name", "GET /v1.2 HTTP/1.1", 301, "", map[string]string{"Location": "/v1.2/"}},
		{"a hidden folder", "GET /.git HTTP/1.1", 415, "", nil},
		{"a token without an extension", "GET /.well-known/acme-challenge/a-To_ken HTTP/1.1", 200, "a-To_ken.thumbprint", map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Disposition": "",
		}},
		{"a token that is not there", "GET /.well-known/acme-challenge/other HTTP/1.1", 404, "", nil},
		{"a public folder without its slash", "GET /.well-known/acme-challenge HTTP/1.1", 301, "", map[string]string{"Location": "/.well-known/acme-challenge/"}},
		{"another type, hidden", "GET /.env HTTP/1.1", 415, "", nil},
		{"a hidden file of an allowed type", "GET /.hidden.txt HTTP/1.1", 403, "", nil},
		{"a link out of the root", "GET /outside.txt HTTP/1.1", 403, "", nil},
		{"a path out of the root", "GET /../etc/passwd HTTP/1.1", 403, "", nil},

		{"an unknown method", "BREW / HTTP/1.1", 501, "", nil},
		{"a method in lower case", "get / HTTP/1.1", 501, "", nil},
		{"PUT", "PUT /index.html HTTP/1.1", 405, "", map[string]string{"Allow": allowFiles}},
		{"DELETE", "DELETE /upload HTTP/1.1", 405, "", map[string]string{"Allow": allowUploads}},
		{"TRACE", "TRACE / HTTP/1.1", 405, "", map[string]string{"Allow": allowFiles}},
		{"CONNECT", "CONNECT localhost:80 HTTP/1.1", 405, "", map[string]string{"Allow": allowFiles}},
		{"POST to a file", "POST /index.html HTTP/1.1\nContent-Length: 2\n\n{}", 405, "", map[string]string{"Allow": allowFiles}},
		{"GET of the upload route", "GET /upload HTTP/1.1", 405, "", map[string]string{"Allow": allowUploads}},
		{"OPTIONS of a file", "OPTIONS /index.html HTTP/1.1", 204, "", map[string]string{"Allow": allowFiles, "Content-Length": ""}},
		{"OPTIONS of the upload route", "OPTIONS /upload HTTP/1.1", 204, "", map[string]string{"Allow": allowUploads}},
		{"OPTIONS of the server", "OPTIONS * HTTP/1.1", 204, "", map[string]string{"Allow": allowAnywhere, "Access-Control-Allow-Origin": ""}},

		{"the health report", "GET /health HTTP/1.1", 200, `{"status":"up"}`, map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}},
		{"the statistics", "GET /stats HTTP/1.1", 200, `{"bytes":0}`, map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}},
		{"the metrics", "GET /metrics HTTP/1.1", 200, "up 1\n", map[string]string{"Content-Type": metricsType, "Cache-Control": "no-store"}},
		{"the page of the statistics", "GET /stats.html HTTP/1.1", 200, string(statsPage), map[string]string{"Content-Type": htmlType, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": pagePolicy}},
		{"a report with a slash", "GET /stats/ HTTP/1.1", 404, "", nil},
		{"POST to a report", "POST /stats HTTP/1.1\nContent-Length: 2\n\n{}", 405, "", map[string]string{"Allow": allowFiles}},
		{"POST to the page", "POST /stats.html HTTP/1.1\nContent-Length: 2\n\n{}", 405, "", map[string]string{"Allow": allowFiles}},
		{"OPTIONS of the metrics", "OPTIONS /metrics HTTP/1.1", 204, "", map[string]string{"Allow": allowFiles}},
	}
	for _, again := range []string{"", ", from the cache"} {
		for _, tt := range tests {
			t.Run(tt.name+again, func(t *testing.T) {
				got := r.ask(tt.request)
				require.Equal(t, tt.status, got.StatusCode)
				if tt.body != "" || tt.status == 200 {
					require.Equal(t, tt.body, got.body)
				}
				for name, want := range tt.fields {
					require.Equal(t, want, got.Header.Get(name), name)
				}
			})
		}
	}
}

func TestHeadIsTheHeadOfGet(t *testing.T) {
	tests := []struct {
		name   string
		path   string
		fields string
		change func(*Config)
	}{
		{"a small file", "/small.txt", "", nil},
		{"a large file", "/large.txt", "", nil},
		{"an error", "/nothing.txt", "", nil},
		{"a redirect", "/sub", "", nil},
		{"the health report", "/health", "", nil},
		{"the metrics", "/metrics", "", nil},
		{"the page of the statistics", "/stats.html", "", nil},
		{"an unchanged file", "/small.txt", "\nIf-None-Match: *", nil},
		{"a chunked file", "/large.txt", "", func(c *Config) { c.Chunked = true }},
		{"the upload route", "/upload", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.change)
			get := r.ask("GET " + tt.path + " HTTP/1.1" + tt.fields)
			head := r.ask("HEAD " + tt.path + " HTTP/1.1" + tt.fields)
			want, _, _ := strings.Cut(get.raw, "\r\n\r\n")
			require.Equal(t, want+"\r\n\r\n", head.raw)
		})
	}
}

func TestInlineServesFilesUnderTheirOwnType(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Inline = true })
	for path, kind := range map[string]string{"/small.txt": "text/plain; charset=utf-8", "/pic.png": "image/png"} {
		got := r.ask("GET " + path + " HTTP/1.1")
		require.Equal(t, kind, got.Header.Get("Content-Type"))
		require.Empty(t, got.Header.Get("Content-Disposition"))
	}
}

func TestChunkedFiles(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Chunked = true })
	large := strings.Repeat("0123456789abcdef", 8<<10)
	got := r.ask("GET /large.txt HTTP/1.1")
	require.Equal(t, []string{"chunked"}, got.TransferEncoding)
	require.Equal(t, large, got.body)
	require.Equal(t, 16, strings.Count(got.raw, "\r\n2000\r\n"), "chunks of 8 KiB")
	for _, path := range []string{"/small.txt", "/empty.txt", "/middle.txt"} {
		want, err := os.ReadFile(filepath.Join(r.dir, path))
		require.NoError(t, err)
		require.Equal(t, string(want), r.ask("GET "+path+" HTTP/1.1").body)
	}
	got = r.ask("GET /large.txt HTTP/1.0")
	require.Empty(t, got.TransferEncoding, "an HTTP/1.0 client knows no chunks")
	require.Equal(t, "131072", got.Header.Get("Content-Length"))
	require.Equal(t, large, got.body)
}

func TestAChunkedAnswerThatIsCutGivesItsFileBack(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Chunked = true; c.Cache.Open = 0 })
	r.run()
	r.s.Received(copy(r.s.Recv(), "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	r.s.Step()
	r.s.Work()
	r.s.Step()
	f, _, _, ok := r.s.Out().FileRange()
	require.True(t, ok)
	e := f.(*filecache.Entry)
	require.GreaterOrEqual(t, e.Fd(), 0)
	r.s.Close()
	require.Equal(t, -1, e.Fd(), "nobody holds it any more")
}

func TestACachedFileNeedsNoWork(t *testing.T) {
	r := newRig(t, nil)
	r.ask("GET /small.txt HTTP/1.1")
	require.Equal(t, 1, r.works)
	r.ask("GET /small.txt HTTP/1.1")
	require.Equal(t, 1, r.works)
}

func TestReportsAreForThisMachineOnly(t *testing.T) {
	tests := []struct {
		name   string
		peer   string
		status int
	}{
		{"loopback", "127.0.0.1:1", 200},
		{"loopback by IPv6", "[::1]:1", 200},
		{"a Unix socket", "", 200},
		{"a network that is let in", "192.0.2.1:1", 200},
		{"anybody else", "198.51.100.1:1", 404},
	}
	r := newRig(t, func(c *Config) { c.Monitor = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/health", "/stats", "/metrics", "/stats.html"} {
				r.connect(tt.peer)
				require.Equal(t, tt.status, r.ask("GET "+path+" HTTP/1.1").StatusCode, path)
			}
		})
	}
}

func TestWhoSpeaksForOthersDoesNotLookInsideForHimself(t *testing.T) {
	const near, far, let, unix = "127.0.0.1:1", "198.51.100.1:1", "192.0.2.1:1", ""
	tests := []struct {
		name    string
		peer    string
		trusted string // networks, or unix
		fields  string
		monitor int // status of /health
		probe   int // status of /livez
	}{
		{"a proxy on this machine that nobody named", near, "", "X-Forwarded-For: 198.51.100.1", 404, 404},
		{"one that says that its client is on this machine", near, "", "X-Forwarded-For: 127.0.0.1", 404, 404},
		{"one with an empty field", near, "", "X-Forwarded-For:", 404, 404},
		{"one with the standard field", near, "", "Forwarded: for=198.51.100.1", 404, 404},
		{"one that only says that it was there", near, "", "Via: 1.1 front", 404, 404},
		{"one with the field of nginx's examples", near, "", "X-Real-IP: 198.51.100.1", 404, 404},
		{"one behind a Unix socket", unix, "", "Via: 1.1 front", 404, 404},
		{"one in a network that is let in", let, "", "X-Forwarded-For: 192.0.2.9", 404, 404},
		{"another field", near, "", "X-Forwarded-Proto: http", 200, 200},
		{"a trusted proxy for itself", near, "127.0.0.0/8", "", 200, 200},
		{"a trusted proxy elsewhere for itself", far, "198.51.100.0/24", "", 404, 200},
		{"a trusted proxy for a stranger", near, "127.0.0.0/8", "X-Forwarded-For: 203.0.113.1", 404, 404},
		{"a trusted proxy for one who is let in", near, "127.0.0.0/8", "X-Forwarded-For: 203.0.113.1, 192.0.2.9", 200, 200},
		{"what a stranger made up before", near, "127.0.0.0/8", "X-Forwarded-For: 192.0.2.9, 203.0.113.1", 404, 404},
		{"a trusted proxy for one on this machine", near, "127.0.0.0/8", "X-Forwarded-For: 127.0.0.1", 200, 200},
		{"a chain of trusted proxies for one on the first one's machine", near, "127.0.0.0/8,10.0.0.0/8", "X-Forwarded-For: 127.0.0.1, 10.0.0.1", 404, 404},
		{"a chain of those on this machine", near, "127.0.0.0/8", "X-Forwarded-For: 127.0.0.1, 127.0.0.2", 200, 200},
		{"a trusted proxy elsewhere for one on its own machine", far, "198.51.100.0/24", "X-Forwarded-For: 127.0.0.1", 404, 404},
		{"the same with the standard field", far, "198.51.100.0/24", "Forwarded: for=\"[::1]\"", 404, 404},
		{"a trusted proxy that does not say for whom", near, "127.0.0.0/8", "Via: 1.1 front", 404, 404},
		{"a trusted proxy whose word makes no sense", near, "127.0.0.0/8", "X-Forwarded-For: somebody", 404, 404},
		{"a chain that lost its beginning", near, "127.0.0.0/8", "X-Forwarded-For: somebody, 127.0.0.1", 404, 404},
		{"a trusted Unix socket for a stranger", unix, "unix", "X-Forwarded-For: 203.0.113.1", 404, 404},
		{"a trusted Unix socket for one on this machine", unix, "unix", "X-Forwarded-For: ::1", 200, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				c.Monitor = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
				c.Probers = c.Monitor
			})
			r.trust(tt.trusted)
			for path, want := range map[string]int{"/health": tt.monitor, "/stats": tt.monitor, "/stats.html": tt.monitor, "/metrics": tt.monitor, "/livez": tt.probe, "/readyz": tt.probe} {
				r.connect(tt.peer)
				ask := strings.TrimSuffix("GET "+path+" HTTP/1.1\n"+tt.fields, "\n")
				require.Equal(t, want, r.ask(ask).StatusCode, path)
				r.connect(tt.peer)
				r.loc.Memory = 1
				if want == 404 {
					want = 503
				}
				require.Equal(t, want, r.ask(ask).StatusCode, "%s where memory is short", path)
				r.loc.Memory = 0
			}
		})
	}
}

func TestProbes(t *testing.T) {
	ending := false
	r := newRig(t, func(c *Config) {
		c.Probers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		c.Ending = func() bool { return ending }
	})
	require.NoError(t, os.Mkdir(filepath.Join(r.dir, "livez"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "livez", "index.html"), []byte("a folder"), 0o644))
	for _, tt := range []struct {
		name    string
		peer    string
		request string
		ending  bool
		status  int
		body    string
	}{
		{"alive", "127.0.0.1:1", "GET /livez HTTP/1.1", false, 200, "alive"},
		{"ready", "127.0.0.1:1", "GET /readyz HTTP/1.1", false, 200, "ready"},
		{"alive though not ready", "127.0.0.1:1", "GET /livez HTTP/1.1", true, 200, "alive"},
		{"not ready", "127.0.0.1:1", "GET /readyz HTTP/1.1", true, 503, "draining"},
		{"a head", "127.0.0.1:1", "HEAD /readyz HTTP/1.1", false, 200, ""},
		{"a head that is not ready", "127.0.0.1:1", "HEAD /readyz HTTP/1.1", true, 503, ""},
		{"a query", "127.0.0.1:1", "GET /readyz?verbose HTTP/1.1", false, 200, "ready"},
		{"another name for it", "127.0.0.1:1", "GET /readyz/ HTTP/1.1", false, 404, ""},
		{"another method", "127.0.0.1:1", "POST /readyz HTTP/1.1\nContent-Length: 0", false, 405, ""},
		{"who is let in", "192.0.2.1:1", "GET /readyz HTTP/1.1", false, 200, "ready"},
		{"who is not", "198.51.100.1:1", "GET /readyz HTTP/1.1", false, 404, ""},
		{"who is not, even where there is such a folder", "198.51.100.1:1", "GET /livez HTTP/1.1", false, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.connect(tt.peer)
			ending = tt.ending
			works := r.works
			got := r.ask(tt.request)
			require.Equal(t, tt.status, got.StatusCode)
			if tt.body != "" {
				require.Equal(t, tt.body, got.body)
				require.Equal(t, "text/plain; charset=utf-8", got.Header.Get("Content-Type"))
				require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			}
			if tt.body != "" {
				require.Equal(t, works, r.works, "the disk is not asked")
			}
		})
	}
}

func TestADegradedServerSaysSo(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Reports.Health = says(503, "{}") })
	got := r.ask("GET /health HTTP/1.1")
	require.Equal(t, 503, got.StatusCode)
	require.Equal(t, "5", got.Header.Get("Retry-After"))
}

func TestThePageOfTheStatisticsIsThereWhateverIsServed(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Types = []string{"txt"} })
	require.Equal(t, 200, r.ask("GET /stats.html HTTP/1.1").StatusCode)
	r = newRig(t, nil)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "stats.html"), []byte("another"), 0o644))
	require.Equal(t, string(statsPage), r.ask("GET /stats.html HTTP/1.1").body)
}

func TestWithoutReportsThereAreNone(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Reports = Reports{} })
	for _, path := range []string{"/health", "/stats", "/metrics", "/stats.html"} {
		require.Equal(t, 404, r.ask("GET "+path+" HTTP/1.1").StatusCode, path)
	}
}

func TestWithoutHTMLFoldersHaveNoIndex(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Types = []string{"txt"} })
	require.Equal(t, 404, r.ask("GET / HTTP/1.1").StatusCode)
	require.Equal(t, 415, r.ask("GET /index.html HTTP/1.1").StatusCode)
}

func TestFaultsOfOursAreTold(t *testing.T) {
	r := newRig(t, nil)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "last.txt"), nil, 0o644))
	require.Equal(t, fault.Of(fault.Internal), faultOf(os.ErrClosed))
	require.NoError(t, r.site.cfg.Root.Close())
	require.Equal(t, 500, r.ask("GET /last.txt HTTP/1.1").StatusCode)
	require.Len(t, r.errors, 1)
}

func TestHotAnswersDoNotAllocate(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.CleanURLs, c.App, c.List, c.Redirects = true, "/index.html", true, filepath.Join(t.TempDir(), "redirects")
		c.CORS = []string{"https://a.example", "https://b.example"}
		require.NoError(t, os.WriteFile(c.Redirects, []byte("/old /new\n/blog/* /news/:splat\n"), 0o644))
	})
	requests := map[string]string{
		"GET of a small file":  "GET /small.txt HTTP/1.1",
		"GET of an index":      "GET /sub/ HTTP/1.1",
		"GET of a larger body": "GET /middle.txt HTTP/1.1",
		"GET of a large file":  "GET /large.txt HTTP/1.1",
		"HEAD":                 "HEAD /small.txt HTTP/1.1",
		"304 by tag":           "GET /small.txt HTTP/1.1\r\nIf-None-Match: \"x\", *",
		"304 by date":          "GET /small.txt HTTP/1.1\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
		"206":                  "GET /small.txt HTTP/1.1\r\nRange: bytes=10-19",
		"GET of a clean URL":   "GET /index HTTP/1.1",
		"GET across origins":   "GET /small.txt HTTP/1.1\r\nOrigin: https://b.example",
		"a redirect":           "GET /blog/a/b?c HTTP/1.1",
		"a preflight":          "OPTIONS /small.txt HTTP/1.1\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a",
	}
	for name, head := range requests {
		request := head + "\r\nHost: localhost\r\n\r\n"
		ask := func() {
			r.got = r.got[:0]
			r.send(request)
		}
		ask()
		require.NotEmpty(t, r.got)
		require.Zero(t, testing.AllocsPerRun(50, ask), name)
	}
}
