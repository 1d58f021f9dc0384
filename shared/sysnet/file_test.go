package sysnet

// Opening files below a folder, by openat2(2) and without it. Each case runs both ways where the
// system has both.

import (
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// bothWays runs a test with openat2(2), where it is to be had, and without.
func bothWays(t *testing.T, dir string, test func(t *testing.T, r *Root)) {
	t.Run("by openat2", func(t *testing.T) {
		r, err := OpenRoot(dir)
		require.NoError(t, err)
		defer r.Close()
		if !r.now.Load().beneath {
			t.Skip("openat2(2) is not available here")
		}
		test(t, r)
	})
	t.Run("by os.Root", func(t *testing.T) {
		r, err := OpenRoot(dir)
		require.NoError(t, err)
		r.now.Load().beneath = false
		defer r.Close()
		test(t, r)
	})
}

// fileTree makes a served folder, with a sibling whose name begins with its own.
func fileTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "www")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "www-private"), 0o755))
	write(t, filepath.Join(root, "a.txt"), "alpha")
	write(t, filepath.Join(root, "sub", "b.txt"), "beta")
	write(t, filepath.Join(dir, "secret.txt"), "secret")
	write(t, filepath.Join(dir, "www-private", "c.txt"), "private")
	for link, target := range map[string]string{
		"inside.txt":   "sub/b.txt",
		"outside.txt":  "../secret.txt",
		"sibling":      "../www-private",
		"absolute.txt": filepath.Join(dir, "secret.txt"),
		"loop.txt":     "loop.txt",
		"dangling.txt": "nowhere.txt",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(root, link)))
	}
	require.NoError(t, unix.Mkfifo(filepath.Join(root, "fifo.txt"), 0o644))
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(sock) })
	t.Chdir(root) // a socket's path has room for some hundred bytes only
	require.NoError(t, unix.Bind(sock, &unix.SockaddrUnix{Name: "sock.txt"}))
	return root
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

func TestRootOpen(t *testing.T) {
	tests := []struct {
		name string
		path string
		want string // the file's contents
		err  error
	}{
		{"a file", "a.txt", "alpha", nil},
		{"a file in a folder", "sub/b.txt", "beta", nil},
		{"a link that stays inside", "inside.txt", "beta", nil},
		{"a path longer than what fits the stack", strings.Repeat("sub/../", 60) + "a.txt", "alpha", nil},
		{"no such file", "nothing.txt", "", ErrNotFound},
		{"no such folder", "nothing/a.txt", "", ErrNotFound},
		{"a file taken for a folder", "a.txt/b.txt", "", ErrNotFound},
		{"a link to a file outside", "outside.txt", "", ErrOutside},
		{"a link to a file outside, by its whole path", "absolute.txt", "", ErrOutside},
		{"a link to a sibling whose name begins alike", "sibling/c.txt", "", ErrOutside},
		{"a parent", "../secret.txt", "", ErrOutside},
		{"a link to itself", "loop.txt", "", ErrNotFound},
		{"a link to nothing", "dangling.txt", "", ErrNotFound},
		{"a FIFO, without waiting for a writer", "fifo.txt", "", ErrNotFound},
		{"a socket", "sock.txt", "", ErrNotFound},
		{"a name of 300 bytes", strings.Repeat("n", 300), "", ErrNameTooLong},
		{"a path of 5000 bytes", strings.Repeat("n/", 2500), "", ErrNameTooLong},
		{"a NUL in the name", "a.txt\x00.png", "", ErrNotFound},
	}
	bothWays(t, fileTree(t), func(t *testing.T, r *Root) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if !r.now.Load().beneath && strings.HasPrefix(tt.name, "a path of 5000") {
					t.Skip("os.Root looks for the first segment, and finds none")
				}
				var st Stat
				fd, err := r.Open([]byte(tt.path), &st)
				require.ErrorIs(t, err, tt.err)
				if tt.err != nil {
					return
				}
				defer CloseFile(fd)
				got := make([]byte, st.Size)
				_, err = Pread(fd, got, 0)
				require.NoError(t, err)
				require.Equal(t, tt.want, string(got))
				require.False(t, st.Folder)

				var looked Stat
				require.NoError(t, r.Look([]byte(tt.path), &looked))
				require.Equal(t, st, looked, "Look and Open see the same file")
			})
		}
	})
}

