//go:build skeleton

// Package partial is what is to be sent: pieces of memory and of files, one after the other.
//
// A write to a socket that does not block takes what it likes: all, a part of a piece, three
// pieces and a bit, or nothing. So somebody must know where the rest begins. Write loops until all
// is sent or the socket takes no more. What was sent is let go of at once, a file with the method
// Release.
package partial

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
	// yours
}

// AppendBytes adds memory. The chain keeps p until it is sent.
func (c *Chain) AppendBytes(p []byte) {}

// AppendFile adds n bytes of a file from off on.
func (c *Chain) AppendFile(f File, off, n int64) {}

// Len is how many bytes are still to be sent.
func (c *Chain) Len() int64 { return -1 }

// Write sends until nothing is left, which is done, or until the socket takes nothing or fails. A
// file that ends before its range does is io.ErrUnexpectedEOF.
func (c *Chain) Write(s Socket) (done bool, err error) { return false, nil }

// Drop releases all files of a connection that ends.
func (c *Chain) Drop() {}
