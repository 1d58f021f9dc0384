package loop

// The loop over io_uring: the tests of loops once more, and what is its own. A rig that is turned
// by hand shows what has been handed in and what has not. What must not be done: the test's
// goroutine must stay on its thread, which the ring belongs to.

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/machine"
	counters "fourways/shared/stats"
)

// ringed has the rigs of a test be over io_uring, where there is one.
func ringed(t *testing.T) {
	t.Helper()
	if err := useUring(nil); err != nil {
		t.Skip("io_uring cannot be used here: ", err)
	}
	overUring = func(r *rig) turner {
		runtime.LockOSThread()
		r.t.Cleanup(runtime.UnlockOSThread)
		h := &byHandRing{rig: r, u: r.loop.uring.(*uring)}
		h.u.start()
		return h
	}
	t.Cleanup(func() { overUring = nil })
}

type byHandRing struct {
	rig *rig
	u   *uring
}

// handle handles what is done by now, and reports whether there was something.
func (h *byHandRing) handle() bool {
	h.u.ring.look()
	n := h.u.ring.take(h.u.done[:])
	if n == 0 && len(h.u.nudged) == 0 {
		return false
	}
	h.u.turn(n)
	return true
}

func (h *byHandRing) turn() {
	h.rig.t.Helper()
	for end := time.Now().Add(patience); !h.handle(); {
		require.True(h.rig.t, time.Now().Before(end), "nothing has happened")
		h.u.ring.sleep(int(patience/time.Millisecond), 0)
	}
	h.settle()
}

func (h *byHandRing) settle() {
	for h.handle() {
	}
}

func (h *byHandRing) quiet() bool {
	h.u.ring.look()
	return h.u.ring.waiting() == 0
}

func (h *byHandRing) end() {
	for end := time.Now().Add(patience); len(h.u.leaving) > 0 && time.Now().Before(end); {
		h.handle()
	}
	h.u.ring.look()
}

// What holds for a loop holds for one over io_uring.
func TestOverCompletions(t *testing.T) {
	ringed(t)
	for name, test := range map[string]func(*testing.T){
		"a connection beyond the limit": TestAConnectionBeyondTheLimitIsToldSo,
		"one turn answers all":          TestOneTurnAnswersAllThatAreReady,
		"slow work wakes the loop":      TestSlowWorkWakesTheLoop,
		"interest follows the answer":   TestInterestFollowsTheAnswer,
		"no deadline is left":           TestAClosedConnectionLeavesNoDeadline,
		"draining":                      TestDraining,
		"a half-closed client":          TestAHalfClosedClientGetsItsWholeAnswer,
		"a file that leaves the cache":  TestAFileThatLeavesTheCacheIsSentToItsEnd,
		"a loop runs to its end":        TestALoopRunsToItsEnd,
		"the heart beats":               TestTheHeartBeatsWithTheLoop,
		"a late wake-up":                TestALateWakeUpGoesToNobodyElse,
		"not HTTP":                      TestAConnectionThatIsNotHTTPIsTurnedAwayAndCounted,
	} {
		t.Run(name, test)
	}
}

// scarce has a rig's loop have so few buffers. It does not run yet.
func (r *rig) scarce(n uint16) {
	r.t.Helper()
	u := r.loop.uring.(*uring)
	u.close()
	u.ring = ring{}
	require.NoError(r.t, u.ring.open(n, 0))
}

// Every byte of many answers is right, while many ask at once and there are three buffers.
func TestEveryByteIsRightWhileBuffersAreScarce(t *testing.T) {
	ringed(t)
	const clients, rounds, most = 32, 300, 12
	r := newRig(t, 1000)
	r.scarce(3)
	var thread, all sync.WaitGroup
	thread.Go(r.loop.Run)
	for i := range clients {
		c := r.dial()
		random := rand.New(rand.NewPCG(uint64(i), 1))
		all.Go(func() {
			for n := range rounds {
				var paths []string
				for range 1 + random.IntN(most) {
					long := strings.Repeat(fmt.Sprintf("%d-%d.", i, n), 1+random.IntN(1+random.IntN(700)))
					paths = append(paths, "/"+long)
				}
				c.SetDeadline(time.Now().Add(patience))
				asked := &strings.Builder{}
				for _, p := range paths {
					fmt.Fprintf(asked, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", p)
				}
				var writing sync.WaitGroup
				writing.Go(func() { io.WriteString(c, asked.String()) })
				for _, p := range paths {
					if err := c.reads(p); err != nil {
						t.Error(i, n, err)
						return
					}
				}
				writing.Wait()
			}
			c.Close()
		})
	}
	all.Wait()
	r.srv.Drain()
	r.loop.Drain()
	thread.Wait()
	u := r.loop.uring.(*uring)
	require.Empty(t, u.leaving)
	r.loop.Close()
}

// A socket that waits holds no buffer: there are more sockets than buffers, and all are served.
func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	ringed(t)
	r := newRig(t, 1000)
	r.scarce(2)
	var thread sync.WaitGroup
	thread.Go(r.loop.Run)
	clients := make([]*client, 50)
	for i := range clients {
		clients[i] = r.dial()
		clients[i].gets("/first", "/first")
	}
	for i, c := range clients {
		c.gets(fmt.Sprintf("/%d", i), fmt.Sprintf("/%d", i))
	}
	r.srv.Drain()
	r.loop.Drain()
	r.loop.Cut()
	thread.Wait()
	r.loop.Close()
}

