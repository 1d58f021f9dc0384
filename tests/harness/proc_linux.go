package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Descriptors is the number of the process's open descriptors (proc(5)).
func (s *Server) Descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(s.proc("fd"))
	require.NoError(t, err)
	return len(entries)
}

// Threads is the number of the process's threads.
func (s *Server) Threads(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(s.proc("task"))
	require.NoError(t, err)
	return len(entries)
}

// Memory is the process's resident memory, in KiB.
func (s *Server) Memory(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(s.proc("status"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no VmRSS")
	return 0
}

// ClockTick is the unit of CPU: USER_HZ is 100 on every architecture Go knows.
const ClockTick = 10 * time.Millisecond

// LimitDescriptors lowers the running process's limit of open files (prlimit(2)).
func (s *Server) LimitDescriptors(t testing.TB, n int) {
	t.Helper()
	limit := unix.Rlimit{Cur: uint64(n), Max: uint64(n)}
	require.NoError(t, unix.Prlimit(s.PID, unix.RLIMIT_NOFILE, &limit, nil))
}

// InterruptThreads sends every thread of the process SIGURG, the signal that Go's
// scheduler preempts with: a system call that it interrupts fails with EINTR.
func (s *Server) InterruptThreads(t testing.TB) {
	t.Helper()
	threads, err := os.ReadDir(s.proc("task"))
	require.NoError(t, err)
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		require.NoError(t, err)
		if err := unix.Tgkill(s.PID, tid, unix.SIGURG); err != unix.ESRCH { // it may have ended
			require.NoError(t, err)
		}
	}
}

// CPU is the processor time the process has used, in clock ticks.
func (s *Server) CPU(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(s.proc("stat"))
	require.NoError(t, err)
	// Fields are counted behind the name, which may hold spaces: utime and stime are
	// the 14th and 15th of all.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	require.NoError(t, err)
	system, err := strconv.Atoi(fields[12])
	require.NoError(t, err)
	return user + system
}

func (s *Server) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(s.PID), name)
}

// CountSystemCalls counts the process's system calls by name while during runs (strace
// -c). The test is skipped where strace is not there or may not trace.
func (s *Server) CountSystemCalls(t testing.TB, during func()) map[string]int {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector makes system calls of its own")
	}
	report := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", "-c", "-f", "-o", report, "-p", strconv.Itoa(s.PID))
	trace := newLog()
	cmd.Stderr = trace
	if err := cmd.Start(); err != nil {
		t.Skipf("strace: %v", err)
	}
	stop := func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}
	defer stop()
	attached := regexp.MustCompile(`attached|(Operation not permitted|ptrace)`)
	if m := trace.Await(t, attached); m[1] != "" {
		t.Skipf("strace may not trace here: %s", trace)
	}
	during()
	stop()
	return parseStrace(t, report)
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
