//go:build darwin || freebsd

package sysnet

import (
	"math"

	"golang.org/x/sys/unix"
)

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

// GroupMemory is no bound: there are no control groups.
func GroupMemory() int64 { return math.MaxInt64 }

// InMemory is not known.
func InMemory(string) bool { return false }

// LimitUnsent does nothing.
func LimitUnsent(int, int) {}
