package spill

// The system's own disk, sockets and processes: a file system that is full, files that are sent out
// of the spill, and processes that are killed.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/bufpool"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/shm"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

func TestAFullFileSystemSlowsAndNeverCuts(t *testing.T) {
	dir := mount(t, "size=1m")
	r := newRig(t, func(c *Config) { c.Dir = dir })
	s := r.side()
	said := s.sayThrough(64 * mib)
	require.True(t, s.q.Full())
	require.Greater(t, said, 5*mib/2, "memory, what the file system holds, and the back")
	require.Less(t, said, 7*mib/2)
	require.Len(t, r.failed, 1)
	require.ErrorIs(t, r.failed[0], unix.ENOSPC)
	for range 20 {
		r.clock.Set(r.clock.Now()+restAfter, 1e18)
		s.feed()
		s.drink(200 * kib)
		said += s.sayThrough(64 * mib)
	}
	require.Greater(t, said, 5*mib)
	require.Len(t, r.failed, 1, "it is told once")
	s.drinkAll()
	s.done()
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	require.Equal(t, st.Blocks, st.Bfree, "the file system is empty again")
}

// What sendfile(2) has put into a socket is still a part of the file. Punching holes and closing
// must not change what the peer gets.
func TestWhatIsOnItsWayInASocketStaysAsItIs(t *testing.T) {
	s := newRig(t, func(c *Config) { c.Dir = "/var/tmp" }).side() // not tmpfs, if possible
	here, there := sockets(t)
	sender := sysnet.NewSender()
	const all = 64 * mib
	heard := make(chan error, 1)
	go func() {
		heard <- same(there, rand.NewChaCha8([32]byte{1}), all)
		there.Close() // the sender may still have something for it
	}()
	for said, sent := 0, int64(0); sent < all; {
		said += s.sayThrough(all - said)
		if s.out.Len() < low {
			s.feed()
		}
		before := s.out.Sent()
		err := sender.Send(here, &s.out, 2*mib)
		switch {
		case err == sysnet.ErrCold:
			require.NoError(t, sysnet.Front(&s.out).Warm())
		case err == unix.EPIPE || err == unix.ECONNRESET:
			require.NoError(t, <-heard)
		case sysnet.Again(err):
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(here), Events: unix.POLLOUT}}, 10000)
			require.True(t, err == nil || err == unix.EINTR)
		default:
			require.NoError(t, err)
		}
		sent += s.out.Sent() - before
		s.settle()
	}
	require.NoError(t, <-heard)
	require.Positive(t, s.opened)
	s.done()
}

// same reads n bytes and compares them. It reads slowly, so that the socket is full.
func same(from io.Reader, want io.Reader, n int) error {
	got, expected := make([]byte, 256*kib), make([]byte, 256*kib)
	for n > 0 {
		m, err := io.ReadFull(from, got[:min(n, len(got))])
		if err != nil {
			return err
		}
		want.Read(expected[:m])
		if !bytes.Equal(got[:m], expected[:m]) {
			return fmt.Errorf("other bytes, %d before the end", n)
		}
		n -= m
		sysnet.Yield()
	}
	return nil
}

// sockets are the two ends of a TCP connection, of which one does not block and holds much.
func sockets(t testing.TB) (here int, there net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	here, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(here) })
	require.NoError(t, unix.SetsockoptInt(here, unix.SOL_SOCKET, unix.SO_SNDBUF, 4*mib))
	require.NoError(t, unix.Connect(here, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}))
	require.NoError(t, unix.SetNonblock(here, true))
	there, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { there.Close() })
	return here, there
}

