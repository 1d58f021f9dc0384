//go:build linux

package main

// Moving bytes from a socket to its peer: through the program's memory, or through a pipe, where
// the kernel moves pages and copies nothing (splice(2)).
//
// What must not be done: nothing may be read from a socket while something of it is held for its
// peer.

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// move moves what a socket has said, until that is all or the peer is full.
func (l *loop) move(fd int) {
	for range burst {
		e := &l.ends[fd]
		var n int64
		var all bool
		if l.splice {
			n, all = l.spliced(fd, e)
		} else {
			n, all = l.copied(fd, e)
		}
		if n == 0 {
			return // or everything is closed
		}
		e.owed -= n
		if e.held > 0 {
			l.watch(fd)
			l.watch(e.peer)
			return
		}
		if e.owed == 0 {
			l.answered(fd)
			return
		}
		if all {
			return
		}
	}
}

// copied takes what a socket has said once. It returns how many bytes those were, and whether that
// was probably all.
func (l *loop) copied(fd int, e *end) (n int64, all bool) {
	p := l.in[l.grown:]
	got, errno := receive(fd, p[:min(int64(len(p)), e.owed)])
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0, true
	}
	if errno != 0 || got == 0 {
		l.drop(fd)
		return 0, true
	}
	whole := p[:got]
	if l.grown > 0 && !e.client && e.owed == l.unit { // an answer begins
		whole = l.in[:l.grown+got]
		copy(whole, l.head)
	}
	sent, errno := send(e.peer, whole)
	if errno != 0 && errno != unix.EAGAIN {
		l.drop(fd)
		return 0, true
	}
	if rest := whole[sent:]; len(rest) > 0 {
		if e.buf == nil {
			e.buf = make([]byte, len(l.in))
		}
		e.at, e.held = 0, int64(copy(e.buf, rest))
	}
	return int64(got), got < len(p)
}

// spliced is copied by splice(2).
func (l *loop) spliced(fd int, e *end) (n int64, all bool) {
	if !e.piped {
		if unix.Pipe2(e.pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
			l.drop(fd)
			return 0, true
		}
		unix.FcntlInt(uintptr(e.pipe[0]), unix.F_SETPIPE_SZ, pipeSize) // or else it has what it has
		e.piped = true
	}
	n, errno := splice(fd, e.pipe[1], min(pipeSize, e.owed))
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0, true
	}
	if errno != 0 || n == 0 {
		l.drop(fd)
		return 0, true
	}
	e.held = n
	if !l.pour(e) {
		l.drop(fd)
		return 0, true
	}
	return n, n < copySize
}

// pour moves what is held to the peer, as far as that takes it. It reports whether the peer is
// there.
func (l *loop) pour(e *end) bool {
	for e.held > 0 {
		var n int64
		var errno unix.Errno
		if e.piped {
			n, errno = splice(e.pipe[0], e.peer, e.held)
		} else {
			var sent int
			sent, errno = send(e.peer, e.buf[e.at:e.at+int(e.held)])
			n, e.at = int64(sent), e.at+sent
		}
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return true
		case errno != 0:
			return false
		}
		e.held -= n
	}
	return true
}

// flush goes on when the peer of a socket can be written again.
func (l *loop) flush(fd int) {
	e := &l.ends[fd]
	if e.held == 0 {
		return
	}
	if !l.pour(e) {
		l.drop(fd)
		return
	}
	if e.held > 0 {
		return
	}
	peer := e.peer
	if e.owed == 0 {
		l.answered(fd)
		return
	}
	l.watch(fd)
	l.watch(peer)
}

func receive(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return result(n, errno), errno
}

func send(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return result(n, errno), errno
}

// splice moves bytes between a socket and a pipe. It waits for neither.
func splice(from, to int, n int64) (int64, unix.Errno) {
	moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return int64(result(moved, errno)), errno
}

// result is a system call's, with no bytes where it failed.
func result(n uintptr, errno unix.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}
