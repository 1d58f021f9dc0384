package app

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
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

// A process that takes another one's place, while no name server answers, goes by what that knew.
func TestWhereATargetsNameLedLastIsHandedOn(t *testing.T) {
	known := []sysnet.Addr{{IP: netip.MustParseAddrPort("192.0.2.7:80")}}
	relayed := func(known map[string][]sysnet.Addr) *App {
		a := &App{Config: &config.Config{Relays: []config.Relay{{Host: "no..name", Port: 80}, {Host: "192.0.2.8", Port: 80}}}, Log: slog.New(slog.DiscardHandler)}
		a.stage.Known = known
		a.openRelays()
		t.Cleanup(a.relays.close)
		return a
	}
	require.Empty(t, relayed(nil).relays.servers[0].Target.Addrs())
	a := relayed(map[string][]sysnet.Addr{"no..name:80": known})
	require.Equal(t, known, a.relays.servers[0].Target.Addrs())
	text, err := json.Marshal(a.known())
	require.NoError(t, err)
	var told map[string][]sysnet.Addr
	require.NoError(t, json.Unmarshal(text, &told))
	require.Equal(t, map[string][]sysnet.Addr{"no..name:80": known}, told)
}
