//go:build skeleton

// Package epoller tells which descriptors are ready, of very many.
//
// Poll, in the tests, does it by poll(2): it hands the kernel its whole list each time. Write the
// same three methods with epoll(7), so that a wait costs what happens and not what is watched.
// It is level-triggered: a descriptor is told of for as long as it is ready. On Linux, package
// syscall has EpollCreate1, EpollCtl and EpollWait.
//
// Set is called with what somebody wants to know about a descriptor now, often with what it wanted
// before: then no system call may be made (Calls counts them). Wanting nothing takes it off the
// list.
package epoller

import "time"

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

	// yours
}

// New makes a poller without descriptors.
func New() (*Poller, error) { return &Poller{}, nil }

// Set says what is to be known of a descriptor from now on: Read, Write, both, or 0 for nothing.
func (p *Poller) Set(fd, want int) error { return nil }

// Wait waits until something is ready, or for so long. A signal is no reason to return early with
// an error.
func (p *Poller) Wait(timeout time.Duration) ([]Event, error) { return nil, nil }

// Close lets go of all.
func (p *Poller) Close() {}
