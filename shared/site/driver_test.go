package site

// The rig of this package's tests: a site on a folder of its own, driven by hand without a socket.
// A rig belongs to its test. It runs parked work at once, on the same thread.

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// wallClock is what the tests' clock says, in seconds since 1970.
const wallClock = 784111777 // Sun, 06 Nov 1994 08:49:37 GMT, the RFCs' example

// fileTime is when the files of a rig were last changed, in seconds since 1970.
const fileTime = wallClock - 86400

// rig is a site with a session and a driver in memory.
type rig struct {
	t    testing.TB
	dir  string
	site *Site
	loc  *session.Thread
	s    session.Session
	got  []byte
	buf  []byte
	over bool
	shut bool // our direction has ended

	layer  *session.Layer // between the session and its socket; nil for none
	works  int            // pieces of parked work that were run
	errors []error        // what Trouble was told
}

// says is a Report of one text.
func says(status int, text string) Report {
	return func(b []byte) (int, []byte) { return status, append(b, text...) }
}

type silent struct{}

func (silent) Done(*session.Exchange)                     {}
func (silent) Refused(*session.Exchange, fault.Fault)     {}
func (silent) TurnedAway(netip.Addr, fault.Reason)        {}
func (silent) Unsecured(netip.Addr, fault.Reason, string) {}
func (silent) Broken(*session.Thread, error)              {}
func (silent) Panicked(_ *session.Exchange, v any)        { panic(v) }

var small = strings.Repeat("0123456789", 10)

// newRig serves a folder with the usual files.
func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.html":     "<p>home",
		"small.txt":      small,
		"empty.txt":      "",
		"middle.txt":     strings.Repeat("m", copied+1),
		"large.txt":      strings.Repeat("0123456789abcdef", 8<<10), // 128 KiB
		"pic.png":        "png",
		"sub/index.html": "<p>sub",
		"bare/a.txt":     "a",
		"noext":          "no extension",
		"d.html/a.txt":   "a",
		"ü % \"q\".txt":  "umlaut",
		".hidden.txt":    "hidden",
		"v1.2/a.txt":     "a",
		".git/a.txt":     "a",

		".well-known/acme-challenge/a-To_ken": "a-To_ken.thumbprint",
		"404.html":                            "<p>own page",
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Unix(fileTime, 0)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, uploadFolder), 0o755))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "outside.txt")))
	r := &rig{t: t, dir: dir, buf: make([]byte, 64<<10)}
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	cfg := Config{
		Root: root, Cache: filecache.Options{Bytes: 1 << 20, Item: 64 << 10, Open: 8},
		Types: []string{"html", "txt", "png"}, CacheControl: "no-cache",
		Reports: Reports{Health: says(200, `{"status":"up"}`), Stats: says(200, `{"bytes":0}`), Metrics: says(200, "up 1\n")},
		Trouble: func(_ *session.Exchange, err error) { r.errors = append(r.errors, err) },
	}
	if change != nil {
		change(&cfg)
	}
	r.site, err = New(cfg)
	require.NoError(t, err)
	r.openUploads(Uploads{})
	t.Cleanup(r.site.Close)
	srv := &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 8192, Head: 8192, Fields: 100, Body: 1 << 20}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second, MinRate: 240},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Handler:  r.site,
		Prober:   r.site,
		Observer: silent{},
		MaxConns: 100,
	}
	r.loc = session.NewThread(srv, srv.Stats.Slot(0), "worker-1", 7)
	r.loc.Clock.Set(0, wallClock*1e9)
	r.connect("127.0.0.1:1234")
	return r
}

// trust makes some networks, with commas, those of trusted proxies; unix is the peers of
// Unix sockets.
func (r *rig) trust(networks string) {
	for name := range strings.SplitSeq(networks, ",") {
		switch name {
		case "":
		case "unix":
			r.loc.Server.TrustUnix = true
		default:
			r.loc.Server.Trusted = append(r.loc.Server.Trusted, netip.MustParsePrefix(name))
		}
	}
}

// openUploads has uploads taken as the settings say.
func (r *rig) openUploads(u Uploads) {
	r.t.Helper()
	r.site.store.close()
	r.site.store = &store{}
	require.NoError(r.t, r.site.OpenUploads(u))
}

func (r *rig) connect(peer string) {
	var from netip.AddrPort
	if peer != "" {
		from = netip.MustParseAddrPort(peer)
	}
	adm, why := r.loc.Admit(from.Addr(), 7)
	require.Equal(r.t, fault.NoReason, why)
	r.s = session.Session{}
	r.s.Open(r.loc, adm, from, 3)
	if r.layer != nil {
		r.s.Through(r.layer)
	}
	r.over, r.shut, r.got = false, false, r.got[:0]
}

// run does what the session asks for, until it wants more from the client.
func (r *rig) run() {
	for {
		switch r.s.Step() {
		case machine.WantRead:
			if r.shut {
				r.s.EOF() // a client that reads the last answer and then closes
				continue
			}
			return
		case machine.WantWrite:
			r.take()
		case machine.WantWake:
			r.works++
			r.s.Work()
		case machine.WantShut:
			r.shut = true
		case machine.WantClose:
			r.s.Close()
			r.over = true
			return
		}
	}
}

// take moves what is to be sent to r.got.
func (r *rig) take() {
	out := r.s.Out()
	var space [4][]byte
	iov, _ := out.Bytes(space[:0])
	n := 0
	for _, p := range iov {
		r.got = append(r.got, p...)
		n += len(p)
	}
	out.Ack(int64(n))
	if n > 0 {
		return
	}
	f, off, left, _ := out.FileRange()
	n, err := sysnet.Pread(f.(*filecache.Entry).Fd(), r.buf[:min(left, int64(len(r.buf)))], off)
	require.NoError(r.t, err)
	r.got = append(r.got, r.buf[:n]...)
	out.Ack(int64(n))
}

// send feeds bytes to the session as fast as it takes them.
func (r *rig) send(request string) {
	r.run()
	for len(request) > 0 && !r.over {
		n := copy(r.s.Recv(), request)
		request = request[n:]
		r.s.Received(n)
		r.run()
	}
}

// answer is one answer, taken apart by net/http.
type answer struct {
	*http.Response
	body string
	raw  string
}

// ask sends a request and reads its one answer. A request line and fields may leave
// Host out.
func (r *rig) ask(request string) answer {
	r.t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	if !strings.Contains(head, "Host:") {
		lines = append(lines, "Host: localhost")
	}
	return r.parse(strings.Join(lines, "\r\n")+"\r\n\r\n"+body, strings.HasPrefix(head, "HEAD"))
}

func (r *rig) parse(request string, head bool) answer {
	r.t.Helper()
	if r.over {
		r.connect("127.0.0.1:1234")
	}
	r.got = r.got[:0]
	r.send(request)
	method := "GET"
	if head {
		method = "HEAD"
	}
	raw := string(r.got)
	from := bufio.NewReader(bytes.NewReader(r.got))
	resp, err := http.ReadResponse(from, &http.Request{Method: method})
	require.NoError(r.t, err, "answer: %.300q", raw)
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	rest, err := io.ReadAll(from)
	require.NoError(r.t, err)
	require.Empty(r.t, string(rest), "bytes behind the answer")
	return answer{resp, string(body), raw}
}
