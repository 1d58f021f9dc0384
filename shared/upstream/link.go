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
	"math"
	"math/rand/v2"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// User is who has sent a request on a Link, and waits for the answer. Its methods are called on the
// thread of both, and may use and drop the link. After Lost it is no longer the user's, nor after
// the end of an answer or of a tunnel.
type User interface {
	Connected()    // the connection is there: the request's body may follow
	Moved(*Link)   // the request goes on there; what was written of it is there, too
	Room()         // less than a little of what was written is left: more may be written
	Interim()      // the answer so far is an interim one
	Response()     // the head of the answer is complete
	End()          // the answer is complete; of a tunnel, that the target sends nothing more
	Closed()       // the tunnel has ended, both ways
	Lost(why Loss) // the answer will not come, or not whole
	Waits() bool   // no other target is left: this one is waited for, where its queue is full
	Held() int64   // of a tunnel: bytes that the kernel holds for the user's own peer

	// Body is given some of the answer's body. With it passes one reference of ref; where that is
	// nil, p is valid during the call.
	Body(p []byte, ref chain.Ref)
	// TakesPipe reports whether it may come in a pipe instead. Pipe is given that, with n bytes.
	TakesPipe() bool
	Pipe(p chain.Pipe, n int64)
}

// Loss is why a Link was lost.
type Loss uint8

const (
	NotConnected Loss = iota // no connection was made: nothing of the request has been sent
	Overtaken                // a kept connection was closed before any of the answer came
	Broken                   // the connection ended too early
	Malformed                // what came is no HTTP, or more than is allowed
	TooLate                  // nothing came in time
	SlowConnect              // no connection was made in time: nothing of the request has been sent
	Unasked                  // a kept connection had news before the request was sent: nothing of it has been
)

// Fault is what the client of a lost answer is told.
func (w Loss) Fault() fault.Fault {
	switch w {
	case NotConnected:
		return fault.Of(fault.UpstreamRefused)
	case Malformed:
		return fault.Of(fault.UpstreamMalformed)
	case TooLate, SlowConnect:
		return fault.Of(fault.UpstreamTimeout)
	}
	return fault.Of(fault.UpstreamCut)
}

// Unsent reports whether nothing of the request can have reached the target.
func (w Loss) Unsent() bool { return w == NotConnected || w == SlowConnect || w == Unasked }

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

// Tunnel makes the link a tunnel, after the target has answered with 101: bytes go as they are both
// ways. What comes is told by Body, and that nothing more comes by End; then the user may still
// send. It returns what has come already, valid during the call that this is in.
func (l *Link) Tunnel() (rest []byte) {
	l.state, l.timed = stateTunnel, false
	l.gauges().tunnels.Add(1)
	return l.client.Rest()
}

// Send sends bytes through a tunnel. One reference of ref passes on; without one p is copied.
func (l *Link) Send(p []byte, ref chain.Ref) {
	l.client.Out().Append(p, ref)
	l.active = l.local.now()
	l.Push()
}

// Stir says that a tunnel is not silent, although nothing moves on this side of it: the user still
// passes on what it has from here.
func (l *Link) Stir() { l.active = l.local.now() }

// EndSending ends the user's direction of a tunnel.
func (l *Link) EndSending() {
	l.ends = true
	l.Push()
}

// Detach leaves a tunnel to itself whose user has said all and wants to hear nothing more: what is
// left still goes to the target, which has as long for it as for an answer.
func (l *Link) Detach() {
	l.user, l.detached, l.paused = nobody{}, true, false
	l.Push()
}

// nobody is the user of a link that is left to itself.
type nobody struct{}

func (nobody) Connected()  {}
func (nobody) Moved(*Link) {}
func (nobody) Room()       {}
func (nobody) Interim()    {}
func (nobody) Response()   {}
func (nobody) End()        {}
func (nobody) Closed()     {}
func (nobody) Lost(Loss)   {}
func (nobody) Waits() bool { return false }
func (nobody) Held() int64 { return 0 }

func (nobody) TakesPipe() bool            { return false }
func (nobody) Pipe(p chain.Pipe, _ int64) { p.Release() }
func (nobody) Body(_ []byte, ref chain.Ref) {
	if ref != nil {
		ref.Release()
	}
}

// Once has the connection closed after the answer, whatever the target says of that.
func (l *Link) Once() { l.once = true }

// Drop gives the link up: its request is not wanted any more.
func (l *Link) Drop() {
	l.user, l.dropped = nil, true
	l.Push()
}

// Disown gives up a target whose answer is well-formed and makes no sense. The user is told so.
func (l *Link) Disown() { l.loseBy(Malformed, "it makes no sense") }

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

