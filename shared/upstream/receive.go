package upstream

// How a target's bytes come: read into the buffer of a head, or into memory that goes to the user
// as it is, or moved by a pipe and not read at all.
//
// What must not be done: what comes before the first byte of a request has left is no answer to it
// (early), whoever is asking.

import (
	"math"

	"fourways/shared/chain"
	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// readOn reads once more, where the beginning of an answer has filled the buffer and the rest of
// its body is much, but too little for a pipe. Nearly always that has come too. Both leave for the
// user's peer together, which saves a send. An end or a failure is the driver's to find.
func (l *Link) readOn() {
	l.filled = false
	due := l.due()
	if l.local.thread.Pipes == nil || !l.reading() || l.broken || due < largeRead || due >= leastPiped {
		return
	}
	if n, _ := l.local.set.opt.Sockets.Read(l.fd, l.intake(due)); n > 0 {
		l.pass(n)
		l.converse()
	}
}

// salvage reads what the target has sent before its connection broke. A target that refuses an
// upload often closes right after its answer, while we still write.
func (l *Link) salvage() {
	for l.state == stateBusy && !l.eof && !l.dropped {
		n, err := l.local.set.opt.Sockets.Read(l.fd, l.client.Recv())
		if n <= 0 || err != nil {
			return
		}
		l.heard = true
		l.client.Received(n)
		l.salvaging = true
		l.converse()
		l.salvaging = false
	}
}

// Reads reports whether the link waits for its target to send something.
func (l *Link) Reads() bool { return l.order.May(machine.CallRead) && l.reading() && !l.pipes() }

// pipes reports whether what comes next is moved to the user by a pipe, and not read: much has come
// at once, much is still to come, and the user has handed on all that came before.
func (l *Link) pipes() bool {
	return l.bulk && l.reading() && !l.broken && !l.hungUp && l.local.thread.Pipes != nil && l.due() >= leastPiped && l.user.TakesPipe()
}

// move moves what has come to the user by a pipe.
func (l *Link) move() {
	pipe := l.local.thread.Pipe()
	if pipe == nil {
		l.bulk = false
		return
	}
	n, err := pipe.Fill(l.fd, min(l.due(), chain.PipeSize))
	switch {
	case n > 0:
		l.bulk, l.active = n >= largeRead, l.local.now()
		if l.state == stateBusy {
			l.client.Passed(n)
		}
		l.user.Pipe(pipe, n)
		return
	case err == nil:
		l.endOfStream()
	case sysnet.Again(err):
	case sysnet.NoSplice(err):
		l.bulk, l.copies = false, true
	default:
		l.broken = true
	}
	pipe.Release()
}

// Recv is the memory to read the socket into.
func (l *Link) Recv() []byte {
	l.order.Called(machine.CallRead)
	if l.client == nil {
		return l.local.dropped[:]
	}
	if n := l.due(); n >= largeRead {
		return l.intake(n)
	}
	return l.client.Recv()
}

// intake is memory for at most n bytes that go to the user as they are.
func (l *Link) intake(n int64) []byte {
	p := l.local.thread.Room()
	return p[:min(int64(len(p)), n)]
}

// due is how many bytes come next that are nothing but the answer's body, or go through a tunnel.
// Where they are many, they are read into memory that goes to the user as it is.
func (l *Link) due() int64 {
	switch l.state {
	case stateTunnel:
		return math.MaxInt64
	case stateBusy:
		return l.client.Due()
	}
	return 0
}

// Received notes that n bytes were read. Nobody has asked an idle target for any.
func (l *Link) Received(n int) {
	l.order.Called(machine.CallRead)
	if l.client == nil {
		l.shunned = true
		return
	}
	if l.early() {
		return
	}
	l.heard = true
	l.active = l.local.now()
	l.bulk = n >= largeRead && !l.copies
	if l.due() < largeRead {
		l.filled = n >= received
		l.client.Received(n)
		return
	}
	l.pass(n)
}

// pass gives the user n bytes that were read into the intake.
func (l *Link) pass(n int) {
	if l.state == stateBusy {
		l.client.Passed(int64(n))
	}
	l.user.Body(l.local.thread.Intake().Took(n))
}

// EOF notes that the target has ended its sending direction.
func (l *Link) EOF() {
	l.order.Called(machine.CallRead)
	l.endOfStream()
}

// endOfStream notes that the target sends nothing more.
func (l *Link) endOfStream() {
	l.eof = true
	if l.early() {
		return
	}
	switch {
	case l.state == stateTunnel:
		l.user.End()
	case l.client != nil:
		l.client.EOF()
	}
}

// early notes, and reports, that something has come on a kept connection before the first byte of
// its request has left. It can be no answer to that: many servers announce with a 408 that they
// close (RFC 9110 15.5.9), and whoever has brought a target to answer twice wants the second answer
// to be another client's.
//
// Step looks for it once more, with one system call for each request on a kept connection: right
// after Step the request is written, and what comes from then on is taken for its answer. So only
// what is on its way in that moment can still be.
func (l *Link) early() bool {
	l.unasked = l.unasked || l.fresh()
	return l.unasked
}

// fresh reports whether a kept connection has a new request, of which nothing has left.
func (l *Link) fresh() bool {
	return l.reused && l.state == stateBusy && !l.heard && l.client.Out().Sent() == l.from
}
