package app

// What a process tells the others about itself, once a second: its counts, put into the region that
// all of them share.
//
// Any goroutine may call Publish; a lock covers what was published already. What must not be done:
// a count that only grows must be added to and never stored, since the entry also holds what its
// earlier processes counted. One process of a server records the 24-hour series.

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"fourways/shared/filecache"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// watchEvery is how often a process puts its own into the shared region.
const watchEvery = time.Second

// beginStats notes when the server began, unless the region has it from another process.
func (a *App) beginStats() {
	a.Stats.Begin(int64(sysnet.Now()), time.Now().Unix())
}

// Watch starts to put into the region, once a second, what other processes are to see of this one:
// its cache, its processor time, and what its logs have lost. With record it also moves the 24-hour
// series on, which one process of a server does: the only one, or the master. The stop that it
// returns waits for the end.
func (a *App) Watch(record bool) (stop func()) {
	quit := make(chan struct{})
	if a.folder.Root != nil {
		go a.watchRoot(quit) // not waited for: the folder's disk may hang
	}
	var done sync.WaitGroup
	done.Go(func() {
		var losses losses
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-quit:
				return
			}
			a.Publish()
			if access := a.access.Load(); access != nil {
				losses.look(a.Log, access.Trouble(), access.Dropped())
			}
			a.TendTLS()
			if record {
				a.Stats.Record(time.Now().Unix())
			}
		}
	})
	return func() {
		close(quit)
		done.Wait()
	}
}

// published is what of this process's own counts stands in the region already.
type published struct {
	mu    sync.Mutex
	cache filecache.Stats
	logs  stats.Logs
	cpu   time.Duration
}

// Publish puts what this process counts for itself into its entry. What only grows is added to
// that of the processes which had the entry before.
func (a *App) Publish() {
	p := a.Stats.Process(a.Server.Process)
	a.published.mu.Lock()
	defer a.published.mu.Unlock()
	cache, before := a.site.Load().Cache().Stats(), a.published.cache
	p.CacheBytes.Store(cache.Bytes)
	p.CacheItems.Store(int64(cache.Items))
	p.CacheHits.Add(cache.Hits - before.Hits)
	p.CacheMisses.Add(cache.Misses - before.Misses)
	logs, told := a.logs(), a.published.logs
	p.LogLines.Add(logs.Lines - told.Lines)
	p.LogErrors.Add(logs.Errors - told.Errors)
	p.AccessLines.Add(logs.AccessLines - told.AccessLines)
	p.AccessErrors.Add(logs.AccessErrors - told.AccessErrors)
	cpu := sysnet.CPUTime()
	p.CPU.Add(int64(cpu - a.published.cpu))
	a.published.cache, a.published.logs, a.published.cpu = cache, logs, cpu
}

// logs is what this process's logs have lost.
func (a *App) logs() (l stats.Logs) {
	if a.lines != nil {
		l.Lines, l.Errors = a.lines.Lost(), a.lines.Failed()
	}
	if access := a.access.Load(); access != nil {
		l.AccessLines, l.AccessErrors = access.Dropped(), access.Failed()
	}
	return l
}

// calmLooks is how many looks in a row must find no loss until it is said that the trouble is over.
const calmLooks = 5

var errSlowLog = errors.New("its disk or its reader does not keep up")

// losses tells in the server's log that the access log loses lines, once when it begins and once
// when it is over. It belongs to one goroutine.
type losses struct {
	told bool   // that it has begun
	lost uint64 // lines, at the last look
	from uint64 // the same before it began
	calm int    // looks in a row that have found no loss
}

// look is called at intervals, with the error of the last write and all lines lost since the start.
func (l *losses) look(log *slog.Logger, trouble error, lost uint64) {
	before := l.lost
	l.lost = lost
	if trouble == nil && lost > before {
		trouble = errSlowLog
	}
	switch {
	case trouble != nil && !l.told:
		l.told, l.from, l.calm = true, before, 0
		log.Error("The access log loses lines", "error", trouble)
	case trouble != nil:
		l.calm = 0
	case l.told:
		if l.calm++; l.calm == calmLooks {
			l.told = false
			log.Info("The access log loses no more lines", "lost", lost-l.from)
		}
	}
}
