//go:build darwin || freebsd

package sysnet

import "golang.org/x/sys/unix"

// Memory is how many bytes of memory the machine has (sysctl(3): hw.memsize of macOS, hw.physmem of
// FreeBSD), 0 where the system does not say.
func Memory() int64 {
	for _, name := range []string{"hw.memsize", "hw.physmem"} {
		if n, err := unix.SysctlUint64(name); err == nil {
			return int64(n)
		}
	}
	return 0
}
