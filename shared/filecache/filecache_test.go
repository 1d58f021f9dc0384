package filecache

// The cache: what is kept, what leaves, and when a change is noticed. Each test has a folder and a
// cache of its own, and moves the time by hand.

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

var (
	_ chain.Ref  = (*Entry)(nil)
	_ chain.File = (*Entry)(nil)
)

const item = 1 << 10 // bytes of the largest body kept in these tests

// folder makes a root with files that were last changed a while ago.
func folder(t testing.TB, files map[string]string) (string, *sysnet.Root) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	return dir, root
}

func put(t testing.TB, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

// load loads a file that is to be there, as if it had not been changed lately.
func load(t testing.TB, c *Cache, path string, now clock.Time) *Entry {
	t.Helper()
	e, err := c.Load(path, now)
	require.NoError(t, err)
	e.young = false
	return e
}

func contents(t testing.TB, e *Entry) string {
	t.Helper()
	if e.Body != nil {
		return string(e.Body)
	}
	p := make([]byte, e.Size)
	_, err := sysnet.Pread(e.Fd(), p, 0)
	require.NoError(t, err)
	return string(p)
}

func TestSmallFilesAreKeptInMemoryAndLargeOnesOpen(t *testing.T) {
	large := strings.Repeat("x", item+1)
	_, root := folder(t, map[string]string{"small.txt": "small", "large.txt": large, "empty.txt": "", "limit.txt": large[1:]})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	tests := []struct {
		name   string
		path   string
		want   string
		memory bool
	}{
		{"a small file", "small.txt", "small", true},
		{"an empty file", "empty.txt", "", true},
		{"a file of just the limit", "limit.txt", large[1:], true},
		{"a file over the limit", "large.txt", large, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ok := c.Lookup([]byte(tt.path), 0)
			require.False(t, ok, "nothing is kept before it was loaded")
			e := load(t, c, tt.path, 0)
			require.Equal(t, tt.memory, e.Body != nil)
			require.Equal(t, tt.memory, e.Fd() < 0)
			require.Equal(t, tt.want, contents(t, e))
			require.Equal(t, int64(len(tt.want)), e.Size)
			again, ok := c.Lookup([]byte(tt.path), 1)
			require.True(t, ok)
			require.Same(t, e, again)
			e.Release()
			again.Release()
		})
	}
	st := c.Stats()
	require.Equal(t, 4, st.Items)
	require.Equal(t, 1, st.Open)
	require.Equal(t, int64(3*entryCost+len("small")+item), st.Bytes)
	require.Equal(t, uint64(4), st.Hits)
	require.InDelta(t, 50, st.HitRate(), 0.001)
}

func TestWhatIsNotAFileIsAnError(t *testing.T) {
	_, root := folder(t, map[string]string{"sub/a.txt": "a"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	_, err := c.Load("sub", 0)
	require.ErrorIs(t, err, ErrFolder)
	_, err = c.Load("nothing.txt", 0)
	require.ErrorIs(t, err, sysnet.ErrNotFound)
	require.Zero(t, c.Stats().Items, "neither is remembered")
}

// Lengths are added to the size of a file, which must not wrap around.
func TestAFileWithMoreBytesThanCanBeCountedIsAnError(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "fourways") // few file systems take such a file
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "a.txt")
	put(t, file, "")
	if err := os.Truncate(file, math.MaxInt64); err != nil {
		t.Skip(err)
	}
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	_, err = c.Load("a.txt", 0)
	require.ErrorIs(t, err, errHuge)
	require.NoError(t, os.Truncate(file, mostBytes))
	load(t, c, "a.txt", 0).Release()
}

