package relay

// One end of a relay, as a machine.
//
// A leg that has nothing to send holds no memory for it: an idle relay is the structs of its two
// legs and sockets. A leg is done when both directions of its socket have ended, and its socket is
// closed then, whatever the other one still has to send.
//
// What must not be done: a socket that has hung up is not to be taken for one that is broken. A
// peer that has sent all and closed has hung up, with bytes of it still to be read.

import (
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/spill"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// leg is one end of a relay.
type leg struct {
	relay      *relay
	out        *queue     // for its socket; nil for nothing
	sent       int64      // of out, when it was looked at last
	free       clock.Time // when it may be read again; of one that connects, its own deadline
	look       clock.Time // when to look again what the kernel holds for its peer; 0 for not
	pause      clock.Time // before that
	until      clock.Time // a pipe that did not all leave is waited for until then; 0 for none
	left       int64      // bytes that it held at the last look
	fd         int32
	order      machine.Order
	last       machine.Want
	connecting bool
	eof        bool // its peer has ended its sending direction
	shut       bool // ours has ended
	waits      bool // for the other leg to have sent some
	hungUp     bool // its peer sends nothing more than what is here already
	fetching   bool // some of out is read from the disk
	bulk       bool // so much came at once that more may go by a pipe
	copies     bool // its socket's bytes can go by none
	closed     bool // its socket is
}

var _ machine.Machine = (*leg)(nil)

// Step goes on as far as it can, and says what the leg needs.
func (l *leg) Step() machine.Want {
	l.order.Called(machine.CallStep)
	l.last = l.step()
	return l.order.Wanted(l.last)
}

func (l *leg) step() machine.Want {
	r := l.relay
	switch {
	case r.over:
		return machine.WantClose
	case l.connecting:
		return l.awaitConnection()
	case l != r.client && l != r.target: // the connection has failed
		return machine.WantClose
	case !r.open:
		return l.awaitTarget()
	}
	if l.settle(); r.over {
		return machine.WantClose
	}
	other := r.other(l)
	if l.pipes(other) {
		l.move(other)
	}
	if r.thread.Clock.Now() >= r.moved+r.srv.Timeout && !r.drains() {
		r.end()
	}
	if r.over {
		return machine.WantClose
	}
	if other.eof && l.out == nil && !l.shut && !l.holds() {
		l.shut = true
		return machine.WantShut
	}
	if l.eof && l.shut {
		return machine.WantClose
	}
	return l.pass(other)
}

// holds reports whether the kernel holds so much for the peer that our direction is not to be ended
// yet, and looks again in a moment. Were both directions ended, the socket would be closed, and the
// kernel would keep for minutes what the peer does not read, for nobody's account.
func (l *leg) holds() bool {
	left, now := l.relay.srv.Sockets.Unsent(int(l.fd)), l.relay.thread.Clock.Now()
	if left <= smallRest {
		l.look = 0
		return false
	}
	if left != l.left {
		l.left, l.relay.moved = left, now
	}
	l.pause = min(max(2*l.pause, firstLook), longestLook)
	l.look = now + l.pause
	return true
}

// pass is what a leg wants whose relay goes on.
func (l *leg) pass(other *leg) (want machine.Want) {
	if l.out != nil && !l.out.chain.Empty() && !l.fetching {
		want = machine.WantWrite
	}
	if l.waits = !l.eof && !l.hasRoom(other); l.hungry() {
		want |= machine.WantRead
	}
	if other.waits && other.hasRoom(l) {
		l.relay.nudge(other)
	}
	if want == 0 {
		want = machine.WantPeer
	}
	return want
}

// awaitConnection is what the target's leg does until it is connected: it waits until the socket
// can be written to, with nothing to write.
func (l *leg) awaitConnection() machine.Want {
	r := l.relay
	err := r.srv.Sockets.Connected(int(l.fd))
	switch {
	case err == nil:
		l.connecting, l.free = false, 0
		r.connected()
		return l.step()
	case sysnet.Again(err) && r.thread.Clock.Now() < l.free:
		return machine.WantWrite
	}
	l.connecting = false
	r.missed(err)
	return machine.WantClose
}

// awaitTarget is what the client's leg does meanwhile. It reads nothing yet, and notices if the
// client leaves. What one has said that has hung up in order is read at once, since its socket can
// be waited at no longer, and goes to the target all the same.
func (l *leg) awaitTarget() machine.Want {
	r := l.relay
	if r.target == nil && r.thread.Clock.Now() >= r.retry {
		r.connect()
		if r.over {
			return machine.WantClose
		}
	}
	switch {
	case !l.hungUp:
		return machine.WantPeer
	case !l.eof:
		return machine.WantRead
	case r.target == nil: // it would have to be tried again later
		r.end()
	}
	return machine.WantClose
}

// settle notes what has been sent since the last look, and has more follow. It gives the memory
// back when that was all.
func (l *leg) settle() {
	q := l.out
	if q == nil || l.fetching {
		return
	}
	if sent := q.chain.Sent(); sent != l.sent {
		l.sent, l.relay.moved = sent, l.relay.thread.Clock.Now()
	}
	if q.chain.Len() < chainLow {
		if err := q.waiting.Feed(spill.Into{Chain: &q.chain}); err != nil {
			l.relay.end() // what the disk has lost must not be missing in the middle
			return
		}
	}
	if l.until > 0 {
		l.settlePipe(q)
	}
	if q.empty() {
		l.drop()
	}
}

// settlePipe ends the wait for a pipe, if it has left, or if it has not and the moment is over.
func (l *leg) settlePipe(q *queue) {
	switch {
	case !q.chain.Piped():
		l.until = 0
	case l.relay.thread.Clock.Now() >= l.until:
		l.until = 0
		if q.chain.Drain(l.relay.local.intake) != nil {
			l.relay.end()
		}
	}
}

// take takes what the leg is to send, with the reference that it may have.
func (l *leg) take(p []byte, ref chain.Ref) {
	q := l.queue()
	if q.waiting.Len() == 0 && q.chain.Len() < chainLow && !l.fetching {
		q.chain.Append(p, ref)
	} else {
		q.waiting.Take(p, ref)
	}
}

// queue is where what the leg is to send waits.
func (l *leg) queue() *queue {
	if l.out == nil {
		l.out = l.relay.local.borrow(l)
		l.sent = l.out.chain.Sent()
	}
	return l.out
}

// drop gives the queue back. While some of it is read from the disk, that has to wait.
func (l *leg) drop() {
	if l.out != nil && !l.fetching {
		l.relay.local.giveBack(l.out)
		l.out = nil
	}
}

// hasRoom reports whether what the leg reads may be kept for the other one. What is left of a peer
// that has hung up is no more than the kernel has of it, and is taken whole. Where there is no
// memory, no more is kept until the other leg has sent all.
func (l *leg) hasRoom(other *leg) bool {
	return other.out == nil || other.until == 0 && !other.out.waiting.Full() && !l.relay.thread.Full() || l.hungUp
}

// hungry reports whether the leg would read if it might.
func (l *leg) hungry() bool {
	r := l.relay
	return (r.open || l.hungUp) && !r.over && !l.eof && !l.waits && (r.srv.Rate == 0 || l.hungUp || r.thread.Clock.Now() >= l.free)
}

// pipes reports whether what comes next is moved to the other leg by a pipe, and not read: much has
// come at once, and the other leg has taken all that came before. What waits in a queue is copied,
// since only that can be spilled.
func (l *leg) pipes(other *leg) bool {
	return l.bulk && l.hungry() && !l.hungUp && l.relay.thread.Pipes != nil && (other.out == nil || other.out.empty()) && !other.closed
}

// move moves what has come to the other leg by a pipe.
func (l *leg) move(other *leg) {
	r := l.relay
	pipe := r.thread.Pipe()
	if pipe == nil {
		l.bulk = false
		return
	}
	n, err := pipe.Fill(int(l.fd), chain.PipeSize)
	switch {
	case n > 0:
		l.bulk = n >= leastPiped
		l.passed(n)
		other.queue().chain.AppendPipe(pipe, n)
		r.nudge(other)
		return
	case err == nil:
		l.ended()
	case sysnet.Again(err):
	case sysnet.NoSplice(err):
		l.bulk, l.copies = false, true
	default:
		r.end()
	}
	pipe.Release()
}

func (l *leg) Reads() bool {
	return l.order.May(machine.CallRead) && l.hungry() && !l.pipes(l.relay.other(l))
}

// Recv is memory of the thread's: what is read into it is passed on at once.
func (l *leg) Recv() []byte {
	l.order.Called(machine.CallRead)
	in := l.relay.thread.Room()
	if rate := l.relay.srv.Rate; rate > 0 {
		in = in[:min(max(rate/slices, 1), chain.IntakeSize)]
	}
	return in
}

// Received passes on what was read.
func (l *leg) Received(n int) {
	l.order.Called(machine.CallRead)
	r := l.relay
	l.bulk = n >= leastPiped && !l.copies && r.srv.Rate == 0
	l.passed(int64(n))
	p, ref := r.local.intake.Took(n)
	if !r.open {
		r.early = append(r.early, p...)
		if ref != nil {
			ref.Release()
		}
		if r.thread.Full() {
			r.end()
		}
		return
	}
	other := r.other(l)
	if other.closed { // nobody is there any more to take it
		if ref != nil {
			ref.Release()
		}
		if l.shut {
			r.end()
		}
		return
	}
	other.take(p, ref)
	r.nudge(other)
}

// passed notes that n bytes have come.
func (l *leg) passed(n int64) {
	r := l.relay
	now := r.thread.Clock.Now()
	r.moved = now
	if rate := r.srv.Rate; rate > 0 {
		l.free = max(l.free, now) + clock.Time(n)*clock.Second/clock.Time(rate)
	}
	if l == r.client {
		r.thread.Stats.Add(stats.RelayedUp, uint64(n))
	} else {
		r.thread.Stats.Add(stats.RelayedDown, uint64(n))
	}
}

// EOF passes the end of the peer's direction on, behind what it has sent.
func (l *leg) EOF() {
	l.order.Called(machine.CallRead)
	l.ended()
}

// ended notes that its peer has ended its direction. One that has hung up takes nothing any more
// either.
func (l *leg) ended() {
	l.eof, l.shut = true, l.shut || l.hungUp
	if other := l.relay.other(l); other != nil {
		l.relay.nudge(other)
	}
}

func (l *leg) Out() *chain.Chain {
	l.order.Called(machine.CallWrite)
	if l.out == nil {
		return &l.relay.local.none
	}
	return &l.out.chain
}

// Fail ends the relay because of a socket of it. A peer that has only hung up is read to its end
// first: that is reported too while nothing is wanted of its socket.
func (l *leg) Fail() {
	l.order.Called(machine.CallStep)
	if l.last == machine.WantPeer && !l.hungUp && l.relay.srv.Sockets.OnlyHungUp(int(l.fd)) {
		l.hungUp, l.shut = true, l.shut || l.eof
		return
	}
	l.relay.end()
}

// Deadline is when the leg has to look again: the relay was silent for too long, it may be read
// again, or a connection is to be tried again or given up.
func (l *leg) Deadline() clock.Time {
	r := l.relay
	switch {
	case l.connecting:
		return l.free
	case !r.open && r.retry > 0:
		return r.retry
	case !r.open:
		return clock.Never
	}
	d := r.moved + r.srv.Timeout
	if r.srv.Rate > 0 && !l.eof && !l.waits && l.free > r.thread.Clock.Now() {
		d = min(d, l.free)
	}
	if l.look > 0 && !l.shut {
		d = min(d, l.look)
	}
	if l.until > 0 {
		d = min(d, l.until)
	}
	return d
}

// Close gives back what the leg holds. The client's place is free with its own socket.
func (l *leg) Close() {
	l.order.Called(machine.CallClose)
	r := l.relay
	l.closed = true
	l.drop()
	other := r.other(l)
	if l == r.client {
		r.thread.Dismiss(r.adm)
		r.thread.Stats.Add(stats.Closed, 1)
		r.thread.Hold(-heldBytes)
		r.underWay().Add(-1)
	}
	switch {
	case l.eof && l.shut && !r.over: // done
	case l == r.client || l == r.target:
		r.over = true
	}
	if other != nil {
		r.nudge(other)
	}
}

// Abortive: what ends before both directions have is a reset.
func (l *leg) Abortive() bool { return !(l.eof && l.shut) }

// Idle reports false: nobody knows what the two are about.
func (l *leg) Idle() bool { return false }

// Stalled gives a peer that has not taken all of a pipe a moment for the rest. Meanwhile the other
// side is not read. A peer that needs longer does not keep up: what it is to get waits in memory.
func (l *leg) Stalled() {
	l.order.Called(machine.CallWrite)
	if l.until == 0 && l.out != nil && l.out.chain.Piped() {
		l.until = l.relay.thread.Clock.Now() + keepsUp
		l.relay.nudge(l.relay.other(l)) // it is not to be read
	}
}

func (l *leg) RestartDeadline() {}
func (l *leg) Break(error)      { l.relay.end() }

// Fetch has some of a file read, and goes on meanwhile: the other direction need not wait.
func (l *leg) Fetch(read func() error) {
	l.order.Called(machine.CallWrite)
	l.fetching = true
	var err error
	l.relay.thread.Host.Offload(offload.Spill, func() { err = read() }, func() {
		l.fetching = false
		if err != nil {
			l.relay.end()
		}
		if l.closed {
			l.drop()
		}
		l.relay.nudge(l)
	})
}

// A leg is never parked, so these are not called ([machine.Order]).
func (l *leg) Work()                  { l.order.Called(machine.CallWork) }
func (l *leg) WorkKind() offload.Kind { return offload.Spill }
func (l *leg) Leave()                 { l.order.Called(machine.CallWork) }
