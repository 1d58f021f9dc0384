//go:build !linux

// Command bench measures the stages side by side with other servers. It needs Linux: it
// reads /proc, pins processes with sched_setaffinity(2) and counts proportional memory.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: this needs Linux, for /proc and sched_setaffinity(2)")
	os.Exit(1)
}
