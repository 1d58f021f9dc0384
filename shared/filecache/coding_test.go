package filecache

// A file's other forms: neighbours, compression, and how changes are noticed. Each test has a
// folder and a cache of its own, and moves the time by hand.

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// page is a text that gets smaller by compressing.
var page = strings.Repeat("<p>again", item/8)

func always(string) bool { return true }

func codingCache(root *sysnet.Root) *Cache {
	return New(root, Options{Bytes: 1 << 20, Item: item, Open: 4, Compress: always})
}

// shift moves a file's time of change.
func shift(t *testing.T, file string, by time.Duration) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	when := info.ModTime().Add(by)
	require.NoError(t, os.Chtimes(file, when, when))
}

func offered(e *Entry) (names []string) {
	for c := Gzip; c < codings; c++ {
		if e.Offers(c) {
			names = append(names, c.String())
		}
	}
	return names
}

func TestWhichNeighboursCount(t *testing.T) {
	at := time.Date(2024, 3, 15, 10, 30, 0, 500, time.UTC) // of the file
	tests := []struct {
		name   string
		make   func(t *testing.T, file string)
		counts bool
	}{
		{"none", func(*testing.T, string) {}, false},
		{"one of the file's time", func(t *testing.T, file string) { put(t, file, "z"); require.NoError(t, os.Chtimes(file, at, at)) }, true},
		{"a later one", func(t *testing.T, file string) { put(t, file, "z") }, true},
		{"one of nearly the same moment", func(t *testing.T, file string) {
			put(t, file, "z")
			require.NoError(t, os.Chtimes(file, at, at.Add(-2*time.Second+time.Nanosecond)))
		}, true},
		{"one of the file's time without its fraction", func(t *testing.T, file string) {
			put(t, file, "z")
			require.NoError(t, os.Chtimes(file, at, at.Truncate(time.Second)))
		}, true},
		{"an older one", func(t *testing.T, file string) {
			put(t, file, "z")
			require.NoError(t, os.Chtimes(file, at, at.Add(-2*time.Second)))
		}, false},
		{"an empty one", func(t *testing.T, file string) { put(t, file, "") }, false},
		{"a folder", func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file, 0o755)) }, false},
		{"a FIFO", func(t *testing.T, file string) { require.NoError(t, syscall.Mkfifo(file, 0o644)) }, false},
		{"a link to nowhere", func(t *testing.T, file string) { require.NoError(t, os.Symlink("nowhere", file)) }, false},
	}
	for _, tt := range tests {
		for coding := Gzip; coding < codings; coding++ {
			t.Run(tt.name+", "+coding.String(), func(t *testing.T) {
				dir, root := folder(t, map[string]string{"a.txt": "a"})
				require.NoError(t, os.Chtimes(filepath.Join(dir, "a.txt"), at, at))
				tt.make(t, filepath.Join(dir, "a.txt"+suffix[coding]))
				e := load(t, codingCache(root), "a.txt", 0)
				defer e.Release()
				require.Equal(t, tt.counts, e.Varies)
				if tt.counts {
					require.Equal(t, []string{coding.String()}, offered(e))
				} else {
					require.Empty(t, offered(e))
				}
			})
		}
	}
}

// What is not sent though it is there is told, once however often it is met.
func TestANeighbourThatIsPassedOverIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, file string)
		why  error
	}{
		{"an older one", func(t *testing.T, file string) { put(t, file, "z"); shift(t, file, -time.Minute) }, errOlder},
		{"one that leads out of the root", func(t *testing.T, file string) {
			require.NoError(t, os.Symlink("/etc/passwd", file))
			put(t, filepath.Join(filepath.Dir(file), "a.txt"), "a")
			shift(t, filepath.Join(filepath.Dir(file), "a.txt"), -100*365*24*time.Hour)
		}, sysnet.ErrOutside},
		{"a good one", func(t *testing.T, file string) { put(t, file, "z") }, nil},
		{"an empty one", func(t *testing.T, file string) { put(t, file, ""); shift(t, file, -time.Minute) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a.txt": "a"})
			tt.make(t, filepath.Join(dir, "a.txt.br"))
			var told []error
			c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 4, PassedOver: func(name string, why error) {
				require.Equal(t, "a.txt.br", name)
				told = append(told, why)
			}})
			for range 3 {
				c.LoadVariant(load(t, c, "a.txt", 0), Brotli).Release()
			}
			if tt.why == nil {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			require.ErrorIs(t, told[0], tt.why)
		})
	}
}

