package app

import (
	"sync"
	"time"

	"fourways/shared/filecache"
	"fourways/shared/sysnet"
)

// watchEvery is how often a process puts its own into the shared region.
const watchEvery = time.Second

// beginStats notes when the server began, unless the region has it from another process.
func (a *App) beginStats() {
	a.Stats.Begin(int64(sysnet.Now()), time.Now().Unix())
}

// Watch starts to put into the region, once a second, what other processes are to see of
// this one's cache. With record it also moves the 24-hour series on, which one process of
// a server does: the only one, or the master. The stop that it returns waits for the end.
func (a *App) Watch(record bool) (stop func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-quit:
				return
			}
			a.publishCache()
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

// published is what of the cache's counts stands in the region already.
type published struct {
	mu   sync.Mutex
	last filecache.Stats
}

// publishCache puts the cache's state into this process's entry. Hits and misses are
// added to those of processes that had the entry before.
func (a *App) publishCache() {
	p := a.Stats.Process(a.Server.Process)
	a.cache.mu.Lock()
	defer a.cache.mu.Unlock()
	now, last := a.site.Cache().Stats(), a.cache.last
	p.CacheBytes.Store(now.Bytes)
	p.CacheItems.Store(int64(now.Items))
	p.CacheHits.Add(now.Hits - last.Hits)
	p.CacheMisses.Add(now.Misses - last.Misses)
	a.cache.last = now
}
