package main

// The notify pipe and the choice of a runner, with pipes that are full, broken, or written to by
// many at once. The pipes are real ones; no test waits for a time.

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
)

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	for _, m := range []message{
		{kind: msgConn, fd: 7, ticket: 1 << 63, peer: netip.MustParseAddrPort("192.0.2.1:65535")},
		{kind: msgConn, fd: 7, peer: netip.MustParseAddrPort("[2001:db8::1]:1")},
		{kind: msgConn, fd: 19_999, listener: 65_535},
		{kind: msgRefused, fd: 3, why: fault.TooManyConnections},
		{kind: msgWorked, work: 1<<64 - 1},
		{kind: msgDrain}, {kind: msgCut},
	} {
		b := m.encode()
		require.Equal(t, m, decode(b[:]))
	}
}

func newTestNotify(t *testing.T) *notify {
	n, err := newNotify()
	require.NoError(t, err)
	t.Cleanup(n.close)
	return n
}

func TestAFullPipeDoesNotBlock(t *testing.T) {
	n := newTestNotify(t)
	sent := 0
	for n.try(message{fd: int32(sent)}) == nil {
		sent++
	}
	require.Equal(t, errFull, n.try(message{}))
	var b [inbox * messageLen]byte
	for next := 0; next < sent; {
		got, err := n.receive(b[:])
		require.NoError(t, err)
		require.Zero(t, len(got)%messageLen, "messages are whole")
		for ; len(got) > 0; got = got[messageLen:] {
			require.EqualValues(t, next, decode(got).fd)
			next++
		}
	}
	got, err := n.receive(b[:])
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestMessagesOfManyWritersDoNotMixAndNoneIsLost(t *testing.T) {
	const writers, each = 8, 3000
	n := newTestNotify(t)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := n.send(message{kind: msgWorked, work: uint64(w*each + i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := make([]bool, writers*each)
	var b [inbox * messageLen]byte
	for count := 0; count < len(seen); {
		fds := []unix.PollFd{{Fd: int32(n.read), Events: unix.POLLIN}}
		ready, err := unix.Poll(fds, 10_000)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1, ready, "%d of %d came", count, len(seen))
		got, err := n.receive(b[:])
		require.NoError(t, err)
		for ; len(got) > 0; got = got[messageLen:] {
			m := decode(got)
			require.False(t, seen[m.work])
			seen[m.work] = true
			count++
		}
	}
	wg.Wait()
}

func TestSendingToARunnerThatHasEndedGivesUp(t *testing.T) {
	n := newTestNotify(t)
	for n.try(message{}) == nil {
	}
	done := make(chan error)
	go func() { done <- n.send(message{}) }()
	n.ended.Store(true)
	select {
	case err := <-done:
		require.Equal(t, errEnded, err)
	case <-time.After(10 * time.Second):
		require.Fail(t, "it waits for ever")
	}
}

func TestTheLeastBusyRunnerWithRoomGetsTheConnection(t *testing.T) {
	c := &distributor{full: make([]bool, 3)}
	for _, load := range []int64{5, 2, 3} {
		r := &runner{notify: newTestNotify(t)}
		r.load.Store(load)
		c.runners = append(c.runners, r)
	}
	for _, want := range []int64{1, 1, 2, 1, 2} { // 5 2 3 → 5 3 3 → 5 4 3 → 5 4 4 → 5 5 4
		best := c.leastBusy()
		require.EqualValues(t, want, best)
		require.True(t, c.hand(message{}))
	}
	for c.runners[1].notify.try(message{}) == nil {
	}
	c.runners[1].load.Store(0)
	require.True(t, c.hand(message{}), "the next one is taken where the least busy has no room")
	require.Zero(t, c.runners[1].load.Load())
	for _, r := range c.runners {
		for r.notify.try(message{}) == nil {
		}
	}
	require.False(t, c.hand(message{}))
}

// More messages may wait than one read takes. None of them is cut in two.
func TestABurstOfMessagesIsReadWhole(t *testing.T) {
	n, err := newNotify()
	require.NoError(t, err)
	defer n.close()
	const burst = 3 * inbox
	for i := range burst {
		require.NoError(t, n.try(message{kind: msgWorked, work: uint64(i)}))
	}
	var r runner
	for next := 0; next < burst; {
		b, err := n.receive(r.inbox[:])
		require.NoError(t, err)
		require.Zero(t, len(b)%messageLen, "bytes behind the last whole message")
		for ; len(b) > 0; b = b[messageLen:] {
			require.EqualValues(t, next, decode(b).work)
			next++
		}
	}
}

// A pipe that is broken is not one that is full: who waited for room in it would spin.
func TestABrokenPipeIsNotTakenForAFullOne(t *testing.T) {
	noSuch := 1 << 29
	c := &distributor{runners: []*runner{{notify: &notify{read: noSuch, write: noSuch}}}, full: make([]bool, 1)}
	require.PanicsWithValue(t, unix.EBADF, func() { c.hand(message{kind: msgConn}) })
}

// What is not HTTP gets no answer where there is no room, but whoever reads the statistics and
// the log is told as ever.
func TestAConnectionThatIsNotHTTPIsTurnedAwayAndCounted(t *testing.T) {
	told := &turnedAway{}
	srv := &session.Server{Stats: stats.New(1), Observer: told}
	c := &distributor{
		acceptor: &app.Acceptor{Thread: session.NewThread(srv, srv.Stats.Slot(0), "acceptor", 7)},
		opens: []session.Opener{func(*session.Thread, session.Admission, netip.AddrPort, int) machine.Machine {
			panic("there was room")
		}},
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(pair[1])
	c.place(pair[0], netip.MustParseAddrPort("192.0.2.1:1"), 0)
	n, err := unix.Read(pair[1], make([]byte, 1))
	require.NoError(t, err)
	require.Zero(t, n, "it was closed")
	require.Equal(t, []fault.Reason{fault.TooManyConnections}, told.whys)
	require.EqualValues(t, 1, srv.Stats.Refused(fault.TooManyConnections))
	require.EqualValues(t, 1, srv.Stats.Total(stats.Dropped))
}

// turnedAway notes why clients were turned away.
type turnedAway struct {
	session.Observer
	whys []fault.Reason
}

func (o *turnedAway) TurnedAway(_ netip.Addr, why fault.Reason) { o.whys = append(o.whys, why) }
