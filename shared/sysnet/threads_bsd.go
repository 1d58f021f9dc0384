//go:build darwin || freebsd

package sysnet

// FreeThreads would tell how many more threads this process may start, and what keeps it from
// more; only Linux is asked.
func FreeThreads() (n int, limit string, limited bool) { return 0, "", false }

// OwnThreads would be how many there are.
func OwnThreads() int { return 0 }
