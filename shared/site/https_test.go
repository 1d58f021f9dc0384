package site

// Clients of plain HTTP are sent to https, each to the same place, and with its body unread. The
// rig is that of driver_test.go.

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/session"
)

func TestClientsOfPlainHTTPAreSentToTheSamePlaceByHTTPS(t *testing.T) {
	const fields = "\r\nHost: example.org:8080\r\n"
	cases := []struct {
		name, request string
		port          uint16
		local         string // the address connected to
		status        int
		location      string
	}{
		{"a file", "GET /sub/a.txt HTTP/1.1" + fields, 8443, "", 308, "https://example.org:8443/sub/a.txt"},
		{"the usual port is left out", "GET / HTTP/1.1" + fields, 443, "", 308, "https://example.org/"},
		{"a query", "GET /a?b=c&d=/%2F HTTP/1.1" + fields, 443, "", 308, "https://example.org/a?b=c&d=/%2F"},
		{"an empty query is none", "GET /a? HTTP/1.1" + fields, 443, "", 308, "https://example.org/a"},
		{"a path stays encoded as it came", "GET /%C3%bc%20%22 HTTP/1.1" + fields, 443, "", 308, "https://example.org/%C3%bc%20%22"},
		{"a place that is not there", "GET /nothing HTTP/1.1" + fields, 443, "", 308, "https://example.org/nothing"},
		{"HEAD", "HEAD / HTTP/1.1" + fields, 443, "", 308, "https://example.org/"},
		{"an upload with its body", "POST /upload HTTP/1.1" + fields + "Content-Type: application/json\r\nContent-Length: 2\r\n", 443, "", 308, "https://example.org/upload"},
		{"a method that is not for this place", "DELETE / HTTP/1.1" + fields, 443, "", 308, "https://example.org/"},
		{"OPTIONS of a place", "OPTIONS /a HTTP/1.1" + fields, 443, "", 308, "https://example.org/a"},
		{"OPTIONS of the server is answered", "OPTIONS * HTTP/1.1" + fields, 443, "", 204, ""},
		{"and so it is in absolute-form", "OPTIONS http://example.org HTTP/1.1" + fields, 443, "", 204, ""},
		{"absolute-form", "GET http://other.example:81/a?b HTTP/1.1" + fields, 443, "", 308, "https://other.example/a?b"},
		{"absolute-form without a path", "GET http://other.example HTTP/1.1" + fields, 443, "", 308, "https://other.example/"},
		{"an IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n", 8443, "", 308, "https://[2001:db8::1]:8443/"},
		{"HTTP/1.0 without a host", "GET /a HTTP/1.0\r\n", 8443, "192.0.2.7:8080", 308, "https://192.0.2.7:8443/a"},
		{"the same by IPv6", "GET /a HTTP/1.0\r\n", 443, "[2001:db8::7]:80", 308, "https://[2001:db8::7]/a"},
		{"the same by IPv4 inside IPv6", "GET /a HTTP/1.0\r\n", 443, "[::ffff:192.0.2.7]:80", 308, "https://192.0.2.7/a"},
		{"the same by a Unix socket", "GET /a HTTP/1.0\r\n", 443, "", 308, "https://localhost/a"},
		{"a bad Host", "GET / HTTP/1.1\r\nHost: a, b\r\n", 443, "", 400, ""},
		{"no Host", "GET / HTTP/1.1\r\n", 443, "", 400, ""},
		{"what is refused is refused there", "GET /.git/a.txt HTTP/1.1" + fields, 443, "", 308, "https://example.org/.git/a.txt"},
		{"a probe is answered here", "GET /livez HTTP/1.1" + fields, 443, "", 200, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.HTTPS = func() uint16 { return tc.port } })
			r.loc.Reached = func(int) netip.AddrPort {
				local, _ := netip.ParseAddrPort(tc.local)
				return local
			}
			got := r.parse(tc.request+"\r\n", tc.request[0] == 'H')
			require.Equal(t, tc.status, got.StatusCode)
			require.Equal(t, tc.location, got.Header.Get("Location"))
		})
	}
}

// Whoever waits to be told to send its body is not told so, and sends it elsewhere.
func TestWhoIsSentElsewhereKeepsItsBody(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HTTPS, c.CORS = func() uint16 { return 443 }, []string{"*"} })
	got := r.parse("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", false)
	require.Equal(t, 308, got.StatusCode)
	require.True(t, got.Close)
	require.Equal(t, "*", got.Header.Get("Access-Control-Allow-Origin"), "a script may follow")
}

// The session has refused the request; what its client reads names the address to ask at.
func TestPlainHTTPOnATLSPortIsToldTheAddress(t *testing.T) {
	for _, tc := range []struct{ name, request, local, want string }{
		{"by name", "GET /a HTTP/1.1\r\nHost: example.org:8443\r\n", "192.0.2.7:8443", "https://example.org:8443/\n"},
		{"on the usual port", "GET /a HTTP/1.1\r\nHost: example.org:443\r\n", "192.0.2.7:443", "https://example.org/\n"},
		{"by nothing", "GET /a HTTP/1.0\r\n", "192.0.2.7:8443", "https://192.0.2.7:8443/\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.layer = &session.Layer{Bypassed: true}
			r.connect("127.0.0.1:1234")
			r.loc.Reached = func(int) netip.AddrPort { return netip.MustParseAddrPort(tc.local) }
			got := r.parse(tc.request+"\r\n", false)
			require.Equal(t, 400, got.StatusCode)
			require.True(t, got.Close)
			require.Contains(t, string(r.got), tc.want)
		})
	}
}
