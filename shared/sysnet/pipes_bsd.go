//go:build darwin || freebsd

package sysnet

import "fourways/shared/chain"

// Pipes are not used where there is no splice(2).
type Pipes struct{}

// NewPipes is nil.
func NewPipes(most int) *Pipes { return nil }

// Get lends nothing.
func (*Pipes) Get() chain.Pipe { return nil }

// Close does nothing.
func (*Pipes) Close() {}

// NoSplice reports true: there is no splice(2).
func NoSplice(error) bool { return true }
