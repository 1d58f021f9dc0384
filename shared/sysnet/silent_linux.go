package sysnet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Silent reports whether the peer of a connected socket has neither sent anything that is not read
// yet, nor ended its sending direction, nor broken the connection. It does not wait, and the
// scheduler need not know; it asks for no address, for which recvfrom of package unix allocates.
func Silent(fd int) bool {
	var one byte
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&one)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return true
		default:
			return false
		}
	}
}
