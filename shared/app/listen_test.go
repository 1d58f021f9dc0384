package app

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/sysnet"
)

func TestAnAddressThatCannotBeListenedOnIsExplained(t *testing.T) {
	for _, tt := range []struct {
		at   sysnet.Addr
		err  error
		says string
	}{
		{sysnet.Addr{IP: netip.MustParseAddrPort("[::]:8080")}, fmt.Errorf("socket: %w", unix.EAFNOSUPPORT),
			"cannot listen on [::]:8080: this system has no IPv6; give an address of IPv4, as -listen 0.0.0.0:8080"},
		{sysnet.Addr{IP: netip.MustParseAddrPort("192.0.2.1:80")}, fmt.Errorf("bind: %w", unix.EADDRNOTAVAIL),
			"cannot listen on 192.0.2.1:80: no interface of this machine has the address; give another -listen"},
		{sysnet.Addr{IP: netip.MustParseAddrPort("127.0.0.1:80")}, sysnet.ErrInUse,
			"cannot listen on 127.0.0.1:80: the address is in use; stop what uses it or give another -listen"},
		{sysnet.Addr{IP: netip.MustParseAddrPort("127.0.0.1:80")}, fmt.Errorf("bind: %w", unix.EACCES),
			"cannot listen on 127.0.0.1:80: bind: permission denied: such a port is for root (see -user) and for who has CAP_NET_BIND_SERVICE; give another -listen"},
		{sysnet.Addr{Path: "/x"}, fmt.Errorf("bind: %w", unix.EACCES),
			"cannot listen on unix:/x: bind: permission denied; give another -listen"},
	} {
		require.EqualError(t, cannotListen(tt.at, tt.err), tt.says)
	}
}
