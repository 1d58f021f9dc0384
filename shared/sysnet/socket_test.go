package sysnet

// Listening, accepting, and the calls on sockets that block. The sockets are real ones of 127.0.0.1
// and of Unix.

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
)

var loopback = Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}

// pair is two ends of a connection: ours blocks, and is closed with the test.
func pair(t *testing.T) (fd int, client net.Conn) {
	lfd, addr, err := Listen(loopback, ListenOptions{})
	require.NoError(t, err)
	defer unix.Close(lfd)
	client, err = net.Dial("tcp", addr.IP.String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	a := NewAcceptor(lfd, true)
	defer a.Close()
	fd = await(t, a)
	t.Cleanup(func() { unix.Close(fd) })
	return fd, client
}

// await accepts the connection that a completed connect(2) has queued.
func await(t *testing.T, a *Acceptor) int {
	poll := []unix.PollFd{{Fd: int32(a.Listener), Events: unix.POLLIN}}
	_, err := unix.Poll(poll, 5000)
	require.NoError(t, err)
	fd, _, err := a.Accept()
	require.NoError(t, err)
	return fd
}

func TestListeningOn(t *testing.T) {
	for _, tt := range []struct {
		name, listen, dial string
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
		{"all of IPv4", "0.0.0.0:0", "127.0.0.1"},
		{"all, from IPv6", "[::]:0", "::1"},
		{"all, from IPv4", "[::]:0", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lfd, addr, err := Listen(Addr{IP: netip.MustParseAddrPort(tt.listen)}, ListenOptions{SockBuf: 64 << 10})
			require.NoError(t, err)
			defer unix.Close(lfd)
			require.NotZero(t, addr.IP.Port())
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(tt.dial), addr.IP.Port()).String())
			require.NoError(t, err)
			defer c.Close()
			poll := []unix.PollFd{{Fd: int32(lfd), Events: unix.POLLIN}}
			_, err = unix.Poll(poll, 5000)
			require.NoError(t, err)
			a := NewAcceptor(lfd, false)
			defer a.Close()
			fd, peer, err := a.Accept()
			require.NoError(t, err)
			defer unix.Close(fd)
			require.Equal(t, c.LocalAddr().String(), peer.String(), "IPv4 in IPv6 is told as IPv4")
			nodelay, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
			require.NoError(t, err)
			require.NotZero(t, nodelay, "inherited from the listener")
			_, _, err = a.Accept()
			require.ErrorIs(t, err, ErrNone)
		})
	}
}

func TestAnAddressInUseIsSaidSo(t *testing.T) {
	fd, addr, err := Listen(loopback, ListenOptions{})
	require.NoError(t, err)
	defer unix.Close(fd)
	_, _, err = Listen(addr, ListenOptions{})
	require.ErrorIs(t, err, ErrInUse)
}

func TestUnixSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, _, err := Listen(Addr{Path: path}, ListenOptions{})
	require.NoError(t, err)
	_, _, err = Listen(Addr{Path: path}, ListenOptions{})
	require.ErrorIs(t, err, ErrInUse)
	unix.Close(fd)
	fd, _, err = Listen(Addr{Path: path}, ListenOptions{})
	require.NoError(t, err, "one that nobody listens on any more is replaced")
	defer unix.Close(fd)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, _, err = Listen(Addr{Path: file}, ListenOptions{})
	require.Error(t, err)
	require.FileExists(t, file)
}

// Each round begins with what a killed server has left.
func TestOfServersThatStartAtOnceOneGetsTheUnixSocket(t *testing.T) {
	const rounds, servers = 20, 8
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "s")
		left, _, err := Listen(Addr{Path: path}, ListenOptions{})
		require.NoError(t, err)
		unix.Close(left)
		var all sync.WaitGroup
		var got [servers]int
		var errs [servers]error
		for i := range servers {
			all.Go(func() { got[i], _, errs[i] = Listen(Addr{Path: path}, ListenOptions{}) })
		}
		all.Wait()
		listen := 0
		for i, err := range errs {
			if err == nil {
				listen++
				defer unix.Close(got[i])
			} else {
				require.ErrorIs(t, err, ErrInUse)
			}
		}
		require.Equal(t, 1, listen, "servers that believe they have the name, round %d", round)
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		conn.Close()
	}
}

// A socket that is bound and does not listen yet is not one that was left behind.
func TestASocketThatIsBeingSetUpIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	unlock, err := lockFolder(filepath.Dir(path))
	require.NoError(t, err)
	first, err := streamSocket(unix.AF_UNIX)
	require.NoError(t, err)
	defer unix.Close(first)
	require.NoError(t, unix.Bind(first, &unix.SockaddrUnix{Name: path}))
	failed := make(chan error)
	go func() {
		fd, _, err := Listen(Addr{Path: path}, ListenOptions{})
		if err == nil {
			unix.Close(fd)
		}
		failed <- err
	}()
	select {
	case err := <-failed:
		require.ErrorIs(t, err, errLocked, "it has waited as long as it may")
	case <-time.After(lockPatience / 4):
		require.NoError(t, unix.Listen(first, 1))
		unlock()
		require.ErrorIs(t, <-failed, ErrInUse)
	}
}

