package logging

// The queue in front of a log, so that a log which nobody reads cannot stop the server.
//
// Any thread may call Write. One goroutine writes to w. Close waits for it for a second at most, so
// w may see a write even after that. What must not be done: mu must not be held over a write, and a
// line that finds no room must be counted, so that the gap in the log is known.

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/plural"
)

const (
	queueSize = 1 << 20     // bytes that may wait to be written
	lastWords = time.Second // that Close waits for a writer that stands still
)

// Queue takes lines without waiting and has a goroutine write them. Clients decide how much a
// server logs, so a log that nobody reads (a pipe to a pager, a full disk) must not be able to stop
// it: lines that find no room are counted, and the log says how many when it moves again.
type Queue struct {
	w    io.Writer
	last func(io.Writer) *slog.Logger // of the line that tells what was lost

	mu     sync.Mutex // for a copy, never over a system call
	filled []byte     // under mu: whole lines that wait
	closed bool       // under mu

	lost   atomic.Uint64 // lines that found no room, or were not written
	failed atomic.Uint64 // writes

	some chan struct{} // there is something to write, or Close was called
	done chan struct{} // closed when all is written
}

// NewQueue makes a Queue in front of w, which gets whole lines. The line that says how many were
// lost is one of the Logger that logger makes: who reads a log by its form is to understand that,
// too.
func NewQueue(w io.Writer, logger func(io.Writer) *slog.Logger) *Queue {
	q := &Queue{w: w, last: logger, some: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes p, which is one or more whole lines. It never fails, and never waits.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.filled)+len(p) > queueSize {
		q.lost.Add(countLines(p))
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

// Lost is how many lines have been lost since the start, and Failed how many writes have failed.
func (q *Queue) Lost() uint64   { return q.lost.Load() }
func (q *Queue) Failed() uint64 { return q.failed.Load() }

func (q *Queue) run() {
	defer close(q.done)
	var batch []byte
	told := uint64(0) // of how many lost lines the log tells
	for range q.some {
		closed := false
		for {
			q.mu.Lock()
			batch, q.filled = q.filled, batch[:0]
			closed = q.closed
			q.mu.Unlock()
			lost := q.lost.Load()
			if len(batch) == 0 && lost == told || !q.write(batch, lost-told) {
				break // what came meanwhile has left a token in some
			}
			told = lost
		}
		if closed {
			return
		}
	}
}

// write writes a batch, and after it how many lines have been lost. It reports whether that went
// well.
func (q *Queue) write(batch []byte, lost uint64) bool {
	whole := len(batch)
	if lost > 0 {
		told := bytes.NewBuffer(batch)
		q.last(told).Error(plural.Of(lost, "line of the log was lost: nobody took it", "lines of the log were lost: nobody took them"))
		batch = told.Bytes()
	}
	n, err := q.w.Write(batch)
	if err != nil {
		q.failed.Add(1)
		q.lost.Add(countLines(batch[min(n, whole):whole]))
	}
	return err == nil
}

// countLines is how many lines end in p.
func countLines(p []byte) uint64 { return uint64(bytes.Count(p, []byte{'\n'})) }
