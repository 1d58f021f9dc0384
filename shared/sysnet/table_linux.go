package sysnet

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// GrowDescriptorTable gives the process's table of descriptors n slots at least. The kernel doubles
// a table that is full, and where threads share it, it first waits until all processors have let go
// of the old one (synchronize_rcu, expand_files in its fs/file.c). That holds up the call that
// wanted a descriptor, accept(2) mostly, by 10 milliseconds or more, and with it all that its
// thread serves. A table never shrinks: so it is grown once, before there are threads that would
// wait. A slot costs 8 bytes. It begins with one for each bit of a word (NR_OPEN_DEFAULT in its
// include/linux/fdtable.h).
//
// Errors: EINVAL where n is above RLIMIT_NOFILE, EMFILE, ENOMEM.
func GrowDescriptorTable(n int) error {
	if n <= strconv.IntSize {
		return nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	last, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, n-1)
	if err != nil {
		return err
	}
	return unix.Close(last)
}
