package app

// What an App does once a second: the series, and the counters of the cache. Two Apps share one
// region here, as master and worker do.

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/accesslog"
	"fourways/shared/filecache"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// newWatched is an App with as much as watching needs, and one file to serve.
func newWatched(t *testing.T) *App {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("four"), 0o644))
	return newWatchedAt(t, dir)
}

func newWatchedAt(t *testing.T, dir string) *App {
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	a := &App{Log: slog.New(slog.DiscardHandler), Stats: stats.New(1), Server: &session.Server{}, folder: sharedFolder{Root: root}}
	s, err := site.New(site.Config{Root: root, Types: []string{"txt"}, Cache: filecache.Options{Bytes: 1 << 20, Item: 1 << 10, Open: 1}})
	require.NoError(t, err)
	a.site.Store(s)
	t.Cleanup(s.Close)
	return a
}

// running is when the series' last interval began, in seconds since 1970.
func running(a *App) int64 { return a.Stats.History().Intervals[stats.Intervals-1].Timestamp }

func TestTheSeriesMovesOnWhileItIsWatched(t *testing.T) {
	a := newWatched(t)
	a.Stats.Begin(0, time.Now().Add(-time.Hour).Unix())
	old := running(a)
	stop := a.Watch(true)
	require.Eventually(t, func() bool { return running(a) >= old+3600 }, 20*time.Second, time.Millisecond)
	stop()
}

func TestWhoDoesNotRecordLeavesTheSeriesAlone(t *testing.T) {
	a := newWatched(t)
	a.Stats.Begin(0, time.Now().Add(-time.Hour).Unix())
	old := running(a)
	look(t, a)
	stop := a.Watch(false)
	require.Eventually(t, func() bool { return a.Stats.Cache().Misses == 1 }, 20*time.Second, time.Millisecond, "it tells of its cache")
	stop()
	require.Equal(t, old, running(a))
}

// look asks the cache for the file.
func look(t *testing.T, a *App) {
	e, ok := a.site.Load().Cache().Lookup([]byte("a.txt"), 0)
	if !ok {
		var err error
		e, err = a.site.Load().Cache().Load("a.txt", 0)
		require.NoError(t, err)
	}
	e.Release()
}

func TestHitsOfACacheOutliveItsProcess(t *testing.T) {
	first := newWatched(t)
	look(t, first)
	for range 3 {
		look(t, first)
	}
	first.Publish()
	first.Publish()
	first.Stats.Bury(0)
	second := newWatched(t)
	second.Stats = first.Stats
	look(t, second)
	look(t, second)
	second.Publish()
	got := second.Stats.Cache()
	require.EqualValues(t, 3+1, got.Hits)
	require.EqualValues(t, 1+1, got.Misses)
	require.EqualValues(t, 1, got.Items)
}

func TestProcessorTimeOutlivesItsProcess(t *testing.T) {
	first := newWatched(t)
	first.Publish()
	used := first.Stats.CPU()
	require.Positive(t, used)
	first.Publish()
	again := first.Stats.CPU()
	require.Less(t, again-used, used, "what has been told is not added again")
	first.Stats.Bury(0)
	require.Equal(t, again, first.Stats.CPU(), "what a process has used, it has used")
}

func TestLossesOfTheAccessLogAreToldOnceAndTheirEndToo(t *testing.T) {
	full := errors.New("no space left on device")
	const begins, slow, over = "loses lines error=\"no space", "loses lines error=\"its disk", "loses no more lines lost="
	calm := func(lost uint64) (looks []aLook) {
		return slices.Repeat([]aLook{{nil, lost}}, calmLooks)
	}
	for _, c := range []struct {
		says  string
		looks []aLook
		want  []string
	}{
		{"no loss is no line", []aLook{{nil, 0}, {nil, 0}}, nil},
		{"a loss is told once", []aLook{{full, 3}, {full, 3}, {full, 9}}, []string{begins}},
		{"so is one without an error", []aLook{{nil, 3}, {nil, 9}}, []string{slow}},
		{"its end has the lines that were lost", append([]aLook{{nil, 0}, {full, 3}, {full, 9}}, calm(9)...), []string{begins, over + "9"}},
		{"a short calm is not the end", append([]aLook{{full, 3}}, calm(3)[1:]...), []string{begins}},
		{"nor is one that a loss breaks off", slices.Concat([]aLook{{full, 3}}, calm(3)[1:], []aLook{{full, 4}}, calm(4)[1:]), []string{begins}},
		{"the next one begins anew", slices.Concat([]aLook{{full, 3}}, calm(3), []aLook{{full, 5}}, calm(5)), []string{begins, over + "3", begins, over + "2"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			var text bytes.Buffer
			log, l := logging.New(&text, slog.LevelInfo, false), losses{}
			for _, look := range c.looks {
				l.look(log, look.trouble, look.lost)
			}
			lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
			if len(c.want) == 0 {
				require.Empty(t, text.String())
				return
			}
			require.Len(t, lines, len(c.want))
			for i, want := range c.want {
				require.Contains(t, strings.NewReplacer("level=ERROR ", "", "level=INFO ", "").Replace(lines[i]), want)
			}
		})
	}
}

// aLook is what a look at the access log finds: the last write's error, and all lines lost so far.
type aLook struct {
	trouble error
	lost    uint64
}

// While it is watched, a full disk is in the log.
func TestAFullAccessLogIsToldInTheLog(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	a := newWatched(t)
	access, err := accesslog.Open("/dev/full", false)
	require.NoError(t, err)
	t.Cleanup(func() { access.Close() })
	a.access.Store(access)
	told := make(chan string, 1)
	a.Log = slog.New(slog.NewTextHandler(firstLine(told), nil))
	access.Log(&accesslog.Entry{})
	stop := a.Watch(false)
	defer stop()
	require.Contains(t, <-told, "no space left on device")
}

// firstLine keeps the first line that is written to it.
type firstLine chan string

func (f firstLine) Write(p []byte) (int, error) {
	select {
	case f <- string(p):
	default:
	}
	return len(p), nil
}
