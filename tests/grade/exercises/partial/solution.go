//go:build !skeleton

// Package partial is what is to be sent: pieces of memory and of files, one after the other.
//
// The first piece is the one that is being sent, and is moved on by what the socket has taken. What
// must not be done: nothing may be taken for sent that was only read from a file.
package partial

import "io"

// File is something of which ranges are sent.
type File interface {
	ReadAt(p []byte, off int64) (n int, err error)
	Release() // called once for each AppendFile, as soon as its range has been sent
}

// Socket takes what it likes. It returns 0 where it takes nothing now, and that is no error.
type Socket func(p []byte) (n int, err error)

// PieceOfFile is how much of a file is read at once, at the most.
const PieceOfFile = 8

// Chain is the queue. The zero value is empty.
type Chain struct {
	pieces []piece
}

// piece is memory, or n bytes of a file from off on.
type piece struct {
	bytes  []byte
	file   File
	off, n int64
}

// AppendBytes adds memory. The chain keeps p until it is sent.
func (c *Chain) AppendBytes(p []byte) {
	if len(p) > 0 {
		c.pieces = append(c.pieces, piece{bytes: p, n: int64(len(p))})
	}
}

// AppendFile adds n bytes of a file from off on.
func (c *Chain) AppendFile(f File, off, n int64) {
	if n == 0 {
		f.Release()
		return
	}
	c.pieces = append(c.pieces, piece{file: f, off: off, n: n})
}

// Len is how many bytes are still to be sent.
func (c *Chain) Len() (n int64) {
	for _, p := range c.pieces {
		n += p.n
	}
	return n
}

// Write sends until nothing is left, or until the socket takes nothing or fails.
func (c *Chain) Write(s Socket) (done bool, err error) {
	var buf [PieceOfFile]byte
	for len(c.pieces) > 0 {
		p := &c.pieces[0]
		text := p.bytes
		if p.file != nil {
			n, err := p.file.ReadAt(buf[:min(PieceOfFile, p.n)], p.off)
			if n == 0 {
				if err == nil || err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return false, err
			}
			text = buf[:n]
		}
		n, err := s(text)
		if err != nil || n == 0 {
			return false, err
		}
		c.sent(p, int64(n))
	}
	return true, nil
}

// sent moves the first piece on, or lets go of it.
func (c *Chain) sent(p *piece, n int64) {
	if p.n -= n; p.n > 0 {
		if p.file != nil {
			p.off += n
		} else {
			p.bytes = p.bytes[n:]
		}
		return
	}
	if p.file != nil {
		p.file.Release()
	}
	c.pieces = c.pieces[1:]
}

// Drop releases all files of a connection that ends.
func (c *Chain) Drop() {
	for _, p := range c.pieces {
		if p.file != nil {
			p.file.Release()
		}
	}
	c.pieces = nil
}
