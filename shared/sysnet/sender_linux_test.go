package sysnet

// Sending chains by sendfile(2): budgets, full sockets, files that change, and cold files. The
// sockets are real ones; waits are for readiness, and end with the test's patience.

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
)

// patience is when a test gives up what should have happened at once.
func patience() time.Time { return time.Now().Add(5 * time.Second) }

// ready waits until a descriptor is ready for this. A signal of Go's own may end a wait
// early (poll(2), EINTR).
func ready(t *testing.T, fd int, events int16) {
	t.Helper()
	wait := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for end := patience(); ; {
		n, err := unix.Poll(wait, 5000)
		if n > 0 {
			return
		}
		require.True(t, err == nil || err == unix.EINTR, "%v", err)
		require.True(t, time.Now().Before(end), "nothing has happened")
	}
}

// plenty is a budget that no test uses up, in bytes.
const plenty = 1 << 30

// nonBlockingPair is a pair whose end on our side does not block.
func nonBlockingPair(t *testing.T) (fd int, client net.Conn) {
	fd, client = pair(t)
	require.NoError(t, unix.SetNonblock(fd, true))
	return fd, client
}

func newChain() chain.Chain { return chain.New(bufpool.New(chain.ChunkSize, 4)) }

// pattern is n bytes of which no two parts that a test could mistake for each other are
// alike.
func pattern(n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%08x", b.Len())
	}
	return b.Bytes()[:n]
}

// sendAll sends a chain as a loop does: at most so much a turn, and waiting where the
// socket is full. It says how often that was.
func sendAll(t *testing.T, s sending, fd int, q *chain.Chain, budget int64) (waits int) {
	t.Helper()
	for !q.Empty() {
		err := s.Send(fd, q, budget)
		if !Again(err) {
			require.NoError(t, err)
			continue
		}
		waits++
		ready(t, fd, unix.POLLOUT)
	}
	return waits
}

// reader reads all that comes, on a goroutine of its own.
func reader(client net.Conn) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(client)
		got <- all
	}()
	return got
}

func TestASenderSendsWhatIsInTheChain(t *testing.T) {
	content := pattern(400_000)
	for _, tt := range []struct {
		name   string
		fill   func(q *chain.Chain, f chain.File)
		want   []byte
		budget int64
		buffer int // bytes of the socket's send buffer, 0 for what it has
	}{
		{
			"a whole file", func(q *chain.Chain, f chain.File) { q.AppendFile(f, 0, 400_000) },
			content, plenty, 0,
		},
		{
			"a whole file through a buffer of a few KiB", func(q *chain.Chain, f chain.File) { q.AppendFile(f, 0, 400_000) },
			content, plenty, 4 << 10,
		},
		{
			"a whole file in small turns", func(q *chain.Chain, f chain.File) { q.AppendFile(f, 0, 400_000) },
			content, 1000, 0,
		},
		{
			"a range from the middle, and nothing behind it", func(q *chain.Chain, f chain.File) { q.AppendFile(f, 12_345, 200_000) },
			content[12_345:212_345], plenty, 4 << 10,
		},
		{
			"bytes and ranges in turn", func(q *chain.Chain, f chain.File) {
				q.Copy([]byte("head"))
				q.AppendFile(f, 100, 50_000)
				q.AppendBytes([]byte("delimiter"), nil)
				q.AppendFile(f, 10, 70_000)
				q.Copy([]byte("tail"))
			},
			bytes.Join([][]byte{[]byte("head"), content[100:50_100], []byte("delimiter"), content[10:70_010], []byte("tail")}, nil), 30_000, 4 << 10,
		},
		{
			"more segments than fit one call", func(q *chain.Chain, f chain.File) {
				for i := range 3 * maxSegs {
					q.AppendBytes(content[1000*i:1000*(i+1)], nil)
				}
				q.AppendFile(f, int64(3000*maxSegs), 10)
			},
			content[:3000*maxSegs+10], plenty, 4 << 10,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fileOf(t, content)
			fd, client := nonBlockingPair(t)
			if tt.buffer > 0 {
				require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, tt.buffer))
			}
			got := reader(client)
			q := newChain()
			tt.fill(&q, f)
			sendAll(t, NewSender(), fd, &q, tt.budget)
			require.EqualValues(t, len(tt.want), q.Sent())
			require.NoError(t, EndSending(fd))
			require.True(t, bytes.Equal(tt.want, <-got))
		})
	}
}

