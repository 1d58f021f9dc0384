package loop

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is epoll(7), woken by an eventfd(2).
type poller struct {
	ep     int
	wakeFD int
}

// event is what the kernel reports. What it carries for us is a descriptor and its
// generation, packed into the 64 bits that epoll_ctl(2) took.
type event unix.EpollEvent

func (e *event) fd() int        { return int(e.Fd) }
func (e *event) gen() uint32    { return uint32(e.Pad) }
func (e *event) readable() bool { return e.Events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0 }

func (p *poller) open() (err error) {
	if p.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(p.ep)
		return err
	}
	// Edge-triggered, and never read: each write is an edge, so no read has to take the
	// readiness away again.
	return p.control(unix.EPOLL_CTL_ADD, p.wakeFD, wakeGen, unix.EPOLLIN|unix.EPOLLET)
}

func (p *poller) close() {
	unix.Close(p.ep)
	unix.Close(p.wakeFD)
}

// addListener watches with EPOLLEXCLUSIVE: of several loops that share the socket the
// kernel wakes one for a connection, or a few, and not all.
func (p *poller) addListener(fd int) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, listenGen, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
}

func (p *poller) set(c *conn, i interest) error {
	op := unix.EPOLL_CTL_MOD
	if c.watch == forNothing {
		op = unix.EPOLL_CTL_ADD
	}
	// EPOLLRDHUP is not asked for: that the client has ended its direction is found by
	// reading, behind what it has sent, and not before.
	events := uint32(unix.EPOLLIN)
	if i == forWrite {
		events = unix.EPOLLOUT
	}
	return p.control(op, int(c.fd), c.gen, events)
}

func (p *poller) remove(fd int) {
	unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.ep), unix.EPOLL_CTL_DEL, uintptr(fd), 0, 0, 0)
}

func (p *poller) control(op, fd int, gen, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// look does not tell the scheduler: it returns at once.
func (p *poller) look(events []event) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0 // EINTR
	}
	return int(n)
}

// wait tells the scheduler, which may use the processor otherwise meanwhile. A signal ends
// it early; the caller then looks at the time and comes again.
func (p *poller) wait(events []event, timeout int) int {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	if errno != 0 {
		return 0 // EINTR
	}
	return int(n)
}

func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(p.wakeFD, one[:]) // EAGAIN would mean 2⁶⁴ wake-ups that nobody noticed
}
