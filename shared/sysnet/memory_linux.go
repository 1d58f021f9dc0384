package sysnet

import (
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
