package course

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAChapterIsFoundByWhatItSendsItsReaderTo(t *testing.T) {
	root := t.TempDir()
	all, err := Read(root)
	require.NoError(t, err)
	require.Empty(t, all, "a copy for a hunt has none")

	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o755))
	for name, text := range map[string]string{
		"00-start.md": "# Start\n\nAn hour: `go run ./tests/lab wake-up`.",
		"07-pipes.md": "# Being woken\n\nTry `go run ./tests/lab wake-up`.",
		"12-files.md": "# Files\n\nTry `go run ./tests/lab -yes wake`, and go run ./tests/lab wake again.\n\n<!-- code: a/b.go f; (*t).g -->",
		"notes.md":    "# Notes\n\n`go run ./tests/lab notes`",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs", name), []byte(text), 0o644))
	}
	all, err = Read(root)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, "chapter 7, Being woken", Lab(all, "wake-up").String())
	require.Equal(t, "chapter 12, Files", Lab(all, "wake").String())
	require.Equal(t, "docs/12-files.md", Lab(all, "wake").Path)
	require.Equal(t, "no chapter", Lab(all, "notes").String())
	require.Equal(t, "12", Named(all, "poll", "files").Number)
	require.Equal(t, "12", Shows(all, "a/b.go", "(*t).g").Number)
	require.Empty(t, Shows(all, "a/b.go", "g").Path)
}
