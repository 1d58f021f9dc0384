package sysnet

// Taking connections from a listening socket, also when there are no descriptors left.
//
// An Acceptor belongs to one thread. It owns its listener and the spare descriptor; the connections
// it returns are the caller's. What must not be done: after an error other than ErrNone the caller
// must not accept again without a pause.

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Acceptor takes connections from one listening socket. It belongs to one thread.
type Acceptor struct {
	Listener int  // a non-blocking listening socket, closed by Close
	Blocking bool // whether the connections' sockets block

	spare int // a descriptor held back, -1 for none
}

// mostFailed is how many connections in a row may fail before the caller is told. Where no accept
// may succeed (a filter of system calls, EPERM) it would go on for ever.
const mostFailed = 64

// Errors of Accept that are not the kernel's.
var (
	// ErrNone: no connection is waiting.
	ErrNone = errors.New("no connection is waiting")
	// ErrExhausted: the process or the system is out of descriptors or memory. One
	// waiting connection may have been closed; stop accepting for a moment.
	ErrExhausted = errors.New("out of descriptors")
)

// NewAcceptor makes an Acceptor and sets a spare descriptor aside.
func NewAcceptor(listener int, blocking bool) *Acceptor {
	a := &Acceptor{Listener: listener, Blocking: blocking, spare: -1}
	a.refillSpare()
	return a
}

// Accept takes one connection; peer is invalid for a Unix socket's. Errors are
// ErrNone, ErrExhausted, and those of accept(2) that mean the listener is broken, or
// so many connections in a row.
//
// Out of descriptors, accept(2) fails and the connection stays in the queue, so the listener stays
// readable: a loop that went on would spin. The spare descriptor is given up to take the connection
// after all and close it, so that its client notices at once; the caller's pause keeps the loop
// from spinning on the next one. Either of the two alone is not enough.
func (a *Acceptor) Accept() (fd int, peer netip.AddrPort, err error) {
	for failed := 1; ; failed++ {
		fd, peer, err = accept(a.Listener, a.Blocking)
		switch err {
		case nil:
			return fd, peer, nil
		case unix.EAGAIN:
			return -1, peer, ErrNone
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
			// The client gave up first, or this connection failed in the network or the firewall
			// (accept(2), "Error handling"). The next one may be good.
			if failed < mostFailed {
				continue
			}
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			a.refuseOne()
			return -1, peer, ErrExhausted
		}
		return -1, peer, err
	}
}

func (a *Acceptor) refuseOne() {
	if a.spare >= 0 {
		unix.Close(a.spare)
		a.spare = -1
		if fd, _, err := accept(a.Listener, true); err == nil {
			unix.Close(fd)
		}
	}
	a.refillSpare()
}

func (a *Acceptor) refillSpare() {
	if fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		a.spare = fd
	}
}

// Close closes the listener and the spare descriptor. It is best called at once after an Accept
// that failed with ErrNone: a connection that is in the queue of a socket when it is closed gets a
// reset.
func (a *Acceptor) Close() {
	unix.Close(a.Listener)
	if a.spare >= 0 {
		unix.Close(a.spare)
		a.spare = -1
	}
}
