package behaviour

// The PROXY protocol: connections that a proxy makes and says for whom. Headers good and bad, whole
// and in pieces, on plain listeners and on those of TLS; whom the server believes; and that it is
// the named client who is limited and logged.
//
// The servers here have two plain listeners, of which the second is for proxies, and one for TLS
// that is for proxies too. The tests are the proxies.

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/shared/proxyproto"
	"fourways/tests/harness"
)

// proxied is a server with listeners for proxies.
type proxied struct {
	*harness.Server
	plain, tls string // where it listens for them
	access     string // its access log
	client     *tls.Config
}

var (
	proxiedOn        = regexp.MustCompile(`http://([^,\s"]+) \(PROXY protocol\)`)
	proxiedSecuredOn = regexp.MustCompile(`https://([^,\s"]+) \(PROXY protocol\)`)
)

// startProxied starts one that trusts this machine as a proxy, unless args say otherwise.
func startProxied(t *testing.T, args ...string) *proxied {
	t.Helper()
	root := certstest.Root(t)
	p := &proxied{access: filepath.Join(t.TempDir(), "access"), client: Client(root, "localhost")}
	if !strings.Contains(strings.Join(args, " "), "-trusted-proxy") {
		args = append(args, "-trusted-proxy", "127.0.0.0/8")
	}
	p.Server = harness.Start(t, append(append([]string{
		"-root", rootWith(t, "index.html", 1), "-access-log", p.access,
		"-listen", "127.0.0.1:0", "-listen", "127.0.0.2:0", "-tls-listen", "127.0.0.3:0",
		"-proxy-protocol", "127.0.0.2:0", "-proxy-protocol", "127.0.0.3:0",
	}, Pair(t.TempDir(), "pair", root.Leaf("localhost"))...), args...)...)
	p.plain, p.tls = p.Log.Await(t, proxiedOn)[1], p.Log.Await(t, proxiedSecuredOn)[1]
	return p
}

// logged waits for the line of a request in the access log, and returns whom it names.
func (p *proxied) logged(t *testing.T, path string) (client string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^(\S+) .*"GET ` + regexp.QuoteMeta(path) + ` `)
	harness.Eventually(t, path+" is in the access log", func() bool {
		text, err := os.ReadFile(p.access)
		if m := line.FindSubmatch(text); err == nil && m != nil {
			client = string(m[1])
		}
		return client != ""
	})
	return client
}

// refusals is how often a reason is counted.
func (p *proxied) refusals(t *testing.T, reason string) int {
	_, body := p.Get(t, "/stats")
	var said struct{ Refusals, Errors map[string]int }
	require.NoError(t, json.Unmarshal(body, &said))
	return said.Refusals[reason] + said.Errors[reason]
}

// headerOf is a header of version 2.
func headerOf(from string) string {
	return string(proxyproto.Append(nil, netip.MustParseAddrPort(from), netip.MustParseAddrPort("192.0.2.1:443"), false))
}

const (
	lineOf7   = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
	localOnly = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// Headers of clients that have no address.
var (
	unspecified = localOnly[:12] + "\x21\x00\x00\x00"
	unixHeader  = localOnly[:12] + "\x21\x31\x00\xd8" + strings.Repeat("\x00", 216)
)

var _ = test("ProxyHeaderNamesTheClient", proxyHeaderNamesTheClient)

// proxyHeaderNamesTheClient: the access log has whom the header names, for each request of the
// connection; where it names nobody, the proxy itself.
func proxyHeaderNamesTheClient(t *testing.T) {
	p := startProxied(t)
	want := map[string]string{} // clients by path
	for i, tt := range []struct{ name, header, client string }{
		{"version 1 of IPv4", lineOf7, "192.0.2.7"},
		{"version 1 of IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", "2001:db8::7"},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"version 2 of IPv4", headerOf("192.0.2.8:1"), "192.0.2.8"},
		{"version 2 of IPv6", headerOf("[2001:db8::8]:1"), "2001:db8::8"},
		{"version 2, LOCAL", localOnly, "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dialed(t, p.plain)
			_, err := io.WriteString(c, tt.header)
			require.NoError(t, err)
			for n := range 2 {
				path := fmt.Sprintf("/?%d-%d", i, n)
				status, err := Exchange(c, path)
				require.NoError(t, err)
				require.Equal(t, 200, status)
				want[path] = tt.client
			}

			s := dialed(t, p.tls)
			_, err = io.WriteString(s, tt.header)
			require.NoError(t, err)
			path := fmt.Sprintf("/?%d-tls", i)
			status, err := Exchange(tls.Client(s, p.client), path)
			require.NoError(t, err)
			require.Equal(t, 200, status)
			want[path] = tt.client
		})
	}
	for path, client := range want {
		require.Equal(t, client, p.logged(t, path))
	}
	status, _ := p.Server.Get(t, "/")
	require.Equal(t, 200, status, "the other listener wants no header")
}

