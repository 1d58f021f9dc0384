package proxy

// The rules of forwarding, as tables: a head that was received, and the whole head that is sent.
// What is compared is all of its bytes, so that nothing can pass that no row speaks of.

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/chain/chaintest"
	"fourways/shared/clock"
	"fourways/shared/http1"
)

var (
	rulesConfig = http1.Config{Limits: http1.Limits{RequestLine: 8 << 10, Head: 8 << 10, Fields: 100, Body: 1 << 20}}
	stranger    = Origin{Peer: netip.MustParseAddr("192.0.2.1"), Host: []byte("h")}
	today       = []byte("Sun, 06 Nov 1994 08:49:37 GMT")
)

// hop is both of a proxy's connections, without sockets.
type hop struct {
	client *http1.Conn
	server *http1.Client
	added  []Added
}

func newHop() *hop {
	pool := bufpool.New(chain.ChunkSize, 8)
	h := &hop{client: http1.NewConn(&rulesConfig, new(clock.Clock), pool), server: http1.NewClient(&http1.ResponseLimits, pool)}
	h.client.Open(0)
	h.server.Open()
	return h
}

// ask feeds a request's head, and passes it on.
func (h *hop) ask(t testing.TB, in string, o *Origin) string {
	h.client.Received(copy(h.client.Recv(), in))
	require.Equal(t, http1.HasRequest, h.client.Next(), in)
	r := h.client.Request()
	require.True(t, CheckRequest(r).OK())
	head := h.server.Begin(r.MethodName, r.Target, r.BodyLength())
	RequestFields(head, r, o)
	head.End()
	return drain(h.server.Out())
}

// answer feeds an answer's head, and passes it on.
func (h *hop) answer(t testing.TB, in string) string {
	h.server.Finish()
	h.server.Received(copy(h.server.Recv(), in))
	require.Equal(t, http1.HasResponse, h.server.Next(), in)
	r := h.server.Response()
	head := h.client.BeginRelayed(r.Status, r.BodyLength())
	ResponseFields(head, r, h.added, today)
	head.End()
	return drain(h.client.Out())
}

func drain(c *chain.Chain) string {
	var out strings.Builder
	for !c.Empty() {
		out.Write(chaintest.Drain(c, 1<<20))
	}
	return out.String()
}

const (
	own  = "Via: 1.1 fourways\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"
	ours = "Via: 1.1 fourways\r\n"
)

