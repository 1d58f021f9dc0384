package sysnet

import (
	"time"

	"golang.org/x/sys/unix"
)

// What to do where the kernel has no memory for a call (ENOMEM, ENOBUFS). Nothing is wrong with the
// socket or the file then, and soon there is some: a connection is not cut for that, but its thread
// rests for a moment before the next try, since a poller would report the socket again at once.
const (
	shortRest = time.Millisecond
	mostTries = 50 // of a call that nobody else would try again
)

// Short reports whether an error says that the kernel had no memory for a call. It waits a moment
// then.
func Short(err error) bool {
	if err != unix.ENOMEM && err != unix.ENOBUFS {
		return false
	}
	time.Sleep(shortRest)
	return true
}

// later turns an error that is Short into the one by which a call on a socket is tried again
// ([Again]).
func later(err error) error {
	if Short(err) {
		return unix.EAGAIN
	}
	return err
}

// Poll is poll(2). Where the kernel is short of memory, it ends as by a signal (EINTR).
func Poll(fds []unix.PollFd, milliseconds int) (int, error) {
	n, err := unix.Poll(fds, milliseconds)
	if Short(err) {
		err = unix.EINTR
	}
	return n, err
}