func TestRootOpensFolders(t *testing.T) {
	bothWays(t, fileTree(t), func(t *testing.T, r *Root) {
		for _, path := range []string{"", "sub"} {
			var st Stat
			fd, err := r.Open([]byte(path), &st)
			require.NoError(t, err)
			require.True(t, st.Folder)
			CloseFile(fd)
		}
	})
}

func TestRootOfAForbiddenFile(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "a")
	require.NoError(t, os.Chmod(filepath.Join(dir, "a.txt"), 0))
	bothWays(t, dir, func(t *testing.T, r *Root) {
		_, err := r.Open([]byte("a.txt"), new(Stat))
		require.ErrorIs(t, err, ErrForbidden)
	})
}

func TestRootIsAFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	_, err := OpenRoot(filepath.Join(dir, "file"))
	require.Error(t, err)
	_, err = OpenRoot(filepath.Join(dir, "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenRoot("")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600)) // which has no writer
	_, err = OpenRoot(filepath.Join(dir, "fifo"))
	require.ErrorIs(t, err, unix.ENOTDIR)
	require.EqualError(t, err, "open "+filepath.Join(dir, "fifo")+": not a directory")
}

// A folder swapped for a link to the outside, again and again, while files are
// opened through it: every answer is one of two files' or an error, never a third's.
func TestRootHoldsWhileFoldersAreSwapped(t *testing.T) {
	dir := fileTree(t)
	bothWays(t, dir, func(t *testing.T, r *Root) {
		outside := filepath.Join(dir, "..", "www-private")
		write(t, filepath.Join(outside, "b.txt"), "private")
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
		defer os.Remove(filepath.Join(dir, "out"))

		stop, swapped := make(chan struct{}), sync.WaitGroup{}
		swapped.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "away"))
				os.Rename(filepath.Join(dir, "out"), filepath.Join(dir, "sub"))
				os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "out"))
				os.Rename(filepath.Join(dir, "away"), filepath.Join(dir, "sub"))
			}
		})
		for range 3000 {
			var st Stat
			fd, err := r.Open([]byte("sub/b.txt"), &st)
			if err != nil {
				continue
			}
			got := make([]byte, st.Size)
			_, err = Pread(fd, got, 0)
			CloseFile(fd)
			require.NoError(t, err)
			require.Equal(t, "beta", string(got))
		}
		close(stop)
		swapped.Wait()
	})
}

func TestPread(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "0123456789")
	r, err := OpenRoot(dir)
	require.NoError(t, err)
	defer r.Close()
	fd, err := r.Open([]byte("a.txt"), new(Stat))
	require.NoError(t, err)
	defer CloseFile(fd)

	p := make([]byte, 4)
	n, err := Pread(fd, p, 3)
	require.NoError(t, err)
	require.Equal(t, "3456", string(p[:n]))
	n, err = Pread(fd, p, 8)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 2, n)
	_, err = Pread(fd, p, 10)
	require.ErrorIs(t, err, io.EOF)
}

func TestOpeningDoesNotAllocate(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "a")
	r, err := OpenRoot(dir)
	require.NoError(t, err)
	defer r.Close()
	if !r.now.Load().beneath {
		t.Skip("os.Root allocates")
	}
	path, st := []byte("a.txt"), new(Stat)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		fd, err := r.Open(path, st)
		if err != nil || r.Look(path, st) != nil {
			panic("the file is there")
		}
		CloseFile(fd)
	}))
}

func TestOutOfDescriptorsIsToldApart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "a")
	bothWays(t, dir, func(t *testing.T, r *Root) {
		var old unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}))
		_, err := r.Open([]byte("a.txt"), new(Stat))
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
		require.ErrorIs(t, err, ErrBusy)
	})
}