func TestRequestsArePassedOnWithoutWhatIsNotForTheUpstream(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"other fields keep order and spelling", "ACCEPT: x\r\nX-a:  1 \r\nAccept: y\r\n", "Host: h\r\nACCEPT: x\r\nX-a: 1\r\nAccept: y\r\n" + own},
		{"an empty value", "X-a:\r\n", "Host: h\r\nX-a: \r\n" + own},
		{"those of one connection", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\nTrailer: a\r\nProxy-Authorization: x\r\nHTTP2-Settings: x\r\n", "Host: h\r\n" + own},
		{"in a spelling that some servers take for them", "Transfer_Encoding: chunked\r\nContent_Length: 5\r\nProxy_Connection: close\r\nKeep_alive: 1\r\nX-Forwarded_For: 1.2.3.4\r\n", "Host: h\r\n" + own},
		{"those that Connection names", "Connection: x-a, close ,X-B\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n", "Host: h\r\nX-C: 3\r\n" + own},
		{"in any of its lines", "X-A: 1\r\nConnection: close\r\nX-B: 2\r\nConnection: x-b\r\nConnection: ,x-a\r\n", "Host: h\r\n" + own},
		{"but not those that are ours", "Connection: host, via, x-forwarded-for, x-forwarded-proto, content-length\r\nVia: 1.0 a\r\n", "Host: h\r\n" + own},
		{"a stranger's word for the client", "X-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nTrue-Client-IP: 1.2.3.4\r\n", "Host: h\r\n" + own},
		{"a stranger's other path", "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nx-original-uri: /admin\r\nX_Original_Url: /admin\r\n", "Host: h\r\n" + own},
		{"with an underscore", "X_Forwarded_For: 1.2.3.4\r\nx-forwarded_proto: https\r\nX_Real_IP: 1.2.3.4\r\n", "Host: h\r\n" + own},
		{"with what some servers make an underscore of", "X.Forwarded.For: 1.2.3.4\r\nX!Real~IP: 1.2.3.4\r\nx-original.url: /admin\r\nTransfer.Encoding: chunked\r\n", "Host: h\r\n" + own},
		{"a stranger's word for the client, as frameworks look for it", "HTTP_CLIENT_IP: 1.2.3.4\r\nHTTP-X-Forwarded-For: 1.2.3.4\r\nWL-Proxy-Client-IP: 1.2.3.4\r\nX-Originating-IP: 1.2.3.4\r\nX-Original-Host: a\r\nX-Scheme: https\r\nFront-End-Https: on\r\n", "Host: h\r\n" + own},
		{"a stranger's word for who has logged in", "Remote-User: root\r\nRemote_Groups: admins\r\nX-Remote-User: root\r\nX-Remote-Extra-A: b\r\nX-Remote-Addr: 1.2.3.4\r\nx-webauth-user: root\r\nX-Auth-Request-Email: a@b\r\nX-authentik-username: a\r\nHTTP_REMOTE_USER: root\r\n", "Host: h\r\n" + own},
		{"a stranger's word for a certificate, or for who an identity-aware proxy has let in", "Client-Cert: :MIIB:\r\nclient_cert-chain: :MIIB:\r\nX-Client-Cert: a\r\nSsl-Client-Verify: SUCCESS\r\nX-SSL-Client-S-DN: CN=root\r\nX-Amzn-Mtls-Clientcert: a\r\nTailscale-User-Login: a@b\r\nX-Amzn-Oidc-Identity: a\r\nX-Goog-Authenticated-User-Email: a@b\r\nX-MS-CLIENT-PRINCIPAL-NAME: a\r\nCf-Access-Authenticated-User-Email: a@b\r\nX-Pomerium-Claim-Email: a@b\r\nX-Vouch-User: a\r\n", "Host: h\r\n" + own},
		{"what is judged by its signature", "Cf-Access-Jwt-Assertion: a.b.c\r\n", "Host: h\r\nCf-Access-Jwt-Assertion: a.b.c\r\n" + own},
		{"a stranger's word for where files lie", "X-Sendfile-Type: X-Accel-Redirect\r\nX-Accel-Mapping: /=/\r\n", "Host: h\r\n" + own},
		{"with a longer name", "X-Forwarded-For-A-Name-That-Is-Far-Too-Long: 1.2.3.4\r\n", "Host: h\r\n" + own},
		{"what would set a CGI program's own proxy", "Proxy: evil:80\r\n", "Host: h\r\n" + own},
		{"Via is appended", "Via: 1.0 a, 1.1 b\r\nVia: 1.1 fourways\r\n", "Host: h\r\nVia: 1.0 a, 1.1 b\r\nVia: 1.1 fourways\r\n" + own},
		{"Expect, without a body", "Expect: 100-Continue\r\n", "Host: h\r\n" + own},
		{"what is only named like a field of ours passes", "X-Hosts: a\r\nTEA: b\r\nX-Real-IPs: c\r\nX.Y: d\r\nX-Original-Filename: e\r\nUpgrade-Insecure-Requests: 1\r\nRemote: f\r\nX-HTTP-Method-Override: PUT\r\n", "Host: h\r\nX-Hosts: a\r\nTEA: b\r\nX-Real-IPs: c\r\nX.Y: d\r\nX-Original-Filename: e\r\nUpgrade-Insecure-Requests: 1\r\nRemote: f\r\nX-HTTP-Method-Override: PUT\r\n" + own},
		{"what the client keeps for the server passes", "Cookie: a\r\nAuthorization: b\r\nRange: bytes=0-1\r\nIf-None-Match: \"a\"\r\nOrigin: null\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n",
			"Host: h\r\nCookie: a\r\nAuthorization: b\r\nRange: bytes=0-1\r\nIf-None-Match: \"a\"\r\nOrigin: null\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n" + own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newHop().ask(t, "GET /a?b HTTP/1.1\r\nHost: h\r\n"+tt.in+"\r\n", &stranger)
			require.Equal(t, "GET /a?b HTTP/1.1\r\n"+tt.want+"\r\n", got)
		})
	}
}

func TestRequestsAreFramedAnew(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no body", "GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\n" + own},
		{"a length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\n" + own},
		{"chunks", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n" + own},
		{"an expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\nExpect: 100-continue\r\n" + own},
		{"an expectation of nothing", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n", "POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\n" + own},
		{"Connection names the length", "POST / HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 5\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\n" + own},
		{"HTTP/1.0 becomes 1.1", "GET / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Replace(own, "1.1", "1.0", 1)},
		{"HTTP/1.2 too", "GET / HTTP/1.2\r\nHost: h\r\n", "GET / HTTP/1.1\r\nHost: h\r\n" + own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want+"\r\n", newHop().ask(t, tt.in+"\r\n", &stranger))
		})
	}
}

