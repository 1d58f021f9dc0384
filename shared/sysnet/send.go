package sysnet

// Sending a chain by reading and writing, as every system can, and what both ways of sending share:
// their errors, and how a file is read that is not in memory.
//
// A Copier belongs to one thread, and the chain keeps what it has until that is acknowledged. What
// must not be done: no more may be acknowledged than the socket took, and nothing here may keep a
// reference to a body that has been sent. Warm blocks, so it must not run on an event loop.

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// ErrTruncated: a file became shorter than it was when its sending began, so what
// was announced cannot be sent any more.
var ErrTruncated = errors.New("the file became shorter while it was being sent")

// ErrChanged: a file has changed since its sending began, so the rest would not fit what was sent.
var ErrChanged = errors.New("the file was changed while it was being sent")

const (
	copyBuffer = 64 << 10 // bytes of a file read at once
	maxSegs    = 16       // segments gathered into one write
)

// ErrUnreadable: a file cannot be read any more. The system's own error is wrapped.
var ErrUnreadable = errors.New("the file cannot be read")

// FileFault reports whether sending failed because of a file and not of the socket.
func FileFault(err error) bool {
	return errors.Is(err, ErrTruncated) || errors.Is(err, ErrChanged) || errors.Is(err, ErrUnreadable)
}

// ErrCold: some of a file is not in the page cache, and reading it would wait for a disk.
var ErrCold = errors.New("the file is not in memory")

// errNoAnswer: the system cannot tell whether something is in memory.
var errNoAnswer = errors.New("whether the file is in memory is not known")

// Copier sends chains by reading files into its buffer and writing that. It belongs
// to one thread.
type Copier struct {
	// Impatient makes Send fail with ErrCold rather than wait for a disk. The caller has
	// the front of the chain read elsewhere ([Warm]) and tries again.
	Impatient bool
	// Rest, unless nil, is asked after each write whether Send is to return before its budget is
	// spent: on a socket that blocks each may take long.
	Rest func() bool

	buf []byte
	iov [maxSegs + 1][]byte
	vec vector
}

// NewCopier makes a Copier with its buffer.
func NewCopier() *Copier { return &Copier{buf: make([]byte, copyBuffer)} }

// Send writes what is in the chain, up to about budget bytes, and acknowledges what
// was written. On a socket that blocks it blocks. Errors are those of writev(2), also
// EAGAIN, ErrUnreadable, ErrTruncated, ErrChanged, and ErrCold. An empty chain is EAGAIN too: its
// machine waits until the socket can be written (WantWrite, package machine).
//
// The bytes before a file and the first of the file's own are sent in one write: a head on its own
// would cost a packet and a system call.
func (c *Copier) Send(fd int, q *chain.Chain, budget int64) error {
	if q.Empty() {
		return unix.EAGAIN
	}
	if q.CorkPassed() { // the range was dropped
		uncork(fd, q)
	}
	for budget > 0 && !q.Empty() {
		iov, fileNext := q.Bytes(c.iov[:0:maxSegs])
		if fileNext {
			p, err := c.load(q, budget)
			if err != nil {
				return stopped(fd, q, err)
			}
			iov = append(c.iov[:len(iov)], p)
			cork(fd, q)
		}
		n, err := c.vec.write(fd, iov)
		clear(iov) // do not keep a body alive that has left the cache
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			q.NoteWait()
			return stopped(fd, q, err)
		}
		q.Ack(int64(n))
		budget -= int64(n)
		if q.CorkPassed() {
			uncork(fd, q)
		}
		if c.Rest != nil && c.Rest() {
			break
		}
	}
	return nil
}

// load reads the beginning of the chain's first file range into the buffer.
func (c *Copier) load(q *chain.Chain, budget int64) ([]byte, error) {
	n, err := readFront(q, c.buf[:min(int64(len(c.buf)), max(budget, 1))], c.Impatient)
	return c.buf[:n], err
}

