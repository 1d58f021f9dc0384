package sysnet

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vector is the kernel's form of a list of segments, kept for reuse.
type vector struct {
	iov [maxSegs + 1]unix.Iovec
}

// write is writev(2), or write(2) where there is one segment.
func (v *vector) write(fd int, segs [][]byte) (int, error) {
	if len(segs) == 1 {
		return unix.Write(fd, segs[0])
	}
	for i, p := range segs {
		v.iov[i].Base = unsafe.SliceData(p)
		v.iov[i].SetLen(len(p))
	}
	n, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v.iov)), uintptr(len(segs)))
	runtime.KeepAlive(segs)
	clear(v.iov[:len(segs)])
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// preadv2 reads into one buffer. It does not tell the scheduler, because with RWF_NOWAIT
// it does not block.
func preadv2(fd int, iov *unix.Iovec, off int64, flags uintptr) (int, unix.Errno) {
	// The offset is passed in two halves, which only systems of 32 bits use both.
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(iov)), 1,
		uintptr(off), uintptr(uint64(off)>>32), flags)
	return int(n), errno
}
