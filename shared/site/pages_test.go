package site

// Pages by other names than their files': clean URLs, another index, and an application's page. The
// rig is that of driver_test.go.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/machine"
)

const (
	goes   = "\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" // a browser that goes to a page
	script = "\nAccept: */*"
)

func (r *rig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(r.t, os.WriteFile(path, []byte(text), 0o644))
}

func TestCleanURLs(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CleanURLs = true })
	r.write("about.html", "<p>about")
	r.write("sub.html", "<p>sub's page")
	r.write("sub/deep.html", "<p>deep")
	r.write("only/index.html", "<p>only")
	r.write("v1.2.html", "<p>1.2")
	r.write("v2.0/a.txt", "a")
	r.write("script.js", "1")
	r.write("about.txt.html", "<p>")
	r.write("f.html/x.html", "<p>x") // a folder that is called like a page
	for _, again := range []string{"", ", from the cache"} {
		for _, tt := range []struct {
			name, path string
			status     int
			body       string
			location   string
		}{
			{"a page without its extension", "/about", 200, "<p>about", ""},
			{"a page below a folder", "/sub/deep", 200, "<p>deep", ""},
			{"a page comes before a folder of the same name", "/sub", 200, "<p>sub's page", ""},
			{"a folder's index is still there", "/sub/", 200, "<p>sub", ""},
			{"a folder without such a page", "/only", 301, "", "/only/"},
			{"a folder that is called like a page", "/f", 404, "", ""},
			{"a page with its extension", "/about.html", 200, "<p>about", ""},
			{"a page with a slash", "/about/", 404, "", ""},
			{"what is not there", "/nothing", 404, "", ""},
			{"a file without an extension", "/noext", 404, "", ""},
			{"a page with a dot in its name", "/v1.2", 200, "<p>1.2", ""},
			{"a folder with a dot in its name", "/v2.0", 301, "", "/v2.0/"},
			{"what is not there, of a type that is not served", "/script.php", 415, "", ""},
			{"a file of a type that is not served", "/script.js", 415, "", ""},
			{"what is not there, of a type that is served", "/about.txt", 404, "", ""},
			{"a hidden name", "/.git", 415, "", ""},
			{"a token without an extension", "/.well-known/acme-challenge/a-To_ken", 200, "a-To_ken.thumbprint", ""},
			{"a name too long with its extension", "/" + string(make255()) + "", 404, "", ""},
		} {
			t.Run(tt.name+again, func(t *testing.T) {
				got := r.ask("GET " + tt.path + " HTTP/1.1")
				require.Equal(t, tt.status, got.StatusCode)
				require.Equal(t, tt.location, got.Header.Get("Location"))
				if tt.status == 200 {
					require.Equal(t, tt.body, got.body)
				}
			})
		}
	}
	require.Equal(t, 404, newRig(t, nil).ask("GET /index HTTP/1.1").StatusCode, "only where it is asked for")
}

// make255 is the longest name that a file can have.
func make255() []byte {
	b := make([]byte, 255)
	for i := range b {
		b[i] = 'n'
	}
	return b
}

func TestACleanURLInTheCacheNeedsNoWork(t *testing.T) {
	r := newRig(t, func(c *Config) { c.CleanURLs = true })
	r.ask("GET /index HTTP/1.1")
	before := r.works
	require.Equal(t, "<p>home", r.ask("GET /index HTTP/1.1").body)
	require.Equal(t, before, r.works)
}

func TestAnotherIndex(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Index = "home.txt"; c.Inline = true })
	r.write("home.txt", "home")
	r.write("sub/home.txt", "sub's home")
	require.Equal(t, "home", r.ask("GET / HTTP/1.1").body)
	require.Equal(t, "sub's home", r.ask("GET /sub/ HTTP/1.1").body)
	require.Equal(t, 404, r.ask("GET /d.html/ HTTP/1.1").StatusCode)

	r = newRig(t, func(c *Config) { c.Index = "index.php" })
	r.write("index.php", "<?php")
	require.Equal(t, 404, r.ask("GET / HTTP/1.1").StatusCode, "a type that is not served is none of a folder's either")
}

