//go:build darwin || freebsd

package harness

import (
	"net"
	"testing"
	"time"
)

// What a process uses is read from proc(5), which only Linux has: tests that ask for it
// are skipped elsewhere.

// ClockTick is the unit of CPU.
const ClockTick = 10 * time.Millisecond

const noProc = "there is no /proc here to look into another process with"

// From is a dialer that comes from one of this machine's addresses.
func From(ip net.IP) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: Patience}
}

// Processes skips the test.
func (s *Server) Processes(t testing.TB) []int { t.Skip(noProc); return nil }

// Children skips the test.
func (s *Server) Children(t testing.TB) []int { t.Skip(noProc); return nil }

// Descriptors skips the test.
func (s *Server) Descriptors(t testing.TB) int { t.Skip(noProc); return 0 }

// DescriptorTables skips the test.
func (s *Server) DescriptorTables(t testing.TB) int { t.Skip(noProc); return 0 }

// LimitDescriptors skips the test.
func (s *Server) LimitDescriptors(t testing.TB, _ int) { t.Skip(noProc) }

// InterruptThreads skips the test.
func (s *Server) InterruptThreads(t testing.TB) { t.Skip(noProc) }

// Threads skips the test.
func (s *Server) Threads(t testing.TB) int { t.Skip(noProc); return 0 }

// Memory skips the test.
func (s *Server) Memory(t testing.TB) int { t.Skip(noProc); return 0 }

// CPU skips the test.
func (s *Server) CPU(t testing.TB) int { t.Skip(noProc); return 0 }

// CountSystemCalls skips the test.
func (s *Server) CountSystemCalls(t testing.TB, _ func()) map[string]int {
	t.Skip(noProc)
	return nil
}

// Inject is not there without strace.
func (s *Server) Inject(t testing.TB, _ string, _ ...string) (trace *Log, stop func()) {
	t.Skip(noProc)
	return nil, nil
}

// InjectFor skips the test.
func (s *Server) InjectFor(t testing.TB, _ string, _ ...string) (stop func()) {
	t.Skip(noProc)
	return nil
}

// DropFromCache skips the test.
func DropFromCache(t testing.TB, _ string) { t.Skip("there is no posix_fadvise(2) here") }