// A turn is over when the budget is used up, though the socket would take more.
func TestASendersTurnHasAnEnd(t *testing.T) {
	fd, client := nonBlockingPair(t)
	got := reader(client)
	q := newChain()
	q.Copy([]byte("head"))
	q.AppendFile(fileOf(t, pattern(60_000)), 0, 60_000)
	s := NewSender()
	for turn := int64(1); turn <= 5; turn++ {
		require.NoError(t, s.Send(fd, &q, 10_000))
		require.Equal(t, 10_000*turn, q.Sent())
	}
	require.NoError(t, s.Send(fd, &q, plenty))
	require.True(t, q.Empty())
	require.NoError(t, EndSending(fd))
	require.Len(t, <-got, 60_004)
}

func TestAFullSocketIsEAGAIN(t *testing.T) {
	const size = 64 << 20 // more than both ends' buffers ever hold
	f := fileOf(t, nil)
	require.NoError(t, f.Truncate(size))
	for _, tt := range []struct {
		name string
		fill func(q *chain.Chain)
	}{
		{"within a file", func(q *chain.Chain) { q.AppendFile(f, 0, size) }},
		{"within bytes", func(q *chain.Chain) { q.AppendBytes(make([]byte, size), nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd, client := nonBlockingPair(t)
			q := newChain()
			tt.fill(&q)
			s := NewSender()
			require.Equal(t, unix.EAGAIN, s.Send(fd, &q, plenty))
			require.Positive(t, q.Sent(), "what the socket took is acknowledged")
			require.Equal(t, int64(size), q.Sent()+q.Len())
			got := reader(client)
			require.Positive(t, sendAll(t, s, fd, &q, plenty))
			require.NoError(t, EndSending(fd))
			require.Len(t, <-got, size)
		})
	}
}

// Two clients fetch a file from the one descriptor that the cache keeps open.
func TestASenderLeavesTheFilesOwnOffsetAlone(t *testing.T) {
	content := pattern(100_000)
	f := fileOf(t, content)
	const at = 777
	_, err := f.Seek(at, io.SeekStart)
	require.NoError(t, err)
	s := NewSender()
	var fds [2]int
	var chains [2]chain.Chain
	var got [2]<-chan []byte
	for i := range fds {
		var client net.Conn
		fds[i], client = nonBlockingPair(t)
		got[i] = reader(client)
		chains[i] = newChain()
		chains[i].AppendFile(f, 0, int64(len(content)))
	}
	for range len(content) / 1000 {
		for i := range fds {
			require.NoError(t, s.Send(fds[i], &chains[i], 1000))
		}
	}
	for i := range fds {
		require.True(t, chains[i].Empty())
		require.NoError(t, EndSending(fds[i]))
		require.True(t, bytes.Equal(content, <-got[i]))
	}
	now, err := f.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	require.EqualValues(t, at, now)
}

func TestASenderNoticesAFileThatShrank(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int64 // bytes of the file when it is sent; its range was made of 100
		comes int64 // bytes of it that are sent
	}{
		{"by one byte", 99, 99},
		{"to less than where the range begins", 5, 0},
		{"to nothing", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fileOf(t, pattern(100))
			fd, client := nonBlockingPair(t)
			q := newChain()
			q.Copy([]byte("head"))
			q.AppendFile(f, 10, 90)
			require.NoError(t, f.Truncate(tt.size))
			require.Equal(t, ErrTruncated, NewSender().Send(fd, &q, plenty))
			sent := max(tt.size-10, 0)
			require.Equal(t, 90-sent, q.Len(), "only what left is acknowledged")
			require.NoError(t, EndSending(fd))
			require.Len(t, <-reader(client), int(4+sent), "nothing stands in for what is gone")
		})
	}
}

