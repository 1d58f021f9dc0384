package app

import (
	"os"

	"golang.org/x/sys/unix"

	"fourways/shared/children"
)

// reapOrphans takes the processes that have lost their parents and ended, if this is the first
// process of a container: the kernel makes them its children (pid_namespaces(7)), and until
// somebody asks for them they stay as zombies. A server that starts processes reaps by itself.
func reapOrphans() {
	if os.Getpid() != 1 {
		return
	}
	reap := func(os.Signal) { children.Reap(func(int, children.End) {}) }
	AwaitSignals([]os.Signal{unix.SIGCHLD}, reap)
	reap(nil) // who ended before
}
