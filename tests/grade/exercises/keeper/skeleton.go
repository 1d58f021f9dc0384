//go:build skeleton

// Package keeper decides when a process that has died is started again.
//
// At once, if it has lived: what dies once an hour should not be missed. But what dies at its
// start would be started thousands of times a minute. So a keeper backs off: after a death within
// Proven of the start the next start is First later, then twice that, up to Longest. Whoever has
// lived for Proven has proven itself, and is started at once when it dies, and the next pause is
// First again.
//
// Nothing here sleeps or starts anything: the caller says what has happened, and when, and asks
// when there is something to do.
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
	// yours
}

// Started says that the process was started.
func (k *Keeper) Started(now time.Time) {}

// Died says that it has died, and returns when to start the next one: now, or later.
func (k *Keeper) Died(now time.Time) time.Time { return time.Time{} }

// Restarts is how often it has died.
func (k *Keeper) Restarts() int { return -1 }
