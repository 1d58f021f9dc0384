package sysnet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollCtl is epoll_ctl(2), which does not wait, so the scheduler need not know. Where memory is
// short (ENOMEM) it is tried again for a while.
func EpollCtl(ep, op, fd int, e *unix.EpollEvent) error {
	for tried := 1; ; tried++ {
		_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(e)), 0, 0)
		switch {
		case errno == 0:
			return nil
		case !Short(errno) || tried == mostTries:
			return errno
		}
	}
}
