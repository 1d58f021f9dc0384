//go:build linux && !skeleton

// Package epoller tells which descriptors are ready, of very many.
//
// The map knows what the kernel was told, so that nothing is told twice. What must not be done: a
// descriptor must not be closed while something of it is wanted.
package epoller

import (
	"syscall"
	"time"
)

// What somebody wants to know of a descriptor. They may be added.
const (
	Read  = 1
	Write = 2
)

// Event is a descriptor that is ready for something, or has failed, which counts as ready for all
// that is wanted.
type Event struct {
	FD    int
	Ready int
}

// Poller is what waits.
type Poller struct {
	Calls int // of epoll_ctl(2), so far

	fd     int
	wanted map[int]int // by descriptor
	events [64]syscall.EpollEvent
}

// New makes a poller without descriptors.
func New() (*Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &Poller{fd: fd, wanted: map[int]int{}}, err
}

// Set says what is to be known of a descriptor from now on: Read, Write, both, or 0 for nothing.
func (p *Poller) Set(fd, want int) error {
	before := p.wanted[fd]
	if before == want {
		return nil
	}
	op := syscall.EPOLL_CTL_MOD
	switch {
	case before == 0:
		op = syscall.EPOLL_CTL_ADD
	case want == 0:
		op = syscall.EPOLL_CTL_DEL
	}
	e := syscall.EpollEvent{Fd: int32(fd)}
	if want&Read != 0 {
		e.Events |= syscall.EPOLLIN
	}
	if want&Write != 0 {
		e.Events |= syscall.EPOLLOUT
	}
	p.Calls++
	if err := syscall.EpollCtl(p.fd, op, fd, &e); err != nil {
		return err
	}
	if want == 0 {
		delete(p.wanted, fd)
	} else {
		p.wanted[fd] = want
	}
	return nil
}

// Wait waits until something is ready, or for so long.
func (p *Poller) Wait(timeout time.Duration) ([]Event, error) {
	for end := time.Now().Add(timeout); ; {
		left := max(time.Until(end), 0)
		n, err := syscall.EpollWait(p.fd, p.events[:], int((left+time.Millisecond-1)/time.Millisecond))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		var all []Event
		for _, e := range p.events[:n] {
			fd, ready := int(e.Fd), 0
			if e.Events&syscall.EPOLLIN != 0 {
				ready |= Read
			}
			if e.Events&syscall.EPOLLOUT != 0 {
				ready |= Write
			}
			if e.Events&(syscall.EPOLLERR|syscall.EPOLLHUP) != 0 {
				ready = p.wanted[fd]
			}
			all = append(all, Event{fd, ready})
		}
		return all, nil
	}
}

// Close lets go of all.
func (p *Poller) Close() { syscall.Close(p.fd) }
