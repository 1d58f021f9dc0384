//go:build darwin || freebsd

package kqueue

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/machine"
)

// Poller is kqueue(2), woken by a user event (EVFILT_USER). Reading and writing are two
// filters there, which are added and deleted one by one.
type Poller struct {
	kq int
}

const (
	// wakeIdent is the identifier of the wake-up's own event.
	wakeIdent = 0
	// wakeGen is that event's generation, and that of an event of no socket.
	wakeGen = 0
)

// Event is what the kernel reports. The generation is in its user data, which is a pointer only by
// its type: the kernel returns it, and it is never followed.
type Event unix.Kevent_t

// FD is the descriptor that the event is about.
func (e *Event) FD() int { return int(e.Ident) }

// Gen is the generation that its interest was set with.
func (e *Event) Gen() uint32 { return uint32(uintptr(unsafe.Pointer(e.Udata))) }

// Readable reports whether reading makes sense.
func (e *Event) Readable() bool {
	return e.Filter == unix.EVFILT_READ || e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0
}

// Writable reports whether a write would not find the socket full; it may find an error.
func (e *Event) Writable() bool {
	return e.Filter == unix.EVFILT_WRITE || e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0
}

// HungUp reports whether the peer is gone, and not only done with sending.
func (e *Event) HungUp() bool {
	return e.Filter == unix.EVFILT_WRITE && e.Flags&unix.EV_EOF != 0
}

// Open makes the queue, with an event to be woken by.
func (p *Poller) Open() (err error) {
	if p.kq, err = unix.Kqueue(); err != nil {
		return err
	}
	unix.CloseOnExec(p.kq)
	return p.change(wakeIdent, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR, 0, wakeGen)
}

// Close closes it.
func (p *Poller) Close() { unix.Close(p.kq) }

// AddListener watches a listening socket.
func (p *Poller) AddListener(fd int, gen uint32) error {
	return p.change(fd, unix.EVFILT_READ, unix.EV_ADD, 0, gen)
}

// filters lists the filter that watches for each bit of a Want.
var filters = [...]struct {
	bit           machine.Want
	filter, flags int
}{
	{machine.WantRead, unix.EVFILT_READ, unix.EV_ADD},
	{machine.WantWrite, unix.EVFILT_WRITE, unix.EV_ADD},
	{machine.WantPeer, unix.EVFILT_WRITE, unix.EV_ADD | unix.EV_CLEAR},
}

// Set adds the filters that are wanted and deletes those that were. For hang-ups alone it uses the
// filter for writing with EV_CLEAR, which reports once now, and again when the peer has gone.
func (p *Poller) Set(fd int, gen uint32, was, want machine.Want) error {
	for _, f := range filters {
		if was&f.bit != 0 && want&f.bit == 0 {
			p.change(fd, f.filter, unix.EV_DELETE, 0, gen)
		}
	}
	for _, f := range filters {
		if want&f.bit != 0 && was&f.bit == 0 {
			if err := p.change(fd, f.filter, f.flags, 0, gen); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove watches a descriptor no longer.
func (p *Poller) Remove(fd int) {
	p.change(fd, unix.EVFILT_READ, unix.EV_DELETE, 0, 0)
	p.change(fd, unix.EVFILT_WRITE, unix.EV_DELETE, 0, 0)
}

func (p *Poller) change(ident, filter, flags int, fflags uint32, gen uint32) error {
	var e unix.Kevent_t
	unix.SetKevent(&e, ident, filter, flags)
	e.Fflags = fflags
	*(*uintptr)(unsafe.Pointer(&e.Udata)) = uintptr(gen)
	_, err := unix.Kevent(p.kq, []unix.Kevent_t{e}, nil, nil)
	return err
}

// Look is Wait: Go's scheduler learns of every wait here.
func (p *Poller) Look(events []Event, timeout int) int { return p.Wait(events, timeout) }

// Wait waits for something to be ready, for so many milliseconds; -1 waits for ever.
func (p *Poller) Wait(events []Event, timeout int) int {
	var until *unix.Timespec
	if timeout >= 0 {
		ts := unix.NsecToTimespec(int64(timeout) * 1e6)
		until = &ts
	}
	list := unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&events[0])), len(events))
	n, err := unix.Kevent(p.kq, nil, list, until)
	mergeFilters(events[:max(n, 0)])
	if err == unix.EINTR {
		return 0
	}
	if err != nil {
		panic(err) // a fault of ours, which would not go away: the loop would spin
	}
	return n
}

// mergeFilters makes one event of two about the same socket: it may be ready for reading and for
// writing, which are two filters, and must have its turn once.
func mergeFilters(events []Event) {
	for i := range events {
		for j := range events[:i] {
			if first, second := &events[j], &events[i]; first.Gen() != wakeGen && first.Gen() == second.Gen() && first.FD() == second.FD() {
				if second.Filter == unix.EVFILT_READ {
					first.Filter = unix.EVFILT_READ // writing is tried anyway
				}
				first.Flags |= second.Flags
				*second = Event{} // wakeGen: of no socket
			}
		}
	}
}

// Wake ends a wait, from any thread.
func (p *Poller) Wake() {
	p.change(wakeIdent, unix.EVFILT_USER, 0, unix.NOTE_TRIGGER, wakeGen)
}
