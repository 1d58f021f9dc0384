package fault

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryReasonHasARowOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for r := range NumReasons {
		require.NotEmpty(t, r.String(), "reason %d has no row", r)
		require.False(t, seen[r.String()], r.String())
		seen[r.String()] = true
		if r != NoReason {
			require.True(t, 400 <= Of(r).Status && Of(r).Status <= 599, "%v: %d", r, Of(r).Status)
		}
	}
	require.True(t, Of(NoReason).OK())
}
