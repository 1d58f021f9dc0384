package clock

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeldom(t *testing.T) {
	var last atomic.Int64
	for _, row := range []struct {
		now  Time
		want bool
	}{
		{5 * Second, true}, // it was never so
		{5 * Second, false},
		{64 * Second, false},
		{65 * Second, true},
		{66 * Second, false},
	} {
		require.Equal(t, row.want, Seldom(&last, row.now, 60*Second), row.now)
	}
}