// Pages that have left the memory are read by the pool: Feed has nothing before, and the sender
// finds them there.
func TestPagesThatHaveLeftTheMemoryComeBackBesideTheThread(t *testing.T) {
	s := newRig(t, func(c *Config) { c.Dir = "/var/tmp" }).side()
	s.sayThrough(8 * mib)
	fd := s.q.store.file.fd
	require.NoError(t, unix.Fdatasync(fd))
	require.NoError(t, unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
	if sysnet.InCache(fd, 0, mib) {
		t.Skip("this file system does not say what is in memory")
	}
	for s.q.Len() > 7*mib-mib {
		before := s.q.Len()
		s.feed()
		if s.q.Len() == before {
			break
		}
		s.drink(1 << 62)
	}
	require.True(t, s.q.store.reading)
	require.Zero(t, s.out.Len())
	s.settle()
	require.True(t, sysnet.InCache(fd, 0, mib))
	s.feed()
	require.True(t, s.out.HasFile())
	s.drinkAll()
	s.done()
}

// threads are hosts with a pool of their own, as those of the stages are.
type threads struct {
	pool    *offload.Pool
	then    chan func()
	working int
}

func (*threads) Adopt(int, machine.Machine) {}
func (*threads) Nudge(int)                  {}

func (h *threads) Offload(k offload.Kind, work, then func()) {
	h.working++
	h.pool.Submit(k, func() {
		work()
		h.then <- then
	})
}

// collect ends the work that is done; waiting, until none is under way.
func (h *threads) collect(waiting bool) {
	for h.working > 0 && (waiting || len(h.then) > 0) {
		then := <-h.then
		h.working--
		then()
	}
}

// The same with real threads, for the race detector: many queues, each with a client of its own
// speed, and a disk that is slow now and then.
func TestManyQueuesShareADiskThatIsSlow(t *testing.T) {
	fds, routines := openFiles(t), runtime.NumGoroutine()
	h := &threads{pool: offload.New(4), then: make(chan func(), 1024)}
	r := newRig(t, func(c *Config) { c.Memory, c.Total = 128*kib, 16*mib })
	slowDown(&r.spill.disk)
	thread := r.spill.Thread(h, &r.clock, r.pool)
	sides := make([]*side, 20)
	for i := range sides {
		sides[i] = r.side()
		sides[i].q.Close()
		sides[i].q.Open(thread, func() {})
	}
	for turn := 0; !takeTurns(sides, turn, 4*mib); turn++ {
		h.collect(false)
		require.LessOrEqual(t, r.onDisk.Load(), int64(16*mib))
	}
	for _, s := range sides {
		s.q.Close()
		s.out.Reset()
	}
	h.collect(true)
	h.pool.Close()
	require.Zero(t, r.inMemory.Load())
	require.Zero(t, r.onDisk.Load())
	require.Zero(t, r.pool.Out())
	require.Equal(t, fds, openFiles(t), "descriptors")
	for until := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > routines; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(until), "goroutines are left")
	}
}

// slowDown has one of 16 writes take a while. Its functions may be called on several threads.
func slowDown(d *disk) {
	*d = system
	var calls atomic.Int32
	d.write = func(fd int, segs [][]byte, off int64) (int64, error) {
		if calls.Add(1)%16 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		return system.write(fd, segs, off)
	}
}

// takeTurns has each side say and drink some, until all have drunk so many bytes.
func takeTurns(sides []*side, turn int, each int64) (over bool) {
	over = true
	for i, s := range sides {
		if s.in < each {
			s.sayAll(int(min(64*kib, each-s.in)))
		}
		if s.out.Len() < low {
			s.feed()
		}
		if turn%(i+1) == 0 {
			s.drink(int64(8*kib) << (i % 4))
		}
		over = over && s.outed == each
	}
	return over
}

// The tests' own binary is also the process that is killed.
const (
	actEnv = "FOURWAYS_SPILL_ACT" // the folder
	memory = 3                    // the descriptor of the shared memory
)

var layout = stats.Layout{Processes: 3, Slots: 3}

func TestMain(m *testing.M) {
	if dir := os.Getenv(actEnv); dir != "" {
		spillAndWait(dir)
	}
	os.Exit(m.Run())
}