func TestOPTIONSPassesThroughSoManyServers(t *testing.T) {
	for _, tt := range []struct {
		name, method, in, want string
		ends                   bool
	}{
		{"one less", "OPTIONS", "max-forwards: 10\r\n", "Max-Forwards: 9\r\n", false},
		{"the last", "OPTIONS", "Max-Forwards: 1\r\n", "Max-Forwards: 0\r\n", false},
		{"none", "OPTIONS", "Max-Forwards: 0\r\n", "Max-Forwards: 0\r\n", true},
		{"what is no number is passed on", "OPTIONS", "Max-Forwards: +1\r\nMax-Forwards: x\r\nMax-Forwards: -0\r\nMax-Forwards:\r\n", "Max-Forwards: +1\r\nMax-Forwards: x\r\nMax-Forwards: -0\r\nMax-Forwards: \r\n", false},
		{"and a number that is too long", "OPTIONS", "Max-Forwards: 1234567890\r\n", "Max-Forwards: 1234567890\r\n", false},
		{"other methods do not know it", "GET", "Max-Forwards: 0\r\n", "Max-Forwards: 0\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			got := h.ask(t, tt.method+" / HTTP/1.1\r\nHost: h\r\n"+tt.in+"\r\n", &stranger)
			require.Equal(t, tt.method+" / HTTP/1.1\r\nHost: h\r\n"+tt.want+own+"\r\n", got)
			require.Equal(t, tt.ends, endsHere(h.client.Request()))
		})
	}
}

