//go:build darwin || freebsd

package harness

import "testing"

// FamilyDescriptors skips the test.
func (s *Server) FamilyDescriptors(t testing.TB) int { t.Skip(noProc); return 0 }

// FamilyMemory skips the test.
func (s *Server) FamilyMemory(t testing.TB) int { t.Skip(noProc); return 0 }
