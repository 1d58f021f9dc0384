package sysnet

// Opening and looking at files below a folder, by openat2(2) and statx(2) without an allocation.
//
// The caller owns the descriptor that it gets. The root's own descriptor may be replaced meanwhile:
// each call is its user until it is done. What must not be done: nothing may
// be opened except with RESOLVE_BENEATH, or by os.Root where openat2(2) is missing. look does not
// protect: it follows a link that leads out. All calls but Glance may wait for a disk or a network.

import (
	"io/fs"
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

// beneath reports whether openat2(2) is available. It is missing before Linux 5.6, and in
// containers that forbid system calls that they do not know.
func beneath(fd int) bool {
	probe, err := unix.Openat2(fd, ".", &how)
	if err != nil {
		return false
	}
	unix.Close(probe)
	return true
}

// open is openat2(2) without an allocation.
func (r *Root) open(path []byte) (int, error) {
	f := r.use()
	if f == nil {
		return -1, fs.ErrClosed
	}
	defer f.leave()
	if !f.beneath {
		return f.openPortably(path)
	}
	var scratch [shortPath]byte
	cpath := terminated(scratch[:0], path)
	for try := 1; ; try++ {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(f.fd), uintptr(unsafe.Pointer(unsafe.SliceData(cpath))),
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
	f := r.use()
	if f == nil {
		return fs.ErrClosed
	}
	defer f.leave()
	if !f.beneath {
		return r.lookPortably(path, st)
	}
	var scratch [shortPath]byte
	var sys unix.Statx_t
	cpath := terminated(scratch[:0], path)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(f.fd), uintptr(unsafe.Pointer(unsafe.SliceData(cpath))),
			unix.AT_STATX_SYNC_AS_STAT, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&sys)), 0)
		switch errno {
		case 0:
			return fillx(&sys, st)
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// Glance is Fstat by what the system knows already: it asks no server of a network folder, and so
// it does not wait for one (AT_STATX_DONT_SYNC, statx(2)).
func Glance(fd int, st *Stat) error {
	var sys unix.Statx_t
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(&noPath)),
			unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&sys)), 0)
		switch errno {
		case 0:
			return fillx(&sys, st)
		case unix.EINTR:
			continue
		case unix.ENOSYS, unix.EPERM: // a container that does not know the call
			return Fstat(fd, st)
		}
		return errno
	}
}

var noPath [1]byte

func fillx(sys *unix.Statx_t, st *Stat) error {
	*st = Stat{
		Size: int64(sys.Size), ModTime: nanoseconds(sys.Mtime), ChangeTime: nanoseconds(sys.Ctime),
		Dev: unix.Mkdev(sys.Dev_major, sys.Dev_minor), Ino: sys.Ino, Links: uint64(sys.Nlink),
	}
	return st.setKind(uint32(sys.Mode))
}

func nanoseconds(t unix.StatxTimestamp) int64 { return instant(t.Sec, int64(t.Nsec)) }

// terminated is the path as the kernel reads it, with a NUL after it. A long one moves to memory of
// its own.
func terminated(b, path []byte) []byte {
	if len(path) == 0 {
		b = append(b, '.')
	}
	return append(append(b, path...), 0)
}
