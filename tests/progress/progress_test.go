package progress

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartsOfOthersStay(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, Write(root, "hunts", map[string]int{"x": 1}))
	require.NoError(t, Write(root, "labs", []string{"ten"}))
	require.NoError(t, Write(root, "hunts", map[string]int{"x": 2}))
	var hunts map[string]int
	var labs []string
	require.NoError(t, Read(root, "hunts", &hunts))
	require.NoError(t, Read(root, "labs", &labs))
	require.Equal(t, map[string]int{"x": 2}, hunts)
	require.Equal(t, []string{"ten"}, labs)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
}

func TestWhatIsNotThereStays(t *testing.T) {
	labs := []string{"as it was"}
	require.NoError(t, Read(t.TempDir(), "labs", &labs))
	require.Equal(t, []string{"as it was"}, labs)
}

func TestABrokenFileIsKeptAsItIs(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, File)
	for _, text := range []string{"{", "[]", "7"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		require.ErrorContains(t, Write(root, "labs", 1), path)
		require.ErrorContains(t, Read(root, "labs", new(int)), path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(after))
	}
}
