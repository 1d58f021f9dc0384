package sysnet

// New files: whole or not there. Each case runs in every way in which a file gets its name, also in
// those that this system does not need.

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// naming is the ways to give a file its name. Each is used where those before it are missing.
var naming = []struct {
	name    string
	prepare func(d *Folder)
	publish func(f *NewFile, name string) error
}{
	{"as the system can", func(*Folder) {}, (*NewFile).Publish},
	{"by link", (*Folder).UseNames, (*NewFile).Publish},
	{"by taking the name and replacing it", (*Folder).UseNames, func(f *NewFile, name string) error {
		err := f.folder.claim(f.temp, name)
		if err == nil {
			f.temp = ""
		}
		return err
	}},
	{"by a copy, without /proc", func(*Folder) {}, func(f *NewFile, name string) error {
		if f.temp == "" {
			if err := f.copyNamed(); err != nil {
				return err
			}
		}
		return f.Publish(name)
	}},
}

func openTestFolder(t *testing.T) (*Folder, string) {
	dir := t.TempDir()
	d, err := OpenFolder(dir)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d, dir
}

func namesIn(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFileIsWholeOrNotThere(t *testing.T) {
	for _, way := range naming {
		t.Run(way.name, func(t *testing.T) {
			d, dir := openTestFolder(t)
			way.prepare(d)
			f, err := d.Create(".temp")
			require.NoError(t, err)
			_, err = f.Write([]byte("text"))
			require.NoError(t, err)
			require.NoError(t, f.Sync())
			require.NotContains(t, namesIn(t, dir), "name")
			require.NoError(t, way.publish(f, "name"))
			f.Discard()
			require.NoError(t, d.Sync())
			require.Equal(t, []string{"name"}, namesIn(t, dir))
			text, err := os.ReadFile(filepath.Join(dir, "name"))
			require.NoError(t, err)
			require.Equal(t, "text", string(text))

			f, err = d.Create(".temp")
			require.NoError(t, err)
			f.Discard()
			require.Equal(t, []string{"name"}, namesIn(t, dir), "what is given up leaves nothing")
		})
	}
}

// Where folders belong to projects (xfs(5)), or file systems lie upon each other, a file may get no
// name in its own folder (EXDEV, link(2)).
func TestAFileIsCopiedWhereNoLinkLeadsTo(t *testing.T) {
	here, _ := openTestFolder(t)
	there, err := OpenFolder("/dev/shm")
	if err != nil {
		t.Skip("no other file system:", err)
	}
	defer there.Close()
	f, err := here.Create(".temp")
	require.NoError(t, err)
	defer f.Discard()
	f.Write([]byte("text"))
	f.folder = there
	name := fmt.Sprintf("fourways-test-%d", os.Getpid())
	require.NoError(t, f.Publish(name))
	defer there.Remove(name)
	text, err := os.ReadFile("/dev/shm/" + name)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
}

func TestANameIsGivenOnce(t *testing.T) {
	for _, way := range naming {
		t.Run(way.name, func(t *testing.T) {
			d, dir := openTestFolder(t)
			way.prepare(d)
			const files = 50
			var won, lost atomic.Int32
			var all sync.WaitGroup
			for i := range files {
				all.Go(func() {
					f, err := d.Create(fmt.Sprintf(".temp%d", i))
					if err != nil {
						t.Error(err)
						return
					}
					defer f.Discard()
					f.Write([]byte("text"))
					switch err := way.publish(f, "name"); {
					case err == nil:
						won.Add(1)
					default:
						require.ErrorIs(t, err, fs.ErrExist)
						lost.Add(1)
					}
				})
			}
			all.Wait()
			require.EqualValues(t, 1, won.Load())
			require.EqualValues(t, files-1, lost.Load())
			require.Equal(t, []string{"name"}, namesIn(t, dir))
			text, err := os.ReadFile(filepath.Join(dir, "name"))
			require.NoError(t, err)
			require.Equal(t, "text", string(text))
		})
	}
}

func TestAFolderBeneathTheRoot(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	require.NoError(t, os.Symlink("folder", filepath.Join(dir, "inside")))
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, "outside")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	root, err := OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	for name, want := range map[string]error{"folder": nil, "inside": nil, "outside": ErrOutside, "file": ErrNotFound, "none": ErrNotFound} {
		d, err := root.OpenFolder(name)
		require.ErrorIs(t, err, want, name)
		if err == nil {
			d.Close()
		}
	}
}

func TestAFolderThatIsGoneIsUnwritable(t *testing.T) {
	d, dir := openTestFolder(t)
	require.NoError(t, os.Remove(dir))
	for range 2 { // without a name, and with one
		_, err := d.Create(".temp")
		require.Error(t, err)
		require.True(t, IsUnwritable(err), "%v", err)
		d.UseNames()
	}
}

func TestEachFileOfAFolder(t *testing.T) {
	d, dir := openTestFolder(t)
	var want []string
	for i := range 2*namesAtOnce + 1 {
		want = append(want, fmt.Sprintf("%04d", i))
		require.NoError(t, os.WriteFile(filepath.Join(dir, want[i]), make([]byte, i), 0o644))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	require.NoError(t, os.Symlink("0000", filepath.Join(dir, "link")))
	for range 2 { // it begins again each time
		var got []string
		require.NoError(t, d.Each(func(name string, st *Stat) error {
			got = append(got, name)
			require.Equal(t, name, fmt.Sprintf("%04d", st.Size))
			return nil
		}))
		require.ElementsMatch(t, want, got)
	}
}
