package main

// The pool's line in the log, every half minute.
//
// It has a goroutine of its own and only looks: at the queue under its lock, and at the counters.
// What must not be done: it must take no part in serving, and hold the lock for no longer than a
// look takes.

import (
	"fmt"
	"sync"
	"time"

	"fourways/shared/stats"
)

const (
	reportEvery = 30 * time.Second
	crowded     = 0.8 // share of the threads that are busy, from which on the lamp is yellow
)

// monitor logs at intervals how the pool is doing. It takes no part in serving.
type monitor struct {
	pool *pool
	seen uint64 // connections opened at the last report
	quit chan struct{}
	done sync.WaitGroup
}

func newMonitor(p *pool) *monitor { return &monitor{pool: p, quit: make(chan struct{})} }

func (m *monitor) start() {
	m.done.Go(func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m.report()
			case <-m.quit:
				return
			}
		}
	})
}

func (m *monitor) stop() {
	close(m.quit)
	m.done.Wait()
}

// report writes the pool's line, unless nothing has happened since the last one.
func (m *monitor) report() {
	waiting, busy := m.pool.queue.load()
	opened := m.pool.app.Stats.Total(stats.Opened)
	if busy == 0 && waiting == 0 && opened == m.seen {
		return
	}
	m.seen = opened
	m.pool.app.Log.Info(poolLine(busy, len(m.pool.workers), waiting, m.pool.queue.limit))
}

// poolLine is green while there is room, yellow when it gets tight, red when no thread is free.
func poolLine(busy, threads, waiting, limit int) string {
	lamp := "🟢"
	switch {
	case busy == threads:
		lamp = "🔴"
	case waiting > 0 || float64(busy) >= crowded*float64(threads):
		lamp = "🟡"
	}
	return fmt.Sprintf("%s Thread pool: %d/%d active | Queue: %d/%d", lamp, busy, threads, waiting, limit)
}
