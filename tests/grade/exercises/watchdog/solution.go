//go:build !skeleton

// Package watchdog finds workers that hang.
//
// Silence counts from the last beat, the birth, or the end of a nap, whichever is latest. What must
// not be done: the time in a slot must not count for a worker who has not written it.
package watchdog

import "time"

// The times of a watchdog.
const (
	Look  = 100 * time.Millisecond // between two calls of Check
	Limit = 2 * time.Second
	Grace = time.Second // between Ask and Kill
	Late  = time.Second // a look that comes so long after the one before was no look
)

// Watchdog is the master's memory.
type Watchdog struct {
	Ask  func(worker int)
	Kill func(worker int)

	workers map[int]*watched
	looked  time.Time
}

// watched is one worker.
type watched struct {
	heard  time.Time // from when on its silence counts
	asked  time.Time
	killed bool
}

// Born says that a worker has been started in a slot.
func (w *Watchdog) Born(worker int, now time.Time) {
	if w.workers == nil {
		w.workers = map[int]*watched{}
	}
	w.workers[worker] = &watched{heard: now}
}

// Gone says that a worker has ended.
func (w *Watchdog) Gone(worker int) { delete(w.workers, worker) }

// Check looks at all workers. beat is the time in a worker's slot.
func (w *Watchdog) Check(now time.Time, beat func(worker int) time.Time) {
	slept := !w.looked.IsZero() && now.Sub(w.looked) >= Late
	w.looked = now
	for worker, one := range w.workers {
		if at := beat(worker); at.After(one.heard) {
			one.heard = at
		}
		if slept {
			one.heard = now
			if !one.asked.IsZero() {
				one.asked = now
			}
		}
		switch {
		case one.asked.IsZero():
			if now.Sub(one.heard) > Limit {
				one.asked = now
				w.Ask(worker)
			}
		case !one.killed && now.Sub(one.asked) >= Grace:
			one.killed = true
			w.Kill(worker)
		}
	}
}
