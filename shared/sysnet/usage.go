package sysnet

import (
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what processes use of the machine. What the system does not say is 0.
type Usage struct {
	Resident int64 // bytes of memory
	Files    int64 // files and sockets that are open
}

// Add adds what another process uses.
func (u *Usage) Add(other Usage) {
	u.Resident += other.Resident
	u.Files += other.Files
}

// CPUTime is the processor time that this process has used, all its threads together
// (getrusage(2)).
func CPUTime() time.Duration {
	var r unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// MaxFiles is how many files a process may have open (RLIMIT_NOFILE).
func MaxFiles() uint64 {
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur)
}
