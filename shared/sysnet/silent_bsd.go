//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// Silent reports whether the peer of a connected socket has neither sent anything that is not read
// yet, nor ended its sending direction, nor broken the connection.
func Silent(fd int) bool {
	var one [1]byte
	for {
		switch _, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT); err {
		case unix.EINTR:
		case unix.EAGAIN:
			return true
		default:
			return false
		}
	}
}
