//go:build skeleton

// Package drain reads from sockets that are told of once, at an edge.
//
// With EPOLLET the loop hears of a socket when something comes, and not again because something
// still lies there. So it reads until the socket says "again" (ErrAgain). But a client that sends
// without a pause must not have the loop for itself: after Budget bytes it is somebody else's
// turn, and what is left must not be forgotten, although no event will tell of it.
//
// Loop is that bookkeeping. The loop calls Edge for each event, then Turn until it is told that it
// may sleep.
package drain

import "errors"

// Budget is how many bytes of one socket are read in a turn, at the most.
const Budget = 16

// ErrAgain is a read's error where nothing is there now.
var ErrAgain = errors.New("nothing is there now")

// Socket is read from without waiting. It returns 0 and no error at its end.
type Socket interface {
	Read(p []byte) (n int, err error)
}

// Loop is what knows which sockets may have something. It calls Got with what it has read, and
// Ended when a socket is at its end or has failed.
type Loop struct {
	Got   func(s Socket, data []byte)
	Ended func(s Socket)

	// yours
}

// Edge notes that something has come for a socket. It does not read.
func (l *Loop) Edge(s Socket) {}

// Turn reads what the budget allows from each socket that may have something, once around, and
// reports whether the loop may sleep until the next edge.
func (l *Loop) Turn() (maySleep bool) { return true }
