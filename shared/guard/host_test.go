package guard

// Which Host fields are ours, and that the check does not allocate. The requests go through the
// server's own parser, so that what is checked is what arrives.

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/syntax"
)

// parsed runs a head through the parser, so that what is checked is what arrives.
func parsed(t testing.TB, head string) Addressee {
	t.Helper()
	cfg := &http1.Config{Limits: http1.Limits{RequestLine: 8192, Head: 8192, Fields: 100, Body: 1 << 20}}
	conn := http1.NewConn(cfg, new(clock.Clock), bufpool.New(chain.ChunkSize, 1))
	conn.Open(0)
	conn.Received(copy(conn.Recv(), head))
	require.Equal(t, http1.HasRequest, conn.Next(), "the head is to be well formed: %q", head)
	r := conn.Request()
	to := Addressee{Absolute: r.Form == http1.AbsoluteForm, Authority: r.Authority, Minor: r.Minor}
	for value := range r.All(http1.Host) {
		to.Host = value
		to.Hosts++
	}
	return to
}

func TestHosts(t *testing.T) {
	local := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.7:8080"),
		netip.MustParseAddrPort("[2001:db8::7]:8443"),
	}
	hosts := NewHosts([]string{"example.com", "Shop.Example.org:443", "dotted.example."}, local)
	var (
		ok       = fault.Fault{}
		missing  = fault.Of(fault.MissingHost)
		repeated = fault.Of(fault.RepeatedHost)
		bad      = fault.Of(fault.BadHost)
		foreign  = fault.Of(fault.ForeignHost)
	)
	const get = "GET / HTTP/1.1\r\n"
	tests := []struct {
		name string
		head string
		want fault.Fault
	}{
		{"localhost is ours", get + "Host: localhost\r\n", ok},
		{"localhost with a listening port is ours", get + "Host: localhost:8080\r\n", ok},
		{"every listening port goes with every name", get + "Host: localhost:8443\r\n", ok},
		{"the loopback address is ours", get + "Host: 127.0.0.1:8080\r\n", ok},
		{"the IPv6 loopback address is ours", get + "Host: [::1]:8080\r\n", ok},
		{"an IPv6 address may be written at length", get + "Host: [0:0:0:0:0:0:0:1]:8080\r\n", ok},
		{"an IPv6 address may have capitals", get + "Host: [2001:DB8::7]\r\n", ok},
		{"the listening address is ours", get + "Host: 192.0.2.7:8080\r\n", ok},
		{"a name's case does not matter", get + "Host: LocalHost:8080\r\n", ok},
		{"a further name is ours", get + "Host: example.com:8080\r\n", ok},
		{"a further name without a port is ours", get + "Host: EXAMPLE.com\r\n", ok},
		{"a further name with its own port is ours", get + "Host: shop.example.org:443\r\n", ok},
		{"a further name with its own port wants that port", get + "Host: shop.example.org:8080\r\n", foreign},
		{"a colon without a port is as no port", get + "Host: localhost:\r\n", ok},
		{"a port may have leading zeros", get + "Host: localhost:08080\r\n", ok},
		{"a dot at a name's end changes nothing", get + "Host: localhost.\r\n", ok},
		{"nor does it before a port", get + "Host: Example.com.:8080\r\n", ok},
		{"a name that was given with a dot is known without", get + "Host: dotted.example\r\n", ok},
		{"two dots are another name", get + "Host: localhost..\r\n", foreign},
		{"a dot alone is no name of ours", get + "Host: .\r\n", foreign},
		{"another port is not ours", get + "Host: localhost:81\r\n", foreign},
		{"another name is not ours", get + "Host: evil.example\r\n", foreign},
		{"a longer name is not ours", get + "Host: example.com.evil.example\r\n", foreign},
		{"another address is not ours", get + "Host: 192.0.2.8:8080\r\n", foreign},
		{"another IPv6 address is not ours", get + "Host: [::2]\r\n", foreign},

		{"HTTP/1.1 must have a Host", get, missing},
		{"HTTP/1.0 may leave Host out", "GET / HTTP/1.0\r\n", ok},
		{"HTTP/1.0's Host is checked where there is one", "GET / HTTP/1.0\r\nHost: evil.example\r\n", foreign},
		{"two Hosts are refused", get + "Host: localhost\r\nHost: example.com\r\n", repeated},
		{"two equal Hosts are refused", get + "Host: localhost\r\nHost: localhost\r\n", repeated},
		{"two Hosts are refused in HTTP/1.0 as well", "GET / HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n", repeated},

		{"an empty Host is malformed", get + "Host:\r\n", bad},
		{"a port alone is malformed", get + "Host: :8080\r\n", bad},
		{"user information is malformed", get + "Host: user@localhost\r\n", bad},
		{"a path is malformed", get + "Host: localhost/x\r\n", bad},
		{"a port of letters is malformed", get + "Host: localhost:x\r\n", bad},
		{"a port with a sign is malformed", get + "Host: localhost:+8080\r\n", bad},
		{"a port of six digits is malformed", get + "Host: localhost:008080\r\n", bad},
		{"a port over 65535 is malformed", get + "Host: localhost:65536\r\n", bad},
		{"port 0 is malformed", get + "Host: localhost:0\r\n", bad},
		{"two ports are malformed", get + "Host: localhost:80:80\r\n", bad},
		{"a list is malformed", get + "Host: localhost, example.com\r\n", bad},
		{"a list without a blank is malformed", get + "Host: localhost,example.com\r\n", bad},
		{"a blank is malformed", get + "Host: local host\r\n", bad},
		{"a percent-encoded name is malformed", get + "Host: local%68ost\r\n", bad},
		{"a name beyond ASCII is malformed", get + "Host: l\xc3\xb6calhost\r\n", bad},
		{"IPv6 without brackets is malformed", get + "Host: ::1\r\n", bad},
		{"an open bracket is malformed", get + "Host: [::1\r\n", bad},
		{"empty brackets are malformed", get + "Host: []\r\n", bad},
		{"IPv4 in brackets is malformed", get + "Host: [127.0.0.1]\r\n", bad},
		{"a name in brackets is malformed", get + "Host: [localhost]\r\n", bad},
		{"a zone is malformed", get + "Host: [fe80::1%25eth0]\r\n", bad},
		{"text after the brackets is malformed", get + "Host: [::1]x\r\n", bad},

		{"an absolute target's authority is checked", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n", foreign},
		{"an absolute target's authority overrides Host", "GET http://localhost:8080/ HTTP/1.1\r\nHost: evil.example\r\n", ok},
		{"an absolute target does not replace Host", "GET http://localhost/ HTTP/1.1\r\n", missing},
		{"an absolute target does not excuse a malformed Host", "GET http://localhost/ HTTP/1.1\r\nHost: a b\r\n", bad},
		{"an absolute target of HTTP/1.0 is checked alone", "GET http://evil.example/ HTTP/1.0\r\n", foreign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, hosts.Check(parsed(t, tt.head+"\r\n")))
		})
	}
}

