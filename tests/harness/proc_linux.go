package harness

// What a test asks the kernel about the server's processes, and does to them: what they hold and
// use, which system calls they make, and how these fail.
//
// The functions fail the test by themselves, so they belong on its goroutine. Whoever starts a
// trace stops it; the end of the test does so too. What must not be done: no function may be called
// after the server has ended, since its process ids may be somebody else's.

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Processes is the server's processes: the one that was started, and its children.
func (s *Server) Processes(t testing.TB) []int {
	t.Helper()
	return append([]int{s.PID}, s.Children(t)...)
}

// Children is the server's worker processes, if it has any (proc_pid_task(5), children).
func (s *Server) Children(t testing.TB) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.PID, s.PID))
	require.NoError(t, err)
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

// Descriptors is the number of the processes' open descriptors (proc(5)).
func (s *Server) Descriptors(t testing.TB) int { return s.count(t, "fd") }

// DescriptorTables is how many descriptors the processes' tables have slots for (FDSize,
// proc_pid_status(5)).
func (s *Server) DescriptorTables(t testing.TB) (sum int) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		sum += field(t, pid, "status", "FDSize:")
	}
	return sum
}

// Threads is the number of the processes' threads.
func (s *Server) Threads(t testing.TB) int { return s.count(t, "task") }

func (s *Server) count(t testing.TB, folder string) (n int) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		entries, err := os.ReadDir(proc(pid, folder))
		require.NoError(t, err)
		n += len(entries)
	}
	return n
}

// Memory is the processes' resident memory, in KiB. What they share is counted once: by
// each its part (proc_pid_smaps(5), Pss).
func (s *Server) Memory(t testing.TB) (sum int) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		sum += field(t, pid, "smaps_rollup", "Pss:")
	}
	return sum
}

// field is the number after a word in one of a process's files.
func field(t testing.TB, pid int, file, word string) int {
	t.Helper()
	text, err := os.ReadFile(proc(pid, file))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no "+word)
	return 0
}

// From is a dialer that comes from one of this machine's addresses. The kernel chooses the
// port when it knows the destination (IP_BIND_ADDRESS_NO_PORT, ip(7)): else each connection
// would take a port from everybody on the machine, and 28,000 of them all there are.
func From(ip net.IP) *net.Dialer {
	return &net.Dialer{
		LocalAddr: &net.TCPAddr{IP: ip},
		Timeout:   Patience,
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			controlErr := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			})
			return errors.Join(controlErr, err)
		},
	}
}

// ClockTick is the unit of CPU: USER_HZ is 100 on every architecture Go knows.
const ClockTick = 10 * time.Millisecond

// LimitDescriptors lowers the running processes' limits of open files (prlimit(2)), so that
// those who serve may open this many more than they have, all together. Where it is negative they
// have so many too many, but never more than half.
func (s *Server) LimitDescriptors(t testing.TB, more int) {
	t.Helper()
	serving := max(len(s.Children(t)), 1)
	for _, pid := range s.Processes(t) {
		entries, err := os.ReadDir(proc(pid, "fd"))
		require.NoError(t, err)
		n := uint64(max(len(entries)+more/serving, len(entries)/2))
		require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil))
	}
}

// InterruptThreads sends every thread of the processes SIGURG, the signal that Go's
// scheduler preempts with: a system call that it interrupts fails with EINTR.
func (s *Server) InterruptThreads(t testing.TB) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		threads, err := os.ReadDir(proc(pid, "task"))
		require.NoError(t, err)
		for _, thread := range threads {
			tid, err := strconv.Atoi(thread.Name())
			require.NoError(t, err)
			if err := unix.Tgkill(pid, tid, unix.SIGURG); err != unix.ESRCH { // it may have ended
				require.NoError(t, err)
			}
		}
	}
}

// CPU is the processor time the processes have used, in clock ticks.
func (s *Server) CPU(t testing.TB) (sum int) {
	t.Helper()
	for _, pid := range s.Processes(t) {
		text, err := os.ReadFile(proc(pid, "stat"))
		require.NoError(t, err)
		// Fields are counted behind the name, which may hold spaces: utime and stime are
		// the 14th and 15th of all.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			require.NoError(t, err)
			sum += n
		}
	}
	return sum
}

func proc(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// CountSystemCalls counts the processes' system calls by name while during runs (strace
// -c). The test is skipped where strace is not there or may not trace.
func (s *Server) CountSystemCalls(t testing.TB, during func()) map[string]int {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector makes system calls of its own")
	}
	report := filepath.Join(t.TempDir(), "strace")
	_, stop := s.trace(t, "-c", "-o", report)
	defer stop()
	during()
	stop()
	return parseStrace(t, report)
}

// Inject has system calls of the processes fail, or take long, by a rule of strace (-e inject=),
// which may get more arguments. It returns what strace reports of them, and what ends it. The test
// is skipped where strace is not there or may not trace.
func (s *Server) Inject(t testing.TB, rule string, more ...string) (trace *Log, stop func()) {
	t.Helper()
	calls, _, _ := strings.Cut(rule, ":")
	return s.trace(t, append(more, "-e", "trace="+calls, "-e", "inject="+rule)...)
}

// InjectFor is Inject for the system calls about one file, by several rules.
func (s *Server) InjectFor(t testing.TB, file string, rules ...string) (stop func()) {
	t.Helper()
	var calls, args []string
	for _, rule := range rules {
		name, _, _ := strings.Cut(rule, ":")
		calls = append(calls, name)
		args = append(args, "-e", "inject="+rule)
	}
	_, stop = s.trace(t, append(args, "-P", file, "-e", "trace="+strings.Join(calls, ","))...)
	return stop
}

// mayNotTrace is how strace says so of itself. Its warnings speak of ptrace(2) too, and what it
// traces may be told that something is not permitted.
var mayNotTrace = regexp.MustCompile(`(?m)^strace: (?:attach: |.*PTRACE_).*: (?:Operation not permitted|Function not implemented)$`)

// trace runs strace on all of the processes.
func (s *Server) trace(t testing.TB, args ...string) (trace *Log, stop func()) {
	t.Helper()
	args = append(args, "-f")
	for _, pid := range s.Processes(t) {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	cmd := exec.Command("strace", args...)
	trace = newLog()
	cmd.Stderr = trace
	if err := cmd.Start(); err != nil {
		t.Skipf("strace: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	t.Cleanup(stop)
	Eventually(t, "strace has all processes", func() bool {
		if no := mayNotTrace.FindString(trace.String()); no != "" {
			t.Skipf("strace may not trace here: %s", no)
		}
		return trace.Count(" attached") >= len(s.Processes(t))
	})
	return trace, stop
}

// parseStrace reads the table that strace -c writes.
func parseStrace(t testing.TB, path string) map[string]int {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	calls := map[string]int{}
	for line := range strings.Lines(string(text)) {
		// % time, seconds, usecs/call, calls, errors where there are any, syscall
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if n, err := strconv.Atoi(fields[3]); err == nil {
			calls[fields[len(fields)-1]] = n
		}
	}
	require.NotEmpty(t, calls)
	return calls
}

// DropFromCache has the kernel forget a file's pages, so that the next reader waits for
// the disk (POSIX_FADV_DONTNEED, posix_fadvise(2)). A file system without a disk ignores it.
func DropFromCache(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync()) // dirty pages stay
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}
