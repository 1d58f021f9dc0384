//go:build skeleton

// Package selfpipe wakes a loop that sleeps in poll(2).
//
// Another thread puts something into the loop's list and has to wake it. A byte in a pipe does
// that, since poll watches the pipe as well. Three things go wrong in most first versions: the
// pipe is full and the waker blocks; a byte is written for each message, and the loop reads them
// one by one; and a wake-up that comes between looking into the list and sleeping is lost.
//
// A Mailbox is the list and the pipe together. Post never blocks, whoever calls it and however
// often. Collect is called by the loop when FD is readable, returns all that was posted since, and
// leaves FD unreadable unless something has come meanwhile. However much is posted before the loop
// looks, the pipe holds one byte. (The tests are for Linux.)
package selfpipe

// Mailbox is what others post to a loop.
type Mailbox[T any] struct {
	// yours
}

// New makes a mailbox with its pipe.
func New[T any]() (*Mailbox[T], error) { return &Mailbox[T]{}, nil }

// FD is the descriptor that poll has to watch for reading.
func (m *Mailbox[T]) FD() int { return -1 }

// Post adds a message and wakes the loop.
func (m *Mailbox[T]) Post(message T) {}

// Collect returns all messages, in their order.
func (m *Mailbox[T]) Collect() []T { return nil }

// Close closes the pipe. Nobody posts any more.
func (m *Mailbox[T]) Close() {}