// Where all come at once and there is one buffer, all are answered, one after the other.
func TestWithoutABufferOneIsHeard(t *testing.T) {
	ringed(t)
	before := overUring
	overUring = func(r *rig) turner {
		r.scarce(1)
		return before(r)
	}
	r := byHand(t, 100)
	clients := make([]*client, 9)
	for i := range clients {
		clients[i] = r.connect()
	}
	for i, c := range clients {
		c.ask(fmt.Sprintf("/%d", i))
	}
	for _, s := range r.conns() {
		arrived(t, s)
	}
	for i, c := range clients {
		for !c.answered() {
			r.turn()
		}
		c.hears(fmt.Sprintf("/%d", i))
	}
	require.Equal(t, len(clients), r.loop.open)
}

// What came in time is answered, however late the loop looks for it: where a deadline has passed
// before the kernel has received, and where there was no buffer for it.
func TestWhatCameInTimeIsReadBeforeADeadline(t *testing.T) {
	ringed(t)
	before := overUring
	for _, advance := range []bool{true, false} {
		overUring = func(r *rig) turner {
			r.scarce(1)
			return before(r)
		}
		r := byHand(t, 100)
		clients := []*client{r.connect(), r.connect(), r.connect()}
		for _, c := range clients {
			c.ask("/in-time")
		}
		for _, s := range r.conns() {
			arrived(t, s)
		}
		r.now += r.srv.Timing.Idle + clock.Second // it was suspended
		r.loop.thread.Clock.Set(r.now, int64(r.now))
		if advance {
			r.pass(0)
		}
		for _, c := range clients {
			for !c.answered() {
				r.turn()
			}
			c.hears("/in-time")
		}
		silent := r.connect()
		r.pass(r.srv.Timing.Idle + clock.Second)
		require.Zero(t, r.loop.open, "who has sent nothing is closed")
		_, err := silent.from.ReadByte()
		require.Equal(t, io.EOF, err)
	}
}

// A descriptor is closed when the kernel has let go of all its requests, and not before.
func TestADescriptorIsClosedAfterItsLastRequest(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	u := r.loop.uring.(*uring)
	c := r.connect()
	old := r.conns()[0]
	require.Equal(t, askBytes, old.asked)
	u.Loop.close(old)
	require.Zero(t, r.loop.open)
	require.Contains(t, u.leaving, old.fd)
	_, err := unix.FcntlInt(uintptr(old.fd), unix.F_GETFD, 0)
	require.NoError(t, err, "it is still open")
	r.turn()
	require.Empty(t, u.leaving)
	u.ring.look()
	_, err = unix.FcntlInt(uintptr(old.fd), unix.F_GETFD, 0)
	require.Equal(t, unix.EBADF, err)
	_, err = c.from.ReadByte()
	require.Equal(t, io.EOF, err)
	r.connect().ask("/next")
	r.turn()
}

// A machine is not touched while the kernel reads what it sends: not by a deadline, nor by a cut.
func TestWhatIsSentStaysUntilItIsSent(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	u := r.loop.uring.(*uring)
	c := r.connect()
	s := r.conns()[0]
	c.ask("/sent")
	arrived(t, s)
	u.ring.look()
	u.turn(u.ring.take(u.done[:]))
	require.Equal(t, askSend, s.asked, "handed in with the next wait")
	out := s.Out().Len()
	require.NotZero(t, out)
	u.expired(s)
	r.loop.Nudge(int(s.fd))
	u.stepNudged()
	r.loop.cut()
	require.Equal(t, out, s.Out().Len())
	require.Equal(t, 1, r.loop.open)
	r.turn()
	require.Zero(t, r.loop.open)
	c.hears("/sent")
}