func TestTheUpstreamLearnsWhoAsksAndHow(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		name   string
		origin Origin
		in     string
		want   string
	}{
		{"TLS", Origin{Peer: peer, TLS: true, Host: []byte("h")}, "",
			ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"},
		{"IPv4 in IPv6", Origin{Peer: netip.MustParseAddr("::ffff:192.0.2.1")}, "", ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"},
		{"IPv6 with a zone", Origin{Peer: netip.MustParseAddr("fe80::1%eth0")}, "", ours + "X-Forwarded-For: fe80::1\r\nX-Forwarded-Proto: http\r\n"},
		{"whom a proxy of connections does not name", Origin{Peer: peer, Unnamed: true}, "X-Forwarded-For: 1.2.3.4\r\n", ours + "X-Forwarded-For: unknown\r\nX-Forwarded-Proto: http\r\n"},
		{"a Unix socket's peer", Origin{}, "X-Forwarded-For: 1.2.3.4\r\n", ours + "X-Forwarded-Proto: http\r\n"},
		{"a trusted peer is appended", Origin{Peer: peer, Trusted: true}, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For:\r\nx-forwarded-for: ::1, ::2\r\n",
			ours + "X-Forwarded-For: 1.2.3.4, ::1, ::2, 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"},
		{"a trusted peer that says nothing", Origin{Peer: peer, Trusted: true, Host: []byte("h")}, "",
			ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"},
		{"a trusted peer on a Unix socket", Origin{Trusted: true}, "X-Forwarded-For: 1.2.3.4\r\n", ours + "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\n"},
		{"a trusted peer's other words pass", Origin{Peer: peer, Trusted: true, TLS: true, Host: []byte("h")}, "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n",
			"X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n" + ours + "X-Forwarded-For: 192.0.2.1\r\n"},
		{"a trusted peer's other path passes", Origin{Peer: peer, Trusted: true}, "X-Original-URL: /a\r\nX-Rewrite-URL: /b\r\n", "X-Original-URL: /a\r\nX-Rewrite-URL: /b\r\n" + ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"},
		{"a trusted peer's word for who has logged in passes", Origin{Peer: peer, Trusted: true}, "Remote-User: ann\r\n", "Remote-User: ann\r\n" + ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"},
		{"in no other spelling", Origin{Peer: peer, Trusted: true}, "X_Forwarded_For: 1.2.3.4\r\nX_Forwarded_Proto: https\r\nX.Real.IP: 1.2.3.4\r\n", ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"},
		{"unless Connection names them", Origin{Peer: peer, Trusted: true, Host: []byte("h")}, "Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
			ours + "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.origin.UpstreamHost = "up:80"
			got := newHop().ask(t, "GET / HTTP/1.1\r\nHost: h\r\n"+tt.in+"\r\n", &tt.origin)
			require.Equal(t, "GET / HTTP/1.1\r\nHost: up:80\r\n"+tt.want+"\r\n", got)
		})
	}
}

func TestAProtocolIsAskedForOnlyWhereATunnelIsHarmless(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
	}{
		{"WebSocket", "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", "WebSocket"},
		{"with a version", "Connection: upgrade\r\nUpgrade: SPDY/3.1\r\n", "SPDY/3.1"},
		{"Connection does not name it", "Upgrade: websocket\r\n", ""},
		{"Upgrade does not name one", "Connection: upgrade\r\n", ""},
		{"an empty one", "Connection: upgrade\r\nUpgrade:\r\n", ""},
		{"a choice", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", ""},
		{"a choice on two lines", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", ""},
		{"HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n", ""},
		{"in capitals", "Connection: upgrade\r\nUpgrade: H2C\r\n", ""},
		{"HTTP", "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", ""},
		{"TLS", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", ""},
		{"no token", "Connection: upgrade\r\nUpgrade: web socket\r\n", ""},
		{"no version", "Connection: upgrade\r\nUpgrade: a/\r\n", ""},
		{"a body before it", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", ""},
		{"an empty body before it", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", "websocket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			got := h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n"+tt.in+"\r\n", &stranger)
			require.Equal(t, tt.want, string(Upgrades(h.client.Request())))
			if tt.want == "" {
				require.NotContains(t, strings.ToLower(got), "upgrade")
				require.NotContains(t, strings.ToLower(got), "http2-settings")
			} else {
				require.Contains(t, got, "\r\nConnection: upgrade\r\nUpgrade: "+tt.want+"\r\n")
			}
		})
	}
}

func TestASwitchIsToWhatWasAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name, in, asked, want string
	}{
		{"it is", "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n", "websocket", "Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: a\r\n"},
		{"nothing was asked for", "Upgrade: websocket\r\nConnection: upgrade\r\n", "", ""},
		{"something else", "Upgrade: h2c\r\nConnection: upgrade\r\n", "websocket", ""},
		{"more than that", "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: upgrade\r\n", "websocket", ""},
		{"it does not say", "Connection: upgrade\r\n", "websocket", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &stranger)
			h.server.Finish()
			h.server.Received(copy(h.server.Recv(), "HTTP/1.1 101 \r\n"+tt.in+"\r\n"))
			require.Equal(t, http1.HasResponse, h.server.Next())
			var asked []byte
			if tt.asked != "" {
				asked = []byte(tt.asked)
			}
			lines, ok := SwitchLines(nil, &h.server.Response().Message, asked)
			require.Equal(t, tt.want, string(lines))
			require.Equal(t, tt.want != "", ok)
		})
	}
}

func TestARequestThatGoesInACircleIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     int
	}{
		{"none of ours", "Via: 1.1 a, 1.1 b, 1.1 c, 1.1 d\r\n", 0},
		{"three", "Via: 1.1 fourways, 1.1 fourways\r\nVia: 1.1 fourways\r\n", 0},
		{"four", "Via: 1.1 fourways, 1.1 fourways\r\nVia: 1.1 fourways, 1.1 fourways\r\n", 508},
		{"four in other words", "Via: HTTP/1.1 Fourways, 1.0\tfourways,1.1  fourways (a), 1.1 fourways(b)\r\n", 508},
		{"four that Connection names", "Connection: via\r\nVia: 1.1 fourways, 1.1 fourways, 1.1 fourways, 1.1 fourways\r\n", 508},
		{"names that only begin so", "Via: 1.1 fourways2, 1.1 fourways.example, 1.1 fourways:80, fourways\r\n", 0},
		{"a hundred options", "Connection: " + strings.Repeat("a,", 99) + "\r\n", 0},
		{"and one more", "Connection: " + strings.Repeat("a,", 99) + "\r\nConnection: a\r\n", 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			h.client.Received(copy(h.client.Recv(), "GET / HTTP/1.1\r\nHost: h\r\n"+tt.in+"\r\n"))
			require.Equal(t, http1.HasRequest, h.client.Next())
			require.Equal(t, tt.want, CheckRequest(h.client.Request()).Status)
		})
	}
}