func TestANeighbourIsReadAndKept(t *testing.T) {
	large := strings.Repeat("z", item+1)
	dir, root := folder(t, map[string]string{"a.txt": "a"})
	later := time.Now().Add(time.Second).Truncate(time.Second)
	for _, neighbour := range []struct{ file, text string }{{"a.txt.br", "brotli"}, {"a.txt.zst", "zstand"}, {"a.txt.gz", large}} {
		file := filepath.Join(dir, neighbour.file)
		put(t, file, neighbour.text)
		require.NoError(t, os.Chtimes(file, later, later))
	}
	var described []string
	c := New(root, Options{Bytes: 1 << 20, Item: item, Open: 1, Describe: func(e *Entry) {
		described = append(described, e.Path()+" "+e.Coding.String())
	}})
	tags := map[string]bool{}
	for coding, want := range map[Coding]string{Identity: "a", Brotli: "brotli", Zstd: "zstand", Gzip: large} {
		e := load(t, c, "a.txt", 0)
		v := c.LoadVariant(e, coding)
		require.Equal(t, want, contents(t, v))
		require.Equal(t, int64(len(want)), v.Size)
		require.Equal(t, coding, v.Coding)
		require.Equal(t, "a.txt", v.Path())
		require.True(t, v.Varies)
		require.Contains(t, described, "a.txt "+coding.String())
		tags[string(v.ETag)] = true

		again, ok := c.Lookup([]byte("a.txt"), 0)
		require.True(t, ok)
		again, ok = c.LookupVariant(again, coding)
		require.True(t, ok, "it is kept")
		require.Same(t, v, again)
		v.Release()
		again.Release()
	}
	require.Len(t, tags, 4, "each form has a tag of its own, be it of equal size and time")
	c.Clear()
	require.Equal(t, Stats{Hits: c.hits, Misses: c.misses}, c.Stats(), "nothing is left")
}

func TestWhatIsCompressed(t *testing.T) {
	noise := make([]byte, item)
	rand.Read(noise)
	tests := []struct {
		name   string
		text   string
		opt    Options
		offers bool
		coding Coding // of what is sent then
	}{
		{"a text of the least size", page[:minGzip], Options{Bytes: 1 << 20, Item: 4 * minGzip, Compress: always}, true, Gzip},
		{"a smaller one", page[:minGzip-1], Options{Bytes: 1 << 20, Item: 4 * minGzip, Compress: always}, false, Identity},
		{"a text of the largest size", page, Options{Bytes: 1 << 20, Item: item, Compress: always}, true, Gzip},
		{"a larger one", page + "x", Options{Bytes: 1 << 20, Item: item, Open: 1, Compress: always}, false, Identity},
		{"another kind of file", page, Options{Bytes: 1 << 20, Item: item, Compress: func(string) bool { return false }}, false, Identity},
		{"nothing is to be compressed", page, Options{Bytes: 1 << 20, Item: item}, false, Identity},
		{"there is no room for both forms", page, Options{Bytes: item + entryCost, Item: item, Compress: always}, false, Identity},
		{"what does not get smaller", string(noise), Options{Bytes: 1 << 20, Item: item, Compress: always}, true, Identity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, root := folder(t, map[string]string{"a.txt": tt.text})
			c := New(root, tt.opt)
			e := load(t, c, "a.txt", 0)
			require.Equal(t, tt.offers, e.Offers(Gzip))
			require.Equal(t, tt.offers, e.Varies)
			v := c.LoadVariant(e, Gzip)
			defer v.Release()
			require.Equal(t, tt.coding, v.Coding)
			require.Equal(t, v.Coding == Gzip, v.Offers(Gzip) || v != e, "what was tried in vain is not offered again")
			if v.Coding == Identity {
				require.Same(t, e, v)
				return
			}
			z, err := gzip.NewReader(bytes.NewReader(v.Body))
			require.NoError(t, err)
			require.Equal(t, gzip.Header{OS: 255}, z.Header, "no name and no time")
			plain, err := io.ReadAll(z)
			require.NoError(t, err)
			require.Equal(t, tt.text, string(plain))
			require.Less(t, v.Size, e.Size)
			require.Equal(t, e.Modified, v.Modified)
			require.NotEqual(t, string(e.ETag), string(v.ETag))
			require.Equal(t, e.cost()+v.cost(), c.Stats().Bytes, "both are counted")
			require.Equal(t, 2, c.Stats().Items)
		})
	}
}

