//go:build !skeleton

// Package drain reads from sockets that are told of once, at an edge.
//
// A socket is in the list as long as nobody has seen that it is empty. What must not be done: one
// that has used up its budget must not be taken out.
package drain

import (
	"errors"
	"slices"
)

// Budget is how many bytes of one socket are read in a turn, at the most.
const Budget = 16

// ErrAgain is a read's error where nothing is there now.
var ErrAgain = errors.New("nothing is there now")

// Socket is read from without waiting. It returns 0 and no error at its end.
type Socket interface {
	Read(p []byte) (n int, err error)
}

// Loop is what knows which sockets may have something.
type Loop struct {
	Got   func(s Socket, data []byte)
	Ended func(s Socket)

	may []Socket // may have something, in the order of their turns
}

// Edge notes that something has come for a socket.
func (l *Loop) Edge(s Socket) {
	if !slices.Contains(l.may, s) {
		l.may = append(l.may, s)
	}
}

// Turn reads what the budget allows from each socket that may have something.
func (l *Loop) Turn() (maySleep bool) {
	now := l.may
	l.may = nil
	for _, s := range now {
		if l.drain(s) {
			l.Edge(s) // no event will tell of what is left
		}
	}
	return len(l.may) == 0
}

// drain reads until there is nothing, or the budget is used up: then there may be more.
func (l *Loop) drain(s Socket) (more bool) {
	var buf [Budget]byte
	for left := Budget; left > 0; {
		n, err := s.Read(buf[:left])
		if errors.Is(err, ErrAgain) {
			return false
		}
		if n == 0 || err != nil {
			l.Ended(s)
			return false
		}
		l.Got(s, buf[:n])
		left -= n
	}
	return true
}