func TestTheAddressThatAConnectionCameInOnIsOurs(t *testing.T) {
	hosts := NewHosts(nil, []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080")})
	for _, tt := range []struct {
		name, head, local string
		want              bool
	}{
		{"without a port", "GET / HTTP/1.1\r\nHost: 192.0.2.8\r\n", "192.0.2.8:8080", true},
		{"with its port", "GET / HTTP/1.1\r\nHost: 192.0.2.8:8080\r\n", "192.0.2.8:8080", true},
		{"with another port", "GET / HTTP/1.1\r\nHost: 192.0.2.8:81\r\n", "192.0.2.8:8080", false},
		{"another address", "GET / HTTP/1.1\r\nHost: 192.0.2.9\r\n", "192.0.2.8:8080", false},
		{"a name", "GET / HTTP/1.1\r\nHost: evil.example\r\n", "192.0.2.8:8080", false},
		{"IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8:0::8]:8080\r\n", "[2001:db8::8]:8080", true},
		{"IPv6 of a link", "GET / HTTP/1.1\r\nHost: [fe80::1]\r\n", "[fe80::1%eth0]:8080", true},
		{"IPv4 on a socket for both", "GET / HTTP/1.1\r\nHost: 192.0.2.8\r\n", "[::ffff:192.0.2.8]:8080", true},
		{"an absolute target", "GET http://192.0.2.8/ HTTP/1.1\r\nHost: evil.example\r\n", "192.0.2.8:8080", true},
		{"an absolute target elsewhere", "GET http://evil.example/ HTTP/1.1\r\nHost: 192.0.2.8\r\n", "192.0.2.8:8080", false},
		{"a Unix socket", "GET / HTTP/1.1\r\nHost: 192.0.2.8\r\n", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var local netip.AddrPort
			if tt.local != "" {
				local = netip.MustParseAddrPort(tt.local)
			}
			r := parsed(t, tt.head+"\r\n")
			require.Equal(t, fault.Of(fault.ForeignHost), hosts.Check(r))
			require.Equal(t, tt.want, hosts.Reached(r, local))
		})
	}
}

func TestAnyHost(t *testing.T) {
	hosts := NewHosts([]string{AnyHost}, nil)
	require.True(t, hosts.Check(parsed(t, "GET / HTTP/1.1\r\nHost: whatever.example:99\r\n\r\n")).OK(), "any name passes")
	require.Equal(t, 400, hosts.Check(parsed(t, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n")).Status, "a malformed one does not")
	require.Equal(t, 400, hosts.Check(parsed(t, "GET / HTTP/1.1\r\n\r\n")).Status, "nor does a missing one")
}

func TestHostsWithoutAnAddress(t *testing.T) {
	hosts := NewHosts(nil, []netip.AddrPort{{}})
	require.True(t, hosts.Check(parsed(t, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).OK())
	require.Equal(t, 403, hosts.Check(parsed(t, "GET / HTTP/1.1\r\nHost: localhost:80\r\n\r\n")).Status)
}

func TestHostsOnAnIPv4MappedAddress(t *testing.T) {
	hosts := NewHosts(nil, []netip.AddrPort{netip.MustParseAddrPort("[::ffff:192.0.2.9]:80")})
	require.True(t, hosts.Check(parsed(t, "GET / HTTP/1.1\r\nHost: 192.0.2.9:80\r\n\r\n")).OK())
}

func TestHostCheckDoesNotAllocate(t *testing.T) {
	hosts := NewHosts(nil, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")})
	for _, host := range []string{"localhost:8080", "LOCALHOST:8080", "[::1]:8080", "evil.example"} {
		req := parsed(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		require.Zero(t, testing.AllocsPerRun(100, func() { hosts.Check(req) }), host)
	}
}

func FuzzSplitHost(f *testing.F) {
	for _, host := range []string{"localhost", "localhost:8080", "[::1]:1", "user@h", "h/x", "h:x", "a, b", "[::", "h:"} {
		f.Add([]byte(host))
	}
	f.Fuzz(func(t *testing.T, host []byte) {
		name, port, ok := syntax.SplitHost(host)
		if !ok {
			return
		}
		canonical := appendHost(nil, name, port)
		name, again, ok := syntax.SplitHost(canonical)
		require.True(t, ok, "%q is not well formed any more as %q", host, canonical)
		require.Equal(t, port, again)
		require.Equal(t, canonical, appendHost(nil, name, port), "one host has one spelling")
	})
}