// With MSG_MORE at an answer's end the kernel would keep its last packet for 200 ms, in
// case something came after it (tcp(7), TCP_CORK).
func TestNothingIsHeldBack(t *testing.T) {
	f := fileOf(t, pattern(100_000))
	for _, tt := range []struct {
		name string
		fill func(q *chain.Chain)
	}{
		{"one segment of bytes", func(q *chain.Chain) { q.Copy([]byte("answer")) }},
		{"several segments", func(q *chain.Chain) { q.Copy([]byte("head")); q.AppendBytes([]byte("body"), nil) }},
		{"a head and a file", func(q *chain.Chain) { q.Copy([]byte("head")); q.AppendFile(f, 0, 100_000) }},
		{"a head and a part of a file", func(q *chain.Chain) { q.Copy([]byte("head")); q.AppendFile(f, 100, 1000) }},
		{"bytes after a file", func(q *chain.Chain) { q.AppendFile(f, 0, 1000); q.Copy([]byte("tail")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd, client := nonBlockingPair(t)
			go io.Copy(io.Discard, client)
			q := newChain()
			tt.fill(&q)
			require.NoError(t, NewSender().Send(fd, &q, plenty))
			require.True(t, q.Empty())
			held, err := unix.IoctlGetInt(fd, unix.SIOCOUTQNSD)
			require.NoError(t, err)
			require.Zero(t, held, "bytes written that the kernel has not sent (SIOCOUTQNSD, tcp(7))")
		})
	}
}

func TestAHeadLeavesInOnePacketWithTheBeginningOfItsFile(t *testing.T) {
	fd, client := nonBlockingPair(t)
	q := newChain()
	q.Copy([]byte("head"))
	q.AppendFile(fileOf(t, pattern(1000)), 0, 1000)
	require.NoError(t, NewSender().Send(fd, &q, plenty))
	require.NoError(t, client.(*net.TCPConn).SetReadDeadline(patience()))
	_, err := io.ReadFull(client, make([]byte, 1004))
	require.NoError(t, err)
	raw, err := client.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var info *unix.TCPInfo
	require.NoError(t, raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}))
	require.NoError(t, err)
	require.EqualValues(t, 1, info.Data_segs_in)
}

func TestAClientThatIsGoneIsAnError(t *testing.T) {
	f := fileOf(t, pattern(1000))
	for _, tt := range []struct {
		name string
		fill func(q *chain.Chain)
	}{
		{"for one segment", func(q *chain.Chain) { q.Copy([]byte("answer")) }},
		{"for several", func(q *chain.Chain) { q.Copy([]byte("head")); q.AppendBytes([]byte("body"), nil) }},
		{"for a file", func(q *chain.Chain) { q.AppendFile(f, 0, 1000) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fd, client := nonBlockingPair(t)
			require.NoError(t, client.(*net.TCPConn).SetLinger(0))
			require.NoError(t, client.Close())
			ready(t, fd, unix.POLLIN)
			q := newChain()
			tt.fill(&q)
			before := q.Len()
			err := NewSender().Send(fd, &q, plenty)
			require.Error(t, err)
			require.False(t, Again(err))
			require.Equal(t, before, q.Len())
		})
	}
}

func TestASenderDoesNotAllocate(t *testing.T) {
	var file chain.File = fileOf(t, make([]byte, 1000))
	fd, client := nonBlockingPair(t)
	go io.Copy(io.Discard, client)
	q := newChain()
	s := NewSender()
	body := []byte("body")
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	require.Zero(t, testing.AllocsPerRun(200, func() {
		q.Copy([]byte("head"))
		q.AppendBytes(body, nil)
		q.AppendFile(file, 0, 1000)
		q.Copy([]byte("tail"))
		for !q.Empty() {
			if err := s.Send(fd, &q, plenty); Again(err) {
				unix.Poll(wait, 5000)
			} else if err != nil {
				panic(err)
			}
		}
	}))
}

// coldTries bounds how often a cold file is made. To look whether a page is in memory
// starts to read it, and the disk may be quicker than the look.
const coldTries = 10

