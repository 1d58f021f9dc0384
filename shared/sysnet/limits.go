package sysnet

import (
	"errors"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// RaiseFileLimit raises the limit of open descriptors (RLIMIT_NOFILE, getrlimit(2))
// to the hard one, and returns it.
func RaiseFileLimit() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if l.Cur < l.Max {
		raised := unix.Rlimit{Cur: l.Max, Max: l.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			return uint64(l.Cur), err
		}
		l = raised
	}
	return uint64(l.Cur), nil
}

// FileLimit is the limit of open descriptors now, 0 where the system does not say.
func FileLimit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int(min(uint64(l.Cur), math.MaxInt32))
}

// OpenDescriptors counts the descriptors that are open below the limit: from the system's list
// (proc_pid_fd(5)), or else by asking for each. The kernel gives out the lowest number that is free
// (open(2)), so the search ends.
func OpenDescriptors(limit int) (n int) {
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil && fd < limit {
				n++
			}
		}
		return n - 1 // without that of the list itself
	}
	const most = 1 << 14
	for fd := range min(limit, most) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// LockMemory keeps the process's memory out of the swap, present and future (mlockall(2)). Errors:
// EPERM, ENOMEM above RLIMIT_MEMLOCK, and ErrLockLimit.
//
// Where the lock is limited, a heap that grows to the limit later could grow no more, which ends a
// Go program. So nothing is locked then. Only the privileged are not limited, and who is to become
// another user (dropped) is it no longer: the limit is raised before, where that is allowed.
func LockMemory(dropped bool) error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) != nil && (dropped || !mayLockAll()) {
		return ErrLockLimit
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE)
}

// ErrLockLimit: the memory of a process may be locked up to a limit only.
var ErrLockLimit = errors.New("the server would end where its memory grew to the limit")
