package loop

// The poller by epoll(7). Package kqueue has the same methods by kqueue(2), and their contract.
//
// A poller belongs to the loop's thread; only Wake may be called from elsewhere, until Close. What
// must not be done: Set must not be called where the interest has not changed, since each call is a
// system call; and an event must not be used before its generation is compared, since its
// descriptor may be another socket's by now.

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// poller is epoll(7), woken by an eventfd(2).
type poller struct {
	ep     int
	wakeFD int
}

// event is what the kernel reports. It returns the 64 bits that epoll_ctl(2) was given: a
// descriptor and its generation.
type event unix.EpollEvent

func (e *event) FD() int        { return int(e.Fd) }
func (e *event) Gen() uint32    { return uint32(e.Pad) }
func (e *event) Readable() bool { return e.Events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0 }
func (e *event) Writable() bool { return e.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 }

func (e *event) HungUp() bool { return e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 }

func (p *poller) Open() (err error) {
	if p.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(p.ep)
		return err
	}
	// Edge-triggered, and never read: each write is a new edge, so no read is needed to clear the
	// readiness.
	return p.control(unix.EPOLL_CTL_ADD, p.wakeFD, wakeGen, unix.EPOLLIN|unix.EPOLLET)
}

func (p *poller) Close() {
	unix.Close(p.ep)
	unix.Close(p.wakeFD)
}

// AddListener watches with EPOLLEXCLUSIVE: the kernel then wakes one or a few of the loops that
// share the socket for a connection, and not all.
func (p *poller) AddListener(fd int, gen uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, gen, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
}

func (p *poller) Set(fd int, gen uint32, was, want machine.Want) error {
	op := unix.EPOLL_CTL_MOD
	if was == 0 {
		op = unix.EPOLL_CTL_ADD
	}
	// Errors and hang-ups are always reported. EPOLLRDHUP is not asked for: a read finds the end of
	// the peer's direction, after all that it has sent.
	events := uint32(0)
	if want&machine.WantRead != 0 {
		events |= unix.EPOLLIN
	}
	if want&machine.WantWrite != 0 {
		events |= unix.EPOLLOUT
	}
	return p.control(op, fd, gen, events)
}

func (p *poller) Remove(fd int) {
	unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.ep), unix.EPOLL_CTL_DEL, uintptr(fd), 0, 0, 0)
}

func (p *poller) control(op, fd int, gen, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	return sysnet.EpollCtl(p.ep, op, fd, &e)
}

// Look is a raw system call, of which Go's scheduler does not know. So it waits for no longer than
// sysnet.UnseenWait. A signal ends it early.
func (p *poller) Look(events []event, timeout int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	return reported(int(n), errno)
}

// Wait tells Go's scheduler, which may use the processor for other work meanwhile. A signal ends it
// early, also that by which a suspended process goes on: then it looks what has come meanwhile.
func (p *poller) Wait(events []event, timeout int) int {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	if errno != unix.EINTR {
		return reported(int(n), errno)
	}
	return p.Look(events, 0)
}

// reported is how many are ready. A signal ends a wait with nothing (EINTR); any other error
// is a fault of ours that would not go away (EBADF, EFAULT, EINVAL), and the loop would spin.
func reported(n int, errno unix.Errno) int {
	switch errno {
	case 0:
		return n
	case unix.EINTR:
		return 0
	}
	panic(errno)
}

func (p *poller) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(p.wakeFD, one[:]) // EAGAIN would mean 2⁶⁴ wake-ups without a wait
}
