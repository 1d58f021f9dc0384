//go:build darwin || freebsd

package sysnet

import (
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
)

// HungUp reports whether a socket's peer has gone for good: a connection that was reset has no peer
// any more (getpeername(2)). poll(2) would not do: macOS reports POLLHUP for a peer that has only
// ended its sending direction.
func HungUp(fd int) bool {
	_, err := unix.Getpeername(fd)
	return err != nil
}

// AwaitHangup waits until HungUp is true, at most for the timeout: it looks once, when the time is
// over.
func AwaitHangup(fd int, timeout clock.Time) bool {
	time.Sleep(time.Duration(timeout))
	return HungUp(fd)
}

// OnlyHungUp reports false: here a peer that has only ended its sending direction looks the same.
func OnlyHungUp(int) bool { return false }

// AwaitInput waits until there is something to read, the end included, or the time is up.
func AwaitInput(fd int, timeout clock.Time) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int((timeout+clock.Millisecond-1)/clock.Millisecond))
	return err == nil && n > 0
}