// What has become of a root's name, what Check says of it, and what is served before and after
// Reopen.
func TestARootWhoseNameChanges(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string)
		finds  error
		before string // in a.txt; empty for none
		after  string
		fails  bool
	}{
		{"nothing", func(*testing.T, string) {}, nil, "old", "old", false},
		{"another folder in its place", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			require.NoError(t, os.Mkdir(dir, 0o755))
			write(t, filepath.Join(dir, "a.txt"), "new")
		}, ErrMoved, "old", "new", false},
		{"removed and made again", func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.Mkdir(dir, 0o755))
			write(t, filepath.Join(dir, "a.txt"), "new")
		}, ErrGone, "", "new", false},
		{"removed", func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) }, ErrGone, "", "", true},
		{"moved away", func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir, dir+".old")) }, ErrGone, "old", "old", true},
		{"a file in its place", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			write(t, dir, "")
		}, ErrGone, "old", "old", true},
		{"a FIFO in its place", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			require.NoError(t, unix.Mkfifo(dir, 0o600))
		}, ErrGone, "old", "old", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			require.NoError(t, os.Mkdir(dir, 0o755))
			write(t, filepath.Join(dir, "a.txt"), "old")
			r, err := OpenRoot(dir)
			require.NoError(t, err)
			defer func() { r.Close() }()
			serves := func(want string) {
				t.Helper()
				var st Stat
				fd, err := r.Open([]byte("a.txt"), &st)
				if want == "" {
					require.ErrorIs(t, err, ErrNotFound)
					return
				}
				require.NoError(t, err)
				defer CloseFile(fd)
				got := make([]byte, 3)
				_, err = Pread(fd, got, 0)
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			tt.change(t, dir)
			require.ErrorIs(t, r.Check(), tt.finds)
			serves(tt.before)
			other, err := r.Reopen()
			require.Equal(t, tt.fails, err != nil)
			require.Equal(t, tt.finds != nil && !tt.fails, other)
			serves(tt.after)
		})
	}
}

// All calls fail like this once the program behind a file system in user space has ended.
func TestAFolderWhoseFileSystemHasDiedIsGone(t *testing.T) {
	require.ErrorIs(t, notSeen(unix.ENOTCONN), ErrGone)
	require.True(t, IsUnwritable(&os.PathError{Err: unix.ENOTCONN}))
	require.ErrorIs(t, notSeen(unix.EIO), ErrUnseen, "which may be over in a moment")
}

// What was served before is closed by its last user, and not when a collector finds it.
func TestAReplacedRootIsClosedByItsLastUser(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "root")
	require.NoError(t, os.Mkdir(dir, 0o755))
	r, err := OpenRoot(dir)
	require.NoError(t, err)
	move := func() {
		require.NoError(t, os.Rename(dir, dir+".old"))
		require.NoError(t, os.Mkdir(dir, 0o755))
		other, err := r.Reopen()
		require.NoError(t, err)
		require.True(t, other)
		require.NoError(t, os.Remove(dir+".old"))
	}
	open := func(f *folder) bool {
		var st unix.Stat_t
		return unix.Fstat(f.fd, &st) == nil && st.Nlink == 0
	}
	first := r.use()
	move()
	require.True(t, open(first), "it is in use")
	second := r.now.Load()
	first.leave()
	require.False(t, open(first))
	move()
	require.False(t, open(second), "it was not")
	require.NoError(t, r.Close())
	var st Stat
	_, err = r.Open([]byte("a"), &st)
	require.ErrorIs(t, err, fs.ErrClosed)
	require.ErrorIs(t, r.Look([]byte("a"), &st), fs.ErrClosed)
	require.ErrorIs(t, r.Check(), fs.ErrClosed)
	require.ErrorIs(t, r.Close(), fs.ErrClosed)
}

func TestWhatIsOfThisMachine(t *testing.T) {
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.True(t, IsLocal(int(file.Fd())))
	require.NoError(t, file.Close())
	require.False(t, IsLocal(-1), "where the system does not say, one may have to wait")
}

func TestTimesThatDoNotFitAreTheLastThatDo(t *testing.T) {
	for sec, want := range map[int64]int64{
		1: 1e9 + 5, 0: 5, -1: -1e9 + 5, 9e9: 9e18 + 5,
		10_413_792_000: math.MaxInt64, math.MaxInt64: math.MaxInt64, -10_413_792_000: math.MinInt64, math.MinInt64: math.MinInt64,
	} {
		require.Equal(t, want, instant(sec, 5), sec)
	}
}
