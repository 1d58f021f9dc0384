package sysnet

// Bytes that go from socket to socket through a pipe: real sockets, of TCP and of Unix.
//
// Each test owns its sockets and pipes. What must not be done: no test may wait for a time, as
// readiness can be waited for.

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// unixPair is nonBlockingPair for a Unix socket.
func unixPair(t *testing.T) (fd int, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	peer, err = net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	ours, err := l.Accept()
	require.NoError(t, err)
	f, err := ours.(*net.UnixConn).File()
	require.NoError(t, err)
	ours.Close()
	t.Cleanup(func() { f.Close() })
	fd = int(f.Fd())
	require.NoError(t, unix.SetNonblock(fd, true))
	return fd, peer
}

// move moves all that comes at one socket to another as a loop does, until the first has ended. A
// pipe whose bytes do not all leave is drained into memory. It says how often that was, and calls
// full each time that there is no room.
func move(t *testing.T, from, to int, q *chain.Chain, full func()) (drains int) {
	t.Helper()
	pipes, in, s := NewPipes(1), chain.NewIntake(), NewSender()
	defer pipes.Close()
	for {
		p := pipes.Get()
		require.NotNil(t, p)
		n, err := p.Fill(from, chain.PipeSize)
		switch {
		case Again(err):
			p.Release()
			ready(t, from, unix.POLLIN)
			continue
		case n == 0:
			require.NoError(t, err)
			p.Release()
			require.Zero(t, pipes.open-len(pipes.free), "pipes that were not given back")
			require.NoError(t, EndSending(to))
			return drains
		}
		q.AppendPipe(p, n)
		for err := s.Send(to, q, plenty); !q.Empty(); err = s.Send(to, q, plenty) {
			require.True(t, Again(err), "%v", err)
			if _, _, piped := q.FrontPipe(); piped {
				drains++
				require.NoError(t, q.Drain(in))
			}
			full()
			ready(t, to, unix.POLLOUT)
		}
	}
}

func TestBytesGoFromSocketToSocket(t *testing.T) {
	content := pattern(1 << 20)
	kinds := map[string]func(*testing.T) (int, net.Conn){"TCP": nonBlockingPair, "Unix": unixPair}
	for from, source := range kinds {
		for to, sink := range kinds {
			for _, buffer := range []int{0, 8 << 10} { // of the one that is written
				t.Run(from+" to "+to, func(t *testing.T) {
					in, sender := source(t)
					out, receiver := sink(t)
					if buffer > 0 {
						require.NoError(t, unix.SetsockoptInt(out, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer))
					}
					// Nobody reads before there is no room: a reader who is always faster than the
					// writer would never see that.
					var got <-chan []byte
					read := sync.OnceFunc(func() { got = reader(receiver) })
					if buffer == 0 {
						read()
					}
					go func() {
						sender.Write(content)
						sender.(interface{ CloseWrite() error }).CloseWrite()
					}()
					q := newChain()
					q.Copy([]byte("head"))
					drains := move(t, in, out, &q, read)
					require.True(t, bytes.Equal(append([]byte("head"), content...), <-got))
					require.EqualValues(t, 4+len(content), q.Sent())
					if buffer > 0 {
						require.Positive(t, drains, "it was full once at least")
					}
				})
			}
		}
	}
}

// Where nothing has come there is nothing to wait for, and a pipe never takes more than is meant
// for it.
func TestAPipeTakesWhatItIsToTake(t *testing.T) {
	in, sender := nonBlockingPair(t)
	pipes := NewPipes(1)
	defer pipes.Close()
	p := pipes.Get()
	_, err := p.Fill(in, 100)
	require.Equal(t, unix.EAGAIN, err)
	sender.Write([]byte("body and more"))
	ready(t, in, unix.POLLIN)
	n, err := p.Fill(in, 4)
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	b := make([]byte, 100)
	got, err := p.Read(b)
	require.NoError(t, err)
	require.Equal(t, "body", string(b[:got]))
	got, err = ReadNow(in, b)
	require.NoError(t, err)
	require.Equal(t, " and more", string(b[:got]))
	require.NoError(t, sender.(*net.TCPConn).SetLinger(0))
	sender.Close()
	ready(t, in, unix.POLLIN)
	_, err = p.Fill(in, 4)
	require.Equal(t, unix.ECONNRESET, err)
	p.Release()
}

