package behaviour

// The defence per address, seen from outside: proxies, rates, bans, and who may look inside.
//
// Each function is a behaviour that every stage has. The clients' addresses are those of
// 127.0.0.0/8, so no case may use one that another part of the same server's play has got banned.

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
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("TrustedProxy", trustedProxy)

// trustedProxy: a proxy in front of the server, on a network or behind a Unix socket,
// names the clients and their requests. Each client has its own rate, the proxy has none,
// and whoever is no proxy names nobody.
func trustedProxy(t *testing.T) {
	for _, tt := range []struct {
		name, listen, proxy, client string
		trusted                     bool
	}{
		{"by address", "127.0.0.1:0", "127.0.0.0/8", "198.51.100.1", true},
		{"by Unix socket", "unix:" + filepath.Join(t.TempDir(), "s"), "unix", "198.51.100.1", true},
		{"another address", "127.0.0.1:0", "192.0.2.0/24,unix", "127.0.0.1", false},
		{"a Unix socket that is not named", "unix:" + filepath.Join(t.TempDir(), "t"), "127.0.0.0/8", "unix", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-listen", tt.listen, "-trusted-proxy", tt.proxy, "-max-conns-per-client", "1",
				"-rate-exempt", "none", "-rate", "1", "-burst", "1", "-ban-after", "0", "-adaptive", "off")
			forward := func(c net.Conn, client string) int {
				fmt.Fprintf(c, "GET /../x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\nX-Request-Id: from-outside\r\n\r\n", client)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err)
				return resp.StatusCode
			}
			first := s.Dial(t)
			require.Equal(t, 403, forward(first, "198.51.100.1"))
			line := s.Log.Await(t, regexp.MustCompile(`client=(\S+) reason=path-traversal status=403 id=(\S+)`))
			require.Equal(t, tt.client, line[1])
			require.Equal(t, tt.trusted, line[2] == "from-outside", line[2])
			if !tt.trusted {
				return
			}
			second := s.Dial(t)
			require.Equal(t, 403, forward(second, "198.51.100.2"), "another client, and the proxy's second connection")
			harness.Eventually(t, "the first client is over its rate", func() bool { return forward(first, "198.51.100.1") == 429 })
		})
	}
}

var _ = test("WhomAProxyNames", whomAProxyNames, once("guard"))

// whomAProxyNames: a proxy may write addresses with ports and brackets, and in Forwarded. Where
// it does not name its client, that is nobody: it may not look inside, as the proxy may, which is
// on this machine.
func whomAProxyNames(t *testing.T) {
	s := harness.Start(t, "-trusted-proxy", "127.0.0.0/8")
	for _, tt := range []struct {
		field, client string
		metrics       int
	}{
		{"X-Forwarded-For: 198.51.100.1:4711", "198.51.100.1", 404},
		{"X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1", 404},
		{"X-Forwarded-For: [2001:db8::1]", "2001:db8::1", 404},
		{"X-Forwarded-For: 127.0.0.1, unknown", "unknown", 404},
		{"X-Forwarded-For: 127.0.0.1, 198.51.100.1:x", "unknown", 404},
		{"X-Forwarded-For:", "unknown", 404},
		{"Forwarded: for=\"[2001:db8::2]:4711\";proto=http", "2001:db8::2", 404},
		{"Forwarded: for=127.0.0.1, for=_hidden", "unknown", 404},
		{"X-Forwarded-For: [::1]:4711", "::1", 200},
	} {
		t.Run(tt.field, func(t *testing.T) {
			ask := func(target string) int {
				c := s.Dial(t)
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n", target, tt.field)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				require.NoError(t, err)
				return resp.StatusCode
			}
			require.Equal(t, tt.metrics, ask("/metrics"))
			before := s.Log.Count("client=" + tt.client + " reason=path-traversal ")
			require.Equal(t, 403, ask("/../x"))
			harness.Eventually(t, "the log names "+tt.client, func() bool {
				return s.Log.Count("client="+tt.client+" reason=path-traversal ") == before+1
			})
		})
	}
}

var _ = test("NonsenseIsLimited", nonsenseIsLimited, perProcess("limiter"))

// nonsenseIsLimited: whoever sends what cannot be read is banned after as many requests as
// whoever sends too many, and makes us write no more than a short line for each, in every log.
func nonsenseIsLimited(t *testing.T) {
	const banAfter = 5
	long := strings.Repeat("\x01", 8000)
	for _, format := range []string{"text", "json"} {
		access := "combined"
		if format == "json" {
			access = "json"
		}
		for name, request := range map[string]string{
			"a line that is none":   long + "\r\n\r\n",
			"a target that is none": "GET /" + long + " HTTP/1.1\r\n\r\n",
			"a line without end":    "GET /" + strings.Repeat(long, 2),
			"a field that is none":  "GET /" + strings.Repeat("\"", 100) + " HTTP/1.1\r\n" + long + "\r\n\r\n",
			"a chunk that is none":  "POST /upload?" + strings.Repeat("x", 7000) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		} {
			t.Run(name+" in "+format, func(t *testing.T) {
				t.Parallel()
				accessLog := filepath.Join(t.TempDir(), "access")
				s := harness.Start(t, "-rate-exempt", "none", "-adaptive", "off", "-ban-after", fmt.Sprint(banAfter),
					"-log-format", format, "-access-log", accessLog, "-access-format", access)
				for i := range banAfter {
					c := s.Dial(t)
					io.WriteString(c, request)
					resp, err := http.ReadResponse(bufio.NewReader(c), nil)
					require.NoError(t, err)
					require.Equal(t, i == banAfter-1, resp.StatusCode == 429, "request %d: %s", i+1, resp.Status)
				}
				if c, err := net.Dial("tcp", s.Addr); err == nil { // or it is reset before it is there
					defer c.Close()
					_, err := http.ReadResponse(bufio.NewReader(c), nil)
					require.Error(t, err, "it is banned")
				}
				s.Signal(t, syscall.SIGTERM)
				require.Zero(t, s.Wait(t))
				text, err := os.ReadFile(accessLog)
				require.NoError(t, err)
				require.Equal(t, banAfter, strings.Count(string(text), "\n"))
				require.Equal(t, banAfter, s.Log.Count("refused"))
				for line := range strings.Lines(s.Log.String() + string(text)) {
					require.LessOrEqual(t, len(line), 700, "%q", line)
				}
			})
		}
	}
}

var _ = test("AddressesThatComeLater", addressesThatComeLater)

// addressesThatComeLater: whoever reaches the server at an address may name it as Host,
// although no interface had it, as far as the server could see, when it started.
func addressesThatComeLater(t *testing.T) {
	const later = "127.66.0.30" // of the loopback network, whose interface is only listed as 127.0.0.1
	s := harness.Start(t, "-listen", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	for _, tt := range []struct {
		host   string
		status int
	}{
		{later, 200},
		{later + ":" + port, 200},
		{"127.66.0.31", 403},
		{later + ":1", 403},
		{"rebound.example", 403},
	} {
		c, err := net.Dial("tcp", net.JoinHostPort(later, port))
		if err != nil {
			t.Skip("this system has one loopback address only: ", err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", tt.host)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, tt.status, resp.StatusCode, tt.host)
	}
}
