// Package sysnet makes all system calls of the server on sockets and files.
//
// Descriptors are plain ints here and in the stages: package os and package net close theirs from
// finalizers and put them under Go's own poller, which is what the stages build themselves. The
// code that opens a descriptor closes it.
//
// Calls on non-blocking sockets, which return at once, are made without telling the
// scheduler (RawSyscall); everything that can block tells it.
package sysnet
