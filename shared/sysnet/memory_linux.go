package sysnet

import (
	"math"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Memory is how many bytes of memory this process may have at most: as many as the machine has
// (sysinfo(2)), or the narrowest of its control groups (memory.max, or memory.limit_in_bytes of
// version 1). 0 where the system does not say.
func Memory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return memoryIn("/", int64(info.Totalram)*int64(info.Unit))
}

// GroupMemory is what the narrowest of the process's control groups has; math.MaxInt64 or nearly
// that where none has a bound.
func GroupMemory() int64 { return memoryIn("/", math.MaxInt64) }

// InMemory reports whether the files of a folder are in memory and on no disk (tmpfs, ramfs), so
// that they count as the memory of who writes them.
func InMemory(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return false
	}
	return fs.Type == unix.TMPFS_MAGIC || uint32(fs.Type) == unix.RAMFS_MAGIC
}

// LimitUnsent has the sockets of a TCP listener take no more than so many bytes that are not on
// their way yet (TCP_NOTSENT_LOWAT, tcp(7)). What the kernel refuses stays as it is.
func LimitUnsent(fd, n int) { unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n) }

// memoryIn is the least of what the machine and the process's groups have. The files are looked for
// below root.
func memoryIn(root string, machine int64) int64 {
	least := machine
	for dir := range groups(root, "memory") {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			if n, err := readNumber(filepath.Join(root, dir, name)); err == nil { // "max" is no number
				least = min(least, int64(n))
			}
		}
	}
	return least
}
