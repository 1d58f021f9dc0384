//go:build darwin || freebsd

package sysnet

import "runtime"

// Yield gives way to other goroutines. A call that gives way to threads cannot be had here
// without C.
func Yield() { runtime.Gosched() }