func TestAnswersArePassedOnWithoutWhatIsNotForTheClient(t *testing.T) {
	const dated = "Date: Mon, 07 Nov 1994 00:00:00 GMT\r\n"
	for _, tt := range []struct{ name, in, want string }{
		{"what is the server's own", "Server: a\r\n" + dated + "Set-Cookie: a\r\nSet-Cookie: b\r\nETag: \"a\"\r\nContent-Range: bytes 0-1/2\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n",
			"Server: a\r\n" + dated + "Set-Cookie: a\r\nSet-Cookie: b\r\nETag: \"a\"\r\nContent-Range: bytes 0-1/2\r\nContent-Encoding: gzip\r\n" + ours},
		{"a Date where it has none", "Content-Length: 0\r\n", "Date: " + string(today) + "\r\n" + ours},
		{"and where Connection names it", dated + "Connection: date\r\nContent-Length: 0\r\n", "Date: " + string(today) + "\r\n" + ours},
		{"those of one connection", dated + "Connection: close, X-A\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nTrailer: a\r\nUpgrade: h2c\r\nContent_Length: 7\r\nTransfer_Encoding: chunked\r\nContent-Length: 0\r\n", dated + ours},
		{"Via is appended", dated + "Via: 1.1 a\r\nContent-Length: 0\r\n", dated + "Via: 1.1 a\r\n" + ours},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &stranger)
			got := h.answer(t, "HTTP/1.1 200 OK\r\n"+tt.in+"\r\n")
			require.Equal(t, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n"+tt.want+"\r\n", got)
		})
	}
}

func TestAServerMaySayThatAnotherProtocolIsWanted(t *testing.T) {
	h := newHop()
	h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &stranger)
	got := h.answer(t, "HTTP/1.1 426 \r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n")
	require.Contains(t, got, "Connection: upgrade\r\nUpgrade: websocket\r\n")
}

func TestInterimAnswersKeepTheirFields(t *testing.T) {
	h := newHop()
	h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &stranger)
	h.server.Finish()
	h.server.Received(copy(h.server.Recv(), "HTTP/1.1 103 \r\nLink: a\r\nConnection: x\r\nX: 1\r\nContent-Length: 5\r\nlink:  b\r\n\r\n"))
	require.Equal(t, http1.HasInterim, h.server.Next())
	require.Equal(t, "Link: a\r\nlink: b\r\n", string(InterimLines(nil, &h.server.Response().Message)))
}

func TestFieldsAreAddedToAnswersThatDoNotHaveThem(t *testing.T) {
	added := []Added{{"strict-transport-security", []byte("Strict-Transport-Security: max-age=1\r\n")}, {"x-a", []byte("X-A: ours\r\n")}}
	for _, tt := range []struct{ name, in, want string }{
		{"neither", "", "Strict-Transport-Security: max-age=1\r\nX-A: ours\r\n"},
		{"one of them", "x-A: theirs\r\n", "x-A: theirs\r\nStrict-Transport-Security: max-age=1\r\n"},
		{"one that is not for the client", "Connection: x-a\r\nX-A: theirs\r\n", "Strict-Transport-Security: max-age=1\r\nX-A: ours\r\n"},
		{"one that only begins so", "X-AB: theirs\r\n", "X-AB: theirs\r\nStrict-Transport-Security: max-age=1\r\nX-A: ours\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHop()
			h.added = added
			h.ask(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &stranger)
			got := h.answer(t, "HTTP/1.1 404 \r\nDate: x\r\nContent-Length: 0\r\n"+tt.in+"\r\n")
			_, got, _ = strings.Cut(got, "Date: x\r\n")
			require.Equal(t, tt.want+ours+"\r\n", got)
		})
	}
}

func TestForwardingAllocatesNothing(t *testing.T) {
	h := newHop()
	h.added = []Added{{"strict-transport-security", []byte("Strict-Transport-Security: max-age=1\r\n")}}
	in := "GET /a HTTP/1.1\r\nHost: h\r\nUser-Agent: a\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: keep-alive, upgrade\r\nUpgrade: websocket\r\nVia: 1.1 a\r\nAccept: */*\r\n\r\n"
	out := "HTTP/1.1 200 OK\r\nServer: a\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n"
	o := stranger
	o.Trusted = true
	require.Zero(t, testing.AllocsPerRun(200, func() {
		h.client.Received(copy(h.client.Recv(), in))
		h.client.Next()
		r := h.client.Request()
		if !CheckRequest(r).OK() {
			t.Fatal("refused")
		}
		head := h.server.Begin(r.MethodName, r.Target, r.BodyLength())
		RequestFields(head, r, &o)
		head.End()
		h.server.Finish()
		h.server.Out().Ack(h.server.Out().Len())
		h.server.Received(copy(h.server.Recv(), out))
		h.server.Next()
		head = h.client.BeginRelayed(h.server.Response().Status, h.server.Response().BodyLength())
		ResponseFields(head, h.server.Response(), h.added, today)
		head.End()
		h.client.Finish()
		h.client.Out().Ack(h.client.Out().Len())
		h.server.Next()
		h.client.Next()
		h.client.Next()
	}))
}
