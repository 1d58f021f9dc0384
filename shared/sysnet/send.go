package sysnet

import (
	"errors"
	"io"

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

// Copier sends chains by reading files into its buffer and writing that. It belongs
// to one thread.
type Copier struct {
	buf []byte
	iov [maxSegs + 1][]byte
	vec vector
}

// NewCopier makes a Copier with its buffer.
func NewCopier() *Copier { return &Copier{buf: make([]byte, copyBuffer)} }

// Send writes what is in the chain, up to about budget bytes, and acknowledges what
// was written. On a socket that blocks it blocks. Errors are those of writev(2), also
// EAGAIN, those of pread(2), and ErrTruncated.
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
	for {
		got, err := unix.Pread(f.(descriptor).Fd(), c.buf[:want], off)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case got == 0:
			return nil, ErrTruncated
		}
		return c.buf[:got], nil
	}
}

// WriteAll writes p to a descriptor that blocks.
func WriteAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p = p[n:]
	}
	return nil
}
