// Package group ends the process group of a server that a command started: the server, its workers,
// and a program that has taken over from it.
package group

import (
	"syscall"
	"time"
)

const (
	patience = 20 * time.Second
	again    = 10 * time.Millisecond // between two looks
)

// End ends the group, in order if it can. It has the number of its first process, which must be a
// child that somebody waits for.
func End(pid int) {
	for _, how := range []struct {
		signal syscall.Signal
		within time.Duration
	}{{syscall.SIGTERM, time.Second}, {syscall.SIGTERM, patience}, {syscall.SIGKILL, patience}} { // the second does not wait for clients
		syscall.Kill(-pid, how.signal)
		if Gone(pid, how.within) {
			return
		}
	}
}

// Gone waits until nobody is left of the group, and reports whether that is so in time.
func Gone(pid int, within time.Duration) bool {
	for end := time.Now().Add(within); syscall.Kill(-pid, 0) == nil; time.Sleep(again) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