func TestChangesAreNoticedAfterASecond(t *testing.T) {
	tests := []struct {
		name   string
		size   int
		change func(t *testing.T, file string)
		gone   bool
	}{
		{"a small file is deleted", 10, func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }, true},
		{"a small file is written again", 10, func(t *testing.T, file string) { put(t, file, strings.Repeat("n", 10)) }, false},
		{"a small file grows", 10, func(t *testing.T, file string) { put(t, file, strings.Repeat("n", 20)) }, false},
		{"a large file is truncated", 2 * item, func(t *testing.T, file string) { require.NoError(t, os.Truncate(file, 5)) }, false},
		{"a large file is overwritten where it is", 2 * item, func(t *testing.T, file string) {
			put(t, file, strings.Repeat("n", 2*item))
		}, false},
		{"a large file is overwritten where it is, and its time set back", 2 * item, func(t *testing.T, file string) {
			info, err := os.Stat(file)
			require.NoError(t, err)
			put(t, file, strings.Repeat("n", 2*item))
			require.NoError(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
		}, false},
		{"a large file is deleted", 2 * item, func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }, true},
		{"a file is replaced by one with the same size and time", 10, func(t *testing.T, file string) {
			info, err := os.Stat(file)
			require.NoError(t, err)
			put(t, file+".new", strings.Repeat("n", 10))
			require.NoError(t, os.Chtimes(file+".new", info.ModTime(), info.ModTime()))
			require.NoError(t, os.Rename(file+".new", file))
		}, false},
		{"a file becomes a folder", 10, func(t *testing.T, file string) {
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o755))
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a.txt": strings.Repeat("o", tt.size)})
			c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
			old := load(t, c, "a.txt", 0)
			defer old.Release()
			tt.change(t, filepath.Join(dir, "a.txt"))

			e, ok := c.Lookup([]byte("a.txt"), checkEvery-1)
			require.Equal(t, tt.size <= item, ok, "a body is not looked at again within the second, a descriptor is")
			if ok {
				e.Release()
			}
			_, ok = c.Lookup([]byte("a.txt"), checkEvery)
			require.False(t, ok)
			require.Zero(t, c.Stats().Items, "it has been let go")
			fresh, err := c.Load("a.txt", checkEvery)
			if tt.gone {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			defer fresh.Release()
			want, err := os.ReadFile(filepath.Join(dir, "a.txt"))
			require.NoError(t, err)
			require.Equal(t, string(want), contents(t, fresh))
		})
	}
}

// kept puts a file into a cache as one of a network: settled, and looked at by Load.
func kept(t *testing.T, c *Cache, name string) *Entry {
	t.Helper()
	e := load(t, c, name, 0)
	e.remote = true
	return e
}

// A file of a network is looked at by Load, which may wait.
func TestAFileOfANetworkIsLookedAtWhereThatMayWait(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, file string)
		same   bool
	}{
		{"it has stayed the same", func(*testing.T, string) {}, true},
		{"it has changed", func(t *testing.T, file string) { put(t, file, "new") }, false},
		{"it has a neighbour now", func(t *testing.T, file string) { put(t, file+".gz", "new") }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a.txt": "old"})
			c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
			looks := 0
			c.asks = func() { looks++ }
			e := kept(t, c, "a.txt")
			defer e.Release()
			row.change(t, filepath.Join(dir, "a.txt"))
			_, ok := c.Lookup([]byte("a.txt"), checkEvery)
			require.False(t, ok, "Lookup does not look")
			require.Zero(t, looks)
			again, err := c.Load("a.txt", checkEvery)
			require.NoError(t, err)
			defer again.Release()
			require.Equal(t, 1, looks)
			require.Equal(t, row.same, again == e)
			want, err := os.ReadFile(filepath.Join(dir, "a.txt"))
			require.NoError(t, err)
			require.Equal(t, string(want), contents(t, again))
		})
	}
}

