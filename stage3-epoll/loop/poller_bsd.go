//go:build darwin || freebsd

package loop

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is kqueue(2), woken by a user event (EVFILT_USER). Reading and writing are two
// filters there, which are added and deleted one by one.
type poller struct {
	kq int
}

// wakeIdent is the identifier of the wake-up's own event.
const wakeIdent = 0

// event is what the kernel reports. The generation travels in its user data, which is a
// pointer only by its type: the kernel gives it back and nobody follows it.
type event unix.Kevent_t

func (e *event) fd() int { return int(e.Ident) }

func (e *event) gen() uint32 { return uint32(uintptr(unsafe.Pointer(e.Udata))) }

func (e *event) readable() bool {
	return e.Filter == unix.EVFILT_READ || e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0
}

func (p *poller) open() (err error) {
	if p.kq, err = unix.Kqueue(); err != nil {
		return err
	}
	unix.CloseOnExec(p.kq)
	return p.change(wakeIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR, 0, wakeGen)
}

func (p *poller) close() { unix.Close(p.kq) }

func (p *poller) addListener(fd int) error {
	return p.change(fd, unix.EVFILT_READ, unix.EV_ADD, 0, listenGen)
}

func (p *poller) set(c *conn, i interest) error {
	add, del := unix.EVFILT_READ, unix.EVFILT_WRITE
	if i == forWrite {
		add, del = del, add
	}
	if c.watch != forNothing {
		p.change(int(c.fd), del, unix.EV_DELETE, 0, c.gen)
	}
	return p.change(int(c.fd), add, unix.EV_ADD, 0, c.gen)
}

func (p *poller) remove(fd int) {
	p.change(fd, unix.EVFILT_READ, unix.EV_DELETE, 0, 0)
	p.change(fd, unix.EVFILT_WRITE, unix.EV_DELETE, 0, 0)
}

func (p *poller) change(ident, filter, flags int, fflags uint32, gen uint32) error {
	var e unix.Kevent_t
	unix.SetKevent(&e, ident, filter, flags)
	e.Fflags = fflags
	*(*uintptr)(unsafe.Pointer(&e.Udata)) = uintptr(gen)
	_, err := unix.Kevent(p.kq, []unix.Kevent_t{e}, nil, nil)
	return err
}

func (p *poller) look(events []event) int { return p.wait(events, 0) }

func (p *poller) wait(events []event, timeout int) int {
	var until *unix.Timespec
	if timeout >= 0 {
		ts := unix.NsecToTimespec(int64(timeout) * 1e6)
		until = &ts
	}
	list := unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&events[0])), len(events))
	n, err := unix.Kevent(p.kq, nil, list, until)
	if err != nil {
		return 0 // EINTR
	}
	return n
}

func (p *poller) wake() {
	p.change(wakeIdent, unix.EVFILT_USER, 0, unix.NOTE_TRIGGER, wakeGen)
}
