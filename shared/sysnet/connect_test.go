package sysnet

// Connects that succeed, are refused, or get no answer, on all kinds of sockets that there are.
// Nothing here waits: a poller says when an outcome is known.

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
)

// settled waits until the outcome of a connect(2) is known, as a poller does, and returns it.
func settled(t *testing.T, fd int) error {
	t.Helper()
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 5000)
	require.NoError(t, err)
	return Connected(fd)
}

func TestAConnectionIsMadeWithoutWaiting(t *testing.T) {
	for _, tt := range []struct{ name, network, address string }{
		{"IPv4", "tcp", "127.0.0.1:0"},
		{"IPv6", "tcp", "[::1]:0"},
		{"a Unix socket", "unix", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen(tt.network, tt.address)
			require.NoError(t, err)
			defer ln.Close()
			addr := Addr{Path: tt.address}
			if tt.network == "tcp" {
				addr = Addr{IP: netip.MustParseAddrPort(ln.Addr().String())}
			}
			fd, err := Connect(addr)
			require.NoError(t, err)
			defer unix.Close(fd)
			require.NoError(t, settled(t, fd))
			require.NoError(t, Connected(fd), "to ask twice does no harm")
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			require.NoError(t, err)
			require.NotZero(t, flags&unix.O_NONBLOCK)
			flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			require.NoError(t, err)
			require.NotZero(t, flags&unix.FD_CLOEXEC)

			peer, err := ln.Accept()
			require.NoError(t, err)
			defer peer.Close()
			_, err = Send(fd, []byte("hello"))
			require.NoError(t, err)
			got := make([]byte, 5)
			_, err = io.ReadFull(peer, got)
			require.NoError(t, err)
			require.Equal(t, "hello", string(got))
		})
	}
}

func TestAConnectionThatCannotBeMadeSaysWhy(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free := netip.MustParseAddrPort(ln.Addr().String())
	ln.Close()
	fd, err := Connect(Addr{IP: free})
	require.NoError(t, err)
	defer unix.Close(fd)
	require.ErrorIs(t, settled(t, fd), unix.ECONNREFUSED)

	_, err = Connect(Addr{Path: filepath.Join(t.TempDir(), "nobody")})
	require.ErrorIs(t, err, unix.ENOENT)
	_, err = Connect(Addr{IP: netip.MustParseAddrPort("255.255.255.255:1")})
	require.Error(t, err, "connect(2) itself says so")
}

// A listener whose queue is full does not answer: the connection is neither made nor refused.
func TestAConnectionThatIsStillBeingMadeIsNotConnected(t *testing.T) {
	lfd, err := streamSocket(unix.AF_INET)
	require.NoError(t, err)
	defer unix.Close(lfd)
	require.NoError(t, unix.Bind(lfd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(lfd, 0))
	at := LocalAddr(lfd)
	for range 8 {
		fd, err := Connect(Addr{IP: at})
		require.NoError(t, err)
		defer unix.Close(fd)
		if err := Connected(fd); Again(err) {
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 100); n == 0 {
				require.ErrorIs(t, Connected(fd), unix.EAGAIN)
				return
			}
		}
	}
	t.Skip("this system's queue has no end")
}

func TestAUnixSocketWithAFullQueueIsTriedAgainLater(t *testing.T) {
	lfd, err := streamSocket(unix.AF_UNIX)
	require.NoError(t, err)
	defer unix.Close(lfd)
	path := filepath.Join(t.TempDir(), "s")
	require.NoError(t, unix.Bind(lfd, &unix.SockaddrUnix{Name: path}))
	require.NoError(t, unix.Listen(lfd, 0))
	for range 8 {
		fd, err := Connect(Addr{Path: path})
		if err != nil {
			require.True(t, Again(err) || errors.Is(err, unix.ECONNREFUSED), "%v", err) // the latter on BSD
			return
		}
		defer unix.Close(fd)
	}
	t.Skip("this system's queue has no end")
}

func TestNothingHappensAtAPlaceholder(t *testing.T) {
	fd, err := Placeholder()
	require.NoError(t, err)
	defer unix.Close(fd)
	for _, events := range []int16{0, unix.POLLIN} {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 0)
		require.NoError(t, err)
		require.Zero(t, n, "it has not hung up either")
	}
	require.False(t, OnlyHungUp(fd))
}

func TestAConnectionToItselfIsARefusedOne(t *testing.T) {
	fd, err := streamSocket(unix.AF_INET)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at := LocalAddr(fd)
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	if err != nil && err != unix.EINPROGRESS {
		t.Skip("this system does not connect a socket to itself: ", err)
	}
	require.ErrorIs(t, settled(t, fd), unix.ECONNREFUSED)
}

// A machine that connects has nothing to send, and waits for a writable socket all the same.
func TestToSendNothingIsToWaitUntilTheSocketIsWritable(t *testing.T) {
	fd, _ := pair(t)
	q := chain.New(bufpool.New(chain.ChunkSize, 1))
	require.True(t, Again(NewSender().Send(fd, &q, 1<<20)))
	require.True(t, Again(NewCopier().Send(fd, &q, 1<<20)))
}
