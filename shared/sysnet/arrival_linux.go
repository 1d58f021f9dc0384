package sysnet

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
)

// SinceArrival is how long ago the last bytes came from the peer of a TCP connection, or since it
// was established if none have come (TCP_INFO, tcp(7)). The kernel counts in milliseconds. 0 where
// it does not say, as of a Unix socket.
func SinceArrival(fd int) clock.Time {
	const at = unsafe.Offsetof(unix.TCPInfo{}.Last_data_recv)
	var info [at + 4]byte // the kernel copies no more than asked for
	size := uint32(len(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(len(info)) {
		return 0
	}
	return clock.Time(binary.NativeEndian.Uint32(info[at:])) * clock.Millisecond
}
