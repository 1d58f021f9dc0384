//go:build skeleton

// Package queue is the line before a pool of threads.
//
// A queue without a clock serves clients who have long gone: under overload everybody waits for the
// longest time that there is. Yours is bounded twice. At most limit clients wait, and whoever has
// waited for longer than patience is refused and not served. Both get a 503; Put and Take only say
// who.
package queue

import "time"

// Queue is the line. It is used by one thread at a time.
type Queue[T any] struct {
	// yours
}

// New makes a queue for so many clients, who wait for so long at the most.
func New[T any](limit int, patience time.Duration) *Queue[T] { return &Queue[T]{} }

// Put lets a client in at the end, or reports false where there is no room. Who has waited for too
// long takes no room from who comes now: they are returned, to be refused.
func (q *Queue[T]) Put(client T, now time.Time) (stale []T, ok bool) { return nil, false }

// Take gives the client who has waited longest and is not stale, and all who have become so.
func (q *Queue[T]) Take(now time.Time) (client T, stale []T, ok bool) { return client, nil, false }

// Len is how many wait.
func (q *Queue[T]) Len() int { return -1 }
