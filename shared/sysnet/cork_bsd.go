//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// setCork does nothing: these systems have a cork that is pulled by no call but the next write
// (TCP_NOPUSH).
func setCork(int, bool) error { return unix.ENOTSUP }
