package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A test is skipped where strace may not trace, and for nothing else that it says.
func TestAWarningOfStraceIsNoRefusal(t *testing.T) {
	for text, want := range map[string]bool{
		"strace: attach: ptrace(PTRACE_SEIZE, 15064): Operation not permitted\n":        true,
		"strace: test_ptrace_seize: PTRACE_TRACEME: Operation not permitted\n":          true,
		"strace: attach: ptrace(PTRACE_SEIZE, 15064): Function not implemented\n":       true,
		"strace: Process 7 attached\nstrace: ptrace(PTRACE_SEIZE, 7): Not permitted?\n": false,
		"strace: pid 14876: entering, ptrace_syscall_info.op == 2\n":                    false,
		"strace: attach: ptrace(PTRACE_SEIZE, 15065): No such process\n":                false,
		"openat(3, \"x\") = -1 EPERM (Operation not permitted) (INJECTED)\n":            false,
	} {
		require.Equal(t, want, mayNotTrace.MatchString(text), text)
	}
}