var _ = test("ProxyHeaderByAUnixSocket", proxyHeaderByAUnixSocket)

// proxyHeaderByAUnixSocket: its peers are proxies if -trusted-proxy says so, and strangers if not.
func proxyHeaderByAUnixSocket(t *testing.T) {
	path := filepath.Join(shortFolder(t), "s")
	start := func(trusted string) *harness.Server {
		return harness.Start(t, "-listen", "127.0.0.1:0", "-listen", "unix:"+path, "-proxy-protocol", "unix:"+path, "-trusted-proxy", trusted)
	}
	ask := func() (int, error) {
		c, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
		io.WriteString(c, lineOf7)
		return Exchange(c, "/health")
	}
	s := start("unix")
	status, err := ask()
	require.NoError(t, err)
	require.Equal(t, 404, status, "the client is not of this machine")
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))

	s = start("192.0.2.1")
	_, err = ask()
	require.Error(t, err)
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=unix reason=proxy-header-stranger`))
}

var _ = test("ProxyHeaderInPieces", proxyHeaderInPieces)

// proxyHeaderInPieces: however the header and what follows it are cut, the answer is the same. What
// follows is a request, or a hello of TLS.
func proxyHeaderInPieces(t *testing.T) {
	p := startProxied(t, "-max-requests", "0")
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for _, header := range []string{lineOf7, headerOf("[2001:db8::8]:1")} {
		for cut := range len(header + request) {
			c := dialed(t, p.plain)
			_, err := io.WriteString(c, (header + request)[:cut])
			require.NoError(t, err)
			_, err = io.WriteString(c, (header + request)[cut:])
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err, "cut after %d", cut)
			require.Equal(t, 200, resp.StatusCode)
			c.Close()
		}
		c := dialed(t, p.plain)
		for _, b := range []byte(header + request) {
			_, err := c.Write([]byte{b})
			require.NoError(t, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)

		together := &withFirst{Conn: dialed(t, p.tls), first: header}
		status, err := Exchange(tls.Client(together, p.client), "/")
		require.NoError(t, err)
		require.Equal(t, 200, status, "the hello comes with the header")
	}
}

// withFirst writes something in front of the first bytes, in the same call.
type withFirst struct {
	net.Conn
	first string
}

func (c *withFirst) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(append([]byte(c.first), p...))
	n = max(n-len(c.first), 0)
	c.first = ""
	return n, err
}

// cutWithoutAWord requires that a connection is closed and nothing comes before.
func cutWithoutAWord(t *testing.T, c net.Conn) {
	t.Helper()
	got, err := io.ReadAll(c)
	require.Empty(t, got)
	var late net.Error
	if err != nil && err.(net.Error).Timeout() {
		require.NotErrorAs(t, err, &late)
	}
}

var _ = test("ProxyHeaderSaysTLS", proxyHeaderSaysTLS, once("proxyproto"))

// proxyHeaderSaysTLS: a client who has come to the proxy by TLS has come by https: a password may
// be asked for, and an upstream is told. What the client says of that itself counts for nothing.
func proxyHeaderSaysTLS(t *testing.T) {
	header := func(flags string) string {
		h := headerOf("192.0.2.8:1") + "\x20\x00\x05" + flags + "\x00\x00\x00\x00"
		return h[:15] + string(rune(h[15]+8)) + h[16:]
	}
	asked := make(chan string, 1)
	addr := scripted(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			asked <- r.Header.Get("X-Forwarded-Proto")
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := startProxied(t, "-auth", users(t, annIsIn), "-proxy", "/app="+addr)
	for _, tt := range []struct {
		name, header string
		status       int
	}{
		{"nothing", headerOf("192.0.2.8:1"), 403},
		{"that it was not TLS", header("\x00"), 403},
		{"TLS", header("\x01"), 200},
		{"TLS, and a certificate", header("\x07"), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dialed(t, p.plain)
			_, err := io.WriteString(c, tt.header)
			require.NoError(t, err)
			resp := tell(t, c, "GET", "/app/x", basic("ann:secret")+"X-Forwarded-Proto: https\r\n")
			require.Equal(t, tt.status, resp.StatusCode)
			if tt.status == 200 {
				require.Equal(t, "https", <-asked)
			}
		})
	}
}

var _ = test("ProxyHeaderIsRequired", proxyHeaderIsRequired, once("proxyproto"))

// proxyHeaderIsRequired: what does not begin with a header that can be read ends at once, without
// an answer, is counted by its reason, and is logged with the proxy's address.
func proxyHeaderIsRequired(t *testing.T) {
	p := startProxied(t, "-head-timeout", "3600")
	for _, tt := range []struct{ name, sent, reason string }{
		{"a request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "proxy-header-missing"},
		{"a hello of TLS", "\x16\x03\x01\x02\x00\x01", "proxy-header-missing"},
		{"a line without an end", "PROXY UNKNOWN " + strings.Repeat("x", 100), "proxy-header"},
		{"a line with a wrong port", "PROXY TCP4 192.0.2.7 192.0.2.1 70000 1\r\nGET / HTTP/1.1\r\n\r\n", "proxy-header"},
		{"a header that would be 64 KiB", localOnly[:14] + "\xff\xff", "proxy-header"},
		{"a datagram", localOnly[:12] + "\x21\x12", "proxy-header"},
		{"version 3", localOnly[:12] + "\x31", "proxy-header"},
	} {
		for _, addr := range []string{p.plain, p.tls} {
			t.Run(tt.name+" at "+addr[:9], func(t *testing.T) {
				before := p.refusals(t, tt.reason)
				c := dialed(t, addr)
				_, err := io.WriteString(c, tt.sent)
				require.NoError(t, err)
				cutWithoutAWord(t, c)
				require.Equal(t, before+1, p.refusals(t, tt.reason))
			})
		}
	}
	p.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127\.0\.0\.1 reason=proxy-header-missing detail="`))
}

