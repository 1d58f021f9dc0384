package main

// Parts of a runner that need no client: its timeout, orders in any order, and nudges. The runner
// is made and driven by the test; its thread is the test's.

import (
	"log/slog"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
	"fourways/shared/session"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

func TestPollWaitsUntilTheNextDeadlineAndNotABitLess(t *testing.T) {
	r := &runner{thread: &session.Thread{}}
	require.Equal(t, -1, r.timeout(), "nothing to wait for is waited for without end")
	var n timerwheel.Node[socket]
	r.wheel.Schedule(&n, 1)
	require.Equal(t, 1, r.timeout(), "a part of a millisecond is rounded up: 0 would spin")
}

func testRunner(t *testing.T) *runner {
	return &runner{log: slog.New(slog.DiscardHandler), thread: &session.Thread{}, notify: newTestNotify(t),
		fds: []unix.PollFd{{Fd: -1}}, out: sysnet.NewCopier()}
}

// adoptRelay gives a runner both ends of a relay.
func adoptRelay(t *testing.T, r *runner) {
	var fds [4]int
	for i := 0; i < len(fds); i += 2 {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		copy(fds[i:], pair[:])
	}
	t.Cleanup(func() { unix.Close(fds[1]); unix.Close(fds[3]) })
	a, b := machinetest.Relay(r, fds[0], fds[2], func() {})
	r.Adopt(fds[0], a)
	r.Adopt(fds[2], b)
	r.stepNudged()
}

// Whoever tells a runner to drain and whoever tells it to cut are different threads.
func TestACutThatComesBeforeTheDrainIsNotForgotten(t *testing.T) {
	r := testRunner(t)
	adoptRelay(t, r)
	r.handle(message{kind: msgCut})
	require.Len(t, r.fds, 3, "nothing is cut that is not stopping")
	r.handle(message{kind: msgDrain})
	require.Len(t, r.fds, 1)
}

// A machine may have news for a socket that is closed by then.
func TestNewsForAClosedSocketAreNobodys(t *testing.T) {
	r := testRunner(t)
	adoptRelay(t, r)
	r.Nudge(-1)
	r.Nudge(1 << 20)
	r.stepNudged()
	require.Len(t, r.fds, 3)
}

// poll(2) reports a hang-up although nobody has asked for it. A machine whose work is under way
// elsewhere must not be stepped for that.
func TestNothingIsReportedOfASocketThatIsNotWatched(t *testing.T) {
	r := testRunner(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(pair[0])
	s := &socket{}
	r.add(s, pair[0])
	r.watch(s, machine.WantRead)
	require.NoError(t, unix.Close(pair[1]))
	for _, want := range []int{1, 0} {
		n, err := unix.Poll(r.fds, 0)
		require.NoError(t, err)
		require.Equal(t, want, n)
		r.unwatch(s)
	}
}

// Go allocates small things in classes of sizes: 192 bytes, 208, 224. What an idle connection
// costs is this, and the kernel's part.
func TestAConnectionFitsItsSizeClass(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(conn{}), uintptr(192))
}
