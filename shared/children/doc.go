// Package children starts processes with descriptors of fixed numbers, and learns what becomes of
// them.
//
// Descriptors are passed as plain numbers and never as os.File: taking the descriptor of a
// listener's file makes it blocking (net.TCPListener.File, os.File.Fd), and that is a property of
// the open file description, which all processes share (open(2)). Every worker's accept would block
// from then on.
//
// The package keeps nothing: who owns a child, and what its death means, is its caller's to know.
// [Reap] takes every child of the process, so nothing else in it may wait for one (os/exec).
package children
