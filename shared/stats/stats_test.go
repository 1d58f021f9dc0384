package stats

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"fourways/shared/http1"
)

func TestSlotsDoNotShareACacheLine(t *testing.T) {
	require.Zero(t, unsafe.Sizeof(Slot{})%64)
	require.Zero(t, unsafe.Sizeof(common{})%64)
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
				s.Refuse(http1.PathTraversal)
				s.Refuse(http1.NotFound)
				r.SawActive(int64(n))
				r.Total(Requests)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 4000, r.Total(Requests))
	require.EqualValues(t, 1000, r.Total(Answers4xx))
	require.EqualValues(t, 4000, r.Refused(http1.PathTraversal))
	require.EqualValues(t, 4000, r.Blocked(), "a file that is not there is no refusal")
	require.EqualValues(t, 999, r.MaxActive())
}

func TestTwoViewsOfOneRegionSeeTheSameNumbers(t *testing.T) {
	words := make([]uint64, Size(2)/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
	a, err := Open(mem, 2)
	require.NoError(t, err)
	b, err := Open(mem, 2)
	require.NoError(t, err)
	a.Slot(1).Add(BytesOut, 7)
	a.Mitigate()
	require.EqualValues(t, 7, b.Total(BytesOut))
	require.EqualValues(t, 1, b.Mitigated())
}

func TestMemoryThatDoesNotFitIsRefused(t *testing.T) {
	words := make([]uint64, Size(1)/8+1)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
	_, err := Open(mem[:Size(1)-1], 1)
	require.ErrorIs(t, err, ErrRegion)
	_, err = Open(mem[1:], 1)
	require.ErrorIs(t, err, ErrRegion)
}
