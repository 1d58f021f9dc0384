// Command stage waits.
//
// Its runner owns its queue.
package main

import "sync"

// Limits.
const (
	maxHead  = 8192 // bytes
	maxConns = 10   // connections
)

var (
	mu    sync.Mutex
	count int
)

type (
	// fd is a descriptor.
	fd int
	// queue holds what waits.
	queue[T any] struct{ items []T }
)

var alone = 1 // one

func init() { count = maxHead }

func init() { count = maxConns }

// push adds one.
func (q *queue[T]) push(item T) {
	mu.Lock()
	defer mu.Unlock()
	q.items = append(q.items, item)
}

func (f fd) valid() bool {
	return f >= 0
}

// wake wakes.
func wake(f fd) error {
	if !f.valid() {
		return nil
	}
	for range maxConns {
		count += alone
	}
	return nil
}
