// Package accesslog writes one line for each request, without making anybody wait and without
// allocating.
//
// Log formats the line into a buffer in memory and returns. A goroutine of the Logger takes the
// buffer when 64 KiB are full, or a second after its first line, and writes it whole lines at a
// time; with nothing to write it sleeps. A disk that falls a megabyte behind costs lines, which are
// counted: an event loop must not wait for it.
//
// An Entry stays the caller's; its slices are copied before Log returns.
package accesslog

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fourways/shared/logging"
	"fourways/shared/timeout"
)

const (
	flushSize  = 64 << 10 // bytes; a buffer this full is written at once
	flushDelay = time.Second
	bufferSize = 1 << 20     // bytes; there are two buffers
	lastWords  = time.Second // that Reopen and Close wait for a write to the old file
)

// Entry is one request.
type Entry struct {
	Client   netip.Addr
	Time     int64 // nanoseconds since 1970, when the request began
	Duration int64 // nanoseconds, to the last byte handed to the kernel
	Status   int   // 0 for a request without an answer
	Bytes    int64 // of the response's body, as sent

	// As they came from the client, so they may hold anything. Empty ones are written as "-", or ""
	// in JSON.
	Method, Target, Proto []byte
	Referer, UserAgent    []byte
	ID                    []byte // X-Request-Id

	// Of a request by TLS; TLS is empty for one without.
	TLS, Cipher string // "TLSv1.3", "TLS_AES_128_GCM_SHA256"
	Resumed     bool
	ServerName  string // that the client asked for

	// Of a request that was passed on to another server; Upstream is empty for one that was not.
	Upstream             string // which: http://127.0.0.1:9000
	Connect, Head, Whole int64  // nanoseconds to its connection, its answer's head and its end; below 0 where it did not come so far
}

// Logger is safe for concurrent use.
type Logger struct {
	file  *logging.File
	delay time.Duration // from a buffer's first line to its being written

	mu     sync.Mutex                  // for a few copies, never over a system call
	format func([]byte, *Entry) []byte // under mu
	filled []byte                      // under mu: whole lines that wait to be written
	closed bool                        // under mu

	writing sync.Mutex // held over write(2); always taken before mu
	spare   []byte     // under writing: the other buffer, empty

	dropped atomic.Uint64
	failed  atomic.Uint64         // writes
	trouble atomic.Pointer[error] // of the last write; nil: it went well
	some    chan struct{}         // the buffer has its first line
	enough  chan struct{}         // the buffer is worth a write
	stop    chan struct{}         // closed by Close
	done    chan struct{}         // closed when the goroutine is gone
}

// Open opens the log at path, "-" for standard error, in combined format or as JSON.
func Open(path string, json bool) (*Logger, error) {
	return open(path, json, flushDelay)
}

func open(path string, json bool, delay time.Duration) (*Logger, error) {
	file, err := logging.Open(fileOf(path))
	if err != nil {
		return nil, err
	}
	return start(file, json, delay), nil
}

// OpenLater is Open for a file that cannot be opened now: standard error takes its place until a
// Reopen.
func OpenLater(path string, json bool) *Logger {
	return start(logging.OpenLater(fileOf(path)), json, flushDelay)
}

