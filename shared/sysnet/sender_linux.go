package sysnet

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/http1"
)

// Sender sends chains on non-blocking sockets: bytes by sendmsg(2), ranges of files by
// sendfile(2), from the page cache to the socket without a copy through the program. It
// belongs to one thread.
type Sender struct {
	segs [maxSegs][]byte
	iov  [maxSegs]unix.Iovec
	msg  unix.Msghdr
	page [1]byte
}

// NewSender makes a Sender.
func NewSender() *Sender { return &Sender{} }

// Send sends what is in the chain, up to about budget bytes, and acknowledges what the
// socket took. Errors are those of sendmsg(2) and sendfile(2), also EAGAIN, ErrTruncated,
// and ErrCold.
func (s *Sender) Send(fd int, q *http1.Chain, budget int64) error {
	for budget > 0 && !q.Empty() {
		segs, fileNext := q.Bytes(s.segs[:0])
		var n int64
		var err error
		if len(segs) > 0 {
			n, err = s.bytes(fd, segs, fileNext)
		} else {
			n, err = s.file(fd, q, budget)
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		q.Ack(n)
		budget -= n
	}
	return nil
}

// bytes sends segments. MSG_MORE tells the kernel that a file follows: the head then
// leaves in one packet with the beginning of it. write(2) has no such flag, so it is
// sendto(2) for one segment and sendmsg(2) for several.
func (s *Sender) bytes(fd int, segs [][]byte, fileNext bool) (int64, error) {
	flags := uintptr(unix.MSG_NOSIGNAL)
	if fileNext {
		flags |= unix.MSG_MORE
	}
	var n uintptr
	var errno unix.Errno
	if len(segs) == 1 {
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(segs[0]))), uintptr(len(segs[0])), flags, 0, 0)
	} else {
		for i, p := range segs {
			s.iov[i].Base = unsafe.SliceData(p)
			s.iov[i].SetLen(len(p))
		}
		s.msg.Iov = &s.iov[0]
		s.msg.SetIovlen(len(segs))
		n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.msg)), flags)
	}
	runtime.KeepAlive(segs)
	if errno != 0 {
		return 0, errno
	}
	return int64(n), nil
}

// file sends some of the file range at the chain's front. It carries its own offset, for
// others may be sending the same file. A count that falls short is no EAGAIN: the socket
// may just have been about to be full, so the caller tries again and hears it then. None
// at all means that the file has become shorter.
func (s *Sender) file(fd int, q *http1.Chain, budget int64) (int64, error) {
	f, off, n, _ := q.FileRange()
	from := f.(descriptor).Fd()
	// Never more than the range has: the kernel holds the last packet back, up to 200 ms,
	// while it was promised more than came.
	count := min(n, budget, pieceAt(off))
	// The first page may be there because the kernel reads ahead, and the others not. Where
	// the last is there too, so is nearly always what lies between.
	if s.cold(from, off) || s.cold(from, off+count-1) {
		return 0, ErrCold
	}
	// It may wait for a disk after all, between the pages that were looked at: so the
	// scheduler is told.
	sent, err := unix.Sendfile(fd, from, &off, int(count))
	if err == nil && sent == 0 {
		err = ErrTruncated
	}
	return int64(max(sent, 0)), err
}

// cold reports whether a byte of a file is not in the page cache.
func (s *Sender) cold(fd int, off int64) bool {
	_, err := preadCached(fd, s.page[:], off)
	return err == ErrCold
}

// ReadNow is read(2) on a socket that does not block: the scheduler need not know.
func ReadNow(fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}
