package children

import (
	"math/rand/v2"
	"time"
)

// When a child that died gets its successor: the first time at once, for its clients are
// waiting. One that dies again soon will most likely die again; each time the wait doubles,
// so that a child which cannot live costs a start now and then and not a processor. The
// jitter keeps those that die of one cause from starting, and dying, in step.
const (
	stableAfter = 5 * time.Second        // a child that has lived so long is thought healthy
	firstDelay  = 125 * time.Millisecond // at the second death in a row
	maxDelay    = 32 * time.Second
)

// Backoff counts the deaths of the children that one place has had, one after the other.
type Backoff struct {
	deaths int // in a row, of children that did not live long
}

// Died notes that a child died after it had lived so long, and says how long its successor
// is to wait.
func (b *Backoff) Died(lived time.Duration) time.Duration { return b.died(lived, rand.Float64()) }

// died is Died. random, from 0 to 1, is the jitter.
func (b *Backoff) died(lived time.Duration, random float64) time.Duration {
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

// Unstarted notes a child that could not even be made, which is never tried again at once.
func (b *Backoff) Unstarted() time.Duration { return max(b.Died(0), firstDelay) }

// Tried reports whether a child has died.
func (b *Backoff) Tried() bool { return b.deaths > 0 }

// Failing reports whether the children keep dying.
func (b *Backoff) Failing() bool { return b.deaths > 1 }
