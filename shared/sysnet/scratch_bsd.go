//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// PunchHole fails with [ErrNoHoles]: the file keeps its disk space until it is closed.
func PunchHole(fd int, off, n int64) error { return ErrNoHoles }

func pwritev(fd int, segs [][]byte, off int64) (int, error) { return unix.Pwrite(fd, segs[0], off) }

// WrittenBack says nothing: there is no call for a part of a file.
func WrittenBack(fd int, off, n int64) error { return nil }
