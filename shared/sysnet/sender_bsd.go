//go:build darwin || freebsd

package sysnet

import "fourways/shared/chain"

// Sender sends chains by reading files and writing what was read: sendfile(2) has another
// form on each of these systems.
type Sender struct{ Copier }

// NewSender makes a Sender.
func NewSender() *Sender { return &Sender{*NewCopier()} }

// Send is Copier.Send.
func (s *Sender) Send(fd int, q *chain.Chain, budget int64) error {
	return s.Copier.Send(fd, q, budget)
}

// ReadNow is read(2) on a socket that does not block.
func ReadNow(fd int, p []byte) (int, error) { return Read(fd, p) }
