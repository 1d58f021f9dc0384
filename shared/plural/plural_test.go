package plural

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneIsCountedAsOne(t *testing.T) {
	require.Equal(t, "0 event loops", Of(0, "event loop", "event loops"))
	require.Equal(t, "1 event loop", Of(1, "event loop", "event loops"))
	require.Equal(t, "2 event loops", Of(2, "event loop", "event loops"))
}
