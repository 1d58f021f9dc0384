package guard

// Reading the addresses that proxies write. A malformed item must give no address, and never the
// one before it.

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodesAreRead(t *testing.T) {
	for _, tt := range []struct{ name, node, want string }{
		{"an IPv4 address", "192.0.2.1", "192.0.2.1"},
		{"with a port", "192.0.2.1:4711", "192.0.2.1"},
		{"with a port that is hidden", "192.0.2.1:_gazonk-1", "192.0.2.1"},
		{"in quotes", `"192.0.2.1:4711"`, "192.0.2.1"},
		{"an IPv6 address", "2001:db8::1", "2001:db8::1"},
		{"in brackets", "[2001:db8::1]", "2001:db8::1"},
		{"in brackets with a port", "[2001:db8::1]:4711", "2001:db8::1"},
		{"in brackets and quotes", `"[2001:DB8:0::1]:4711"`, "2001:db8::1"},
		{"of a link", "fe80::1%eth0", "fe80::1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:1", "192.0.2.1"},

		{"nothing", "", ""},
		{"unknown", "unknown", ""},
		{"unknown, with a port", "unknown:80", ""},
		{"a made-up name", "_hidden", ""},
		{"a name", "localhost", ""},
		{"a name with a port", "localhost:80", ""},
		{"an empty port", "192.0.2.1:", ""},
		{"a port of letters", "192.0.2.1:http", ""},
		{"a port of six digits", "192.0.2.1:123456", ""},
		{"an open bracket", "[2001:db8::1", ""},
		{"text after the bracket", "[2001:db8::1]x", ""},
		{"IPv4 in brackets", "[192.0.2.1]", ""},
		{"empty brackets", "[]", ""},
		{"one quote", `"192.0.2.1`, ""},
		{"a quote alone", `"`, ""},
		{"an escape", `"192.0.2.\1"`, ""},
		{"octets with zeros", "192.0.02.1", ""},
		{"half an address", "192.0.2", ""},
		{"a blank", "192.0.2.1 x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, ok := Node([]byte(tt.node))
			require.Equal(t, tt.want != "", ok)
			if ok {
				require.Equal(t, tt.want, addr.String())
			}
		})
	}
}

func TestForwardedSaysFromWhom(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        []string
	}{
		{"one", "for=192.0.2.1", []string{"192.0.2.1"}},
		{"among others", `proto=http;For="[2001:db8::1]:47";by=203.0.113.1`, []string{`"[2001:db8::1]:47"`}},
		{"two", "for=192.0.2.1, for=unknown;proto=https", []string{"192.0.2.1", "unknown"}},
		{"white space", " for=192.0.2.1 ;by=x ,\tfor=192.0.2.2", []string{"192.0.2.1", "192.0.2.2"}},
		{"empty elements", ",, for=192.0.2.1,", []string{"192.0.2.1"}},
		{"separators in quotes", `by="a,b;for=192.0.2.9";for=192.0.2.1`, []string{"192.0.2.1"}},
		{"a quote in quotes", `by="a\",for=192.0.2.9";for=192.0.2.1`, []string{"192.0.2.1"}},
		{"an element that does not say", "for=192.0.2.1, by=203.0.113.1", []string{"192.0.2.1", ""}},
		{"an element that says it twice", "for=192.0.2.1;for=192.0.2.2", []string{""}},
		{"an open quote hides nothing that a proxy appends", `for=192.0.2.1, for="192.0.2.2, for=192.0.2.3`, []string{"192.0.2.1", `"192.0.2.2`, "192.0.2.3"}},
		{"nor what it appends in quotes", `for="\, for="[2001:db8::1]:47"`, []string{`"\`, `"[2001:db8::1]:47"`}},
		{"no parameters", "192.0.2.1", []string{""}},
		{"nothing", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for node := range ForwardedFor([]byte(tt.value)) {
				got = append(got, string(node))
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestForwardedSaysByWhichProtocol(t *testing.T) {
	for value, want := range map[string][]string{
		"proto=https":                           {"https"},
		"for=192.0.2.1;Proto=\"https\";by=_x":   {`"https"`},
		"for=192.0.2.1;proto=https, proto=http": {"https", "http"},
		"for=192.0.2.1, proto=https":            {"", "https"},
		"proto=https;proto=http":                {""},
		`by="proto=https"`:                      {""},
	} {
		var got []string
		for proto := range ForwardedProto([]byte(value)) {
			got = append(got, string(proto))
		}
		require.Equal(t, want, got, value)
	}
}

func FuzzForwarded(f *testing.F) {
	for _, value := range []string{`for="[2001:db8::1]:47";by=x, for=unknown`, `for="a\"`, "for=1.2.3.4:_x", "[::1]:5", `"`} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		Node(value)
		for node := range ForwardedFor(value) {
			if addr, ok := Node(node); ok {
				again, ok := Node([]byte(addr.String()))
				require.True(t, ok && again == addr, "%v has another reading", addr)
			}
		}
	})
}