func TestAFileIsCompressedOnce(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page})
	var made sync.Map
	c := New(root, Options{Bytes: 1 << 20, Item: item, Compress: always, Describe: func(e *Entry) {
		if e.Coding == Gzip {
			made.Store(e, true)
		}
	}})
	e := load(t, c, "a.txt", 0)
	var all sync.WaitGroup
	for range 8 {
		e.Retain()
		all.Go(func() { c.LoadVariant(e, Gzip).Release() })
	}
	all.Wait()
	e.Release()
	n := 0
	made.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n)
}

// Whoever asks for many files that are not compressed yet makes the server work, but not
// collect garbage as well: a compressor takes most of a megabyte.
func TestCompressingUsesItsMemoryAgain(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page})
	c := codingCache(root)
	again := func() {
		c.LoadVariant(load(t, c, "a.txt", 0), Gzip).Release()
		c.Clear()
	}
	again()
	const files = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range files {
		again()
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/files, uint64(100<<10), "bytes for a file of %d", len(page))
}

// All files of a cache share one compressor. What several threads ask it for at once does not
// mix.
func TestDifferentFilesCompressedAtOnceDoNotMix(t *testing.T) {
	texts := map[string]string{}
	for i := range pressRoom {
		texts[fmt.Sprintf("%d.txt", i)] = strings.Repeat(fmt.Sprintf("%02d", i), item/2)
	}
	_, root := folder(t, texts)
	c := codingCache(root)
	var all sync.WaitGroup
	for name, text := range texts {
		e := load(t, c, name, 0)
		all.Go(func() {
			v := c.LoadVariant(e, Gzip)
			defer v.Release()
			z, err := gzip.NewReader(bytes.NewReader(v.Body))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if plain, err := io.ReadAll(z); err != nil || string(plain) != text {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
}

// Whoever waits for the compressor waits on a thread of the pool, so not all may. A file that
// goes as it is for that is compressed the next time.
func TestAFileGoesAsItIsWhereManyWaitForTheCompressor(t *testing.T) {
	texts := map[string]string{"late.txt": page}
	for i := range pressRoom {
		texts[fmt.Sprintf("%d.txt", i)] = page
	}
	_, root := folder(t, texts)
	c := New(root, Options{Bytes: 1 << 20, Item: item, Compress: always})
	var all sync.WaitGroup
	c.press.mu.Lock()
	for i := range pressRoom {
		e := load(t, c, fmt.Sprintf("%d.txt", i), 0)
		all.Go(func() {
			v := c.LoadVariant(e, Gzip)
			defer v.Release()
			if v.Coding != Gzip {
				t.Errorf("one that could wait is sent as %v", v.Coding)
			}
		})
	}
	for c.press.inside.Load() < pressRoom {
		runtime.Gosched()
	}
	v := c.LoadVariant(load(t, c, "late.txt", 0), Gzip)
	require.Equal(t, Identity, v.Coding)
	v.Release()
	c.press.mu.Unlock()
	all.Wait()
	v = c.LoadVariant(load(t, c, "late.txt", 0), Gzip)
	require.Equal(t, Gzip, v.Coding)
	v.Release()
}

func TestNeighboursThatChangeAreNoticedAfterASecond(t *testing.T) {
	tests := []struct {
		name   string
		before map[string]string
		change func(t *testing.T, file string)
		after  []string
	}{
		{"one appears", nil, func(t *testing.T, file string) { put(t, file+".br", "new") }, []string{"br"}},
		{"one disappears", map[string]string{"a.txt.br": "old"}, func(t *testing.T, file string) { require.NoError(t, os.Remove(file+".br")) }, nil},
		{"one is written again", map[string]string{"a.txt.br": "old"}, func(t *testing.T, file string) { put(t, file+".br", "longer") }, []string{"br"}},
		{"one falls behind its file", map[string]string{"a.txt.br": "old"}, func(t *testing.T, file string) {
			shift(t, file+".br", -time.Minute)
		}, nil},
		{"the file gets ahead of one", map[string]string{"a.txt.br": "old", "a.txt.zst": "old"}, func(t *testing.T, file string) {
			shift(t, file+".zst", time.Hour)
			shift(t, file, time.Minute)
		}, []string{"zstd"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a.txt": "a"})
			file := filepath.Join(dir, "a.txt")
			shift(t, file, -time.Second)
			for name, text := range tt.before {
				put(t, filepath.Join(dir, name), text)
			}
			c := codingCache(root)
			e := load(t, c, "a.txt", 0)
			before := offered(e)
			for coding := Gzip; coding < codings; coding++ {
				e.Retain()
				c.LoadVariant(e, coding).Release()
			}
			e.Release()
			tt.change(t, file)

			e, ok := c.Lookup([]byte("a.txt"), checkEvery-1)
			require.True(t, ok)
			require.Equal(t, before, offered(e))
			e.Release()
			_, ok = c.Lookup([]byte("a.txt"), checkEvery)
			require.False(t, ok)
			require.Zero(t, c.Stats().Items, "its variants have been let go as well")
			e = load(t, c, "a.txt", checkEvery)
			require.Equal(t, tt.after, offered(e))
			for coding := Gzip; coding < codings; coding++ {
				if e.Offers(coding) {
					e.Retain()
					v := c.LoadVariant(e, coding)
					want, err := os.ReadFile(file + suffix[coding])
					require.NoError(t, err)
					require.Equal(t, string(want), contents(t, v))
					v.Release()
				}
			}
			e.Release()
		})
	}
}

func TestANeighbourThatWasJustChangedIsReadAgain(t *testing.T) {
	dir, root := folder(t, map[string]string{"a.txt": "a"})
	c := codingCache(root)
	now := time.Now()
	e := &Entry{path: "a.txt"}
	c.survey(e)
	require.False(t, e.young)
	require.True(t, unsettled(sysnet.Stat{ChangeTime: now.UnixNano()}, now))
	require.False(t, unsettled(sysnet.Stat{ChangeTime: now.Add(-settled).UnixNano()}, now))
	require.False(t, unsettled(sysnet.Stat{}, now), "what is not there is not young")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt.gz"), []byte("z"), 0o644))
	c.survey(e)
	require.True(t, e.young)
}

func TestANeighbourThatCannotBeHadIsNotTriedAgain(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, file string)
	}{
		{"it is gone since", func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }},
		{"it has changed since", func(t *testing.T, file string) { put(t, file, "another") }},
		{"it has become a folder since", func(t *testing.T, file string) {
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Mkdir(file, 0o755))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, root := folder(t, map[string]string{"a.txt": "a"})
			put(t, filepath.Join(dir, "a.txt.gz"), "z")
			c := codingCache(root)
			e := load(t, c, "a.txt", 0)
			require.True(t, e.Offers(Gzip))
			tt.spoil(t, filepath.Join(dir, "a.txt.gz"))
			require.Same(t, e, c.LoadVariant(e, Gzip))
			require.False(t, e.Offers(Gzip))
			require.True(t, e.Varies, "to others it may have been sent")
			e.Release()
			require.Equal(t, 1, c.Stats().Items)
		})
	}
	t.Run("it is a link out of the root", func(t *testing.T) {
		dir, root := folder(t, map[string]string{"a.txt": "a"})
		outside := filepath.Join(t.TempDir(), "outside")
		put(t, outside, "secret")
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "a.txt.gz")))
		c := codingCache(root)
		e := load(t, c, "a.txt", 0)
		require.Same(t, e, c.LoadVariant(e, Gzip))
		require.False(t, e.Offers(Gzip))
		e.Release()
	})
}