// What the kernel ends by itself is asked for again: only F_MORE says that a request goes on.
func TestWhatHasEndedIsAskedForAgain(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	u := r.loop.uring.(*uring)
	r.connect()
	require.True(t, u.accepts[0].watched)
	u.cancel(askConnection, 0)
	u.cancel(askWake, 0)
	r.turn()
	require.True(t, u.accepts[0].watched)
	for range 3 {
		c := r.connect()
		c.ask("/still-here")
		r.turn()
		c.hears("/still-here")
	}
	done := false
	r.loop.post(func() { done = true })
	r.turn()
	require.True(t, done)
	require.True(t, u.accepts[0].watched)
	r.quiet("each is asked for once")
}

// A cancellation ends the request that it names, and no other one.
func TestWhoLeavesDisturbsNobody(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	u := r.loop.uring.(*uring)
	r.connect()
	leaves := r.conns()[0]
	stays := r.connect()
	u.Loop.close(leaves)
	r.ring.settle()
	require.Equal(t, 1, r.loop.open)
	require.Empty(t, u.leaving)
	stays.ask("/stays")
	r.turn()
	stays.hears("/stays")
}

// A client that has ended its direction while its request waits for somebody else has not hung up.
func TestAnEndedDirectionIsNoHangup(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	u := r.loop.uring.(*uring)
	c := r.connect()
	s := r.conns()[0]
	u.watch(s, machine.WantPeer) // as a machine that waits for its upstream
	r.quiet("it waits")
	c.CloseWrite()
	arrived(t, s)
	for u.ring.look(); u.ring.waiting() > 0; u.ring.look() {
		for _, d := range u.done[:u.ring.take(u.done[:])] {
			if k, _ := d.key.split(); k == askHangup {
				u.hungUp(s, &d)
			}
		}
	}
	require.Zero(t, s.notes&noteHungUp)
	s.asked &^= askBytes // its end has come, above
}

// A client that has ended its direction and does not read costs nothing until it does, and then
// gets all of its answer.
func TestAHalfClosedClientThatDoesNotReadIsWaitedFor(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	h := r.ring.(*byHandRing)
	c := r.connect()
	require.NoError(t, c.SetReadBuffer(sockBuf))
	served := r.conns()[0]
	c.ask("/a.txt")
	for served.watch != machine.WantWrite {
		r.turn()
	}
	require.NoError(t, c.CloseWrite())
	arrived(t, served)
	for range 9 {
		h.handle()
	}
	r.quiet("there is no more room than before")
	var reading sync.WaitGroup
	var heard atomic.Bool
	reading.Go(func() {
		defer heard.Store(true)
		if err := c.reads(files["/a.txt"]); err != nil {
			t.Error(err)
		}
	})
	for !heard.Load() {
		h.u.ring.sleep(10, 0)
		h.settle()
	}
	reading.Wait()
	require.Zero(t, served.asked&askRoom, "it is not asked for any more")
}

// Out of descriptors nothing is accepted for a moment, and whoever waits is served afterwards.
func TestOutOfDescriptorsOverCompletions(t *testing.T) {
	ringed(t)
	r := byHand(t, 10)
	served := r.connect()
	u := r.loop.uring.(*uring)
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	none := old
	none.Cur = 3
	clients := []*client{r.dial(), r.dial()}
	r.knocked()
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	u.ring.look()
	for turns := 0; u.ring.waiting() > 0 && turns < 100; turns++ { // a loop that does not rest goes on for ever
		u.turn(u.ring.take(u.done[:]))
		u.ring.look()
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	require.True(t, r.loop.resting)
	r.quiet("two clients knock, and nobody listens")
	served.ask("/meanwhile")
	r.turn()
	served.hears("/meanwhile")
	r.pass(exhaustedPause + clock.Millisecond)
	for i, c := range clients {
		c.ask(fmt.Sprintf("/%d", i))
	}
	for i, c := range clients {
		for !c.answered() {
			r.turn()
		}
		c.hears(fmt.Sprintf("/%d", i))
	}
	require.Equal(t, 1, strings.Count(r.logged.String(), "Out of descriptors"))
}

// With all the connections that it may have a loop takes no more, however many come at once.
func TestAFullLoopOverCompletions(t *testing.T) {
	ringed(t)
	before := overUring
	overUring = func(r *rig) turner {
		r.loop.limit = 2
		r.loop.opt.Room = func() int { return 2 }
		return before(r)
	}
	r := byHand(t, 10)
	clients := []*client{r.dial(), r.dial(), r.dial(), r.dial()}
	r.knocked()
	for r.loop.open < 2 {
		r.turn()
	}
	r.quiet("two wait, and it does not want to know")
	require.Equal(t, 2, r.loop.open)
	for i, c := range clients {
		path := fmt.Sprintf("/%d", i)
		c.ask(path)
		for !c.answered() {
			r.turn()
		}
		c.hears(path)
		c.CloseWrite()
		r.turn()
		require.LessOrEqual(t, r.loop.open, 2)
	}
}

// Entries are as long as the kernel's.
func TestWhatIsSharedWithTheKernelHasItsSize(t *testing.T) {
	require.EqualValues(t, 64, unsafe.Sizeof(entry{}))
	require.EqualValues(t, 16, unsafe.Sizeof(completion{}))
	require.EqualValues(t, 120, unsafe.Sizeof(params{}))
	require.EqualValues(t, 16, unsafe.Sizeof(buffer{}))
	require.EqualValues(t, 24, unsafe.Sizeof(ring{}.wait))
}

// A kernel that lacks something is found out at the start.
func TestAnOlderKernelIsFoundOut(t *testing.T) {
	ringed(t)
	for feature := uint32(1); feature <= needed; feature <<= 1 {
		var r ring
		err := r.open(bufferCount, feature)
		if needed&feature != 0 {
			require.ErrorIs(t, err, unix.EINVAL)
			continue
		}
		require.NoError(t, err)
		r.close()
	}
}

// forbidden is the variable with which the test program is one that may not use io_uring, for
// TestWhereItIsForbidden; its value is the error.
const forbidden = "FOURWAYS_TEST_FORBIDDEN"

func TestMain(m *testing.M) {
	if number := os.Getenv(forbidden); number != "" {
		var errno unix.Errno
		if fmt.Sscan(number, &errno); errno != 0 {
			Forbid(errno)
		}
		uring, err := Choose(app.Auto, slog.New(slog.NewTextHandler(os.Stdout, nil)))
		fmt.Println("auto:", uring, err)
		uring, err = Choose(app.Uring, slog.New(slog.NewTextHandler(os.Stdout, nil)))
		fmt.Println("uring:", uring, err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Forbid has a filter of system calls answer io_uring_setup(2) with an error, for all of the
// process (seccomp(2)).
func Forbid(errno unix.Errno) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		panic(e)
	}
}

// Where a filter of system calls forbids it, auto does without and says so once, and uring fails.
func TestWhereItIsForbidden(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSYS, unix.EINVAL} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) { refused(t, chosen(t, errno, nil), errno) })
	}
}

