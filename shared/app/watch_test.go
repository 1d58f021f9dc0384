package app

// What an App does once a second: the series, and the counters of the cache. Two Apps share one
// region here, as master and worker do.

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/filecache"
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
