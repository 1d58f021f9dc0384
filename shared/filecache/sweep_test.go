package filecache

// Files that the cache keeps open for nothing, and when it lets go of them. Each test has a folder
// and a cache of its own, and moves the time by hand.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
)

// What is open for nothing keeps room on a disk that nobody can use, and a file system mounted.
func TestDescriptorsThatAreKeptForNothingAreClosed(t *testing.T) {
	large := strings.Repeat("x", item+1)
	const name = "large.txt"
	remove := func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, file string)
		at     clock.Time // of the sweep; the last look is at 0
		open   int
	}{
		{"one that was just asked for stays", nil, unusedFor - 1, 1},
		{"one that nobody has asked for in a minute goes", nil, unusedFor, 0},
		{"one that was removed goes at once", remove, 1, 0},
		{"one that another was renamed over goes at once", func(t *testing.T, file string) {
			put(t, file+".new", large)
			require.NoError(t, os.Rename(file+".new", file))
		}, 1, 0},
		{"one that has another name stays", func(t *testing.T, file string) {
			require.NoError(t, os.Link(file, file+".link"))
			remove(t, file)
		}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{name: large, "small.txt": "small"})
			c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
			load(t, c, "small.txt", 0).Release()
			e := load(t, c, name, 0)
			if tt.change != nil {
				tt.change(t, filepath.Join(dir, name))
			}
			c.Sweep(tt.at)
			require.Equal(t, tt.open, c.Stats().Open)
			require.Equal(t, large, contents(t, e), "whoever is downloading it goes on")
			require.Equal(t, 1+tt.open, c.Stats().Items, "what is in memory stays")
			e.Release()
			require.Equal(t, tt.open == 0, e.Fd() < 0)
			c.Clear()
			require.Negative(t, e.Fd(), "each reference is given back once")
		})
	}
}

// A neighbour is asked for with its file.
func TestALargeNeighbourIsKeptOpenAsLongAsItsFileIsAskedFor(t *testing.T) {
	_, root := folder(t, map[string]string{"page.html": "page", "page.html.gz": strings.Repeat("z", item+1)})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	ask := func(now clock.Time) {
		e, ok := c.Lookup([]byte("page.html"), now)
		if !ok {
			e = load(t, c, "page.html", now)
		}
		c.LoadVariant(e, Gzip).Release()
	}
	ask(0)
	require.Equal(t, 1, c.Stats().Open)
	ask(unusedFor)
	c.Sweep(2*unusedFor - 1)
	require.Equal(t, 1, c.Stats().Open)
	c.Sweep(2 * unusedFor)
	require.Zero(t, c.Stats().Open)
	ask(2 * unusedFor)
	require.Equal(t, 1, c.Stats().Open, "and opened again when it is")
	c.Clear()
}