func TestAVariantLeavesWithItsFile(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page, "b.txt": page, "c.txt": strings.Repeat("c", item)})
	c := New(root, Options{Bytes: 3 * (entryCost + item), Item: item, Compress: always})
	variant := func(path string) *Entry {
		v := c.LoadVariant(load(t, c, path, 0), Gzip)
		require.Equal(t, Gzip, v.Coding)
		return v
	}
	a := variant("a.txt")
	text := contents(t, a)
	file := c.entries["a.txt"]
	require.Same(t, file, a.of)
	load(t, c, "b.txt", 0).Release()
	load(t, c, "c.txt", 0).Release() // there is no room for a.txt any more
	require.NotContains(t, c.entries, "a.txt")
	require.Nil(t, a.of)
	require.Nil(t, file.variants[Gzip])
	require.Equal(t, text, contents(t, a), "who holds it can still send it")
	a.Release()
	require.Panics(t, a.Release, "the cache has given its reference back")
	require.Equal(t, int64(2*(entryCost+item)), c.Stats().Bytes)
}

func TestAVariantLeavesBeforeItsFile(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page, "b.txt": page})
	c := New(root, Options{Bytes: 2*(entryCost+item) + entryCost/2, Item: item, Compress: always})
	e := load(t, c, "a.txt", 0)
	e.Retain()
	c.LoadVariant(e, Gzip).Release()
	v, ok := c.LookupVariant(e, Gzip)
	require.True(t, ok)
	v.Release()
	load(t, c, "b.txt", 0).Release()
	require.Contains(t, c.entries, "a.txt")
	require.Nil(t, c.entries["a.txt"].variants[Gzip])
	require.Equal(t, 2, c.Stats().Items)
}

