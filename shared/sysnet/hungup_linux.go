package sysnet

import (
	"golang.org/x/sys/unix"

	"fourways/shared/clock"
)

// HungUp reports whether a socket's peer has gone for good: it has reset the connection, or closed
// its end of a Unix socket. A peer that has only ended its sending direction may still read, and
// has not gone (poll(2), POLLRDHUP and not POLLHUP). A TCP peer that has closed its socket looks
// the same.
func HungUp(fd int) bool { return AwaitHangup(fd, 0) }

// OnlyHungUp reports whether a socket has hung up without an error: both directions have ended in
// order, and what the peer has sent before may still be there to be read.
func OnlyHungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) == unix.POLLHUP
}

// AwaitHangup waits until HungUp is true, at most for the timeout; a signal may end it sooner.
func AwaitHangup(fd int, timeout clock.Time) bool {
	p := []unix.PollFd{{Fd: int32(fd)}} // POLLERR and POLLHUP are always reported
	return awaitOne(p, timeout)
}

// AwaitInput waits until there is something to read, the end included, or the time is up. It counts
// in microseconds, where a socket's own timeout is counted in ticks of the kernel, of up to 10 ms.
func AwaitInput(fd int, timeout clock.Time) bool {
	return awaitOne([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, timeout)
}

func awaitOne(p []unix.PollFd, timeout clock.Time) bool {
	limit := unix.NsecToTimespec(int64(timeout))
	n, err := unix.Ppoll(p, &limit, nil)
	return err == nil && n > 0
}
