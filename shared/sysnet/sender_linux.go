package sysnet

// Sending a chain with sendfile(2). On other systems a Sender is a Copier.
//
// A Sender belongs to one thread, and its sockets must be non-blocking: bytes go out without
// telling Go's scheduler. What must not be done: sendfile(2) must not be called before inMemory has
// looked: it would wait for the disk, and delay all connections of the thread.

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// Sender sends chains on non-blocking sockets: bytes by sendmsg(2), ranges of files by
// sendfile(2), from the page cache to the socket without a copy through the program, and what is
// in pipes by splice(2). It belongs to one thread.
type Sender struct {
	segs [maxSegs][]byte
	iov  [maxSegs]unix.Iovec
	msg  unix.Msghdr
	page [1]byte

	copier *Copier // for files that sendfile(2) cannot send; nil before the first
}

// NewSender makes a Sender.
func NewSender() *Sender { return &Sender{} }

// Send sends what is in the chain, up to about budget bytes, and acknowledges what the
// socket took. Errors are those of sendmsg(2), also EAGAIN, ErrUnreadable, ErrTruncated,
// ErrChanged, and ErrCold. An empty chain is EAGAIN too ([Copier.Send]).
func (s *Sender) Send(fd int, q *chain.Chain, budget int64) error {
	if q.Empty() {
		return unix.EAGAIN
	}
	if q.CorkPassed() { // the range was dropped
		uncork(fd, q)
	}
	for budget > 0 && !q.Empty() {
		segs, fileNext := q.Bytes(s.segs[:0])
		if fileNext {
			cork(fd, q)
		}
		var n int64
		var err error
		if len(segs) > 0 {
			n, err = s.bytes(fd, segs, fileNext)
		} else if p, most, ok := q.FrontPipe(); ok {
			n, err = p.Pour(fd, min(most, budget))
		} else {
			n, err = s.file(fd, q, budget)
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			q.NoteWait()
			return stopped(fd, q, err)
		}
		q.Ack(n)
		budget -= n
		if q.CorkPassed() {
			uncork(fd, q)
		}
	}
	return nil
}

// bytes sends segments. MSG_MORE tells the kernel that a file follows: the head is then sent in one
// packet with its beginning, without a call more; a large file has a cork besides (cork.go).
// write(2) has no such flag, so it is sendto(2) for one segment and sendmsg(2) for several.
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
	// Do not keep bodies alive here that have left the cache.
	clear(s.iov[:len(segs)])
	clear(segs)
	if errno != 0 {
		return 0, errno
	}
	return int64(n), nil
}

// file sends some of the file range at the chain's front. The call takes its own offset, because
// other connections may be sending the same file. If it sends fewer bytes than asked, that is not
// EAGAIN yet: the caller tries again, and gets EAGAIN if the socket is full. If it sends none, the
// file has become shorter.
func (s *Sender) file(fd int, q *chain.Chain, budget int64) (int64, error) {
	f, off, n, _ := q.FileRange()
	from := f.Fd()
	// Never more than the range has: the kernel holds the last packet back, up to 200 ms,
	// while it was promised more than came.
	count, seen, err := s.inMemory(q, from, off, min(n, budget, pieceAt(off)))
	if err != nil {
		return 0, err
	}
	mark := copyOnly(f)
	if mark != nil && mark.Load() {
		return s.copy(fd, q, count)
	}
	sent, err := sendfile(fd, from, &off, int(count), seen)
	switch err {
	case nil:
		if sent == 0 {
			err = ErrTruncated
		} else {
			err = stillTheSame(f)
		}
		return int64(sent), err
	case unix.EAGAIN, unix.EINTR:
		return 0, err
	case unix.EIO, unix.ESTALE:
		return 0, readError(err)
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM:
		if mark != nil {
			mark.Store(true)
		}
	}
	// sendfile(2) does not say whether it was the file or the socket. Reading and writing does.
	return s.copy(fd, q, count)
}

// sendfile is sendfile(2). Where the first and last page have just been seen in memory, Go's
// scheduler is not told: it would take the processor of each call that lasts longer than 20 us, and
// give it back. A page between them may be missing all the same. Then the processor waits for the
// disk too, and a garbage collection with it. A file system that cannot tell what is in memory may
// be one that hangs; there the scheduler is told.
func sendfile(to, from int, off *int64, count int, seen bool) (int, error) {
	if !seen || bits.UintSize < 64 { // the call's offset has 32 bits there
		return unix.Sendfile(to, from, off, count)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(to), uintptr(from), uintptr(unsafe.Pointer(off)), uintptr(count), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// copyOnly is a file's mark that sendfile(2) cannot send it, nil for a File without one. Some file
// systems cannot, and some containers forbid the call.
func copyOnly(f chain.File) *atomic.Bool {
	if m, ok := f.(interface{ CopyOnly() *atomic.Bool }); ok {
		return m.CopyOnly()
	}
	return nil
}

// copy sends what is in memory of the file range at the chain's front by reading and writing.
func (s *Sender) copy(fd int, q *chain.Chain, count int64) (int64, error) {
	if s.copier == nil {
		s.copier = NewCopier() // hardly ever needed
	}
	p, err := s.copier.load(q, count)
	if err != nil {
		return 0, err
	}
	return s.bytes(fd, append(s.segs[:0], p), false)
}

// inMemory says how much of the next count bytes of a file can be sent without waiting for a disk,
// and whether that has just been seen. The first page may be there only because the kernel reads
// ahead. If the last is there too, nearly always all pages between them are.
func (s *Sender) inMemory(q *chain.Chain, fd int, off, count int64) (_ int64, seen bool, err error) {
	count, ask := inMemory(q, count)
	if !ask {
		return count, false, nil
	}
	_, err = preadCached(fd, s.page[:], off)
	if err == nil {
		_, err = preadCached(fd, s.page[:], off+count-1)
	}
	if known, _ := q.FileRead(); err == errNoAnswer && known > 0 {
		return min(count, known), false, nil
	}
	if err != nil {
		err = readError(err)
	}
	return count, err == nil, err
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
		return 0, later(errno)
	}
}
