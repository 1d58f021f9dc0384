// Package chaintest takes a chain apart for tests.
package chaintest

import "fourways/shared/chain"

// Counted is a file, or the owner of some bytes, that counts its references.
type Counted struct{ Refs int }

// Release gives one reference back.
func (c *Counted) Release() { c.Refs-- }

// Fd is no descriptor: what Drain writes for a file is made up.
func (c *Counted) Fd() int { return -1 }

// Content is what Drain writes for a range of a test's file: each byte tells its offset.
func Content(off, n int64) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(off + int64(i))
	}
	return p
}

// Drain takes up to n bytes off the front of the chain, as a writer would.
func Drain(q *chain.Chain, n int64) (out []byte) {
	iov, more := q.Bytes(make([][]byte, 0, 3))
	for _, p := range iov {
		out = append(out, p[:min(int64(len(p)), n-int64(len(out)))]...)
	}
	if len(iov) == 0 && more {
		_, off, have, _ := q.FileRange()
		out = Content(off, min(have, n))
	}
	q.Ack(int64(len(out)))
	return out
}