// chosen is what Choose says in a process of its own, as some user, where a filter forbids it with
// an error, if that is not 0.
func chosen(t *testing.T, errno unix.Errno, as *syscall.Credential) string {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", forbidden, int(errno)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func refused(t *testing.T, said string, errno unix.Errno) {
	require.Equal(t, 1, strings.Count(said, "level="), said)
	require.Contains(t, said, "io_uring cannot be used here")
	require.Contains(t, said, errno.Error())
	require.Contains(t, said, "auto: false <nil>")
	require.Contains(t, said, "uring: false io_uring cannot be used here")
}

// The system's administrator may forbid it (kernel.io_uring_disabled, since Linux 6.6). The setting
// is the whole machine's, and other tests run beside: so it is set to 1, which forbids it to those
// who are not privileged, and tried by nobody. Whoever can set it is not concerned.
func TestWhereTheSystemForbidsIt(t *testing.T) {
	ringed(t)
	const setting = "/proc/sys/kernel/io_uring_disabled"
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	before, err := os.ReadFile(setting)
	if err != nil || os.Getuid() != 0 || string(before) != "0\n" {
		t.Skipf("it takes root, Linux 6.6, and that it is not set yet: %v, %q", err, before)
	}
	if said := chosen(t, 0, nobody); !strings.Contains(said, "auto: true <nil>") {
		t.Skip("nobody may not use it anyway: ", said)
	}
	if err := os.WriteFile(setting, []byte("1"), 0); err != nil {
		t.Skip(err)
	}
	defer func() { require.NoError(t, os.WriteFile(setting, before, 0)) }()
	refused(t, chosen(t, 0, nobody), unix.EPERM)
	require.Contains(t, chosen(t, 0, nil), "auto: true <nil>", "whoever is privileged may")
}

// What a request costs in calls of io_uring_enter(2): all of its system calls, for small answers.
func TestEntersARequest(t *testing.T) {
	ringed(t)
	for _, tt := range []struct {
		clients int
		most    float64
	}{{1, 2.5}, {64, 1.9}} { // the more clients, the less; how much less depends on who else runs
		r := newRig(t, 1000)
		var thread, all sync.WaitGroup
		thread.Go(r.loop.Run)
		const requests = 200
		for range tt.clients {
			c := r.dial()
			all.Go(func() {
				for range requests {
					c.ask("/")
					if err := c.reads("/"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		r.srv.Drain()
		r.loop.Drain()
		r.loop.Cut()
		thread.Wait()
		each := float64(r.loop.thread.Stats.Get(counters.Enters)) / float64(requests*tt.clients)
		t.Logf("%d connections: %.2f enters a request", tt.clients, each)
		require.Less(t, each, tt.most)
		r.loop.Close()
	}
}
