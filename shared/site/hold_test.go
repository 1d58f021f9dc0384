package site

// Which unpacked folders are removed, and which are not. A version of the program is some contents,
// and a process that serves its folder is whoever has the lock: even in one process each opening of
// the file has a lock of its own (flock(2)). The folders are the test's own. What must not be done:
// a lock must not stay when its test ends, because the process would hold it until its end.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// versionOf is the contents of a small version of the program.
func versionOf(n int) contents {
	return contents{
		sample: fstest.MapFS{
			"index.html":    {Data: fmt.Append(nil, "version ", n)},
			"uploads/.keep": {},
		},
		course: fstest.MapFS{"contents.html": {}}, // no chapters
	}
}

// unpackedOf is the folder of a version that was unpacked, and its lock.
func unpackedOf(t *testing.T, parent string, n int) (dir string, lock *os.File) {
	t.Helper()
	dir, lock, made, err := unpackInto(parent, versionOf(n))
	require.NoError(t, err)
	require.True(t, made)
	t.Cleanup(func() { lock.Close() })
	return dir, lock
}

func TestWhatNobodyNeedsIsRemoved(t *testing.T) {
	write := func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600)) }
	for _, row := range []struct {
		name   string
		change func(t *testing.T, dir string)
		stays  bool
	}{
		{"nobody serves it", func(*testing.T, string) {}, false},
		{"nobody serves it, and what was uploaded has been removed", func(t *testing.T, dir string) {
			file := filepath.Join(dir, "uploads", "upload_x.json")
			write(t, file)
			require.NoError(t, os.Remove(file))
		}, false},
		{"another process serves it", func(t *testing.T, dir string) {
			lock, err := lockShared(dir)
			require.NoError(t, err)
			t.Cleanup(func() { lock.Close() })
		}, true},
		{"there is an upload", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "uploads", "upload_x.json")) }, true},
		{"there is a file that somebody has put there", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x")) }, true},
		{"there is a folder that somebody has put there", func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700))
		}, true},
		{"a page was changed", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "index.html")) }, true},
		{"it was made by a program that locks nothing", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, lockName)))
		}, true},
		{"it is not known what was unpacked", func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, lockName), 0))
		}, true},
		{"its name is one of somebody else's", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, filepath.Join(filepath.Dir(dir), "mine")))
			require.NoError(t, os.Symlink("mine", dir))
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			parent := t.TempDir()
			old, lock := unpackedOf(t, parent, 1)
			lock.Close()
			row.change(t, old)
			was, err := os.ReadDir(old)
			require.NoError(t, err)
			own, _ := unpackedOf(t, parent, 2)
			require.NoError(t, removeUnused(own))
			require.DirExists(t, own, "it is served")
			left, err := os.ReadDir(old)
			if row.stays {
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(was), fmt.Sprint(left))
				return
			}
			require.NoDirExists(t, old)
			left, err = os.ReadDir(parent)
			require.NoError(t, err)
			require.Len(t, left, 1, "nothing but the folder that is served")
		})
	}
}

func TestAFolderThatIsRemovedMeanwhileIsNotHeld(t *testing.T) {
	parent := t.TempDir()
	dir, _ := unpackedOf(t, parent, 1)
	path := filepath.Join(dir, lockName)
	late, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir, filepath.Join(parent, doomedPrefix+"x")))
	_, err = share(late, path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	again, _ := unpackedOf(t, parent, 1)
	require.Equal(t, dir, again)
}

func TestARemovalThatWasCutShortIsEnded(t *testing.T) {
	parent := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(parent, doomedPrefix+"x", "course"), 0o700))
	own, _ := unpackedOf(t, parent, 1)
	require.NoError(t, removeUnused(own))
	require.NoDirExists(t, filepath.Join(parent, doomedPrefix+"x"))
}

// Only what cannot be removed is named; the rest goes.
func TestUnpackRemovesWhatIsUnused(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache) // where other systems have it
	first, err := os.UserCacheDir()
	require.NoError(t, err)
	parent := filepath.Join(first, "fourways")
	old, lock := unpackedOf(t, parent, 1)
	lock.Close()
	require.NoError(t, os.Mkdir(filepath.Join(parent, unpackedPrefix+"bad"), 0o700))
	require.NoError(t, os.Symlink(lockName, filepath.Join(parent, unpackedPrefix+"bad", lockName)))
	u, err := Unpack()
	require.NoError(t, err)
	require.Error(t, u.Unused)
	require.NoDirExists(t, old)
	require.DirExists(t, filepath.Join(parent, unpackedPrefix+"bad"))

	later, _ := unpackedOf(t, parent, 2)
	require.Error(t, removeUnused(later))
	require.DirExists(t, u.Folder, "this process holds it")
}

// Each of many processes that start at once, of several versions, has a folder of its version that
// is whole, though all remove what they find unused.
func TestManyStartAndRemoveAtOnce(t *testing.T) {
	parent := t.TempDir()
	const starts, versions, rounds = 8, 3, 3
	for range rounds {
		var all sync.WaitGroup
		locks := make([]*os.File, starts)
		for i := range starts {
			all.Go(func() {
				version := versionOf(i % versions)
				dir, lock, _, err := unpackInto(parent, version)
				locks[i] = lock
				if err == nil {
					err = removeUnused(dir)
				}
				if err == nil {
					err = version.complete(dir)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, lock := range locks {
			dir, again, _, err := unpackInto(parent, versionOf(i%versions))
			require.NoError(t, err)
			require.FileExists(t, filepath.Join(dir, lockName))
			require.NoError(t, again.Close())
			defer lock.Close()
		}
		for _, lock := range locks[:starts/2] {
			lock.Close()
		}
	}
}