// knock tries again to connect to a Unix socket whose queue was full, as a connect that blocks
// would wait, and one by TCP tries by itself. Once that is begun, a link at that socket takes this
// one's place, with all that was written.
func (l *Link) knock(now clock.Time) machine.Want {
	if l.broken { // the server cuts what is left
		l.lose(NotConnected)
		return machine.WantClose
	}
	if l.deadline = l.again; now < l.again {
		return machine.WantPeer
	}
	fd, to, err := l.local.connect(l.target)
	full, waited := sysnet.Again(err) || sysnet.IsBusy(err), now-l.times.Began
	switch {
	case full && waited < l.local.set.opt.Connect:
		l.again = now + min(max(waited, firstKnock), longestKnock)
		l.deadline = l.again
		return machine.WantPeer
	case full:
		l.loseBy(SlowConnect, "not connected")
	case err != nil:
		l.loseBy(NotConnected, err)
	default:
		l.moveTo(fd, to)
	}
	return machine.WantClose
}

// moveTo has a link at another socket take this one's place.
func (l *Link) moveTo(fd int, to *sysnet.Addr) {
	next := *l
	next.fd, next.at, next.crowded, next.order = fd, to, false, machine.Order{}
	next.order.Opened()
	next.gauges().conns.Add(1)
	l.user, l.client, l.state = nil, nil, stateOver
	next.user.Moved(&next)
	next.local.thread.Host.Adopt(fd, &next)
}

// connecting reports whether the connection is still being made.
func (l *Link) connecting(now clock.Time) bool {
	err := l.local.set.opt.Sockets.Connected(l.fd)
	switch {
	case l.broken || err != nil && !sysnet.Again(err):
		l.loseBy(NotConnected, err)
	case err == nil:
		l.state, l.times.Connected, l.active = stateBusy, now, now
		at := &l.local.at[l.target.number]
		at.misses = 0
		at.counts.counters[Opened].Add(1)
		l.user.Connected()
	case now >= l.times.Began+l.local.set.opt.Connect:
		l.loseBy(SlowConnect, "not connected")
	default:
		return true
	}
	return false
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

// tunnel is step for a link that is no HTTP any more.
func (l *Link) tunnel(now clock.Time) machine.Want {
	l.moved()
	l.deadline = l.active + l.silence()
	out := l.client.Out()
	switch {
	case l.eof && l.hungUp:
		l.part()
		return machine.WantClose
	case l.broken:
		l.lose(Broken)
		return machine.WantClose
	case now >= l.deadline && !l.drains(now):
		l.lose(TooLate)
		return machine.WantClose
	case l.ends && out.Empty() && !l.shut:
		l.shut = true
		return machine.WantShut
	case l.shut && (l.eof || l.detached):
		l.part()
		return machine.WantClose
	}
	if l.wants && out.Len() < roomAt {
		l.wants = false
		l.user.Room()
	}
	return l.wanting()
}

// silence is how long a tunnel may be silent.
func (l *Link) silence() clock.Time {
	if l.detached {
		return l.local.set.opt.Timeout
	}
	return l.local.set.opt.TunnelTimeout
}

// drains reports whether either end of a tunnel has taken, or got, some of what the kernel holds
// for it, since the last look. Then the tunnel is not silent, however long its sockets have no room
// for more: a slow reader makes some only when he has read a third of megabytes. Where we look too
// late ourselves, as after a suspension, what an end has said may not be read yet.
func (l *Link) drains(now clock.Time) bool {
	held := l.local.set.opt.Sockets.Unsent(l.fd) + l.user.Held()
	if held == l.held && now < l.deadline+tooLate {
		return false
	}
	l.held, l.active, l.deadline = held, now, now+l.silence()
	return true
}

// part is the end of a tunnel, both ways.
func (l *Link) part() {
	user := l.user
	l.settle()
	l.state = stateOver
	user.Closed()
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

// gone is the end of a connection that came too early.
func (l *Link) gone() {
	switch {
	case !l.reused || l.heard:
		l.lose(Broken)
	case l.client.Out().Sent() == l.from:
		l.distrust()
		l.lose(Unasked)
	default:
		l.distrust()
		l.lose(Overtaken)
	}
}

// distrust has requests that cannot be repeated get new connections for a while.
func (l *Link) distrust() {
	l.local.at[l.target.number].distrusted = l.local.now() + distrust
}

// lose ends the link, and tells its user why.
func (l *Link) lose(why Loss) { l.loseBy(why, nil) }

// loseBy is lose where more is known for the log, nil for nothing.
func (l *Link) loseBy(why Loss, detail any) {
	now, user, http := l.local.now(), l.user, l.state != stateTunnel
	l.settle()
	l.state, l.abortive = stateOver, true
	if n, counted := lossCounter(why); counted && http {
		l.local.at[l.target.number].counts.counters[n].Add(1)
		if !why.Unsent() || l.local.missed(l.target, l.at) {
			l.target.failed(now, rand.Uint64(), why, detail)
		}
	}
	user.Lost(why)
}

// lossCounter is what a loss is counted as. That a kept connection is closed is the target's right.
func lossCounter(why Loss) (Counter, bool) {
	switch why {
	case NotConnected, SlowConnect:
		return Refused, true
	case Broken:
		return Cut, true
	case Malformed:
		return Nonsense, true
	case TooLate:
		return Late, true
	}
	return 0, false
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
