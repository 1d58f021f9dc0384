//go:build linux

package main

import (
	"math/rand/v2"
	"time"
)

// When a worker that died gets its successor: the first time at once, for its clients are
// waiting. One that dies again soon will most likely die again; each time the wait doubles,
// so that a worker which cannot live costs a start now and then and not a processor. The
// jitter keeps workers that die of one cause from starting, and dying, in step.
const (
	stableAfter = 5 * time.Second        // a worker that has lived so long is thought healthy
	firstDelay  = 125 * time.Millisecond // at the second death in a row
	maxDelay    = 32 * time.Second
)

// backoff counts the deaths of one position's workers.
type backoff struct {
	deaths int // in a row, of workers that did not live long
}

// died notes that a worker died after it had lived so long, and says how long its
// successor is to wait. random is from 0 to 1.
func (b *backoff) died(lived time.Duration, random float64) time.Duration {
	if lived >= stableAfter {
		b.deaths = 0
	}
	b.deaths++
	if b.deaths == 1 {
		return 0
	}
	delay := min(firstDelay<<min(b.deaths-2, 16), maxDelay)
	return delay/2 + time.Duration(random*float64(delay/2))
}

// failing reports whether its workers keep dying.
func (b *backoff) failing() bool { return b.deaths > 1 }

// chance is the jitter's random number.
func chance() float64 { return rand.Float64() }
