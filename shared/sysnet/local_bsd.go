//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// IsLocal reports whether an open file is on a file system of this machine (statfs(2)).
func IsLocal(fd int) bool {
	var st unix.Statfs_t
	return retry(func() error { return unix.Fstatfs(fd, &st) }) == nil && st.Flags&unix.MNT_LOCAL != 0
}