// One waits for a folder that hangs. The others get the file as it was, for as long as that lasts.
func TestWhileAFolderHangsItsFilesAreServedOn(t *testing.T) {
	dir, root := folder(t, map[string]string{"a.txt": "old"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	hangs, answers := make(chan struct{}), make(chan struct{})
	c.asks = func() {
		close(hangs)
		<-answers
	}
	e := kept(t, c, "a.txt")
	defer e.Release()
	put(t, filepath.Join(dir, "a.txt"), "new")
	_, ok := c.Lookup([]byte("a.txt"), checkEvery)
	require.False(t, ok)
	loaded := make(chan *Entry)
	go func() {
		fresh, err := c.Load("a.txt", checkEvery)
		assert.NoError(t, err)
		loaded <- fresh
	}()
	<-hangs
	for now := checkEvery; now < checkEvery+askAgain; now += checkEvery {
		old, ok := c.Lookup([]byte("a.txt"), now)
		require.True(t, ok)
		require.Same(t, e, old)
		old.Release()
	}
	close(answers)
	fresh := <-loaded
	defer fresh.Release()
	require.Equal(t, "new", contents(t, fresh))
}

// Whoever was to look may never have done so.
func TestALookThatNobodyHasMadeIsAskedForAgain(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": "old"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	kept(t, c, "a.txt").Release()
	_, ok := c.Lookup([]byte("a.txt"), checkEvery)
	require.False(t, ok)
	_, ok = c.Lookup([]byte("a.txt"), checkEvery+askAgain)
	require.False(t, ok)
}

func TestAFileThatStaysTheSameIsKept(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": "a"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	e := load(t, c, "a.txt", 0)
	e.Release()
	for now := clock.Time(0); now < 10*clock.Second; now += clock.Second / 2 {
		again, ok := c.Lookup([]byte("a.txt"), now)
		require.True(t, ok)
		require.Same(t, e, again)
		again.Release()
	}
}

func TestAFileThatWasJustChangedIsReadAgain(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": "a"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4})
	e, err := c.Load("a.txt", 0)
	require.NoError(t, err)
	defer e.Release()
	require.True(t, e.young, "a change in the same tick would not show in its times")
	again, ok := c.Lookup([]byte("a.txt"), 0)
	require.True(t, ok)
	again.Release()
	_, ok = c.Lookup([]byte("a.txt"), checkEvery)
	require.False(t, ok)
}

func TestTheLeastRecentlyUsedLeave(t *testing.T) {
	files := map[string]string{}
	for i := range 6 {
		files[fmt.Sprintf("small%d", i)] = strings.Repeat("s", 100)
		files[fmt.Sprintf("large%d", i)] = strings.Repeat("l", 2*item)
	}
	_, root := folder(t, files)
	c := New(root, Options{Bytes: 3 * (entryCost + 100), Item: item, Open: 3})
	has := func(name string) bool { _, ok := c.entries[name]; return ok }
	for _, kind := range []string{"small", "large"} {
		for i := range 3 {
			load(t, c, fmt.Sprintf("%s%d", kind, i), 0).Release()
		}
		e, ok := c.Lookup([]byte(kind+"0"), 0) // now 1 is the one used longest ago
		require.True(t, ok)
		e.Release()
		load(t, c, kind+"3", 0).Release()
		require.True(t, has(kind+"0") && has(kind+"2") && has(kind+"3"))
		require.False(t, has(kind+"1"))
	}
	st := c.Stats()
	require.Equal(t, 3, st.Open)
	require.LessOrEqual(t, st.Bytes, c.opt.Bytes)
}

func TestWithoutRoomNothingIsKept(t *testing.T) {
	_, root := folder(t, map[string]string{"small": "s", "large": strings.Repeat("l", 2*item)})
	c := New(root, Options{Bytes: 0, Item: item, Open: 0})
	for _, name := range []string{"small", "large"} {
		e := load(t, c, name, 0)
		_, ok := c.Lookup([]byte(name), 0)
		require.False(t, ok)
		fd := e.Fd()
		e.Release()
		if fd >= 0 {
			require.Error(t, sysnet.Fstat(fd, new(sysnet.Stat)), "the descriptor is closed with its last reference")
		}
	}
	require.Equal(t, Stats{Misses: 2}, c.Stats())
}

func TestAnEntryOutlivesTheCache(t *testing.T) {
	dir, root := folder(t, map[string]string{"large": strings.Repeat("l", 2*item)})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 1})
	e := load(t, c, "large", 0)
	require.NoError(t, os.Remove(filepath.Join(dir, "large")))
	c.Clear()
	require.Zero(t, c.Stats().Open)
	require.Equal(t, strings.Repeat("l", 2*item), contents(t, e))
	fd := e.Fd()
	e.Release()
	require.Error(t, sysnet.Fstat(fd, new(sysnet.Stat)))
	require.Panics(t, e.Release, "a reference too many is given back")
}

