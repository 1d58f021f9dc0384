package sysnet

import "golang.org/x/sys/unix"

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

// LockMemory keeps the process's memory out of the swap, what it has now and what it
// gets later (mlockall(2)). Errors: EPERM, or ENOMEM above RLIMIT_MEMLOCK.
func LockMemory() error { return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE) }
