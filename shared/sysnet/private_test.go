package sysnet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhereOthersMayWrite(t *testing.T) {
	const sticky = os.ModeSticky | 0o777
	tests := []struct {
		name         string
		above, below os.FileMode
		private      bool
	}{
		{"nobody else may", 0o700, 0o700, true},
		{"others may read", 0o755, 0o755, true},
		{"the group may write", 0o755, 0o775, false},
		{"all may write", 0o755, 0o777, false},
		{"all may write above it", 0o777, 0o700, false},
		{"the group may above it", 0o775, 0o700, false},
		{"all may write above it, to what is theirs", sticky, 0o700, true},
		{"all may write, to what is theirs", 0o755, sticky, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			above := filepath.Join(t.TempDir(), "above")
			below := filepath.Join(above, "below")
			require.NoError(t, os.MkdirAll(below, 0o700))
			require.NoError(t, os.Chmod(below, tt.below))
			require.NoError(t, os.Chmod(above, tt.above))
			err := OthersMayWrite(below)
			require.Equal(t, tt.private, err == nil, "%v", err)
		})
	}
	t.Run("it is somebody else's", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Skip(err)
		}
		if os.Geteuid() == 12345 {
			t.Skip("it is ours")
		}
		require.Error(t, OthersMayWrite(dir))
	})
	require.Error(t, OthersMayWrite("/no/such/folder"))
}
