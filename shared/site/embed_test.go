package site

// Unpacking the sample site: where it goes, and when a folder is not trusted. The cache folder is
// one of the test's own.

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/sysnet"
)

// builtInSite is all that is unpacked.
func builtInSite(t *testing.T) contents {
	t.Helper()
	files, err := builtIn()
	require.NoError(t, err)
	return files
}

func TestUnpackIsFoundAgain(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	first, err := Unpack()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(first.Folder, "uploads", "upload_x.json"), []byte("{}"), 0o644))
	second, err := Unpack()
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.FileExists(t, filepath.Join(second.Folder, "uploads", "upload_x.json"), "uploads stay")
	left, err := os.ReadDir(filepath.Dir(first.Folder))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the folder itself")
}

func TestAFolderThatIsNotWholeIsNotServed(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"a file is missing", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "about.html"))) }},
		{"a file was changed", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("x"), 0o644))
		}},
		{"a page of the course is missing", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "course", "index.html")))
		}},
		{"a page of the course was changed", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "course", "search.html"), []byte("x"), 0o644))
		}},
		{"nobody knows what the course was", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, receiptName)))
		}},
		{"the folder of uploads is missing", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "uploads")))
		}},
		{"others may write to it", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o777)) }},
		{"others may write to the one above", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Dir(dir), 0o775)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			t.Setenv("TMPDIR", t.TempDir())
			first, err := Unpack()
			require.NoError(t, err)
			tt.damage(t, first.Folder)
			second, err := Unpack()
			require.NoError(t, err)
			require.NotEqual(t, first, second)
			require.True(t, second.Temporary)
			require.NotEmpty(t, second.Why)
			require.NoError(t, builtInSite(t).complete(second.Folder))
		})
	}
}

func TestWithoutACacheFolderATemporaryOneIsTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	t.Setenv("XDG_CACHE_HOME", file)
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := Unpack()
	require.NoError(t, err)
	require.NoError(t, builtInSite(t).complete(dir.Folder))
}

func TestManyUnpackAtOnce(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	dirs := make([]string, 8)
	for i := range dirs {
		all.Go(func() {
			dir, lock, _, err := unpackInto(parent, builtInSite(t))
			if err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { lock.Close() })
			dirs[i] = dir
		})
	}
	all.Wait()
	for _, dir := range dirs {
		require.Equal(t, dirs[0], dir)
	}
}

func TestTheSampleSiteIsServed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := Unpack()
	require.NoError(t, err)
	root, err := sysnet.OpenRoot(dir.Folder)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	r := newRig(t, func(c *Config) { c.Root, c.Types = root, []string{"html", "txt", "png", "jpg", "jpeg"} })
	for _, name := range []string{"", "index.html", "about.html", "contact.html", "logo.png", "logo2.png", "photo.jpg", "sample.txt",
		"course/", "course/index.html", "course/06-epoll.html?x", "course/source.html", "course/search.html?q=poll"} {
		require.Equal(t, 200, r.ask("GET /"+name+" HTTP/1.1").StatusCode, name)
	}
	require.Equal(t, 301, r.ask("GET /uploads HTTP/1.1").StatusCode)
	require.Equal(t, 404, r.ask("GET /uploads/ HTTP/1.1").StatusCode)
}

func TestOnlyATemporaryFolderIsRemoved(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	kept, err := Unpack()
	require.NoError(t, err)
	t.Setenv("XDG_CACHE_HOME", "no absolute path")
	gone, err := Unpack()
	require.NoError(t, err)
	for _, u := range []Unpacked{kept, gone, {}} {
		require.NoError(t, u.Remove())
	}
	require.DirExists(t, kept.Folder)
	require.NoDirExists(t, gone.Folder)
}

// However few descriptors there are: the folder with the uploads is found, or nothing is served.
func TestALackOfDescriptorsSaysNothingAboutTheFolder(t *testing.T) {
	for _, row := range []struct {
		name  string
		there bool // the folder, when the descriptors run out
	}{
		{"a folder that is there", true},
		{"a folder that is to be made", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			failed := 0
			for left := 0; ; left++ {
				cache := t.TempDir()
				t.Setenv("XDG_CACHE_HOME", cache)
				if row.there {
					_, err := Unpack()
					require.NoError(t, err)
				}
				giveBack := leaveDescriptors(t, left)
				u, err := Unpack()
				giveBack()
				if err == nil {
					require.False(t, u.Temporary, "%d descriptors: %s", left, u.Why)
					require.NoError(t, builtInSite(t).complete(u.Folder))
					break
				}
				failed++
				require.True(t, sysnet.IsBusy(err), "%d descriptors: %v", left, err)
				temporary, err := os.ReadDir(os.TempDir())
				require.NoError(t, err)
				require.Empty(t, temporary)
			}
			require.Positive(t, failed)
		})
	}
}

// leaveDescriptors leaves the process so many that it can open, until what it returns is called.
func leaveDescriptors(t *testing.T, n int) (giveBack func()) {
	t.Helper()
	var was unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	low := was
	low.Cur = 128
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	var held []int
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			require.ErrorIs(t, err, unix.EMFILE)
			break
		}
		held = append(held, fd)
	}
	for _, fd := range held[:n] {
		unix.Close(fd)
	}
	return func() {
		for _, fd := range held[n:] {
			unix.Close(fd)
		}
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
	}
}
