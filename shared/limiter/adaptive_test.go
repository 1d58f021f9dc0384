package limiter

// How the factor of the rate falls and rises with the readings of load and lateness. The time is
// given by hand, so a rise over half a minute takes no time.

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const sec = int64(second)

func TestAdaptive(t *testing.T) {
	type look struct {
		at      int64 // seconds
		reading float64
		want    float64
	}
	cases := []struct {
		name  string
		marks Marks
		looks []look
	}{
		{"the marks of the load", LoadMarks, []look{
			{0, 2, 1}, {1, 2.01, 0.75}, {2, 5, 0.75}, {3, 5.01, 0.5}, {4, 10, 0.5}, {5, 10.01, 0.25}, {6, 1000, 0.25},
		}},
		{"the marks of the pressure", PressureMarks, []look{
			{0, 20, 1}, {1, 20.01, 0.75}, {2, 40.01, 0.5}, {3, 60, 0.5}, {4, 60.01, 0.25}, {5, 100, 0.25},
		}},
		{"several steps down are taken at once", PressureMarks, []look{{0, 0, 1}, {2, 61, 0.25}}},
		{"the way back is one step for each half minute of calm", PressureMarks, []look{
			{0, 61, 0.25}, {2, 0, 0.25}, {31, 0, 0.25}, {32, 0, 0.5}, {34, 0, 0.5}, {63, 0, 0.5}, {64, 0, 0.75}, {66, 0, 0.75}, {96, 0, 1},
		}},
		{"just under the mark is not calm", PressureMarks, []look{{0, 21, 0.75}, {2, 15, 0.75}, {600, 15, 0.75}, {602, 14.99, 0.75}, {632, 14.99, 1}}},
		{"one reading that is not calm begins the wait anew", PressureMarks, []look{
			{0, 21, 0.75}, {2, 0, 0.75}, {30, 16, 0.75}, {33, 0, 0.75}, {62, 0, 0.75}, {63, 0, 1},
		}},
		{"calm below one mark is not calm below the next", PressureMarks, []look{
			{0, 61, 0.25}, {2, 40, 0.25}, {32, 40, 0.5}, {34, 40, 0.5}, {600, 40, 0.5},
		}},
		{"after a step back the next rise is heard at once", PressureMarks, []look{{0, 41, 0.5}, {2, 0, 0.5}, {32, 0, 0.75}, {34, 41, 0.5}}},
		{"what is no number changes nothing", PressureMarks, []look{{0, math.NaN(), 1}, {2, 41, 0.5}, {4, math.NaN(), 0.5}, {600, math.NaN(), 0.5}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			a := NewAdaptive(tc.marks)
			for _, l := range tc.looks {
				require.Equal(t, l.want, a.Look(l.reading, l.at*sec), "%v at %d s", l.reading, l.at)
			}
		})
	}
}

// TestTheFactorNeverRisesTwiceInHalfAMinute is what hysteresis is for, whatever the readings are.
func TestTheFactorNeverRisesTwiceInHalfAMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, factor, rose := NewAdaptive(PressureMarks), 1.0, int64(-calmTime)
		now := int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "looks") {
			now += rapid.Int64Range(1, 40*sec).Draw(t, "nanoseconds")
			reading := rapid.Float64Range(0, 100).Draw(t, "reading")
			next := a.Look(reading, now)
			for i, mark := range PressureMarks {
				if reading > mark {
					assert.LessOrEqual(t, next, factors[i+1], "over %v", mark)
				}
			}
			if next > factor {
				require.GreaterOrEqual(t, now-rose, int64(calmTime), "a rise just after another")
				rose = now
			}
			factor = next
		}
	})
}
