package behaviour

// Settings that are read again on HUP: what changes, what stays, and what a mistake leaves alone.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// reloadable is a server with a file of settings and a service manager, to whom it says when a
// reload is over.
type reloadable struct {
	*harness.Server
	manager *net.UnixConn
	file    string
}

func startReloadable(t *testing.T, text string, args ...string) *reloadable {
	t.Helper()
	r := &reloadable{manager: manager(t), file: filepath.Join(t.TempDir(), "conf")}
	r.write(t, text)
	r.Server = managed(t, r.manager.LocalAddr().String(), append([]string{"-config", r.file}, args...)...)
	r.hears(t, "READY=1")
	return r
}

func (r *reloadable) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(r.file, []byte(text), 0o644))
}

func (r *reloadable) hears(t *testing.T, what string) {
	t.Helper()
	b := make([]byte, 4096)
	n, err := r.manager.Read(b)
	require.NoError(t, err)
	require.Contains(t, string(b[:n]), what)
}

// reload has it go by another text, and waits until it says that it is ready again.
func (r *reloadable) reload(t *testing.T, text string) {
	t.Helper()
	r.write(t, text)
	r.hup(t)
}

func (r *reloadable) hup(t *testing.T) {
	t.Helper()
	r.Signal(t, syscall.SIGHUP)
	r.hears(t, "RELOADING=1\nMONOTONIC_USEC=")
	r.hears(t, "READY=1")
}

// answered is a whole answer to a request on a connection of its own.
func (r *reloadable) answered(t *testing.T, method, path, fields, body string) (status int, head http.Header, text string) {
	t.Helper()
	c := r.Dial(t)
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s", method, path, fields, body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(all)
}

// asked asks for a page again and again, on connections that are kept, until it is told to stop,
// and counts what was answered with 200. Nothing else may happen.
func asked(t *testing.T, s *harness.Server, path string) (answers *atomic.Int64, stop func()) {
	answers = new(atomic.Int64)
	quit, done := make(chan struct{}), make(chan error, 1)
	client := &http.Client{Transport: &http.Transport{}}
	go func() {
		for {
			select {
			case <-quit:
				client.CloseIdleConnections()
				done <- nil
				return
			default:
			}
			resp, err := client.Get(s.URL(path))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil && resp.StatusCode != 200 {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
			if err != nil {
				done <- err
				return
			}
			answers.Add(1)
			time.Sleep(harness.CallPause)
		}
	}()
	return answers, func() {
		t.Helper()
		close(quit)
		require.NoError(t, <-done)
	}
}

var _ = test("SettingsAreReadAgain", settingsAreReadAgain)

// settingsAreReadAgain: on HUP. New connections and requests go by them, what is under way ends as
// it began, nobody is refused, and what cannot change while a process runs stays and is named.
func settingsAreReadAgain(t *testing.T) {
	dir, ca := t.TempDir(), certstest.Root(t)
	before, after := twoSettings(t, dir, ca)
	s := startReloadable(t, before)
	secured := s.Log.Await(t, regexp.MustCompile(`https://(127\.0\.0\.1:\d+)`))[1]
	names := func(name string) bool {
		_, _, err := GetTLS(secured, Client(ca, name), "/a.html")
		return err == nil
	}
	require.True(t, names("one.test") && !names("two.test"))
	answers, stop := asked(t, s.Server, "/a.html")
	goesOn := func() {
		t.Helper()
		n := answers.Load()
		harness.Eventually(t, "pages go on being answered", func() bool { return answers.Load() > n+20 })
	}
	goesOn()
	status, _, _ := s.answered(t, "GET", "/a.html", longField, "")
	require.Equal(t, 431, status)
	kept := s.Dial(t)
	defer kept.Close()
	status, err := Exchange(kept, "/a.html")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	finish := uploadUnderWay(t, s.Server, 100_000)

	s.reload(t, after)
	s.goesBy(t, "second", "2", "timeout=40, max=99")
	goByTheSecond(t, s)
	harness.Eventually(t, "both certificates are shown", func() bool { return names("one.test") && names("two.test") })
	finish()          // it began while it was small enough
	if !hasMaster() { // whose old worker has ended the connection
		status, err = Exchange(kept, "/a.css")
		require.NoError(t, err)
		require.Equal(t, 200, status, "the next request of a connection")
		s.Log.Await(t, regexp.MustCompile(`"msg":"-workers stays as it was until the server is started anew: it cannot change while it runs"`))
		s.Log.Await(t, regexp.MustCompile(`"msg":"Settings changed: -host, .*-types.*-log-format`))
	}
	harness.Eventually(t, "the access log has lines", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "access"))
		return strings.Contains(string(text), `"/a.css`)
	})

	s.reload(t, before) // and back, which closes what only the others had
	s.goesBy(t, "first", "", "timeout=50, max=99")
	goesOn()
	stop()
}