// Two states of a file, or two files: when their tags are the same, and what date they have.
func TestValidators(t *testing.T) {
	when := time.Date(1994, 11, 6, 8, 49, 37, 5, time.UTC)
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	small, other := "12345", "abcde"
	large, otherLarge := strings.Repeat("l", 2*item), strings.Repeat("x", 2*item)
	for _, tt := range []struct {
		name          string
		first, second string
		at, then      time.Time
		same          bool
		date          string // of the second
	}{
		{"the same bytes in memory, another time", small, small, when, when.Add(time.Hour), true, "Sun, 06 Nov 1994 09:49:37 GMT"},
		{"other bytes in memory, the same size and time", small, other, when, when, false, date},
		{"a large file of the same size and time", large, large, when, when, true, date},
		{"a large file a nanosecond later", large, large, when, when.Add(time.Nanosecond), false, date},
		{"a large file of another size", large, large + "l", when, when, false, date},
		{"a large file of time 0", large, otherLarge, time.Unix(0, 0), time.Unix(0, 0), false, ""},
		{"a large file of time 1", large, otherLarge, time.Unix(1, 0), time.Unix(1, 0), false, ""},
		{"a large file of the beginning of zip's time", large, otherLarge, time.Unix(315532800, 0), time.Unix(315532800, 0), false, "Tue, 01 Jan 1980 00:00:00 GMT"},
		{"a large file of the future", large, otherLarge, time.Unix(1<<32, 0), time.Unix(1<<32, 0), false, "Sun, 07 Feb 2106 06:28:16 GMT"},
		{"a small file of time 0", small, other, time.Unix(0, 0), time.Unix(0, 0), false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a": tt.first, "b": tt.second})
			require.NoError(t, os.Chtimes(filepath.Join(dir, "a"), tt.at, tt.at))
			require.NoError(t, os.Chtimes(filepath.Join(dir, "b"), tt.then, tt.then))
			c := New(root, Options{Bytes: 1 << 20, Item: item, Describe: func(e *Entry) { e.Type = []byte("type of " + e.Path()) }})
			a, b := load(t, c, "a", 0), load(t, c, "b", 0)
			defer a.Release()
			defer b.Release()
			// Both are young by their time of change, which no test can set back.
			tagOf := func(e *Entry) string {
				if e.Body != nil {
					return string(e.ETag)
				}
				require.Contains(t, string(e.ETag), fmt.Sprintf("-%x-%x", e.stat.Ino, e.stat.ChangeTime), "as it is young")
				st := e.stat
				st.ChangeTime = 0
				return string(statTag(st, "", time.Now()))
			}
			require.Equal(t, tt.same, tagOf(a) == tagOf(b))
			require.Equal(t, tt.date, string(b.LastModified))
			require.Equal(t, tt.then.Unix(), b.Modified)
			require.Equal(t, "type of b", string(b.Type))
			require.Regexp(t, `^"[!#-~]+"$`, string(a.ETag))
		})
	}
}

func TestAHitDoesNotAllocate(t *testing.T) {
	_, root := folder(t, map[string]string{"a": "a", "large": strings.Repeat("l", 2*item)})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 1})
	for _, name := range []string{"a", "large"} {
		load(t, c, name, 0).Release()
		path, now := []byte(name), clock.Time(0)
		lookup := func() {
			e, ok := c.Lookup(path, now)
			if !ok {
				panic("it is kept")
			}
			e.Release()
		}
		require.Zero(t, testing.AllocsPerRun(100, lookup), name)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { now += checkEvery; lookup() }), float64(codings-1),
			"%s: the second's look may cost an error for each neighbour that is not there", name)
	}
}

// Many threads read files that others replace all the time: what they get is always
// one state, and in the end nothing is left open.
func TestConcurrentUse(t *testing.T) {
	dir, root := folder(t, nil)
	state := func(b byte, n int) string { return string(bytes.Repeat([]byte{b}, n)) }
	replace := func(name string, b byte, n int) {
		put(t, filepath.Join(dir, name+".new"), state(b, n))
		require.NoError(t, os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)))
	}
	names := []string{"s0", "s1", "l0", "l1"}
	sizes := map[string]int{"s0": 100, "s1": item, "l0": item + 1, "l1": 8 * item}
	for _, name := range names {
		replace(name, 'a', sizes[name])
	}
	c := New(root, Options{Bytes: 2 * (entryCost + item), Item: item, Open: 1})
	var readers, writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		for b := byte('a'); ; b = 'a' + (b-'a'+1)%26 {
			for _, name := range names {
				replace(name, b, sizes[name])
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 4 {
		readers.Go(func() {
			for i := range 500 {
				name, now := names[i%len(names)], clock.Time(i)*checkEvery/2
				e, ok := c.Lookup([]byte(name), now)
				if !ok {
					var err error
					if e, err = c.Load(name, now); err != nil {
						t.Errorf("loading %s: %v", name, err)
						return
					}
				}
				p := []byte(contents(t, e))
				if len(p) != sizes[name] || len(bytes.Trim(p, string(p[:1]))) != 0 {
					t.Errorf("%s is mixed", name)
				}
				e.Release()
			}
		})
	}
	readers.Wait()
	close(stop)
	writer.Wait()
	c.Clear()
	require.Equal(t, 0, c.Stats().Open)
	require.Equal(t, int64(0), c.Stats().Bytes)
}

func BenchmarkLookup(b *testing.B) {
	_, root := folder(b, map[string]string{"a": "a"})
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 1})
	e, err := c.Load("a", 0)
	require.NoError(b, err)
	e.Release()
	path := []byte("a")
	b.ReportAllocs()
	for b.Loop() {
		e, _ := c.Lookup(path, 0)
		e.Release()
	}
}
