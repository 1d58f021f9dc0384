//go:build !linux

// The labs run on Linux only: they read what /proc counts, and several need stage 4, network
// namespaces or strace.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "lab: the labs run on Linux only; go run ./tests/demo shows three stages at work here")
	os.Exit(1)
}
