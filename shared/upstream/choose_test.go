package upstream

// Which target gets a request, when one rests, how much may be sent twice, and what processes know
// together.
//
// No link is opened where none is needed: the state that a choice looks at is set by hand.

import (
	"errors"
	"net"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// choose picks a target for a new request, -1 for none.
func (r *rig) choose(tried *Tried) int {
	if tried == nil {
		tried = new(Tried)
	}
	if s, _ := r.local.Choose(r.set.Groups[0], tried); s != nil {
		return s.number
	}
	return -1
}

func (r *rig) chosen(n int) (list []int) {
	for range n {
		list = append(list, r.choose(nil))
	}
	return list
}

func TestTheTargetWithTheFewestRequestsUnderWayIsChosenAndOthersInTurn(t *testing.T) {
	r := newRig(t, 3, nil)
	require.Equal(t, []int{0, 1, 2, 0}, r.chosen(4))
	r.local.at[1].inFlight = 2
	require.Equal(t, []int{2, 0, 2, 0}, r.chosen(4))
	r.local.at[0].inFlight, r.local.at[2].inFlight = 3, 4
	require.Equal(t, []int{1, 1}, r.chosen(2))
}

func TestARequestIsNotSentToATargetTwice(t *testing.T) {
	r := newRig(t, 2, nil)
	var tried Tried
	require.ElementsMatch(t, []int{0, 1}, []int{r.choose(&tried), r.choose(&tried)})
	_, full := r.local.Choose(r.set.Groups[0], &tried)
	require.False(t, full)
	require.Equal(t, -1, r.choose(&tried))
}

func TestATargetThatHasAsMuchAsItMayIsPassedOver(t *testing.T) {
	r := newRig(t, 2, func(o *Options) { o.Conns = 2 })
	r.ask(0)
	r.ask(0)
	require.Equal(t, []int{1, 1}, r.chosen(2))
	r.ask(1)
	one := r.ask(1)
	s, full := r.local.Choose(r.set.Groups[0], new(Tried))
	require.Nil(t, s)
	require.True(t, full)
	one.link.Drop()
	r.Run()
	require.Equal(t, 1, r.choose(nil))
}

func TestATargetThatFailsThreeTimesInARowRestsForAWhile(t *testing.T) {
	r := newRig(t, 2, nil)
	bad := r.set.states[0]
	fail := func(n int) {
		for range n {
			bad.failed(r.thread.Clock.Now(), 0, Broken, nil)
		}
	}
	fail(2)
	bad.succeeded()
	fail(2)
	require.Contains(t, r.chosen(2), 0, "not in a row")
	fail(1)
	require.Equal(t, []int{1, 1, 1}, r.chosen(3))
	require.True(t, bad.Resting())
	r.pass(restTime - restTime/10 - 1)
	require.Equal(t, []int{1, 1}, r.chosen(2))
	r.pass(1)
	require.ElementsMatch(t, []int{0, 1}, r.chosen(2), "one is let through")
	require.Equal(t, []int{1, 1}, r.chosen(2), "and no more until something has become of it")
	t.Run("it fails again", func(t *testing.T) {
		fail(1)
		require.Equal(t, []int{1, 1}, r.chosen(2))
		r.pass(restTime)
		require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
	})
	t.Run("nothing becomes of it", func(t *testing.T) {
		r.pass(probeTime)
		require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
	})
	t.Run("it succeeds", func(t *testing.T) {
		bad.succeeded()
		require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
		require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
	})
	require.Len(t, r.logged, 3, "%q", r.logged)
}

// The request that is let through is one that the target gets, and not one for which it was only
// looked at before another had fewer under way.
func TestATargetThatHasRestedLosesItsChanceToNoRequestOfAnother(t *testing.T) {
	r := newRig(t, 2, nil)
	for range failuresToRest {
		r.set.states[0].failed(r.thread.Clock.Now(), 0, Broken, nil)
	}
	r.pass(restTime)
	r.local.at[0].inFlight = 1 // a tunnel, say
	require.Equal(t, []int{1, 1}, r.chosen(2), "the other one has less to do")
	r.local.at[0].inFlight = 0
	require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
}

func TestATargetThatHasRestedIsTriedAgain(t *testing.T) {
	r := newRig(t, 2, nil)
	for range failuresToRest {
		r.set.states[0].failed(r.thread.Clock.Now(), 0, Broken, nil)
	}
	require.Equal(t, []int{1, 1}, r.chosen(2))
	r.pass(restTime)
	require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
}

func TestWhereAllTargetsRestOneIsTriedAnyway(t *testing.T) {
	r := newRig(t, 2, nil)
	for _, s := range r.set.states {
		for range failuresToRest {
			s.failed(r.thread.Clock.Now(), 0, Broken, nil)
		}
	}
	require.ElementsMatch(t, []int{0, 1}, r.chosen(2))
}

func TestTheRestsOfManyServersDoNotEndTogether(t *testing.T) {
	least, most := clock.Never, clock.Time(0)
	for random := range uint64(100) {
		r := newRig(t, 1, nil)
		for range failuresToRest {
			r.set.states[0].failed(0, random*123456789, Broken, nil)
		}
		until := clock.Time(r.set.states[0].row.restUntil.Load())
		least, most = min(least, until), max(most, until)
	}
	require.GreaterOrEqual(t, least, restTime*9/10)
	require.LessOrEqual(t, most, restTime*11/10)
	require.Greater(t, most-least, restTime/10)
}

func TestRetriesAreAtMostATenthOfTheRequests(t *testing.T) {
	var b budget
	now := 1000 * clock.Second
	retries := func() (n int) {
		for b.retry(now) {
			n++
		}
		return n
	}
	require.Equal(t, budgetLeast, retries(), "where there are few requests, some are allowed")
	for range 1000 {
		b.request(now)
	}
	require.Equal(t, 100-budgetLeast, retries())
	now += (budgetSeconds - 1) * clock.Second
	require.Zero(t, retries())
	require.False(t, b.spare(now, 0))
	now += clock.Second
	require.Equal(t, budgetLeast, retries(), "what was ten seconds ago does not count")
	now += 1000 * clock.Second
	require.Equal(t, budgetLeast, retries())
	require.Equal(t, uint64(0), b.sum.requests)
}

func TestARegionIsSharedByProcesses(t *testing.T) {
	l := Layout{Targets: MaxTargets, Processes: 2, Slots: 2}
	words := make([]uint64, Size(l)/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
	alive := [2]bool{true, true}
	process := func(i int, names ...string) *Set {
		region, err := Open(mem, l, func(p int) bool { return alive[p] })
		require.NoError(t, err)
		var group []Target
		for _, name := range names {
			group = append(group, Target{Name: name, Host: "127.0.0.1"})
		}
		s, err := New(Options{Region: region, Process: i}, [][]Target{group})
		require.NoError(t, err)
		return s
	}
	one, two := process(0, "a", "b"), process(1, "b", "c")
	b := one.states[1]
	other := two.states[0]
	for i, s := range []*State{b, other} {
		s.row.gauges[i].inFlight.Add(3)
		s.row.counts[i].counters[Requests].Add(5)
		s.row.counts[i].heads.Took(1000, 2)
	}
	for _, s := range []*State{b, other} {
		require.EqualValues(t, 6, s.InFlight())
		require.EqualValues(t, 10, s.Total(Requests))
		require.EqualValues(t, 4, s.Heads().Count)
	}
	require.Zero(t, two.states[1].Total(Requests))
	alive[1] = false
	require.EqualValues(t, 3, b.InFlight(), "what a process had under way ends with it")
	require.EqualValues(t, 10, b.Total(Requests), "what it has counted does not")
	alive[1] = true
	process(1, "c")
	require.EqualValues(t, 3, b.InFlight(), "its successor begins with nothing, whatever it has")
	for range failuresToRest {
		other.failed(1, 0, Broken, nil)
	}
	require.True(t, b.Resting(), "and what one has found out all know")
	_, err := Open(mem, Layout{Targets: MaxTargets, Processes: 1, Slots: 2}, nil)
	require.ErrorIs(t, err, ErrRegion)
	_, err = Open(mem[:100], l, nil)
	require.ErrorIs(t, err, ErrRegion)
}

func TestARegionHasRoomForSoManyTargets(t *testing.T) {
	l := Layout{Targets: MaxTargets, Processes: 1, Slots: 1}
	words := make([]uint64, Size(l)/8)
	region, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words)), l, nil)
	require.NoError(t, err)
	names := func(n int) (list []Target) {
		for i := range n {
			list = append(list, Target{Name: string(rune('a' + i)), Path: "/x"})
		}
		return list
	}
	_, err = New(Options{Region: region}, [][]Target{names(MaxTargets)})
	require.NoError(t, err)
	_, err = New(Options{Region: region}, [][]Target{names(MaxTargets)})
	require.NoError(t, err, "the same ones")
	_, err = New(Options{Region: region}, [][]Target{names(MaxTargets + 1)})
	require.ErrorIs(t, err, ErrTooMany)
	_, err = New(Options{Region: region, Process: 0}, [][]Target{names(MaxTargets)})
	require.NoError(t, err, "which has changed nothing")
	_, err = New(Options{Region: NewRegion(1)}, [][]Target{names(2 * MaxTargets)})
	require.NoError(t, err, "one of one process grows")
}