// twoSettings are texts of settings that differ in much, and the files that they name.
func twoSettings(t *testing.T, dir string, ca *certstest.Certificate) (before, after string) {
	t.Helper()
	for name, text := range map[string]string{
		"first/a.html": "first", "first/a.css": "p {}", "first/uploads/.keep": "", "second/a.html": "second", "second/a.css": "a {}",
		"redirects": "/old /new 302\n", "second/404.html": "not here",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	pair := func(name string) string {
		p := Pair(dir, name, ca.Leaf(name+".test"))
		return fmt.Sprintf("tls-cert %s\ntls-key %s\n", p[1], p[3])
	}
	before = fmt.Sprintf("tls-listen 127.0.0.1:0\n%sroot %s/first\nmax-body 200000\nidle-timeout 50\nworkers 4\n", pair("one"), dir) +
		"min-rate 0\nrate-exempt none\nrate 100000\nburst 100000\n"
	after = strings.NewReplacer("/first", "/second", "max-body 200000", "max-body 10", "idle-timeout 50", "idle-timeout 40", "workers 4", "workers 3").Replace(before) +
		pair("two") + fmt.Sprintf("types html,css\nmax-head 20000\nheader X-Version: 2\nhost other.test\nredirects %s/redirects\nerror-page 404=/404.html\n"+
		"uploads %s/first/uploads\naccess-log %s/access\naccess-format json\nlog-format json\n", dir, dir, dir)
	return before, after
}

// goesBy waits until a new connection is answered as settings say. An old worker may take one more.
func (r *reloadable) goesBy(t *testing.T, page, version, alive string) {
	t.Helper()
	harness.Eventually(t, "new connections go by the settings of "+page, func() bool {
		_, head, text := r.answered(t, "GET", "/a.html", "", "")
		return text == page && head.Get("X-Version") == version && head.Get("Keep-Alive") == alive
	})
}

// longField is more than a head may have by default.
var longField = "X-Long: " + strings.Repeat("x", 10_000) + "\r\n"

// goByTheSecond: each of the settings that are new is in force.
func goByTheSecond(t *testing.T, s *reloadable) {
	t.Helper()
	const json = "Content-Type: application/json\r\nContent-Length: "
	for _, tt := range []struct {
		method, path, fields, body string
		status                     int
		text                       string
	}{
		{"GET", "/a.css", "", "", 200, "a {}"},
		{"GET", "/a.html", longField, "", 200, ""},
		{"GET", "/old", "", "", 302, ""},
		{"GET", "/a.txt", "", "", 415, ""},
		{"GET", "/none.html", "", "", 404, "not here"},
		{"POST", "/upload", json + "11\r\n", "[1,2,3,4,5]", 413, ""},
		{"POST", "/upload", json + "2\r\n", "[]", 201, ""},
	} {
		harness.Eventually(t, fmt.Sprintf("%s %s is %d", tt.method, tt.path, tt.status), func() bool {
			status, _, text := s.answered(t, tt.method, tt.path, tt.fields, tt.body)
			return status == tt.status && strings.Contains(text, tt.text)
		})
	}
}

// uploadUnderWay begins an upload of a string of so many bytes, and returns what sends the string
// and takes the answer, which must be 201.
func uploadUnderWay(t *testing.T, s *harness.Server, size int) (finish func() *http.Response) {
	t.Helper()
	c := s.Dial(t)
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Expect: 100-continue\r\n\r\n", size+len(`""`))
	from := bufio.NewReader(c)
	line, err := from.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100")
	_, err = from.ReadString('\n')
	require.NoError(t, err)
	return func() *http.Response {
		t.Helper()
		fmt.Fprintf(c, "\"%s\"", strings.Repeat("x", size))
		resp, err := http.ReadResponse(from, nil)
		require.NoError(t, err)
		require.Equal(t, 201, resp.StatusCode)
		return resp
	}
}

var _ = test("NewSettingsAreDoubted", newSettingsAreDoubted, perProcess("app"))

// newSettingsAreDoubted: what is legal and probably not meant is in the log after a reload as after
// a start, and once.
func newSettingsAreDoubted(t *testing.T) {
	const first, second = "no folder has an index", "the largest files will not stay in memory"
	s := startReloadable(t, "index a.php\n")
	for range 2 {
		s.reload(t, "index a.php\ncache-size 1\ncache-item 2048\n")
	}
	s.Log.Await(t, regexp.MustCompile(second))
	require.Equal(t, 1, s.Log.Count(second))
	require.Equal(t, 1, s.Log.Count(first), "it was said at the start")
}

var _ = test("BadSettingsChangeNothing", badSettingsChangeNothing, perProcess("config"))

// badSettingsChangeNothing: a mistake in the file, or in a file that it names, leaves all as it
// was, and the log says why. The service manager hears that the reload has ended all the same.
func badSettingsChangeNothing(t *testing.T) {
	dir, ca := t.TempDir(), certstest.Root(t)
	root := filepath.Join(dir, "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	for name, text := range map[string]string{"root/a.html": "served", "bad": "nonsense\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	p := Pair(dir, "one", ca.Leaf("one.test"))
	good := fmt.Sprintf("root %s\ntls-listen 127.0.0.1:0\ntls-cert %s\ntls-key %s\nheader X-Version: 1\nworkers 2\n", root, p[1], p[3])
	s := startReloadable(t, good)
	other := strings.Replace(good, "X-Version: 1", "X-Version: 2", 1) + "max-body 1\nlog-format json\ntypes css\n"
	for i, tt := range []struct{ name, text, says string }{
		{"a value that does not fit", other + "rate x\n", "rate"},
		{"one in what cannot change", strings.Replace(other, "workers 2", "workers x", 1), "workers"},
		{"no such setting", other + "nonsense 1\n", "nonsense is no setting"},
		{"a root that is not there", strings.Replace(other, root, dir+"/none", 1), "none"},
		{"redirects that cannot be read", other + "redirects " + dir + "/bad\n", "bad"},
		{"passwords that cannot be read", other + "auth " + dir + "/bad\n", "bad"},
		{"a certificate that is none", strings.Replace(other, p[1], dir+"/bad", 1), "bad"},
		{"a log that cannot be opened", other + "log-file " + dir + "/none/log\n", "none/log"},
		{"an access log that cannot be opened", other + "log-file " + dir + "/log\naccess-log " + dir + "/none/log\n", "none/log"},
		{"uploads that cannot be taken", other + "uploads " + dir + "/none\n", "none"},
	} {
		s.reload(t, tt.text)
		line := s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(?:Not reloaded, all stays as it was: [^\n]*.*){%d}`, i+1)))
		require.NotEmpty(t, line, tt.name)
		require.Contains(t, s.Log.String(), tt.says, tt.name)
		require.NotContains(t, s.Log.String(), `"msg"`, tt.name)
		status, head, text := s.answered(t, "GET", "/a.html", "", "")
		require.Equal(t, "200 1 served", fmt.Sprintf("%d %s %s", status, head.Get("X-Version"), text), tt.name)
	}
	require.NoError(t, os.Rename(s.file, s.file+".away"))
	s.hup(t)
	s.Log.Await(t, regexp.MustCompile(`Not reloaded, all stays as it was: -config: `))
	s.reload(t, strings.Replace(other, "types css", "types html", 1))
	harness.Eventually(t, "good settings are taken afterwards", func() bool {
		_, head, _ := s.answered(t, "GET", "/a.html", "", "")
		return head.Get("X-Version") == "2"
	})
	require.NoError(t, s.manager.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err := s.manager.Read(make([]byte, 1))
	require.Error(t, err, "one READY for each RELOADING")
}