var _ = test("ProxyHeaderOnce", proxyHeaderOnce, once("proxyproto"))

// proxyHeaderOnce: a second one is no header but what the client says, and names nobody.
func proxyHeaderOnce(t *testing.T) {
	p := startProxied(t)
	c := dialed(t, p.plain)
	_, err := io.WriteString(c, lineOf7+headerOf("192.0.2.8:1"))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, 400, resp.StatusCode)
	p.Log.Await(t, regexp.MustCompile(`refused level=WARN client=192\.0\.2\.7 reason=bad-`))

	c = dialed(t, p.tls)
	_, err = io.WriteString(c, lineOf7+lineOf7)
	require.NoError(t, err)
	resp, err = http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, 400, resp.StatusCode, "it is no hello")

	c = dialed(t, p.tls)
	_, err = io.WriteString(c, lineOf7)
	require.NoError(t, err)
	secure := tls.Client(c, p.client)
	_, err = io.WriteString(secure, lineOf7)
	require.NoError(t, err)
	resp, err = http.ReadResponse(bufio.NewReader(secure), nil)
	require.NoError(t, err)
	require.Equal(t, 400, resp.StatusCode, "within TLS there is none")
}

// comeAsAProxy sends something where nobody may come, and returns what comes back. Its reset may be
// as quick as that there is no connection at all.
func comeAsAProxy(addr, sent string) []byte {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(harness.Patience))
	io.WriteString(c, sent)
	got, _ := io.ReadAll(c)
	return got
}

