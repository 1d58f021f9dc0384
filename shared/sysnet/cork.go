package sysnet

// Corking a socket while a large range of a file is sent, so that only full packets leave.
//
// MSG_MORE on the head is not enough. It holds for one call, and the calls that send the file have
// no such flag: what is left at the end of one, because the turn, the piece or the room in the
// socket is used up, leaves as a packet that is not full. (Of sendfile(2) that depends on the
// kernel: Linux 6.18 waits by itself where more of the file follows.) A cork stays over all calls.
//
// The chain remembers the cork, because it lives as long as its socket does. What must not be done:
// nothing may be sent after the range before the cork is pulled, or it waits with the range's last
// bytes for a packet to become full, up to 200 ms (tcp(7), TCP_CORK). The same holds for a socket
// that is given up in the middle.

import (
	"golang.org/x/sys/unix"

	"fourways/shared/chain"
)

// corkAbove is the size of a range up to which its socket is not corked, in bytes: a Copier writes
// so much at once, and a Sender sends it with one call, so it would cost two calls for nothing.
const corkAbove = copyBuffer

// cork corks the socket if the file range that comes next is large. Small answers do not pay for
// the call.
func cork(fd int, q *chain.Chain) {
	if q.Corked() {
		return
	}
	if _, _, n, _ := q.FileRange(); n > corkAbove && setCork(fd, true) == nil {
		q.NoteCork(true)
	}
}

// uncork pulls the cork, if there is one, and so sends what it has held back.
func uncork(fd int, q *chain.Chain) {
	if q.Corked() {
		q.NoteCork(false)
		setCork(fd, false)
	}
}

// stopped ends a turn of sending with an error. Where the socket is full, the cork stays: the range
// goes on.
func stopped(fd int, q *chain.Chain, err error) error {
	if err = later(err); err != unix.EAGAIN {
		uncork(fd, q)
	}
	return err
}
