package sysnet

// A cork around large ranges of files: only full packets leave meanwhile, and it is pulled at the
// range's end and at every other end. What is looked at is the socket itself (getsockopt(2)), and
// what the kernel holds back in it.

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// sending is a Sender or a Copier.
type sending interface {
	Send(fd int, q *chain.Chain, budget int64) error
}

// withEither runs a test with each of them.
func withEither(t *testing.T, test func(t *testing.T, s sending)) {
	t.Run("by sendfile", func(t *testing.T) { test(t, NewSender()) })
	t.Run("by copying", func(t *testing.T) { test(t, NewCopier()) })
}

func corked(t *testing.T, fd int) bool {
	on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK)
	require.NoError(t, err)
	return on != 0
}

// heldBack is how many bytes were written that the kernel has not sent. It says something where
// they are few enough for the client's window.
func heldBack(t *testing.T, fd int) int {
	held, err := unix.IoctlGetInt(fd, unix.SIOCOUTQNSD)
	require.NoError(t, err)
	return held
}

func TestALargeRangeIsCorkedWhileItIsSent(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		for _, tt := range []struct {
			says string
			size int
			want bool
		}{
			{"a large one", corkAbove + 1, true},
			{"a small one does not pay for it", corkAbove, false},
		} {
			t.Run(tt.says, func(t *testing.T) {
				fd, client := nonBlockingPair(t)
				got := reader(client)
				q := newChain()
				q.Copy([]byte("head"))
				q.AppendFile(fileOf(t, make([]byte, tt.size)), 0, int64(tt.size))
				require.NoError(t, s.Send(fd, &q, 1000))
				require.False(t, q.Empty())
				require.Equal(t, tt.want, corked(t, fd), "in the middle")
				sendAll(t, s, fd, &q, plenty)
				require.False(t, corked(t, fd), "at the end")
				require.NoError(t, EndSending(fd))
				require.Len(t, <-got, 4+tt.size)
			})
		}
	})
}

// A turn's end is no packet's end. With sendfile(2), Linux 6.18 sees to that without a cork too.
func TestOnlyFullPacketsLeaveOfALargeRange(t *testing.T) {
	const turns, turn = 200, 1000
	withEither(t, func(t *testing.T, s sending) {
		fd, client := nonBlockingPair(t)
		got := reader(client)
		q := newChain()
		q.AppendFile(fileOf(t, make([]byte, turns*turn)), 0, turns*turn)
		sendAll(t, s, fd, &q, turn)
		require.NoError(t, EndSending(fd))
		require.Len(t, <-got, turns*turn)
		raw, err := client.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		var info *unix.TCPInfo
		require.NoError(t, raw.Control(func(fd uintptr) {
			info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		}))
		require.NoError(t, err)
		require.Less(t, info.Data_segs_in, uint32(turns/4), "a packet a turn, without the cork")
	})
}

func TestAnAnswerBehindALargeOneDoesNotWait(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		fd, client := nonBlockingPair(t)
		go io.Copy(io.Discard, client)
		q := newChain()
		q.Copy([]byte("head"))
		q.AppendFile(fileOf(t, make([]byte, 300_001)), 0, 300_001)
		for range 3 {
			q.Copy([]byte("a small answer"))
		}
		sendAll(t, s, fd, &q, plenty)
		require.False(t, corked(t, fd), "it would wait for a full packet")
	})
}

// Each large range has its own cork, and what stands between two of them leaves with neither.
func TestSeveralLargeRanges(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		fd, client := nonBlockingPair(t)
		got := reader(client)
		f := fileOf(t, make([]byte, 300_000))
		q := newChain()
		for range 3 {
			q.Copy([]byte("delimiter"))
			q.AppendFile(f, 1, 200_000)
		}
		q.Copy([]byte("the end"))
		sendAll(t, s, fd, &q, 30_000)
		require.False(t, corked(t, fd))
		require.NoError(t, EndSending(fd))
		require.Len(t, <-got, 3*(9+200_000)+7)
	})
}

func TestNoErrorLeavesASocketCorked(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		// begin sends some of a large file, and leaves the rest.
		begin := func(t *testing.T) (fd int, client net.Conn, f testFile, q *chain.Chain) {
			fd, client = nonBlockingPair(t)
			f = fileOf(t, pattern(300_000))
			made := newChain()
			made.Copy([]byte("head"))
			made.AppendFile(f, 0, 300_000)
			require.NoError(t, s.Send(fd, &made, 1000))
			require.True(t, corked(t, fd))
			return fd, client, f, &made
		}
		t.Run("a file that becomes shorter", func(t *testing.T) {
			fd, _, f, q := begin(t)
			require.NoError(t, f.Truncate(1100))
			err := s.Send(fd, q, plenty)
			for err == nil {
				err = s.Send(fd, q, plenty)
			}
			require.True(t, FileFault(err), "%v", err)
			require.False(t, corked(t, fd))
			require.Zero(t, heldBack(t, fd), "what was sent before has left")
		})
		t.Run("a client that leaves in the middle", func(t *testing.T) {
			fd, client, _, q := begin(t)
			require.NoError(t, client.(*net.TCPConn).SetLinger(0))
			require.NoError(t, client.Close())
			ready(t, fd, unix.POLLIN)
			err := s.Send(fd, q, plenty)
			require.Error(t, err)
			require.False(t, Again(err))
			require.False(t, corked(t, fd))
		})
		t.Run("an answer that is given up", func(t *testing.T) {
			fd, client, _, q := begin(t)
			go io.Copy(io.Discard, client)
			q.Reset()
			q.Copy([]byte("something else"))
			sendAll(t, s, fd, q, plenty)
			require.False(t, corked(t, fd))
			require.Zero(t, heldBack(t, fd))
		})
	})
}

// A full socket is no end: the range goes on when there is room.
func TestACorkStaysWhileTheSocketIsFull(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		const size = 64 << 20 // more than both ends' buffers ever hold
		f := fileOf(t, nil)
		require.NoError(t, f.Truncate(size))
		fd, client := nonBlockingPair(t)
		q := newChain()
		q.AppendFile(f, 0, size)
		require.Equal(t, unix.EAGAIN, s.Send(fd, &q, plenty))
		require.True(t, corked(t, fd))
		got := reader(client)
		require.Positive(t, sendAll(t, s, fd, &q, plenty))
		require.False(t, corked(t, fd))
		require.NoError(t, EndSending(fd))
		require.Len(t, <-got, size)
	})
}

// A cork is TCP's. Other sockets do without.
func TestAUnixSocketHasNoCork(t *testing.T) {
	withEither(t, func(t *testing.T, s sending) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		q := newChain()
		q.AppendFile(fileOf(t, make([]byte, 100_000)), 0, 100_000)
		require.NoError(t, s.Send(fds[0], &q, 1000))
		require.EqualValues(t, 1000, q.Sent())
		require.False(t, q.Corked())
		q.Reset()
	})
}
