package sysnet

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"fourways/shared/http1"
)

// descriptor is what a File in a Chain must be besides, for its bytes to be found.
type descriptor interface{ Fd() int }

// ErrTruncated: a file became shorter than it was when its sending began, so what
// was announced cannot be sent any more.
var ErrTruncated = errors.New("the file became shorter while it was being sent")

const (
	copyBuffer = 64 << 10 // bytes of a file read at once
	maxSegs    = 16       // segments gathered into one write
)

// ErrUnreadable: a file cannot be read any more. The system's own error is wrapped.
var ErrUnreadable = errors.New("the file cannot be read")

// FileFault reports whether sending failed because of a file and not of the socket.
func FileFault(err error) bool {
	return errors.Is(err, ErrTruncated) || errors.Is(err, ErrUnreadable)
}

// ErrCold: some of a file is not in the page cache, and reading it would wait for a disk.
var ErrCold = errors.New("the file is not in memory")

// Copier sends chains by reading files into its buffer and writing that. It belongs
// to one thread.
type Copier struct {
	// Impatient makes Send fail with ErrCold rather than wait for a disk. The caller has
	// the front of the chain read elsewhere ([Warm]) and tries again.
	Impatient bool

	buf []byte
	iov [maxSegs + 1][]byte
	vec vector
}

// NewCopier makes a Copier with its buffer.
func NewCopier() *Copier { return &Copier{buf: make([]byte, copyBuffer)} }

// Send writes what is in the chain, up to about budget bytes, and acknowledges what
// was written. On a socket that blocks it blocks. Errors are those of writev(2), also
// EAGAIN, ErrUnreadable, ErrTruncated, and ErrCold.
//
// The bytes before a file and the first of the file's own leave in one write: a head
// that left alone would cost a packet and a system call.
func (c *Copier) Send(fd int, q *http1.Chain, budget int64) error {
	for budget > 0 && !q.Empty() {
		iov, fileNext := q.Bytes(c.iov[:0:maxSegs])
		if fileNext {
			p, err := c.load(q, budget)
			if err != nil {
				return err
			}
			iov = append(c.iov[:len(iov)], p)
		}
		n, err := c.vec.write(fd, iov)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		q.Ack(int64(n))
		budget -= int64(n)
	}
	return nil
}

// load reads the beginning of the chain's first file range into the buffer.
func (c *Copier) load(q *http1.Chain, budget int64) ([]byte, error) {
	f, off, n, _ := q.FileRange()
	want := min(n, int64(len(c.buf)), max(budget, 1))
	read := pread
	if c.Impatient {
		read = preadCached
	}
	got, err := read(f.(descriptor).Fd(), c.buf[:want], off)
	switch {
	case err == nil && got == 0:
		err = ErrTruncated
	case err != nil && err != ErrCold:
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return c.buf[:got], err
}

// pread is pread(2), begun again when a signal interrupts it.
func pread(fd int, p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, p, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Cold is a part of a file that is to be read from the disk.
type Cold struct {
	File   http1.File
	Offset int64 // bytes
	Length int64 // bytes
}

// piece is what a file is read by where it was found cold, in bytes. Pieces lie at
// multiples of it, so that whoever looks at a piece that was read finds all of it.
const piece = 1 << 20

// pieceAt is how many bytes of its piece lie at an offset and behind it.
func pieceAt(off int64) int64 { return piece - off%piece }

// Front is what must be read before the chain can go on after ErrCold. The file is the
// chain's: it stays open as long as the chain has it.
func Front(q *http1.Chain) Cold {
	f, off, n, _ := q.FileRange()
	return Cold{File: f, Offset: off, Length: min(n, pieceAt(off))}
}

// Warm reads the part into the page cache. It blocks. Errors do not matter here: who
// reads next meets them again.
func (c Cold) Warm() {
	buf := make([]byte, min(c.Length, copyBuffer))
	for end := c.Offset + c.Length; c.Offset < end; {
		n, err := pread(c.File.(descriptor).Fd(), buf[:min(int64(len(buf)), end-c.Offset)], c.Offset)
		if err != nil || n == 0 {
			return
		}
		c.Offset += int64(n)
		Yield() // where the disk is fast, what this takes is the processor
	}
}
