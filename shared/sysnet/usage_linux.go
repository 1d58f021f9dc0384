package sysnet

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// UsageOf is what a process uses of the machine, and nothing of one that is gone (proc(5)). How
// many files are open the kernel tells since Linux 6.2: to count the entries would take long where
// there are many.
func UsageOf(pid int) (u Usage) {
	folder := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return u
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the first is number 3 of proc(5)
	const rss = 24 - 3
	if len(fields) <= rss {
		return u
	}
	pages, _ := strconv.ParseInt(string(fields[rss]), 10, 64)
	u.Resident = pages * int64(unix.Getpagesize())
	var fds unix.Stat_t
	if unix.Stat(folder+"/fd", &fds) == nil {
		u.Files = fds.Size
	}
	return u
}
