package sysnet

// How many threads may still be started. Go's runtime ends the process, with the stacks of all
// its goroutines, where the kernel refuses it one. Two limits count threads, whosever they are:
//
//   - pids.max of a control group, and of those above it (cgroup-v2.rst, "PID"; systemd's
//     TasksMax and a container's limit are that).
//   - RLIMIT_NPROC, of one user (getrlimit(2)). It does not bind the root user, nor a process with
//     CAP_SYS_RESOURCE or CAP_SYS_ADMIN.
//
// A limit that cannot be read counts as none: this is only for a clear message at the start, and
// the kernel decides.

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FreeThreads is how many more threads this process may start, and what keeps it from more.
// There may be no limit.
func FreeThreads() (n int, limit string, limited bool) {
	if n, limit, limited = freeInGroups("/"); limited && n == 0 {
		return n, limit, true
	}
	if of, ok := freeOfUser("/proc", os.Getuid()); ok && (!limited || of < n) {
		return of, "the limit of processes of user " + strconv.Itoa(os.Getuid()) + " (ulimit -u)", true
	}
	return n, limit, limited
}

// OwnThreads is how many threads this process has.
func OwnThreads() int {
	names, _ := os.ReadDir("/proc/self/task")
	return len(names)
}

// freeInGroups is the least that any of the process's groups has free. The files are looked for
// below root.
func freeInGroups(root string) (n int, limit string, limited bool) {
	for dir := range groups(root, "pids") {
		most, bad := readNumber(filepath.Join(root, dir, "pids.max")) // "max" is no number
		have, worse := readNumber(filepath.Join(root, dir, "pids.current"))
		if free := max(most-have, 0); bad == nil && worse == nil && (!limited || free < n) {
			n, limit, limited = free, filepath.Join(dir, "pids.max")+" (TasksMax of systemd, or the container's limit)", true
		}
	}
	return n, limit, limited
}

// noLimit is a number of threads that no system can have: a limit above it does not bind.
const noLimit = 1 << 30

// freeOfUser is how many more threads a user may have.
func freeOfUser(proc string, uid int) (n int, limited bool) {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &l) != nil || l.Cur > noLimit || uid == 0 || mayPassLimits() {
		return 0, false
	}
	return max(int(l.Cur)-threadsOf(proc, uid), 0), true
}

// mayPassLimits reports whether RLIMIT_NPROC does not bind us (copy_process in the kernel's
// kernel/fork.c).
func mayPassLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SYS_RESOURCE|1<<unix.CAP_SYS_ADMIN) != 0
}

// threadsOf counts a user's threads, as far as we may see them.
func threadsOf(proc string, uid int) (n int) {
	list, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "status"))
	for _, name := range list {
		text, _ := os.ReadFile(name)
		owner, threads := -1, 0
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			switch f := strings.Fields(lines.Text()); {
			case len(f) < 2:
			case f[0] == "Uid:":
				owner, _ = strconv.Atoi(f[1]) // the real one
			case f[0] == "Threads:":
				threads, _ = strconv.Atoi(f[1])
			}
		}
		if owner == uid {
			n += threads
		}
	}
	return n
}
