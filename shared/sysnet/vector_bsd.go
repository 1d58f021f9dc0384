//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// vector writes one segment at a time.
type vector struct{}

func (v *vector) write(fd int, segs [][]byte) (n int, err error) {
	for _, p := range segs {
		m, err := unix.Write(fd, p)
		n += max(m, 0)
		if err != nil && n > 0 {
			return n, nil // what was written counts; the next call gets the error
		}
		if err != nil || m < len(p) {
			return n, err
		}
	}
	return n, nil
}