// spillAndWait has a client drink a little of a queue, fills it, and says how many bytes it holds,
// for each line that comes.
func spillAndWait(dir string) {
	var set shm.Set
	must(set.Inherit("stats", memory))
	mem, err := set.Get("stats", 0)
	must(err)
	region, err := stats.Open(mem, layout)
	must(err)
	me, _ := strconv.Atoi(os.Args[1])
	p := region.Process(me)
	s, err := New(Config{Memory: 64 * kib, File: 64 * mib, Total: 8 * mib, Dir: dir, OnDisk: &p.Spilled, InMemory: &p.Queued, All: region.Spilled})
	must(err)
	var c clock.Clock
	c.Set(clock.Second, 1e18)
	h := &threads{pool: offload.New(1), then: make(chan func(), 16)}
	var q Queue
	q.Open(s.Thread(h, &c, bufpool.New(BlockSize, 64)), func() {})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		q.Feed(discards{}) // the client has drunk a little
		for {
			for !q.Full() {
				q.Put(make([]byte, BlockSize))
			}
			if q.store == nil || !q.store.writing {
				break
			}
			h.collect(true)
		}
		fmt.Println(q.Len())
	}
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// actor is such a process.
type actor struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func act(t *testing.T, set *shm.Set, number int, dir string) *actor {
	a := &actor{Cmd: exec.Command(os.Args[0], strconv.Itoa(number))}
	a.Env = append(os.Environ(), actEnv+"="+dir)
	a.Stderr = os.Stderr
	a.ExtraFiles = []*os.File{os.NewFile(uintptr(dup(t, set.FD("stats"))), "memory")}
	defer a.ExtraFiles[0].Close()
	var err error
	a.in, err = a.StdinPipe()
	require.NoError(t, err)
	out, err := a.StdoutPipe()
	require.NoError(t, err)
	a.out = bufio.NewReader(out)
	require.NoError(t, a.Start())
	t.Cleanup(func() { a.kill() })
	return a
}

func dup(t *testing.T, fd int) int {
	fd, err := unix.Dup(fd)
	require.NoError(t, err)
	return fd
}

// fill has the process put as much as its queue takes. It answers how much is in it then.
func (a *actor) fill(t *testing.T) int64 {
	_, err := a.in.Write([]byte("more\n"))
	require.NoError(t, err)
	line, err := a.out.ReadString('\n')
	require.NoError(t, err)
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	require.NoError(t, err)
	return n
}

func (a *actor) kill() {
	a.Process.Kill()
	a.Wait()
}

// Two workers share what there is; when one is killed, its files are gone, and what it had is the
// other one's as soon as the master has noticed.
func TestAKilledProcessLeavesNothingBehind(t *testing.T) {
	for name, dir := range map[string]func() string{
		"on a disk": func() string { return t.TempDir() },
		"on tmpfs":  func() string { return mount(t, "size=64m") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := dir()
			var set shm.Set
			defer set.Close()
			mem, err := set.Get("stats", stats.Size(layout))
			require.NoError(t, err)
			region, err := stats.Open(mem, layout)
			require.NoError(t, err)
			for i := 1; i <= 2; i++ {
				got, ok := region.Claim(1, int64(os.Getpid()))
				require.True(t, ok)
				require.Equal(t, i, got)
			}
			first, second := act(t, &set, 1, dir), act(t, &set, 2, dir)

			require.Greater(t, first.fill(t), int64(8*mib), "it has all of the disk")
			require.Greater(t, region.Process(1).Spilled.Load(), int64(7*mib))
			require.Less(t, second.fill(t), int64(2*mib), "the other one has to do with memory")
			require.LessOrEqual(t, region.Spilled(), int64(8*mib))
			require.Positive(t, region.Queued())
			files := deletedFiles(t, first.Process.Pid, dir)
			require.Equal(t, 1, files)
			require.Empty(t, names(t, dir), "no file has a name")

			first.kill()
			require.Empty(t, names(t, dir))
			region.Bury(1)
			require.Less(t, region.Spilled(), int64(2*mib))
			require.Greater(t, second.fill(t), int64(8*mib))
			require.LessOrEqual(t, region.Spilled(), int64(8*mib))
			second.kill()
			region.Bury(2)
			require.Zero(t, region.Spilled()+region.Queued())
			require.Empty(t, names(t, dir))
		})
	}
}

// deletedFiles counts the files without a name that a process has in a folder.
func deletedFiles(t *testing.T, pid int, dir string) (n int) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, l := range links {
		if to, _ := os.Readlink(l); strings.HasPrefix(to, dir+"/") {
			n++
		}
	}
	return n
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}