// ReadFront reads the beginning of the chain's first file range into p, without waiting for a
// disk. Its errors are ErrUnreadable, ErrTruncated, ErrChanged, and ErrCold: then [Front] is to be
// read elsewhere.
func ReadFront(q *chain.Chain, p []byte) (int, error) { return readFront(q, p, true) }

// readFront reads the beginning of the chain's first file range into p.
func readFront(q *chain.Chain, p []byte, impatient bool) (int, error) {
	f, off, n, _ := q.FileRange()
	want := min(n, int64(len(p)))
	read := pread
	if impatient {
		var ask bool
		if want, ask = inMemory(q, want); ask {
			read = preadCached
		}
	}
	got, err := read(f.Fd(), p[:want], off)
	if known, _ := q.FileRead(); err == errNoAnswer && known > 0 {
		got, err = pread(f.Fd(), p[:min(want, known)], off)
	}
	switch {
	case err == nil && got == 0:
		err = ErrTruncated
	case err != nil:
		err = readError(err)
	default:
		err = stillTheSame(f)
	}
	return got, err
}

// stillTheSame checks that a file has not changed since its sending began, if the File can tell.
func stillTheSame(f chain.File) error {
	if f, ok := f.(interface{ StillTheSame() error }); ok {
		return f.StillTheSame()
	}
	return nil
}

// inMemory says how much of a file range may be read without asking whether it is in memory: what
// was read for it in this turn. If the system were asked again it might always say no, because
// memory is short, or because some file systems say no to everything. Where nothing was read, or
// the sender has waited for the socket since, it has to ask.
func inMemory(q *chain.Chain, want int64) (_ int64, ask bool) {
	n, fresh := q.FileRead()
	if !fresh {
		return want, true
	}
	return min(want, n), false
}

// readError is the error of sending that an error of reading a file becomes.
func readError(err error) error {
	switch err {
	case ErrCold, errNoAnswer:
		return ErrCold
	}
	return fmt.Errorf("%w: %w", ErrUnreadable, err)
}

// pread is pread(2), begun again when a signal interrupts it, and for a while where memory is
// short.
func pread(fd int, p []byte, off int64) (int, error) {
	for tried := 1; ; tried++ {
		n, err := unix.Pread(fd, p, off)
		if err != unix.EINTR && (!Short(err) || tried == mostTries) {
			return max(n, 0), err
		}
	}
}

// Cold is a part of a file that is to be read from the disk.
type Cold struct {
	File   chain.File
	Offset int64 // bytes
	Length int64 // bytes
}

// piece is what a file is read by where it was found cold, in bytes. Pieces begin at multiples of
// it, so that a piece that was read is in memory as a whole.
const piece = 1 << 20

// pieceAt is the number of bytes from off to the end of its piece.
func pieceAt(off int64) int64 { return piece - off%piece }

// Front is what must be read before the chain can go on after ErrCold. The chain owns the file,
// which stays open as long as the chain has it. The chain notes the part as read, so the caller
// must have it read before the chain is sent on.
func Front(q *chain.Chain) Cold {
	f, off, n, _ := q.FileRange()
	n = min(n, pieceAt(off))
	q.NoteRead(n)
	return Cold{File: f, Offset: off, Length: n}
}

// Warm reads the part into the page cache. It blocks as long as the disk takes. Its errors
// are ErrTruncated and ErrUnreadable.
func (c Cold) Warm() error {
	buf := make([]byte, min(c.Length, copyBuffer))
	for end := c.Offset + c.Length; c.Offset < end; {
		n, err := pread(c.File.Fd(), buf[:min(int64(len(buf)), end-c.Offset)], c.Offset)
		switch {
		case err != nil:
			return readError(err)
		case n == 0:
			return ErrTruncated
		}
		c.Offset += int64(n)
		Yield() // where the disk is fast, what this takes is the processor
	}
	return nil
}
