package site

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
)

func sampleFiles(t *testing.T) fs.FS {
	t.Helper()
	files, err := fs.Sub(sample, "www")
	require.NoError(t, err)
	return files
}

func TestUnpackIsFoundAgain(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	first, err := Unpack()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(first, "uploads", "upload_x.json"), []byte("{}"), 0o644))
	second, err := Unpack()
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.FileExists(t, filepath.Join(second, "uploads", "upload_x.json"), "uploads stay")
	left, err := os.ReadDir(filepath.Dir(first))
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
		{"the folder of uploads is missing", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "uploads")))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			t.Setenv("TMPDIR", t.TempDir())
			first, err := Unpack()
			require.NoError(t, err)
			tt.damage(t, first)
			second, err := Unpack()
			require.NoError(t, err)
			require.NotEqual(t, first, second)
			require.True(t, complete(second, sampleFiles(t)))
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
	require.True(t, complete(dir, sampleFiles(t)))
}

func TestManyUnpackAtOnce(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	dirs := make([]string, 8)
	for i := range dirs {
		all.Go(func() {
			dir, err := unpackInto(parent, sampleFiles(t))
			if err != nil {
				t.Error(err)
			}
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
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	r := newRig(t, func(c *Config) { c.Root, c.Types = root, []string{"html", "txt", "png", "jpg", "jpeg"} })
	for _, name := range []string{"", "index.html", "about.html", "contact.html", "logo.png", "logo2.png", "photo.jpg", "sample.txt"} {
		require.Equal(t, 200, r.ask("GET /"+name+" HTTP/1.1").StatusCode, name)
	}
	require.Equal(t, 301, r.ask("GET /uploads HTTP/1.1").StatusCode)
	require.Equal(t, 404, r.ask("GET /uploads/ HTTP/1.1").StatusCode)
}
