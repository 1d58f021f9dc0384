package harness

import (
	"os"
	"path/filepath"
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
