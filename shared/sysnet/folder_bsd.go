//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// There are no nameless files here, and no call of both systems that renames without replacing.

func openNameless(int, uint32) (int, error) { return -1, unix.ENOSYS }

func linkNameless(int, int, string) error { return unix.ENOSYS }

func renameNew(int, string, string) error { return unix.ENOSYS }