// A Set that nobody came to use gives its rows back, and no others. A target that stands behind a
// gap in the region has one row all the same.
func TestWhatIsNotUsedAfterAllTakesNoRoomInTheRegion(t *testing.T) {
	l := Layout{Targets: 3, Processes: 2, Slots: 1}
	words := make([]uint64, Size(l)/8)
	region, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words)), l, nil)
	require.NoError(t, err)
	set := func(process int, names ...string) (*Set, error) {
		var group []Target
		for _, name := range names {
			group = append(group, Target{Name: name, Path: "/x"})
		}
		return New(Options{Region: region, Process: process}, [][]Target{group})
	}
	must := func(s *Set, err error) *Set {
		t.Helper()
		require.NoError(t, err)
		return s
	}
	a := must(set(0, "a"))
	_, err = set(0, "b", "c", "d")
	require.ErrorIs(t, err, ErrTooMany)
	unused := must(set(0, "a", "b"))
	must(set(0, "a", "c"))
	unused.states[1].row.counts[0].counters[Requests].Add(7)
	unused.states[1].failed(1, 0, Broken, nil)
	unused.GiveBack()
	unused.GiveBack()
	a.states[0].row.counts[0].counters[Requests].Add(1)
	both := must(set(1, "c", "a"))
	require.EqualValues(t, 1, both.states[1].Total(Requests))
	other := must(set(0, "e"))
	require.Zero(t, other.states[0].Total(Requests), "nothing is left of whose row it was")
	require.Zero(t, other.states[0].row.failed.Load())
	require.Zero(t, other.states[0].row.told.Load())
	_, err = set(0, "f")
	require.ErrorIs(t, err, ErrTooMany)
}

