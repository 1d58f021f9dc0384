//go:build !skeleton

// Package selfpipe wakes a loop that sleeps in poll(2).
package selfpipe

import (
	"sync"
	"syscall"
)

// Mailbox is what others post to a loop.
type Mailbox[T any] struct {
	pipe [2]int

	mu      sync.Mutex
	waiting []T // where there are some, a byte is in the pipe
}

// New makes a mailbox with its pipe.
func New[T any]() (*Mailbox[T], error) {
	m := &Mailbox[T]{}
	return m, syscall.Pipe(m.pipe[:])
}

// FD is the descriptor that poll has to watch for reading.
func (m *Mailbox[T]) FD() int { return m.pipe[0] }

// Post adds a message and wakes the loop. The first one writes a byte, and there is always room for
// one: so it does not block.
func (m *Mailbox[T]) Post(message T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, message)
	if len(m.waiting) == 1 {
		syscall.Write(m.pipe[1], []byte{0})
	}
}

// Collect returns all messages, in their order. The byte is read under the lock: a message that
// comes now finds an empty list, and writes another one.
func (m *Mailbox[T]) Collect() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 {
		return nil
	}
	syscall.Read(m.pipe[0], make([]byte, 1))
	all := m.waiting
	m.waiting = nil
	return all
}

// Close closes the pipe. Nobody posts any more.
func (m *Mailbox[T]) Close() {
	syscall.Close(m.pipe[0])
	syscall.Close(m.pipe[1])
}
