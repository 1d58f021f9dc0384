package app

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

func TestASocketThatStaysGetsTheOptionsOfTheNewSettings(t *testing.T) {
	option := func(fd, level, name int) int {
		value, err := unix.GetsockoptInt(fd, level, name)
		require.NoError(t, err)
		return value
	}
	stage := Stage{Listen: sysnet.ListenOptions{DeferAccept: true}}
	a := &App{Config: &config.Config{}, stage: stage}
	l := Listener{Addr: sysnet.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}}
	require.NoError(t, a.listenOn(&l))
	defer unix.Close(l.FD)
	require.NotZero(t, option(l.FD, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT))

	l.Relay = &config.Relay{}
	next := &App{Config: &config.Config{SockBuf: 65536}, stage: stage, Listeners: []Listener{l}}
	next.Renewed()
	require.Zero(t, option(l.FD, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT), "its client may wait for the target to speak first")
	require.Equal(t, 2*65536, option(l.FD, unix.SOL_SOCKET, unix.SO_RCVBUF), "the kernel doubles it (socket(7))")
}