// meetCold begins to send head and a cold file, until that is refused because the file is
// cold. q is what is left to send then, and before what had left in vain. The test is
// skipped where files cannot be had cold: on tmpfs, or where the disk is too quick.
func meetCold(t *testing.T, head, content []byte, send func(q *chain.Chain) error) (q chain.Chain, before []byte) {
	t.Helper()
	whole := append(bytes.Clone(head), content...)
	cold := 0 // times that the kernel itself found one so
	for range coldTries {
		probe := coldFile(t, content)
		if _, err := unix.Preadv2(probe.Fd(), [][]byte{make([]byte, 1)}, 0, unix.RWF_NOWAIT); err == unix.EAGAIN {
			cold++
		}
		q = newChain()
		q.Copy(head)
		q.AppendFile(coldFile(t, content), 0, int64(len(content)))
		err := send(&q)
		if err == ErrCold {
			return q, before
		}
		require.NoError(t, err)
		before = append(before, whole[:q.Sent()]...)
	}
	require.Less(t, cold, coldTries/2, "a cold file was sent at once, each time")
	t.Skipf("in %s a file that is read is in memory at once", os.TempDir())
	return q, before
}

// coldFile makes a file of which nothing is in memory, if the file system can do without.
// It is a new one each time: pages that a socket still holds could not be dropped.
func coldFile(t *testing.T, content []byte) testFile {
	t.Helper()
	f := fileOf(t, content)
	require.NoError(t, f.Sync(), "only pages that are written can be dropped")
	require.NoError(t, unix.Fadvise(f.Fd(), 0, 0, unix.FADV_DONTNEED))
	return f
}

func TestAColdFileIsNotWaitedFor(t *testing.T) {
	content := pattern(3 << 20)
	fd, client := nonBlockingPair(t)
	got := reader(client)
	s := NewSender()
	q, before := meetCold(t, []byte("head"), content, func(q *chain.Chain) error { return s.Send(fd, q, 5) })
	require.EqualValues(t, 4, q.Sent(), "the head has left, and nothing else")

	for !q.Empty() {
		front := Front(&q)
		require.Equal(t, q.Sent()-4, front.Offset)
		require.LessOrEqual(t, front.Length, int64(piece))
		front.Warm()
		// What was warmed is in memory for the next turn at least.
		left := q.Len()
		for err := s.Send(fd, &q, plenty); err != ErrCold && err != nil; err = s.Send(fd, &q, plenty) {
			require.True(t, Again(err), "%v", err)
			ready(t, fd, unix.POLLOUT)
		}
		require.Less(t, q.Len(), left)
	}
	require.NoError(t, EndSending(fd))
	want := append(append(before, "head"...), content...)
	require.True(t, bytes.Equal(want, <-got))
}

// The kernel reads ahead, so a cold file's next pages may be there and those after them not.
func TestAFileThatIsColdBehindItsFirstPageIsNotWaitedFor(t *testing.T) {
	fd, client := nonBlockingPair(t)
	got := reader(client)
	s := NewSender()
	q, before := meetCold(t, nil, pattern(1<<20), func(q *chain.Chain) error {
		f, _, _, _ := q.FileRange()
		from := f.Fd()
		require.NoError(t, unix.Fadvise(from, 0, 0, unix.FADV_RANDOM)) // one page is read, and none ahead
		_, err := pread(from, make([]byte, 1), 0)
		require.NoError(t, err)
		return s.Send(fd, q, 2*int64(os.Getpagesize()))
	})
	require.Zero(t, q.Sent())
	require.NoError(t, EndSending(fd))
	require.Equal(t, string(before), string(<-got))
}

func TestACopierThatIsImpatientDoesNotWaitEither(t *testing.T) {
	content := pattern(1 << 20)
	fd, client := nonBlockingPair(t)
	got := reader(client)
	c := NewCopier()
	c.Impatient = true
	q, before := meetCold(t, nil, content, func(q *chain.Chain) error { return c.Send(fd, q, 5) })
	require.Zero(t, q.Sent())
	Front(&q).Warm()
	require.NoError(t, c.Send(fd, &q, 5))
	require.NoError(t, EndSending(fd))
	require.Equal(t, string(before)+"00000", string(<-got))
}

func TestReadNowDoesNotWait(t *testing.T) {
	fd, client := nonBlockingPair(t)
	_, err := ReadNow(fd, make([]byte, 9))
	require.True(t, Again(err))
	client.Write([]byte("four"))
	ready(t, fd, unix.POLLIN)
	p := make([]byte, 9)
	n, err := ReadNow(fd, p)
	require.NoError(t, err)
	require.Equal(t, "four", string(p[:n]))
	client.Close()
	ready(t, fd, unix.POLLIN)
	n, err = ReadNow(fd, p)
	require.NoError(t, err)
	require.Zero(t, n, "the end of the stream")
}