func TestAVariantOfAFileThatIsNotKeptIsNotKept(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page})
	c := codingCache(root)
	e := load(t, c, "a.txt", 0)
	c.Clear()
	v := c.LoadVariant(e, Gzip)
	require.Equal(t, Gzip, v.Coding)
	require.Equal(t, Stats{}, c.Stats())
	v.Release()
	require.Panics(t, v.Release)
}

func TestAVariantInTheCacheDoesNotAllocate(t *testing.T) {
	_, root := folder(t, map[string]string{"a.txt": page})
	c := codingCache(root)
	c.LoadVariant(load(t, c, "a.txt", 0), Gzip).Release()
	path := []byte("a.txt")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		e, ok := c.Lookup(path, 0)
		if ok {
			e, ok = c.LookupVariant(e, Gzip)
		}
		if !ok {
			panic("it is kept")
		}
		e.Release()
	}))
}

// Many threads ask for a file that others replace together with its neighbour, in a cache
// too small for all: what they get is always whole, and in the end nothing is left.
func TestConcurrentUseOfVariants(t *testing.T) {
	dir, root := folder(t, nil)
	replace := func(name, text string) {
		put(t, filepath.Join(dir, name+".new"), text)
		require.NoError(t, os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)))
	}
	names := []string{"a.txt", "b.txt", "c.txt"}
	write := func(b byte) {
		for _, name := range names {
			replace(name, strings.Repeat(string(b), item))
			replace(name+".br", strings.Repeat(string(b), 2*item))
		}
	}
	write('a')
	c := New(root, Options{Bytes: 2 * (entryCost + item), Item: item, Open: 1, Compress: always})
	var readers, writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		for i := byte(0); ; i++ {
			write('a' + i%26)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 4 {
		readers.Go(func() {
			for i := range 300 {
				name, now := names[i%len(names)], clock.Time(i)*checkEvery/2
				e, ok := c.Lookup([]byte(name), now)
				if !ok {
					var err error
					if e, err = c.Load(name, now); err != nil {
						t.Errorf("loading %s: %v", name, err)
						return
					}
				}
				v := c.LoadVariant(e, Coding(i)%codings)
				if p := []byte(contents(t, v)); v.Coding != Gzip && len(bytes.Trim(p, string(p[:1]))) != 0 {
					t.Errorf("%s is mixed", name)
				}
				v.Release()
			}
		})
	}
	readers.Wait()
	close(stop)
	writer.Wait()
	c.Clear()
	st := c.Stats()
	require.Equal(t, Stats{Hits: st.Hits, Misses: st.Misses}, st)
}
