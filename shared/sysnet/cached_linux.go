package sysnet

import "golang.org/x/sys/unix"

// preadCached reads what is in the page cache. It fails with ErrCold where nothing is (RWF_NOWAIT,
// preadv2(2)) or where memory is short, and with errNoAnswer where the file system, or a system
// that lacks or forbids the call, cannot tell.
func preadCached(fd int, p []byte, off int64) (int, error) {
	iov := unix.Iovec{Base: &p[0]}
	iov.SetLen(len(p))
	n, errno := preadv2(fd, &iov, off, unix.RWF_NOWAIT)
	switch errno {
	case 0:
		return n, nil
	case unix.EAGAIN, unix.ENOMEM, unix.ENOBUFS:
		return 0, ErrCold
	case unix.EOPNOTSUPP, unix.ENOSYS, unix.EPERM, unix.EINVAL:
		return 0, errNoAnswer
	}
	return 0, errno
}
