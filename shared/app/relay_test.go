package app

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
)

func TestARelayLeadsToItselfByWhateverAddress(t *testing.T) {
	ip := func(s string) sysnet.Addr { return sysnet.Addr{IP: netip.MustParseAddrPort(s)} }
	for _, tt := range []struct {
		name         string
		to, listener sysnet.Addr
		want         bool
	}{
		{"the same", ip("127.0.0.1:80"), ip("127.0.0.1:80"), true},
		{"another port", ip("127.0.0.1:81"), ip("127.0.0.1:80"), false},
		{"another address", ip("127.0.0.2:80"), ip("127.0.0.1:80"), false},
		{"one of all", ip("127.0.0.2:80"), ip("0.0.0.0:80"), true},
		{"one of all, of IPv6", ip("[::1]:80"), ip("[::]:80"), true},
		{"another machine", ip("192.0.2.7:80"), ip("0.0.0.0:80"), false},
		{"this machine, unspecified", ip("0.0.0.0:80"), ip("127.0.0.1:80"), true},
		{"this machine, unspecified twice", ip("0.0.0.0:80"), ip("[::]:80"), true},
		{"a Unix socket", sysnet.Addr{Path: "/a"}, ip("127.0.0.1:80"), false},
		{"another kind", ip("127.0.0.1:80"), sysnet.Addr{Path: "/a"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, leadsTo(tt.to, Listener{Addr: tt.listener}))
		})
	}
}
