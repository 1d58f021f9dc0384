//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// UnseenWait is none: here Go's scheduler learns of every wait.
const UnseenWait = 0

// PollUnseen is poll(2).
func PollUnseen(fds []unix.PollFd, milliseconds int) (ready int, err error) {
	return Poll(fds, milliseconds)
}
