package sysnet

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// openNameless makes a file without a name in a folder. Old kernels try to open the folder itself
// and fail with EISDIR (open(2), O_TMPFILE).
func openNameless(folder int, mode uint32) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(folder, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// linkNameless gives such a file a name, by its link in /proc: the call without /proc
// (AT_EMPTY_PATH) is for privileged processes (link(2)).
func linkNameless(fd, folder int, name string) error {
	err := retry(func() error {
		return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), folder, name, unix.AT_SYMLINK_FOLLOW)
	})
	if err == unix.ENOENT && unix.Access("/proc/self/fd", unix.F_OK) != nil {
		return errNoProc
	}
	return err
}

// renameNew renames a file in a folder, and fails with EEXIST where the new name is taken.
func renameNew(folder int, from, to string) error {
	return retry(func() error { return unix.Renameat2(folder, from, folder, to, unix.RENAME_NOREPLACE) })
}
