package sysnet

import "golang.org/x/sys/unix"

// Yield gives the rest of this thread's time slice to other threads that want the processor
// (sched_yield(2)). If there are none it goes on at once. runtime.Gosched is something else: it
// gives way to goroutines, and a thread that comes out of a system call is none.
func Yield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