func TestAReadTimesOut(t *testing.T) {
	fd, client := pair(t)
	require.NoError(t, SetReadTimeout(fd, 1)) // rounded up: none at all would be for ever
	_, err := Read(fd, make([]byte, 1))
	require.True(t, Again(err))
	client.Write([]byte("x"))
	require.NoError(t, SetReadTimeout(fd, 5*clock.Second))
	n, err := Read(fd, make([]byte, 9))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestTheEndOfReceivingWakesWhoIsBlockedInIt(t *testing.T) {
	fd, _ := pair(t)
	done := make(chan error, 1)
	go func() {
		n, err := Read(fd, make([]byte, 1))
		if err == nil && n != 0 {
			err = errors.New("bytes from nowhere")
		}
		done <- err
	}()
	require.NoError(t, EndReceiving(fd))
	require.NoError(t, <-done)
}

func TestTheModeIsTheSocketsAndNotThatOfALinksTarget(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "x.sock")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(file, link))
	require.Error(t, (&Access{Mode: 0o666, Group: -1}).set(link))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestSilentIsWhoHasNeitherSaidAnythingNorGone(t *testing.T) {
	for name, says := range map[string]func(fd int) error{
		"has sent":      func(fd int) error { _, err := unix.Write(fd, []byte("x")); return err },
		"sends no more": func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) },
		"has closed":    unix.Close,
	} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(10, func() { require.True(t, Silent(pair[0])) }))
		require.NoError(t, says(pair[1]), name)
		require.False(t, Silent(pair[0]), name)
		require.False(t, Silent(pair[0]), "it only looks")
		unix.Close(pair[0])
	}
}

func TestUnsentIsWhatThePeerHasNotTaken(t *testing.T) {
	fd, client := pair(t)
	require.Zero(t, Unsent(fd))
	require.NoError(t, SetWriteTimeout(fd, 50*clock.Millisecond))
	junk := make([]byte, 1<<20)
	for {
		if _, err := unix.Write(fd, junk); err != nil {
			break
		}
	}
	require.NotZero(t, Unsent(fd))
	go io.Copy(io.Discard, client)
	for end := time.Now().Add(5 * time.Second); Unsent(fd) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	require.Zero(t, Unsent(fd))
}

// testFile is a File over a descriptor.
type testFile struct{ *os.File }

func (f testFile) Release() {}
func (f testFile) Fd() int  { return int(f.File.Fd()) }

func fileOf(t *testing.T, content []byte) testFile {
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	_, err = f.Write(content)
	require.NoError(t, err)
	return testFile{f}
}

func TestACopierSendsWhatIsInTheChain(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	f := fileOf(t, content)
	fd, client := pair(t)
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	var want []byte
	for i := range 40 {
		q.Copy([]byte("head"))
		q.AppendBytes([]byte("body"), nil)
		q.AppendFile(f, int64(i), 10_000)
		q.AppendFile(f, int64(16*i), 100_000)
		want = append(append(want, "headbody"...), content[i:i+10_000]...)
		want = append(want, content[16*i:16*i+100_000]...)
	}
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		got <- all
	}()
	c := NewCopier()
	for !q.Empty() {
		before := q.Len()
		require.NoError(t, c.Send(fd, &q, 50_000))
		require.LessOrEqual(t, before-q.Len(), int64(50_000+copyBuffer), "a turn has an end")
	}
	require.NoError(t, EndSending(fd))
	require.True(t, bytes.Equal(want, <-got))
}

func TestAFileThatShrankIsNoticed(t *testing.T) {
	f := fileOf(t, []byte("short"))
	fd, client := pair(t)
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	q.AppendFile(f, 0, 6)
	require.ErrorIs(t, NewCopier().Send(fd, &q, 1<<20), ErrTruncated)
	require.EqualValues(t, 1, q.Len())
	p := make([]byte, 9)
	n, _ := client.Read(p)
	require.Equal(t, "short", string(p[:n]))
}

func TestSendingDoesNotAllocate(t *testing.T) {
	f := fileOf(t, make([]byte, 1000))
	fd, client := pair(t)
	go io.Copy(io.Discard, client)
	q := chain.New(bufpool.New(chain.ChunkSize, 4))
	c := NewCopier()
	var file chain.File = f
	require.Zero(t, testing.AllocsPerRun(200, func() {
		q.Copy([]byte("head"))
		q.AppendFile(file, 0, 1000)
		if err := c.Send(fd, &q, 1<<20); err != nil {
			panic(err)
		}
	}))
}

func TestOutOfDescriptorsOneIsRefusedAndTheRestWait(t *testing.T) {
	lfd, addr, err := Listen(loopback, ListenOptions{})
	require.NoError(t, err)
	defer unix.Close(lfd)
	a := NewAcceptor(lfd, true)
	defer a.Close()
	var clients [2]net.Conn
	for i := range clients {
		clients[i], err = net.Dial("tcp", addr.IP.String())
		require.NoError(t, err)
		defer clients[i].Close()
		clients[i].SetDeadline(time.Now().Add(5 * time.Second))
	}
	release := useUpDescriptors(t)
	_, _, err = a.Accept()
	release()
	require.ErrorIs(t, err, ErrExhausted)
	_, err = clients[0].Read(make([]byte, 1))
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "the first one hears at once")
	require.GreaterOrEqual(t, a.spare, 0, "the spare is back")
	unix.Close(await(t, a))
}

// useUpDescriptors leaves this process none to open, until release is called.
func useUpDescriptors(t *testing.T) (release func()) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	low := old
	low.Cur = 200
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	var taken []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			require.Equal(t, unix.EMFILE, err)
			break
		}
		taken = append(taken, fd)
	}
	return func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	}
}

func TestASocketOfMessagesIsNotAdopted(t *testing.T) {
	for kind, want := range map[int]error{unix.SOCK_STREAM: nil, unix.SOCK_SEQPACKET: ErrNoStream} {
		fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
		if err == unix.EPROTONOSUPPORT {
			continue
		}
		require.NoError(t, err)
		defer unix.Close(fd)
		require.NoError(t, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")}))
		require.NoError(t, unix.Listen(fd, 1))
		_, err = Adopt(fd)
		require.ErrorIs(t, err, want)
	}
}
