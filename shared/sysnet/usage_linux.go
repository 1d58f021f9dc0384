package sysnet

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ticks is how many there are to a second in /proc, on every architecture of Linux (USER_HZ).
const ticks = 100

// UsageOf is what a process uses of the machine, and nothing of one that is gone (proc(5)). The
// processor time is with that of the children that it has waited for. How many files are open the
// kernel tells since Linux 6.2: to count the entries would take long where there are many.
func UsageOf(pid int) (u Usage) {
	folder := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return u
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the first is number 3 of proc(5)
	const utime, rss = 14 - 3, 24 - 3
	if len(fields) <= rss {
		return u
	}
	for _, field := range fields[utime : utime+4] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(string(field), 10, 64)
		u.CPU += time.Duration(n) * (time.Second / ticks)
	}
	pages, _ := strconv.ParseInt(string(fields[rss]), 10, 64)
	u.Resident = pages * int64(unix.Getpagesize())
	var fds unix.Stat_t
	if unix.Stat(folder+"/fd", &fds) == nil {
		u.Files = fds.Size
	}
	return u
}
