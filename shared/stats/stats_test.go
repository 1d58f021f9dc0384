package stats

// The region of counters: its layout, its totals, and the entries of processes. Two views of the
// same memory stand for two processes.

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"fourways/shared/fault"
)

func TestSlotsDoNotShareACacheLine(t *testing.T) {
	require.Zero(t, unsafe.Sizeof(Slot{})%64)
	require.Zero(t, unsafe.Sizeof(common{})%64)
	require.Zero(t, unsafe.Sizeof(Process{})%64)
}

func TestTotalsAreTheSumOfTheSlotsWhileTheyAreWritten(t *testing.T) {
	r := New(4)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s := r.Slot(i)
			for n := range 1000 {
				s.Add(Requests, 1)
				s.Answer(200 + 100*(n%4))
				s.Refuse(fault.PathTraversal)
				s.Refuse(fault.NotFound)
				r.SawActive(int64(n))
				r.Total(Requests)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 4000, r.Total(Requests))
	require.EqualValues(t, 1000, r.Total(Answers4xx))
	require.EqualValues(t, 4000, r.Refused(fault.PathTraversal))
	require.EqualValues(t, 4000, r.Blocked(), "a file that is not there is no refusal")
	require.EqualValues(t, 999, r.MaxActive())
}

// memory is a new region's, of any layout that fits.
func memory(l Layout) []byte {
	words := make([]uint64, Size(l)/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
}

func TestTwoViewsOfOneRegionSeeTheSameNumbers(t *testing.T) {
	l := Layout{Processes: 3, Slots: 2}
	mem := memory(l)
	a, err := Open(mem, l)
	require.NoError(t, err)
	b, err := Open(mem, l)
	require.NoError(t, err)
	a.Slot(1).Add(BytesOut, 7)
	a.Mitigate()
	a.Process(2).Conns.Store(9)
	require.EqualValues(t, 7, b.Total(BytesOut))
	require.EqualValues(t, 1, b.Mitigated())
	require.EqualValues(t, 9, b.Process(2).Conns.Load())
}

func TestMemoryThatDoesNotFitIsRefused(t *testing.T) {
	l := Layout{Processes: 1, Slots: 1}
	mem := memory(l)
	_, err := Open(mem[:Size(l)-1], l)
	require.ErrorIs(t, err, ErrRegion)
	_, err = Open(mem[1:], l)
	require.ErrorIs(t, err, ErrRegion)
	_, err = Open(mem, l)
	require.NoError(t, err)
	_, err = Open(mem, Layout{Processes: 1})
	require.ErrorIs(t, err, ErrRegion, "it was set up for another layout")
}

func TestEntriesAreClaimedOnceAndGivenBack(t *testing.T) {
	const entries, masters = 50, 4
	l := Layout{Processes: 1 + entries, Slots: 1 + entries}
	mem := memory(l)
	var claimed [1 + entries]atomic.Int64
	var wg sync.WaitGroup
	for master := range masters {
		r, err := Open(mem, l)
		require.NoError(t, err)
		wg.Go(func() {
			for {
				i, ok := r.Claim(1, int64(1+master))
				if !ok {
					return
				}
				claimed[i].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range claimed[1:] {
		require.EqualValues(t, 1, claimed[i+1].Load(), "entry %d", i+1)
	}
	r, err := Open(mem, l)
	require.NoError(t, err)
	r.Bury(7)
	i, ok := r.Claim(1, 1)
	require.True(t, ok)
	require.Equal(t, 7, i)
}

func TestADeadProcessHasNothingOpenAndItsCountsStay(t *testing.T) {
	l := Layout{Processes: 3, Slots: 3}
	r, err := Open(memory(l), l)
	require.NoError(t, err)
	for range 2 {
		i, ok := r.Claim(1, 1)
		require.True(t, ok)
		p := r.Process(i)
		p.Conns.Store(5)
		p.CacheHits.Store(3)
		r.Slot(i).Add(Opened, 8)
		r.Slot(i).Add(Closed, 3)
	}
	require.EqualValues(t, 10, r.Conns())
	r.Bury(2)
	require.EqualValues(t, 5, r.Conns())
	require.EqualValues(t, 16, r.Total(Opened))
	require.EqualValues(t, 3+8, r.Total(Closed), "those of the dead have ended with it")
	require.EqualValues(t, 3, r.Process(2).CacheHits.Load())
	require.Equal(t, Free, r.Process(2).State())
}
