//go:build !skeleton

// Package keeper decides when a process that has died is started again.
package keeper

import "time"

// The times of a keeper.
const (
	First   = 100 * time.Millisecond
	Longest = 10 * time.Second
	Proven  = 5 * time.Second
)

// Keeper is of one process.
type Keeper struct {
	started  time.Time
	pause    time.Duration // before the last start
	restarts int
}

// Started says that the process was started.
func (k *Keeper) Started(now time.Time) { k.started = now }

// Died says that it has died, and returns when to start the next one.
func (k *Keeper) Died(now time.Time) time.Time {
	k.restarts++
	switch {
	case now.Sub(k.started) >= Proven:
		k.pause = 0
	case k.pause == 0:
		k.pause = First
	default:
		k.pause = min(2*k.pause, Longest)
	}
	return now.Add(k.pause)
}

// Restarts is how often it has died.
func (k *Keeper) Restarts() int { return k.restarts }
