package sysnet

import "golang.org/x/sys/unix"

// fionwrite asks for the bytes in the send buffer (FIONWRITE, sys/filio.h).
const fionwrite = 0x40046677

// Unsent is the number of bytes written to the socket that the peer has not
// acknowledged (FIONWRITE), 0 where the kernel does not say.
func Unsent(fd int) int64 {
	n, err := unix.IoctlGetInt(fd, fionwrite)
	if err != nil {
		return 0
	}
	return int64(n)
}
