//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// mayLockAll reports whether this process may lock as much memory as it likes.
func mayLockAll() bool { return unix.Geteuid() == 0 }
