package sysnet

import "golang.org/x/sys/unix"

// Unsent is the number of bytes written to the socket that the peer has not
// acknowledged (SO_NWRITE), 0 where the kernel does not say.
func Unsent(fd int) int64 {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	if err != nil {
		return 0
	}
	return int64(n)
}
