//go:build !linux

// Stage 4 runs on Linux only: it needs memfd_create(2), epoll(7) with EPOLLEXCLUSIVE,
// prctl(2) with PR_SET_PDEATHSIG, and /proc/self/exe.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "stage4-prefork: runs on Linux only; take stage 3")
	os.Exit(1)
}
