//go:build darwin || freebsd

package sysnet

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// UsageOf is what this process uses of the machine (getrusage(2)); of others it knows nothing.
func UsageOf(pid int) (u Usage) {
	var r unix.Rusage
	if pid == os.Getpid() && unix.Getrusage(unix.RUSAGE_SELF, &r) == nil {
		u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u
}
