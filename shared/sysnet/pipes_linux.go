package sysnet

// Pipes through which a thread moves bytes from one socket to another without a copy (splice(2)).
//
// Pipes belong to one thread, and a [chain.Pipe] to whoever has got it, until it is released. There
// are so many and no more, since each is two descriptors and the kernel bounds what all pipes of a
// user may hold (pipe(7), pipe-user-pages-soft).
//
// What must not be done: a pipe that is given back with something in it must not be lent again, or
// the bytes of one connection would come out of another.

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// Pipes are the pipes of one thread.
type Pipes struct {
	most int // that may be open at once
	open int
	free []*pipe
}

// pipe is one of them.
type pipe struct {
	of        *Pipes
	out, into int   // the ends that are read and written
	held      int64 // bytes in it
}

// NewPipes makes pipes as they are needed, up to so many at once. It is nil where the system has no
// splice(2).
func NewPipes(most int) *Pipes { return &Pipes{most: most} }

// Get lends an empty pipe, or nil ([chain.Pipes]).
func (s *Pipes) Get() chain.Pipe {
	if last := len(s.free) - 1; last >= 0 {
		p := s.free[last]
		s.free = s.free[:last]
		return p
	}
	var ends [2]int
	if s.open == s.most || unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	// Where it may not be so large, it is of the size that it has.
	unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, chain.PipeSize)
	s.open++
	return &pipe{of: s, out: ends[0], into: ends[1]}
}

// Close closes all that are not lent; those that are close with their release.
func (s *Pipes) Close() {
	s.most = 0
	for _, p := range slices.Backward(s.free) {
		p.close()
	}
	s.free = nil
}

// Fill moves bytes from a socket into the pipe. What comes behind an urgent byte (tcp(7)) is none
// of them: splice(2) stops there for good, as if nothing had come or, if the peer has ended, as if
// that were all, while the socket stays readable. read(2) passes over the byte.
func (p *pipe) Fill(fd int, n int64) (int64, error) {
	n, err := splice(fd, p.into, min(n, chain.PipeSize))
	if n == 0 && (err == nil || err == unix.EAGAIN) && atUrgent(fd) {
		return 0, errUrgent
	}
	p.held += n
	return n, err
}

// errUrgent is what Fill says of a socket whose next byte is an urgent one.
const errUrgent = unix.EOPNOTSUPP

// atUrgent reports whether the next byte of a socket is an urgent one.
func atUrgent(fd int) bool {
	var at int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCATMARK, uintptr(unsafe.Pointer(&at)))
	return errno == 0 && at != 0
}

// Pour moves bytes from the pipe into a socket. It must not be asked for more than the pipe has:
// the kernel would hold the last packet back for what does not come.
func (p *pipe) Pour(fd int, n int64) (int64, error) {
	n, err := splice(p.out, fd, n)
	p.held -= n
	return n, err
}

// Read takes bytes out of the pipe.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := ReadNow(p.out, b)
	p.held -= int64(n)
	return n, err
}

// Release gives the pipe back. One that has something in it is closed, and with that it is gone.
func (p *pipe) Release() {
	if p.held != 0 || p.of.most == 0 {
		p.close()
		return
	}
	p.of.free = append(p.of.free, p)
}

func (p *pipe) close() {
	unix.Close(p.out)
	unix.Close(p.into)
	p.of.open--
}

// splice is splice(2) between a socket and a pipe. It waits for neither, so the scheduler need not
// know.
func splice(from, to int, n int64) (int64, error) {
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch errno {
		case 0:
			return int64(moved), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// NoSplice reports whether an error of [chain.Pipe]'s Fill says that this socket cannot, that the
// call is forbidden, or that there is no memory for it. Nothing has been moved then, and read(2)
// does.
func NoSplice(err error) bool {
	switch err {
	case unix.EINVAL, unix.ENOSYS, unix.EPERM, unix.EOPNOTSUPP, unix.ENOMEM, unix.ENOBUFS:
		return true
	}
	return false
}