func TestAPipeToWhoIsGoneIsAnError(t *testing.T) {
	in, sender := nonBlockingPair(t)
	out, receiver := nonBlockingPair(t)
	pipes := NewPipes(1)
	defer pipes.Close()
	sender.Write([]byte("hello"))
	require.NoError(t, receiver.(*net.TCPConn).SetLinger(0))
	receiver.Close()
	ready(t, in, unix.POLLIN)
	ready(t, out, unix.POLLIN)
	p := pipes.Get()
	n, err := p.Fill(in, 5)
	require.NoError(t, err)
	q := newChain()
	q.AppendPipe(p, n)
	err = NewSender().Send(out, &q, plenty)
	require.Error(t, err)
	require.False(t, Again(err))
	q.Reset()
	require.Zero(t, pipes.open, "with what it held it is nobody's any more")
}

// What one connection has left in a pipe must never come out of another.
func TestAPipeIsLentEmptyOrNotAtAll(t *testing.T) {
	in, sender := nonBlockingPair(t)
	pipes := NewPipes(2)
	sender.Write([]byte("secret"))
	ready(t, in, unix.POLLIN)
	first, second := pipes.Get(), pipes.Get()
	require.Nil(t, pipes.Get(), "there are no more")
	_, err := first.Fill(in, 6)
	require.NoError(t, err)
	first.Release()
	require.Equal(t, 1, pipes.open)
	again := pipes.Get()
	require.NotSame(t, first, again)
	_, err = again.Read(make([]byte, 6))
	require.Equal(t, unix.EAGAIN, err)
	second.Release()
	pipes.Close()
	require.Equal(t, 1, pipes.open)
	again.Release()
	require.Zero(t, pipes.open)
	require.Nil(t, pipes.Get())
}

// What splice(2) refuses is told apart from what has happened to the peer.
func TestWhatCannotBeMovedByAPipe(t *testing.T) {
	f, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer f.Close()
	pipes := NewPipes(1)
	defer pipes.Close()
	p := pipes.Get()
	_, err = p.Fill(int(f.Fd()), 10)
	require.True(t, NoSplice(err), "%v", err)
	p.Release()
	for _, err := range []error{nil, unix.EAGAIN, unix.ECONNRESET, unix.EPIPE, unix.ETIMEDOUT} {
		require.False(t, NoSplice(err))
	}
}

// Behind an urgent byte splice(2) finds nothing, or the end, while the socket stays readable: a
// loop would ask again and again, and the rest would be lost. read(2) goes on.
func TestWhatComesBehindAnUrgentByteIsRead(t *testing.T) {
	for name, ends := range map[string]bool{"goes on": false, "ends": true} {
		t.Run(name, func(t *testing.T) {
			in, sender := nonBlockingPair(t)
			pipes := NewPipes(1)
			defer pipes.Close()
			p := pipes.Get()
			sender.Write([]byte("one"))
			raw, err := sender.(*net.TCPConn).SyscallConn()
			require.NoError(t, err)
			require.NoError(t, raw.Control(func(fd uintptr) {
				require.NoError(t, unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil))
			}))
			sender.Write([]byte("two"))
			if ends {
				sender.(*net.TCPConn).CloseWrite()
			}
			b, got, refused := make([]byte, 10), "", false
			for len(got) < 6 {
				ready(t, in, unix.POLLIN)
				n, err := 0, error(nil)
				if moved, no := p.Fill(in, 10); no == nil && moved > 0 {
					n, err = p.Read(b)
				} else {
					require.True(t, NoSplice(no), "%v", no)
					refused = true
					n, err = ReadNow(in, b)
				}
				require.NoError(t, err)
				got += string(b[:n])
			}
			require.Equal(t, "onetwo", got)
			require.True(t, refused)
		})
	}
}

func TestMovingAllocatesNothing(t *testing.T) {
	in, sender := nonBlockingPair(t)
	out, receiver := nonBlockingPair(t)
	go io.Copy(io.Discard, receiver)
	pipes, s, q := NewPipes(1), NewSender(), newChain()
	defer pipes.Close()
	piece := make([]byte, 1000)
	wait := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		sender.Write(piece)
		unix.Poll(wait, 5000)
		p := pipes.Get()
		n, err := p.Fill(in, chain.PipeSize)
		if err != nil {
			panic(err)
		}
		q.AppendPipe(p, n)
		if err := s.Send(out, &q, plenty); err != nil || !q.Empty() {
			panic(err)
		}
	}))
}
