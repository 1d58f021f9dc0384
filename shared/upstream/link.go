package upstream

// One connection to a target, as a machine: requests one after the other, and times between them in
// which it waits to be used again.
//
// A Link belongs to its thread. It has a [User] while a request is on it; from End, Closed, Lost or
// Drop on the user must not touch it any more. Between two requests it holds no buffers.
//
// What must not be done: a connection is used again only if both sides have said all that they
// announced, and nothing more has come ([http1.Client.Reusable]). The user's methods are called
// from within Step. So Drop, which the user may call at any time, only notes what is to be done:
// the driver may be about to send what is in Out.

import (
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// state is how far a Link has come.
type state uint8

const (
	stateConnecting state = iota
	stateBusy             // a request is under way
	stateTunnel           // it is no HTTP any more
	stateIdle             // it waits to be used again
	stateOver
)

// Times are when what happened to a request; 0 for not yet. They are as exact as the thread's clock
// is read, once a turn.
type Times struct {
	Began     clock.Time // the link was asked for
	Connected clock.Time // it was there; the same as Began for one that was kept
	Head      clock.Time // the head of the answer was complete
}

// Link is one connection to a target.
type Link struct {
	local     *Local
	target    *State
	at        *sysnet.Addr  // where the target was when the connection was begun
	user      User          // nil where there is none
	client    *http1.Client // nil where no request is under way
	fd        int
	deadline  clock.Time
	active    clock.Time // when something has moved last, either way
	times     Times
	sent      int64 // bytes of the request by then
	from      int64 // the same when the request began
	order     machine.Order
	state     state
	last      clock.Time   // until when an idle one is kept
	again     clock.Time   // when one that is crowded is to try again
	held      int64        // bytes that the kernel held for the target, of a tunnel for both ends, at the last look
	crowded   bool         // no connection could be begun yet: the socket is a placeholder
	reused    bool         // the connection has had a request before this one
	heard     bool         // some of the answer has come
	paused    bool         // the user takes no more of the answer for now
	expects   bool         // the target is to say whether it wants the body
	wants     bool         // the user waits for room
	eof       bool         // the target has ended its sending direction
	broken    bool         // the socket has failed
	salvaging bool         // what came before that is being read
	dropped   bool         // the user does not want it any more
	ends      bool         // of a tunnel: the user sends nothing more
	shut      bool         // and the target has been told so
	shunned   bool         // it is to be closed, and has not been used
	unasked   bool         // something came before the request had left
	once      bool         // no other request may have the connection after this one
	hungUp    bool         // the target sends nothing more than what is here already, and takes nothing
	detached  bool         // no user cares any more what the target says
	bulk      bool         // so much came at once that more may go by a pipe
	copies    bool         // its socket's bytes can go by none
	filled    bool         // what came last has filled the buffer: more is likely to be here
	wanted    machine.Want // last
	timed     bool         // it is the target's turn
	abortive  bool
	mayNeed   bool // a retry: the budget has it in its count
}

var _ machine.Machine = (*Link)(nil)

// begin gives the link to a user.
func (l *Link) begin(user User, reused bool) {
	now := l.local.now()
	l.user, l.client, l.reused = user, l.local.borrow(), reused
	l.times, l.active, l.sent = Times{Began: now}, now, l.client.Out().Sent()
	l.from, l.held = l.sent, 0
	l.heard, l.paused, l.expects, l.wants, l.unasked, l.bulk, l.once = false, false, false, false, false, false, false
	if reused {
		l.state, l.times.Connected = stateBusy, now
	}
	at := &l.local.at[l.target.number]
	at.inFlight++
	at.counts.counters[Requests].Add(1)
	l.gauges().inFlight.Add(1)
	if reused {
		l.mayNeed, l.local.budget.mayNeed = true, l.local.budget.mayNeed+1
		l.Push()
	}
}

// Client is where the request is written, and the answer read.
func (l *Link) Client() *http1.Client { return l.client }

// Target is whom it leads to.
func (l *Link) Target() *State { return l.target }

// Kept reports whether the connection has had a request before this one.
func (l *Link) Kept() bool { return l.reused }

// Times is when what happened to the request.
func (l *Link) Times() Times { return l.times }

// Ready reports whether the connection is there. Where it is not, Connected will be called, or
// Lost.
func (l *Link) Ready() bool { return l.state != stateConnecting }

// Push has what was written sent at the end of this turn.
func (l *Link) Push() { l.local.thread.Host.Nudge(l.fd) }

// Expect says that the target is to say whether it wants the request's body: although it has not
// got all of the request, it is its turn.
func (l *Link) Expect(yes bool) { l.expects = yes }

// Full reports whether the user is not to write more for now. Then Room will be called.
func (l *Link) Full() bool {
	if l.client.Out().Len() < FullAt {
		return false
	}
	l.wants = true
	return true
}

// Pause has no more read of the answer, until Resume.
func (l *Link) Pause() { l.paused = true }

// Resume goes on after Pause.
func (l *Link) Resume() {
	if l.paused {
		l.paused = false
		l.Push()
	}
}

// Once has the connection closed after the answer, whatever the target says of that.
func (l *Link) Once() { l.once = true }

// Drop gives the link up: its request is not wanted any more.
func (l *Link) Drop() {
	l.user, l.dropped = nil, true
	l.Push()
}

// spent reports whether an idle link has had news since it was last stepped: its end, or bytes that
// nobody asked for.
func (l *Link) spent() bool { return l.shunned || l.eof || l.broken }

// shun closes an idle link that is not to be used.
func (l *Link) shun() {
	l.shunned = true
	l.Push()
}

// Step goes on as far as it can without more bytes, and says what it needs.
func (l *Link) Step() machine.Want {
	l.order.Called(machine.CallStep)
	l.wanted = l.step()
	return l.order.Wanted(l.wanted)
}

func (l *Link) step() machine.Want {
	now := l.local.now()
	switch {
	case l.state == stateIdle:
		if l.spent() || now >= l.last || l.local.thread.Server.Draining() || l.local.set.retired.Load() {
			return l.close()
		}
		l.deadline = l.last
		return machine.WantRead
	case l.dropped:
		l.settle()
		l.abortive = true
		return l.close()
	case l.crowded:
		return l.knock(now)
	case l.state == stateConnecting:
		if l.connecting(now) {
			l.deadline = l.times.Began + l.local.set.opt.Connect
			return machine.WantWrite
		}
	}
	if l.pipes() {
		l.move()
	}
	if l.state == stateTunnel {
		return l.tunnel(now)
	}
	if l.unasked || l.fresh() && !l.local.set.opt.Sockets.Silent(l.fd) {
		l.distrust()
		l.lose(Unasked)
		return machine.WantClose
	}
	if l.broken {
		l.salvage()
	}
	l.converse()
	if l.filled {
		l.readOn()
	}
	if l.state == stateTunnel {
		return l.tunnel(now)
	}
	if l.state == stateBusy && l.late(now) {
		l.lose(TooLate)
	}
	return l.wanting()
}

// converse tells the user what has come, and when there is room for more of the request.
func (l *Link) converse() {
	for l.state == stateBusy && !l.dropped && (!l.paused || l.broken || l.hungUp) {
		switch l.client.Next() {
		case http1.NeedData:
			if l.broken && !l.salvaging {
				l.gone()
			}
			l.room()
			return
		case http1.HasInterim:
			l.heard, l.expects = true, false
			l.user.Interim()
		case http1.HasResponse:
			l.answered()
		case http1.HasBody:
			l.user.Body(l.client.Body(), nil)
		case http1.End:
			l.ended()
		case http1.Closed:
			l.gone()
		default:
			if l.client.Fault().Reason == fault.CutShort {
				l.lose(Broken)
			} else {
				l.loseBy(Malformed, l.client.Fault().Reason)
			}
		}
	}
	l.room()
}

// room notes what has left of the request, and tells a user that waits for it.
func (l *Link) room() {
	if l.state != stateBusy || l.dropped {
		return
	}
	l.moved()
	if l.wants && l.client.Out().Len() < roomAt {
		l.wants = false
		l.user.Room()
	}
}

// moved notes that the target has taken some of the request, if it has.
func (l *Link) moved() {
	if sent := l.client.Out().Sent(); sent != l.sent {
		l.sent, l.active = sent, l.local.now()
	}
}

// Stalled says that the socket did not take all of the request. The target has as long again for
// the rest.
func (l *Link) Stalled() {
	l.order.Called(machine.CallWrite)
	if l.moved(); l.timed {
		l.deadline = l.active + l.local.set.opt.Timeout
	}
}

// answered notes that the target has answered, whatever it says.
func (l *Link) answered() {
	now := l.local.now()
	l.heard, l.expects, l.times.Head = true, false, now
	l.needsNone()
	l.local.at[l.target.number].counts.heads.Took(int64(now-l.times.Began), 1)
	l.target.succeeded()
	l.user.Response()
}

// ended is the end of an answer. The connection is kept if it can be used again.
func (l *Link) ended() {
	user := l.user
	seconds, named := l.client.KeepAlive()
	reusable := l.client.Reusable() && !l.once && !l.broken && !l.eof && !l.hungUp
	l.settle()
	l.state = stateOver
	if reusable && (!named || seconds > 0) && l.local.keep(l) {
		keep := idleTime
		if named {
			// The target closes then, so we close a little earlier: a request must not cross that.
			keep = min(keep, clock.Time(seconds)*clock.Second-clock.Second/2)
		}
		l.state, l.last = stateIdle, l.local.now()+keep
	}
	user.End()
}

// late reports whether the target has been silent for too long. The time begins when it is the
// target's turn: there is some of the request that it does not take, or it has all of it, or its
// answer has begun. An interim one has a target wait for the client again.
func (l *Link) late(now clock.Time) bool {
	answers := l.client.InHead() || l.times.Head != 0
	timed := !l.dropped && !l.paused && (l.client.Sent() || !l.client.Out().Empty() || l.expects || answers)
	if timed && !l.timed {
		l.active = now
	}
	if l.timed = timed; !timed {
		l.deadline = clock.Never
		return false
	}
	l.deadline = l.active + l.local.set.opt.Timeout
	return now >= l.deadline && !l.takes(now)
}

// takes reports whether the target has taken some of what the kernel holds of the request, since
// the last look: an upload of a MiB may be there from the beginning, and a target by a slow line is
// not silent while it gets that. One that takes nothing, or has had all for so long, is.
func (l *Link) takes(now clock.Time) bool {
	held := l.local.set.opt.Sockets.Unsent(l.fd)
	if held == l.held || held >= l.client.Out().Sent()-l.from {
		return false
	}
	l.held, l.active, l.deadline = held, now, now+l.local.set.opt.Timeout
	return true
}

// needsNone notes that the request will not be repeated, or just was.
func (l *Link) needsNone() {
	if l.mayNeed {
		l.mayNeed = false
		l.local.budget.mayNeed--
	}
}

// gauges are what this process says of the target.
func (l *Link) gauges() *gauges { return &l.target.row.gauges[l.local.set.opt.Process] }

// settle ends the request, and gives back what it needed.
func (l *Link) settle() {
	if l.client == nil {
		return
	}
	l.needsNone()
	l.local.giveBack(l.client)
	l.client, l.user, l.timed = nil, nil, false
	l.local.at[l.target.number].inFlight--
	l.gauges().inFlight.Add(-1)
	if l.state == stateTunnel {
		l.gauges().tunnels.Add(-1)
	}
}

// wanting is what the link needs next.
func (l *Link) wanting() (want machine.Want) {
	switch l.state {
	case stateIdle:
		l.deadline = l.last
		return machine.WantRead
	case stateOver:
		return machine.WantClose
	}
	if !l.client.Out().Empty() && !l.hungUp {
		want |= machine.WantWrite
	}
	if l.reading() {
		want |= machine.WantRead
	}
	if want == 0 {
		want = machine.WantPeer
	}
	return want
}

// reading reports whether the link would read if it might.
func (l *Link) reading() bool {
	return !l.eof && !l.dropped && (l.state == stateIdle || (l.state == stateBusy || l.state == stateTunnel) && (!l.paused || l.hungUp))
}

// close ends an idle link, or one whose request is settled.
func (l *Link) close() machine.Want {
	if l.state == stateIdle {
		l.local.forget(l)
	}
	l.state = stateOver
	return machine.WantClose
}

// Deadline is when to step although nothing has come.
func (l *Link) Deadline() clock.Time { return l.deadline }

// Out is what is to be sent of the request.
func (l *Link) Out() *chain.Chain {
	l.order.Called(machine.CallWrite)
	return l.client.Out()
}

// Fail notes that the socket has failed. A target that has sent all and closed has only hung up,
// which is reported while nothing is wanted of its socket. What it has sent is read first.
func (l *Link) Fail() {
	if l.wanted == machine.WantPeer && !l.hungUp && l.local.set.opt.Sockets.OnlyHungUp(l.fd) {
		l.hungUp = true
		return
	}
	l.broken = true
}

// RestartDeadline starts the deadline again: the driver was busy with something slow of its own.
func (l *Link) RestartDeadline() {
	l.active = l.local.now()
	l.deadline = clock.Never
}

// Idle reports whether the link waits to be used again.
func (l *Link) Idle() bool { return l.state == stateIdle }

// Abortive reports whether the socket is to be closed with a reset.
func (l *Link) Abortive() bool { return l.abortive }

// Close ends the link. Where its driver ends it, its user is told.
func (l *Link) Close() {
	l.order.Called(machine.CallClose)
	if l.state == stateIdle {
		l.local.forget(l)
	}
	if user := l.user; user != nil {
		l.settle()
		l.state = stateOver
		user.Lost(Broken)
	}
	l.settle()
	l.state = stateOver
	l.gauges().conns.Add(-1)
}

// A request to a target has no files in it, and no slow work.

func (l *Link) Fetch(func() error)     {}
func (l *Link) Work()                  {}
func (l *Link) WorkKind() offload.Kind { return offload.Lookup }
func (l *Link) Break(error)            { l.Fail() }
func (l *Link) Leave()                 { l.Fail() }