func TestAnApplicationAnswersWhereSomebodyGoes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.App = "/index.html"; c.CleanURLs = true })
	for _, again := range []string{"", ", from the cache"} {
		for _, tt := range []struct {
			name, request string
			status        int
		}{
			{"a path of the application", "GET /users/7 HTTP/1.1" + goes, 200},
			{"a path with a slash", "GET /users/ HTTP/1.1" + goes, 200},
			{"a path with a query", "GET /users?page=2 HTTP/1.1" + goes, 200},
			{"HEAD", "HEAD /users HTTP/1.1" + goes, 200},
			{"a folder without index", "GET /bare/ HTTP/1.1" + goes, 200},
			{"a file without an extension", "GET /noext HTTP/1.1" + goes, 200},
			{"HTML in capitals", "GET /users HTTP/1.1\nAccept: TEXT/HTML", 200},

			{"a script's request", "GET /users/7 HTTP/1.1" + script, 404},
			{"a request that says nothing", "GET /users/7 HTTP/1.1", 404},
			{"a request for JSON", "GET /api/users HTTP/1.1\nAccept: application/json", 404},
			{"a request for anything but HTML", "GET /users HTTP/1.1\nAccept: text/html;q=0, */*", 404},
			{"a missing script", "GET /assets/app.txt HTTP/1.1" + goes, 404},
			{"a missing page with its extension", "GET /nothing.html HTTP/1.1" + goes, 404},
			{"what is not known", "GET /.well-known/nothing HTTP/1.1" + goes, 404},
			{"another type", "GET /script.php HTTP/1.1" + goes, 415},
			{"a hidden folder", "GET /.git/ HTTP/1.1" + goes, 403},
			{"a path out of the root", "GET /../users HTTP/1.1" + goes, 403},
			{"a link out of the root", "GET /outside.txt HTTP/1.1" + goes, 403},
			{"a form's request", "POST /users HTTP/1.1\nContent-Length: 2" + goes + "\n\n{}", 405},
		} {
			t.Run(tt.name+again, func(t *testing.T) {
				got := r.ask(tt.request)
				require.Equal(t, tt.status, got.StatusCode)
				if tt.status != 200 {
					require.NotContains(t, got.body, "<p>home")
				} else if got.body != "" {
					require.Equal(t, "<p>home", got.body)
				}
				if tt.status == 200 || tt.status == 404 {
					require.Equal(t, "Accept", got.Header.Get("Vary"), "caches must not give one's answer to the other")
				}
			})
		}
	}
	require.Equal(t, 301, r.ask("GET /sub HTTP/1.1"+goes).StatusCode, "a folder is one as ever")
	tag := r.ask("GET /users/7 HTTP/1.1" + goes).Header.Get("ETag")
	require.Equal(t, 304, r.ask("GET /users/8 HTTP/1.1\nIf-None-Match: "+tag+goes).StatusCode)

	require.NoError(t, os.Remove(filepath.Join(r.dir, "index.html")))
	r.site.cache.Clear()
	require.Equal(t, 404, r.ask("GET /users/7 HTTP/1.1"+goes).StatusCode)
}

func TestAnApplicationsPageIsThereAtTheStart(t *testing.T) {
	r := newRig(t, nil)
	for _, app := range []string{"/nothing.html", "/d.html"} {
		cfg := r.site.cfg
		cfg.App = app
		_, err := New(cfg)
		require.ErrorContains(t, err, "-spa \""+app+"\"")
	}
}

// A client may have left by the time its file was not found. What would be parked for it then is
// not run, and so must hold nothing: here the descriptor of the application's page.
func TestTheApplicationsPageIsNotKeptForWhoHasLeft(t *testing.T) {
	r := newRig(t, func(c *Config) { c.App = "/index.html"; c.Cache.Item = 1 })
	r.write("index.html.gz", "gz")
	require.Equal(t, 200, r.ask("GET /index.html HTTP/1.1").StatusCode)
	e, ok := r.site.cache.Lookup([]byte("index.html"), r.loc.Clock.Now())
	require.True(t, ok)
	fd := e.Fd()
	e.Release()
	r.connect("127.0.0.1:1234")
	r.s.Received(copy(r.s.Recv(), "GET /somewhere HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n"))
	require.Equal(t, machine.WantWake, r.s.Step())
	r.s.Leave()
	r.s.Work()
	r.s.Close()
	r.site.Close()
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	require.ErrorIs(t, err, unix.EBADF)
}