var _ = test("ProxyHeaderFromAStranger", proxyHeaderFromAStranger)

// proxyHeaderFromAStranger: whoever is not a proxy that is trusted ends at once, with a header or
// without, and is counted.
func proxyHeaderFromAStranger(t *testing.T) {
	p := startProxied(t, "-trusted-proxy", "192.0.2.1")
	for i, addr := range []string{p.plain, p.tls, p.plain} {
		require.Empty(t, comeAsAProxy(addr, []string{lineOf7, headerOf("192.0.2.8:1"), "GET / HTTP/1.1\r\n\r\n"}[i]))
	}
	harness.Eventually(t, "they are counted", func() bool { return p.refusals(t, "proxy-header-stranger") == 3 })
	p.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127\.0\.0\.1 reason=proxy-header-stranger`))
	status, _ := p.Get(t, "/")
	require.Equal(t, 200, status)
}

var _ = test("ProxyHeaderTooSlow", proxyHeaderTooSlow)

// proxyHeaderTooSlow: a header has the time of a head, from the beginning of its connection on,
// however its bytes are spread over it. Others are served meanwhile.
func proxyHeaderTooSlow(t *testing.T) {
	p := startProxied(t, append(room(20), "-head-timeout", "1")...)
	silent, begun, dripping := dialed(t, p.plain), dialed(t, p.tls), dialed(t, p.plain)
	_, err := io.WriteString(begun, lineOf7[:20])
	require.NoError(t, err)
	var dripped error
	over := make(chan struct{})
	go func() {
		defer close(over)
		for i := 0; dripped == nil; i++ {
			_, dripped = dripping.Write([]byte("PROXY UNKNOWN " + strings.Repeat("x", 1000))[i : i+1])
			time.Sleep(20 * time.Millisecond) // that is the attack
		}
	}()
	c := dialed(t, p.plain)
	_, err = io.WriteString(c, lineOf7)
	require.NoError(t, err)
	status, err := Exchange(c, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	for _, c := range []net.Conn{silent, begun, dripping} {
		cutWithoutAWord(t, c)
	}
	<-over
	harness.Eventually(t, "they are counted", func() bool { return p.refusals(t, "proxy-header-timeout") == 2 })
	require.Equal(t, 0, p.refusals(t, "proxy-header"), "the one that said nothing is counted nowhere")
}

var _ = test("ProxyHeaderCut", proxyHeaderCut)

// proxyHeaderCut: proxies that leave at each byte of a header leave nothing behind.
func proxyHeaderCut(t *testing.T) {
	p := startProxied(t)
	for _, header := range []string{lineOf7, headerOf("192.0.2.8:1")} {
		for cut := range len(header) {
			c := dialed(t, p.plain)
			_, err := io.WriteString(c, header[:cut])
			require.NoError(t, err)
			if cut%2 == 0 {
				require.NoError(t, c.(*net.TCPConn).SetLinger(0))
			}
			c.Close()
		}
		c := dialed(t, p.plain)
		_, err := io.WriteString(c, header)
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Empty(t, got, "a client that asks for nothing")
	}
	harness.Eventually(t, "all are gone", func() bool { return openConns(t, p.Server) == 1 }) // the one that asks
}

// openConns is how many connections a server has.
func openConns(t *testing.T, s *harness.Server) int {
	_, body := s.Get(t, "/health")
	var said struct{ Connections struct{ Active int } }
	require.NoError(t, json.Unmarshal(body, &said))
	return said.Connections.Active
}

var _ = test("ProxyHeaderLimitsTheClient", proxyHeaderLimitsTheClient)

// proxyHeaderLimitsTheClient: rate, bans and connections are those of the client that is named, and
// not of the proxy, for whom they do not hold.
func proxyHeaderLimitsTheClient(t *testing.T) {
	p := startProxied(t, append(room(40), "-rate-exempt", "none", "-rate", "1", "-burst", "3", "-ban-after", "3", "-ban", "3600",
		"-max-conns-per-client", "2", "-adaptive", "off", "-monitor-from", "127.0.0.0/8")...)
	open := func(client string) net.Conn {
		c := dialed(t, p.plain)
		_, err := io.WriteString(c, headerOf(client+":1"))
		require.NoError(t, err)
		return c
	}
	asks := func(c net.Conn) int {
		status, err := Exchange(c, "/")
		if err != nil {
			return 0
		}
		return status
	}
	one, two := open("192.0.2.7"), open("192.0.2.7")
	require.Equal(t, 200, asks(one))
	require.Equal(t, 200, asks(two))
	cutWithoutAWord(t, open("192.0.2.7"))
	p.Log.Await(t, regexp.MustCompile(`refused level=WARN client=192\.0\.2\.7 reason=too-many-from-client`))
	other := open("192.0.2.8")
	require.Equal(t, 200, asks(other))
	require.NoError(t, two.Close())
	harness.Eventually(t, "a place is free", func() bool {
		c := open("192.0.2.7")
		defer c.Close()
		return asks(c) != 0
	})
	statuses := map[int]int{}
	for range 20 {
		c := open("192.0.2.7")
		statuses[asks(c)]++
		c.Close()
	}
	require.NotZero(t, statuses[429]+statuses[0], "over the rate: %v", statuses)
	p.Log.Await(t, regexp.MustCompile(`refused level=WARN client=192\.0\.2\.7 reason=rate-limited`))
	harness.Eventually(t, "it is banned", func() bool {
		c := open("192.0.2.7")
		defer c.Close()
		return asks(c) == 0
	})
	require.Equal(t, 200, asks(open("192.0.2.9")), "others are not")
}

var _ = test("ProxyHeaderGivesNoRights", proxyHeaderGivesNoRights, once("proxyproto"))

// proxyHeaderGivesNoRights: a client that is named is judged by its own address: it sees nothing
// that is for this machine, and its X-Forwarded-For counts only if it is a proxy itself.
func proxyHeaderGivesNoRights(t *testing.T) {
	b := startBackend(t, "tcp", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("X-Forwarded-For")) })
	p := startProxied(t, "-trusted-proxy", "127.0.0.0/8", "-trusted-proxy", "192.0.2.99", "-proxy", "/app="+b.addr)
	ask := func(header, request string) *http.Response {
		c := dialed(t, p.plain)
		_, err := io.WriteString(c, header+request)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		return resp
	}
	const health = "GET /health HTTP/1.1\r\nHost: localhost\r\n"
	require.Equal(t, 404, ask(headerOf("192.0.2.7:1"), health+"\r\n").StatusCode)
	require.Equal(t, 404, ask(headerOf("192.0.2.7:1"), health+"X-Forwarded-For: 127.0.0.1\r\n\r\n").StatusCode)
	require.Equal(t, 200, ask(localOnly, health+"\r\n").StatusCode, "the proxy itself is of this machine")
	require.Equal(t, 200, ask(headerOf("127.0.0.9:1"), health+"\r\n").StatusCode, "so is whom it names")
	for _, unnamed := range []string{"PROXY UNKNOWN\r\n", unspecified, unixHeader} {
		for i, field := range []string{"", "X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n"} {
			require.Equal(t, 404, ask(unnamed, health+field+"\r\n").StatusCode, "%q speaks for somebody else, whatever that one says: %s", unnamed, field)
			path := fmt.Sprintf("/?unnamed-%d-%d", len(unnamed), i)
			ask(unnamed, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+strings.Replace(field, "127.0.0.1", "192.0.2.50", 1)+"\r\n")
			require.Equal(t, "127.0.0.1", p.logged(t, path))
		}
		told, err := io.ReadAll(ask(unnamed, "GET /app HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.50\r\n\r\n").Body)
		require.NoError(t, err)
		require.Equal(t, "unknown", string(told), "what an upstream is told")
		require.Equal(t, 200, ask(unnamed, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").StatusCode, "a probe of the proxy's may come so")
		s := dialed(t, p.tls)
		_, err = io.WriteString(s, unnamed)
		require.NoError(t, err)
		require.Equal(t, 404, tell(t, tls.Client(s, p.client), "GET", "/health", "X-Forwarded-For: 127.0.0.1\r\n").StatusCode, "by TLS")
	}

	ask(headerOf("192.0.2.7:1"), "GET /?forged HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.50\r\n\r\n")
	require.Equal(t, "192.0.2.7", p.logged(t, "/?forged"))
	ask(headerOf("192.0.2.99:1"), "GET /?chained HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.50\r\n\r\n")
	require.Equal(t, "192.0.2.50", p.logged(t, "/?chained"))
}

var _ = test("ProxyHeaderAwaitedDoesNotHoldUpTheStop", proxyHeaderAwaited)

// proxyHeaderAwaited: a connection on which nothing has come is idle, and no reason to wait.
func proxyHeaderAwaited(t *testing.T) {
	p := startProxied(t, "-head-timeout", "3600", "-drain-timeout", "3600")
	silent := dialed(t, p.plain)
	c := dialed(t, p.plain)
	_, err := io.WriteString(c, lineOf7)
	require.NoError(t, err)
	status, err := Exchange(c, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	p.Signal(t, syscall.SIGTERM)
	cutWithoutAWord(t, silent)
	cutWithoutAWord(t, c)
	require.Zero(t, p.Wait(t))
}

// relayOf is a HAProxy that passes connections on, to a server that is for proxies.
type relayOf struct{ plain, tls string }

// startRelayOf starts one that speaks to the server with some options.
func startRelayOf(t *testing.T, p *proxied, options string) (h relayOf) {
	t.Helper()
	dir := shortFolder(t)
	h = relayOf{plain: freeAddress(t), tls: freeAddress(t)}
	runHAProxy(t, dir, fmt.Sprintf(`global
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 1s
    unique-id-format test
listen plain
    bind %s
    server s %s %s
listen tls
    bind %s
    server s %s %s
`, h.plain, p.plain, options, h.tls, p.tls, options))
	for _, addr := range []string{h.plain, h.tls} {
		harness.Eventually(t, "haproxy listens", func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return h
}

// freeAddress is one of this machine at which nothing listens.
func freeAddress(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

var _ = test("ProxyHeaderOfHAProxy", proxyHeaderOfHAProxy, once("proxyproto"))

// proxyHeaderOfHAProxy: what a real proxy sends is understood, in both versions, with checksums and
// values, in front of TLS, and by its checks.
func proxyHeaderOfHAProxy(t *testing.T) {
	p := startProxied(t)
	want := map[string]string{} // clients by path
	for _, tt := range []struct{ name, options string }{
		{"version 1", "send-proxy"},
		{"version 2", "send-proxy-v2"},
		{"version 2 with a checksum", "send-proxy-v2 proxy-v2-options crc32c"},
		{"version 2 with values", "send-proxy-v2 proxy-v2-options unique-id,crc32c"},
		{"version 2 with what came of TLS", "send-proxy-v2-ssl"},
		{"version 2 with its own checks", "send-proxy-v2 check inter 50 check-send-proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := startRelayOf(t, p, tt.options)
			for _, from := range []string{"127.0.0.7", "127.0.0.8"} {
				path := "/?" + strings.ReplaceAll(tt.name, " ", "-") + from
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
				c, err := d.Dial("tcp", h.plain)
				require.NoError(t, err)
				defer c.Close()
				c.SetDeadline(time.Now().Add(harness.Patience))
				status, err := Exchange(c, path)
				require.NoError(t, err)
				require.Equal(t, 200, status)
				want[path] = from

				c, err = d.Dial("tcp", h.tls)
				require.NoError(t, err)
				defer c.Close()
				c.SetDeadline(time.Now().Add(harness.Patience))
				status, err = Exchange(tls.Client(c, p.client), path+"-tls")
				require.NoError(t, err)
				require.Equal(t, 200, status)
				want[path+"-tls"] = from
			}
		})
	}
	for path, client := range want {
		require.Equal(t, client, p.logged(t, path))
	}
	require.Zero(t, p.refusals(t, "proxy-header")+p.refusals(t, "proxy-header-missing"))
}
