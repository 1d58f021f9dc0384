package sysnet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// shortPath is how many bytes of a path, its NUL included, find room on the stack.
	shortPath = 256
	// openTries bounds how often a path is looked up again because a folder in it was
	// moved meanwhile: openat2(2) answers EAGAIN then, as it cannot tell whether the
	// path still lies beneath the root.
	openTries = 8
)

// how opens beneath the folder only. RESOLVE_NO_MAGICLINKS keeps /proc's links to
// open descriptors out, O_NONBLOCK keeps a FIFO from waiting for its writer,
// O_NOCTTY a terminal from becoming ours.
var how = unix.OpenHow{
	Flags:   unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
	Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
}

// openBeneath opens the folder for openat2(2), or answers -1 where that call is
// missing: before Linux 5.6, and in containers that forbid what they do not know.
func openBeneath(dir string) int {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	probe, err := unix.Openat2(fd, ".", &how)
	if err != nil {
		unix.Close(fd)
		return -1
	}
	unix.Close(probe)
	return fd
}

// open is openat2(2) without an allocation.
func (r *Root) open(path []byte) (int, error) {
	if r.fd < 0 {
		return r.openPortably(path)
	}
	var scratch [shortPath]byte
	cpath := terminated(scratch[:0], path)
	for try := 1; ; try++ {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(r.fd), uintptr(unsafe.Pointer(unsafe.SliceData(cpath))),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == unix.EINTR, errno == unix.EAGAIN && try < openTries:
			continue
		}
		return -1, errno
	}
}

// look is statx(2) without an allocation. It has one form on every architecture,
// which stat(2) has not.
func (r *Root) look(path []byte, st *Stat) error {
	if r.fd < 0 {
		return r.lookPortably(path, st)
	}
	var scratch [shortPath]byte
	var sys unix.Statx_t
	cpath := terminated(scratch[:0], path)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(r.fd), uintptr(unsafe.Pointer(unsafe.SliceData(cpath))),
			unix.AT_STATX_SYNC_AS_STAT, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&sys)), 0)
		switch errno {
		case 0:
			*st = Stat{
				Size: int64(sys.Size), ModTime: nanoseconds(sys.Mtime), ChangeTime: nanoseconds(sys.Ctime),
				Dev: unix.Mkdev(sys.Dev_major, sys.Dev_minor), Ino: sys.Ino,
			}
			return st.setKind(uint32(sys.Mode))
		case unix.EINTR:
			continue
		}
		return errno
	}
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// terminated is the path as the kernel reads it, with a NUL behind it. A long one
// moves to memory of its own.
func terminated(b, path []byte) []byte {
	if len(path) == 0 {
		b = append(b, '.')
	}
	return append(append(b, path...), 0)
}