func start(file *logging.File, json bool, delay time.Duration) *Logger {
	l := &Logger{
		file:   file,
		format: formatOf(json),
		delay:  delay,
		filled: make([]byte, 0, bufferSize),
		spare:  make([]byte, 0, bufferSize),
		some:   make(chan struct{}, 1),
		enough: make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go l.run()
	return l
}

// fileOf is the path of a log's file; empty for standard error.
func fileOf(path string) string {
	if path == "-" {
		return ""
	}
	return path
}

func formatOf(json bool) func([]byte, *Entry) []byte {
	if json {
		return appendJSON
	}
	return appendCombined
}

// Log adds the line of e. It neither waits for a disk nor allocates.
func (l *Logger) Log(e *Entry) {
	l.mu.Lock()
	if l.closed || len(l.filled) > bufferSize-maxLine {
		l.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	before := len(l.filled)
	l.filled = l.format(l.filled, e)
	after := len(l.filled)
	l.mu.Unlock()
	if before == 0 {
		wake(l.some)
	}
	if before < flushSize && after >= flushSize {
		wake(l.enough)
	}
}

// wake leaves a token in c unless one is there: the goroutine looks at the buffer, not at the
// number of tokens.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes the buffer until Close.
func (l *Logger) run() {
	defer close(l.done)
	timer := time.NewTimer(l.delay)
	defer timer.Stop()
	for {
		select {
		case <-l.some:
		case <-l.stop:
			return
		}
		timer.Reset(l.delay)
		select {
		case <-timer.C:
		case <-l.enough:
		case <-l.stop:
			return
		}
		l.Flush()
	}
}

// Flush writes what is there. It waits for the disk. Lines of a failed write are lost and counted.
func (l *Logger) Flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.flush()
}

// flush swaps the buffers, so that Log goes on while the full one is written. The caller holds
// l.writing.
func (l *Logger) flush() error {
	l.mu.Lock()
	full := l.filled
	l.filled = l.spare
	l.mu.Unlock()
	l.spare = full[:0]
	if len(full) == 0 {
		return nil
	}
	written, err := l.file.Write(full)
	l.dropped.Add(lost(full, written))
	if err == nil {
		l.trouble.Store(nil)
		return nil
	}
	l.failed.Add(1)
	trouble := err // which then escapes, and not each err
	l.trouble.Store(&trouble)
	return err
}

// lost counts the lines that did not get into the file whole.
func lost(lines []byte, written int) uint64 {
	var n uint64
	for _, b := range lines[written:] {
		if b == '\n' {
			n++
		}
	}
	return n
}

// GiveTo is [logging.File.GiveTo].
func (l *Logger) GiveTo(uid, gid int) error { return l.file.GiveTo(uid, gid) }

// Reopen writes what is there to the old file and goes on in a new one of the same name. Where only
// the writing fails, or does not end, the new one is in use all the same, and the error is an
// ErrOldFile: a full disk is a reason to rotate, and the lines are lost either way. Else it fails
// as File.Reopen does, with the old file still in use.
func (l *Logger) Reopen() error { return l.renew(l.file.Reopen) }

// Move is Reopen at another path, or at the same, with lines of that format from then on.
func (l *Logger) Move(path string, json bool) error {
	return l.renew(func() error {
		err := l.file.Move(fileOf(path))
		if err == nil {
			l.setFormat(formatOf(json))
		}
		return err
	})
}

// Silence writes what is there, lets go of the file, and has no line written until Move: somebody
// who goes by settings from before may still call Log. It fails as Reopen does.
func (l *Logger) Silence() error {
	before := l.setFormat(func(b []byte, _ *Entry) []byte { return b })
	err := l.renew(func() error { return l.file.Move("") })
	if err != nil && !errors.Is(err, ErrOldFile) {
		l.setFormat(before)
	}
	return err
}

func (l *Logger) setFormat(next func([]byte, *Entry) []byte) (before func([]byte, *Entry) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.format = l.format, next
	return before
}

func (l *Logger) renew(open func() error) error {
	writing := timeout.Within(lastWords, l.Flush)
	if err := open(); err != nil {
		return errors.Join(writing, err)
	}
	if writing != nil {
		return fmt.Errorf("%w: %w", ErrOldFile, writing)
	}
	return nil
}

// ErrOldFile: the old file did not take its last lines.
var ErrOldFile = errors.New("last lines lost")

// Close writes what is there and closes the file. It is called once; a Log after it is counted as
// dropped. It does not wait long for a disk or a reader that stands still.
func (l *Logger) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	err := timeout.Within(lastWords, func() error {
		<-l.done
		return l.Flush()
	})
	if closing := l.file.Close(); err == nil {
		err = closing
	}
	return err
}

// Dropped is the number of lines that were lost because the disk was too slow or full, since the
// start.
func (l *Logger) Dropped() uint64 { return l.dropped.Load() }

// Failed is the number of writes that failed, since the start.
func (l *Logger) Failed() uint64 { return l.failed.Load() }

// Trouble is why the last write failed, nil if it did not.
func (l *Logger) Trouble() error {
	if err := l.trouble.Load(); err != nil {
		return *err
	}
	return nil
}
