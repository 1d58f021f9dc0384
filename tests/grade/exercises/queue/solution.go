//go:build !skeleton

// Package queue is the line before a pool of threads, bounded by length and by time.
package queue

import "time"

// Queue is the line. It is used by one thread at a time.
type Queue[T any] struct {
	limit    int
	patience time.Duration
	waiting  []entry[T] // by arrival, so the stale ones are in front
}

type entry[T any] struct {
	client T
	since  time.Time
}

// New makes a queue for so many clients, who wait for so long at the most.
func New[T any](limit int, patience time.Duration) *Queue[T] {
	return &Queue[T]{limit: limit, patience: patience}
}

// Put lets a client in at the end, or reports false where there is no room.
func (q *Queue[T]) Put(client T, now time.Time) (stale []T, ok bool) {
	stale = q.drop(now)
	if len(q.waiting) >= q.limit {
		return stale, false
	}
	q.waiting = append(q.waiting, entry[T]{client, now})
	return stale, true
}

// Take gives the client who has waited longest and is not stale, and all who have become so.
func (q *Queue[T]) Take(now time.Time) (client T, stale []T, ok bool) {
	stale = q.drop(now)
	if len(q.waiting) == 0 {
		return client, stale, false
	}
	client = q.waiting[0].client
	q.waiting = q.waiting[1:]
	return client, stale, true
}

// Len is how many wait.
func (q *Queue[T]) Len() int { return len(q.waiting) }

// drop takes those out who have waited for too long.
func (q *Queue[T]) drop(now time.Time) (stale []T) {
	for len(q.waiting) > 0 && now.Sub(q.waiting[0].since) > q.patience {
		stale = append(stale, q.waiting[0].client)
		q.waiting = q.waiting[1:]
	}
	return stale
}