// Another Set of the same process knows of a target what the one before has found out and counted,
// and counts on what that has under way. Only a check that is no more says nothing.
func TestAnotherSetKnowsWhatTheOneBeforeHasLearnt(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.Check = "/" })
	r.ask(0)
	for range failuresToRest {
		r.set.states[0].failed(r.thread.Clock.Now(), 0, Broken, nil)
		r.set.states[0].checked(errors.New("it is ill"))
	}
	opt := r.set.opt
	opt.Check = ""
	next, err := New(opt, [][]Target{{r.set.states[0].Target, {Name: "another", Path: "/x"}}})
	require.NoError(t, err)
	same := next.states[0]
	require.EqualValues(t, 1, same.Total(Requests))
	require.EqualValues(t, 1, same.InFlight())
	require.True(t, same.Resting())
	require.NotZero(t, r.set.states[0].row.down.Load(), "the Set in use goes on as it was")
	require.Zero(t, next.states[1].Total(Requests))

	r.set.states[0].checked(errors.New("it is ill still")) // by whoever has not stopped yet
	same.succeeded()
	require.False(t, same.Resting())
	require.True(t, same.available(r.thread.Clock.Now()))
}

func TestACheckForWhichWeHaveNoDescriptorSaysNothingOfTheTarget(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.Check = "/" })
	for range failuresToRest {
		r.set.states[0].checked(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", unix.EMFILE)})
	}
	require.False(t, r.set.states[0].Resting())
	require.Empty(t, r.logged)
}

func TestThreadsBeginWithDifferentTargets(t *testing.T) {
	r := newRig(t, 2, func(o *Options) { o.Region = NewRegion(2) })
	srv := &session.Server{Stats: stats.New(2)}
	other := session.NewThread(srv, srv.Stats.Slot(1), "loop-2", 8)
	other.Number = 1
	first, _ := r.local.Choose(r.set.Groups[0], new(Tried))
	second, _ := r.set.LocalOf(other).Choose(r.set.Groups[0], new(Tried))
	require.NotEqual(t, first.Name, second.Name)
}
