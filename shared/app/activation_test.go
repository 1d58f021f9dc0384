package app

// Which of the sockets that a service manager has opened are for what. No socket is opened: what is
// looked at is what the configuration wants afterwards.

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

func TestAFlagIsForAllSocketsFromSystemdThatItNames(t *testing.T) {
	const http, four, six, path = "0.0.0.0:80", "0.0.0.0:443", "[::]:443", "/run/x.sock"
	for _, tt := range []struct {
		says    string
		sockets []string
		flags   []string
		plain   []string // what is listened on for what
		tls     []string
		proxied []string
		relays  []string
	}{
		{says: "one port is one socket", sockets: []string{http, six}, flags: []string{"-tls-listen", ":443"}, plain: []string{http}, tls: []string{six}},
		{says: "one port is that of IPv4 and that of IPv6", sockets: []string{http, four, six}, flags: []string{"-tls-listen", ":443"}, plain: []string{http}, tls: []string{four, six}},
		{says: "whichever comes first", sockets: []string{six, four}, flags: []string{"-tls-listen", four}, tls: []string{six, four}},
		{says: "both are named", sockets: []string{four, six}, flags: []string{"-tls-listen", four, "-tls-listen", six}, tls: []string{four, six}},
		{says: "an address that is none of them stands for its port", sockets: []string{four, six}, flags: []string{"-tls-listen", "192.0.2.1:443"}, tls: []string{four, six}},
		{says: "an address of a socket is that alone", sockets: []string{"127.0.0.1:443", "192.0.2.1:443"}, flags: []string{"-tls-listen", "192.0.2.1:443"}, plain: []string{"127.0.0.1:443"}, tls: []string{"192.0.2.1:443"}},
		{says: "both are for proxies", sockets: []string{four, six}, flags: []string{"-listen", ":443", "-proxy-protocol", ":443", "-trusted-proxy", "unix"}, plain: []string{four, six}, proxied: []string{four, six}},
		{says: "both are passed on", sockets: []string{four, six}, flags: []string{"-relay", ":443=127.0.0.1:1"}, relays: []string{four, six}},
		{says: "each is passed on elsewhere", sockets: []string{"127.0.0.1:5", "127.0.0.2:5"}, flags: []string{"-relay", "127.0.0.2:5=127.0.0.1:2", "-relay", "127.0.0.1:5=127.0.0.1:1"}, relays: []string{"127.0.0.1:5", "127.0.0.2:5"}},
		{says: "a path", sockets: []string{path, http}, flags: []string{"-tls-listen", "unix:" + path}, plain: []string{http}, tls: []string{path}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			cfg, err := config.Parse(config.Stage{Name: "test", Number: 3, DefaultWorkers: 1}, append(tt.flags, "-tls-self-signed"), nil)
			require.NoError(t, err)
			s := Stage{}
			for _, at := range tt.sockets {
				addr := sysnet.Addr{Path: at}
				if at != path {
					addr = sysnet.Addr{IP: netip.MustParseAddrPort(at)}
				}
				s.Listeners = append(s.Listeners, Listener{Want: addr, Addr: addr, Set: Everybody})
			}
			require.NoError(t, s.useActivated(cfg))
			require.Equal(t, tt.plain, places(cfg.Listen))
			require.Equal(t, tt.tls, places(cfg.TLS.Listen))
			require.Equal(t, tt.proxied, places(cfg.Proxied))
			var relays []config.Address
			for _, r := range cfg.Relays {
				relays = append(relays, r.Listen)
			}
			require.Equal(t, tt.relays, places(relays))
			if len(cfg.Relays) == 2 && tt.relays[0] == "127.0.0.1:5" {
				require.Equal(t, []uint16{1, 2}, []uint16{cfg.Relays[0].Port, cfg.Relays[1].Port})
			}
		})
	}
}

// places is addresses as text, nil for none.
func places(list []config.Address) (texts []string) {
	for _, a := range list {
		if a.Path != "" {
			texts = append(texts, a.Path)
		} else {
			texts = append(texts, a.AddrPort.String())
		}
	}
	return texts
}
