//go:build linux

// Package proc reads what the kernel counts about processes (proc(5)), and chooses the
// processors that they run on.
//
// A server is the process that was started and all that descend from it, so every figure
// is a sum over [Tree].
package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tick is the unit of processor time in /proc/PID/stat: USER_HZ is 100 on every
// architecture Go knows.
const Tick = 10 * time.Millisecond

// Fields of /proc/PID/stat, counted behind the name.
const (
	fieldParent = 1
	fieldUser   = 11 // utime, stime, cutime and cstime follow each other
	fieldLast   = 14
)

// Stat is what is used of /proc/PID/stat.
type Stat struct {
	Parent int   // process id
	Own    Times // in whole ticks, as Waited is
	Waited Times // of the children it has waited for
}

// Times is processor time.
type Times struct {
	User   time.Duration // in its own code
	System time.Duration // in the kernel, for it
}

// Sum is both.
func (t Times) Sum() time.Duration { return t.User + t.System }

// Since is what was used after an earlier moment.
func (t Times) Since(before Times) Times {
	user := min(max(t.User-before.User, 0), t.Sum()-before.Sum())
	return Times{User: user, System: t.Sum() - before.Sum() - user}
}

// ParseStat reads the text of /proc/PID/stat. The name in it stands in parentheses and
// may hold blanks and parentheses itself, so the fields are counted from the last one.
func ParseStat(text string) (Stat, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= fieldLast {
		return Stat{}, fmt.Errorf("%q is no line of /proc/PID/stat", text)
	}
	parent, err := strconv.Atoi(fields[fieldParent])
	if err != nil {
		return Stat{}, err
	}
	var ticks [fieldLast + 1 - fieldUser]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(fields[fieldUser+i], 10, 64)
		if err != nil {
			return Stat{}, err
		}
		ticks[i] = time.Duration(n) * Tick
	}
	return Stat{Parent: parent, Own: Times{ticks[0], ticks[1]}, Waited: Times{ticks[2], ticks[3]}}, nil
}

// Tree is the process and its descendants, as long as they run.
func Tree(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.Parent] = append(children[s.Parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// CPU is the processor time that the process and its descendants have used. What a child
// used stays in the sum after it was waited for, so a server that replaces a worker
// loses nothing.
func CPU(root int) (time.Duration, error) {
	used, err := Used(root)
	return used.Sum(), err
}

// Used is the same, by where it was used: of what a running process has used the sum is exact, and
// its parts are known as far as ticks tell them.
func Used(root int) (sum Times, err error) {
	err = each(root, func(pid int) error {
		s, err := readStat(pid)
		if err != nil {
			return err
		}
		own := s.Own
		if exact, err := clock(pid); err == nil && own.Sum() > 0 {
			user := time.Duration(float64(exact) * float64(own.User) / float64(own.Sum()))
			own = Times{User: user, System: exact - user}
		} else if err == nil {
			own = Times{System: exact} // it has just begun
		}
		sum.User += own.User + s.Waited.User
		sum.System += own.System + s.Waited.System
		return nil
	})
	return sum, err
}

// clock reads the processor time clock of a process (clock_getcpuclockid(3)), all its threads
// together.
func clock(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED, of the low bits of such a clock's number
	var now unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|sched), &now)
	return time.Duration(now.Nano()), err
}

// Memory is what a server holds, in bytes.
type Memory struct {
	PSS  int64 // now; a page that n processes share counts for 1/n in each
	Peak int64 // resident, at the worst, of each process; shared pages count in each
}

// MemoryOf reads the memory of the process and its descendants.
func MemoryOf(root int) (Memory, error) {
	var m Memory
	err := each(root, func(pid int) error {
		pss, err := field(pid, "smaps_rollup", "Pss:")
		if err != nil {
			return err
		}
		peak, err := field(pid, "status", "VmHWM:")
		m.PSS += pss
		m.Peak += peak
		return err
	})
	return m, err
}

// each calls f for the process and its descendants, and forgives those that have ended.
func each(root int, f func(pid int) error) error {
	tree, err := Tree(root)
	if err != nil {
		return err
	}
	for _, pid := range tree {
		err := f(pid)
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
		if err != nil && (pid == root || !gone) {
			return err
		}
	}
	return nil
}

func readStat(pid int) (Stat, error) {
	text, err := os.ReadFile(path(pid, "stat"))
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(string(text))
}

// field is one line of a file of the process, in bytes.
func field(pid int, file, name string) (int64, error) {
	text, err := os.ReadFile(path(pid, file))
	if err != nil {
		return 0, err
	}
	return ParseField(string(text), name)
}

// ParseField finds the line that begins with name and gives its value, which the kernel
// writes in KiB, in bytes.
func ParseField(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		words := strings.Fields(rest)
		if len(words) != 2 || words[1] != "kB" {
			return 0, fmt.Errorf("%q is not in kB", line)
		}
		kib, err := strconv.ParseInt(words[0], 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("no line %q", name)
}

func path(pid int, file string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), file)
}

// Processors are the processors this process may run on.
func Processors() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var all []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// Fields of a processor's line in /proc/stat, counted behind its name.
const (
	cpuUser  = 0 // then nice and system
	cpuIdle  = 3 // then waiting for a disk, and interrupts
	cpuSteal = 7 // what other guests of the host had of it
)

// Busy is the time that a processor has been taken by programs, or by the host's other guests.
// Interrupts are not in it: those of loopback belong to whoever sends.
func Busy(cpu int) (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return ParseBusy(string(text), cpu)
}

// ParseBusy finds that in the text of /proc/stat.
func ParseBusy(text string, cpu int) (time.Duration, error) {
	name := "cpu" + strconv.Itoa(cpu)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) <= 1+cpuSteal || fields[0] != name {
			continue
		}
		var ticks int64
		for _, field := range append(fields[1+cpuUser:1+cpuIdle], fields[1+cpuSteal]) {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
		return time.Duration(ticks) * Tick, nil
	}
	return 0, fmt.Errorf("no line %q", name)
}

// On runs start, and has what it starts run on one processor only, with all its threads and
// children: a process inherits the mask of the thread that starts it
// (sched_setaffinity(2)), so this thread takes the mask on for as long as start lasts.
func On(cpu int, start func() error) error {
	var before, only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	return as(start,
		func() error { return unix.SchedSetaffinity(0, &only) },
		func() error { return unix.SchedSetaffinity(0, &before) })
}

// First runs start, and has what it starts go before everybody else on its processor, with
// all its threads and children (SCHED_FIFO, sched(7)). It takes a privilege: EPERM.
func First(start func() error) error {
	return scheduled(unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, start)
}

// Last runs start, and has what it starts run when nobody else wants its processor
// (SCHED_IDLE, sched(7)). To come back from that takes a privilege: without it this
// process loses a thread.
func Last(start func() error) error {
	return scheduled(unix.SchedAttr{Policy: unix.SCHED_IDLE}, start)
}

func scheduled(how unix.SchedAttr, start func() error) error {
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	return as(start,
		func() error { return unix.SchedSetAttr(0, &how, 0) },
		func() error { return unix.SchedSetAttr(0, before, 0) })
}

// as runs start on a thread that takes something on before and puts it off afterwards.
func as(start, on, off func() error) error {
	runtime.LockOSThread()
	if err := on(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err := start()
	if off() == nil {
		runtime.UnlockOSThread() // else the thread ends with its goroutine, mask and all
	}
	return err
}

// Confine has all threads of this process run on these processors only.
func Confine(cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH { // it has ended
			return err
		}
	}
	return nil
}
