package stats

// The histogram of latencies, against quantiles of the sorted durations themselves. Each bucket's
// bounds are looked at as well.

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// durations are of every magnitude, in nanoseconds.
var durations = rapid.Custom(func(t *rapid.T) int64 {
	return rapid.Int64Range(0, 1<<rapid.IntRange(0, 41).Draw(t, "bits")).Draw(t, "nanoseconds")
})

// exact is the quantile of a sorted list: the smallest that at least so many of a
// thousand do not exceed.
func exact(sorted []int64, perMille uint64) int64 {
	return sorted[max((uint64(len(sorted))*perMille+999)/1000, 1)-1]
}

func TestQuantilesAreWithinTheirErrorOfTheExactOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(3)
		list := rapid.SliceOfN(durations, 1, 300).Draw(t, "durations")
		sum := uint64(0)
		for i, d := range list {
			r.Slot(i%3).Took(d, 1)
			sum += uint64(d)
		}
		slices.Sort(list)
		h := r.Latency()
		require.EqualValues(t, len(list), h.Count)
		require.Equal(t, sum, h.Nano)
		for _, perMille := range []uint64{0, 1, 500, 900, 990, 999, 1000} {
			want, got := float64(exact(list, perMille)), float64(h.Quantile(perMille))*nanoPerUs
			require.GreaterOrEqual(t, got, want)
			require.LessOrEqual(t, got-want, max(1*nanoPerUs, want/16), "%d of a thousand", perMille)
		}
	})
}

func TestPowersOfTwoAreExactBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New(1)
		power := rapid.IntRange(0, 31).Draw(t, "power")
		edge := int64(nanoPerUs) << power
		list := append(rapid.SliceOf(durations).Draw(t, "durations"), edge, edge+1)
		want := uint64(0)
		for _, d := range list {
			r.Slot(0).Took(d, 2)
			if d <= edge {
				want += 2
			}
		}
		require.Equal(t, want, r.Latency().Within(power))
	})
}

func TestEveryBucketBeginsWhereTheOneBeforeEnds(t *testing.T) {
	for b := range numBuckets {
		edge := int64(upperEdge(b)) * nanoPerUs
		require.Equal(t, b, bucketOf(edge), "the edge is inside")
		if edge < latencyMax*nanoPerUs {
			require.Equal(t, b+1, bucketOf(edge+1))
		}
	}
}

func TestDurationsOutOfRangeAreCountedAtTheEnds(t *testing.T) {
	r := New(1)
	r.Slot(0).Took(-5, 1)
	r.Slot(0).Took(math.MaxInt64, 1)
	h := r.Latency()
	require.EqualValues(t, 1, h.Quantile(500))
	require.EqualValues(t, latencyMax+1, h.Quantile(1000))
	require.Zero(t, New(1).Latency().Quantile(500), "nothing was answered yet")
}

func BenchmarkTook(b *testing.B) {
	s := New(1).Slot(0)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		s.Took(n%1e6, 1)
	}
}

func BenchmarkLatencyOfEightSlots(b *testing.B) {
	r := New(8)
	for b.Loop() {
		r.Latency()
	}
}
