// Package machine is the contract between a driver, such as a stage, and a machine, which is one
// end of one socket. The driver owns the socket and moves bytes. The machine says what the bytes
// mean. A session is a machine (HTTP on a connection). Any other protocol can be one too, and no
// driver has to be changed for it.
//
// A driver calls [Machine.Step], does what the machine wants, and calls it again:
//
//	WantRead   wait until the socket is readable, read once into Recv, say Received or EOF
//	WantWrite  send what is in Out, and acknowledge it there; if the socket does not take all
//	           of it, say Stalled, and wait until it is writable; so too with an empty Out,
//	           as that of a socket is that still connects
//	WantPeer   do nothing for the socket, but notice if it breaks: another machine of the
//	           same thread will have news, and nudge it (see [Host])
//	WantWake   run Work somewhere it may block; nothing else may touch the machine meanwhile
//	WantShut   end the sending direction: shutdown(fd, SHUT_WR)
//	WantClose  call Close, and close the socket
//
// A machine that wants WantRead, and whose Reads says no once something has come, takes that in
// Step by itself, without memory of the program (session.Thread.Pipes).
//
// WantRead and WantWrite may come together: then both are waited for, and whichever comes
// first is done. The others come alone. A driver also steps when Deadline has passed.
//
// Who owns what: a machine belongs to one thread, except for Work. The driver owns the
// descriptor and its place in the poller. Recv's memory is the machine's, and is valid until
// Step; what is in Out is the chain's until it is acknowledged.
//
// What must not be done is in one table, [Order]: a machine asserts it at each call.
package machine

import (
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/offload"
)

// Want is what a machine needs its driver to do next, as bits.
type Want uint8

const (
	WantRead  Want = 1 << iota // wait until the socket is readable
	WantWrite                  // send what is in Out
	WantPeer                   // wait for another machine's nudge
	WantWake                   // run Work where it may block; then step again
	WantShut                   // end the sending direction, then step again
	WantClose                  // close; the machine is over
)

func (w Want) String() (s string) {
	for i, name := range [...]string{"WantRead", "WantWrite", "WantPeer", "WantWake", "WantShut", "WantClose"} {
		if w>>i&1 != 0 {
			if s != "" {
				s += "|"
			}
			s += name
		}
	}
	return s
}

// Host is the thread on which machines run, as they see it. Its methods are for that thread alone.
type Host interface {
	// Adopt takes a further socket, which does not block, and drives m with it from the end of this
	// turn on. The host owns the descriptor from now on.
	Adopt(fd int, m Machine)
	// Nudge has the machine of a socket stepped at the end of this turn, because another machine of
	// this thread has news for it. It may be called whatever the machine wants, and more than once.
	Nudge(fd int)
	// Offload does slow work of the kind k apart from this thread, whose machines all go on; a
	// thread that serves one connection at a time does the work itself. then is called on this
	// thread when the work is done: in a later turn, never within Offload. The thread does not end
	// before that.
	Offload(k offload.Kind, work, then func())
}

// Machine is one end of one socket. Its driver calls these methods.
type Machine interface {
	// Step goes on as far as it can without more bytes, and says what it needs.
	Step() Want
	// Deadline is when to Step although nothing happened; [clock.Never] for never. It holds
	// until the next Step.
	Deadline() clock.Time
	// Reads reports whether the machine waits for its peer to send something. A driver whose socket
	// is readable then reads before it steps. It is true only if the last Want allows a read
	// ([Order.May]); a change since then takes effect with the next Step.
	Reads() bool
	// Recv is the memory to read the socket into. It is never empty after WantRead.
	Recv() []byte
	// Received notes that n bytes were read into Recv.
	Received(n int)
	// EOF notes that the peer has ended its sending direction.
	EOF()
	// Out is what is to be sent. It is not nil after WantWrite.
	Out() *chain.Chain
	// Stalled says that the socket did not take all of Out. From now on the machine may measure how
	// fast its peer takes it.
	Stalled()
	// Fetch says that what comes next in Out has to be read from a disk before it can be sent. Step
	// then returns WantWake, and Work runs read; its error has the effect of Break.
	Fetch(read func() error)
	// Work runs the slow work of a machine that wants WantWake. It is the only method that may be
	// called on another thread.
	Work()
	// WorkKind is which kind of slow work that is, so that no kind has to wait for another.
	WorkKind() offload.Kind
	// RestartDeadline starts the deadline again: the wait so far was not the peer's fault, because
	// the driver was busy with something slow of its own.
	RestartDeadline()
	// Fail ends the machine because of its socket. The driver steps once more, and Step returns
	// WantClose, except where the peer has only hung up and the machine wants to read what it had
	// sent.
	Fail()
	// Break is Fail because of a file in Out that cannot be sent as announced.
	Break(err error)
	// Leave is Fail while Work runs: the peer has gone, and the driver closes the socket at
	// once, however long the work takes. Close follows when it is done.
	Leave()
	// Idle reports whether the machine is between two pieces of its work, so that a server
	// that stops need not wait for it.
	Idle() bool
	// Abortive reports whether the socket is to be closed with a reset, so that the kernel drops
	// the unsent rest instead of keeping it for a peer that does not take it.
	Abortive() bool
	// Close ends the machine, and gives back all it holds. Drivers call it once, before they
	// close the socket (except after Leave), and not while Work runs.
	Close()
}
