package sysnet

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Keys of one kind have one size, and whoever unpacks them may give them all one time.
func TestAFileThatIsReplacedHasAnotherMark(t *testing.T) {
	dir := t.TempDir()
	path, next := filepath.Join(dir, "key"), filepath.Join(dir, "next")
	unpacked := time.Unix(1, 0)
	for _, name := range []string{path, next} {
		require.NoError(t, os.WriteFile(name, []byte(filepath.Base(name) + "    ")[:4], 0o600))
		require.NoError(t, os.Chtimes(name, unpacked, unpacked))
	}
	_, info, err := ReadSmall(path, 10)
	require.NoError(t, err)
	mark := MarkOf(info)
	require.True(t, mark.Unchanged(path))
	require.NoError(t, os.Rename(next, path))
	require.False(t, mark.Unchanged(path))
}
