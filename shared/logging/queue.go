package logging

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	queueSize = 1 << 20     // bytes that may wait to be written
	lastWords = time.Second // that Close waits for a writer that stands still
)

// Queue takes lines without waiting and has a goroutine write them. Clients decide how much a server logs, so a log that
// nobody reads (a pipe to a pager, a full disk) must not be able to stop it: lines that find no room are counted, and the
// log says how many when it moves again.
type Queue struct {
	w io.Writer

	mu     sync.Mutex // for a copy, never over a system call
	filled []byte     // under mu: whole lines that wait
	lost   int        // under mu: lines that found no room
	closed bool       // under mu

	some chan struct{} // there is something to write, or Close was called
	done chan struct{} // closed when all is written
}

// NewQueue makes a Queue in front of w, which gets whole lines.
func NewQueue(w io.Writer) *Queue {
	q := &Queue{w: w, some: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes p, which is one or more whole lines. It never fails, and never waits.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.filled)+len(p) > queueSize {
		q.lost++
	} else {
		q.filled = append(q.filled, p...)
	}
	q.mu.Unlock()
	q.wake()
	return len(p), nil
}

// Close has what is there written, and waits for it, but not long.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	select {
	case <-q.done:
	case <-time.After(lastWords):
	}
}

func (q *Queue) wake() {
	select {
	case q.some <- struct{}{}:
	default:
	}
}

func (q *Queue) run() {
	defer close(q.done)
	var batch []byte
	for range q.some {
		for {
			q.mu.Lock()
			batch, q.filled = q.filled, batch[:0]
			lost, closed := q.lost, q.closed
			q.lost = 0
			q.mu.Unlock()
			if lost > 0 {
				batch = fmt.Appendf(batch, "%d lines of the log were lost: nobody took them\n", lost)
			}
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			q.w.Write(batch)
		}
	}
}
