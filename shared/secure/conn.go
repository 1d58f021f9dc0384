package secure

// One connection by TLS, as a machine.
//
// The phase says how far it has come, and only moves forward. From phaseOpen on it is the session
// that says what is wanted, and what stands between is this: what it reads is decrypted first, what
// it writes is sealed, before the socket's end comes a word of goodbye.
//
// What the session wants to send stays in its chain until the records made of it have left. So the
// session knows at each time what has not, and its minimum rate, its log and its end need not be
// told anything. Only as much is sealed ahead as leaves at once.
//
// What must not be done: nothing may be read from the socket while anything waits to be sent. A
// client that asks for new keys again and again, and reads nothing, would fill the memory.

import (
	"container/list"
	"crypto/tls"
	"io"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// phase is how far a connection has come.
type phase uint8

const (
	phaseHello   phase = iota // the ClientHello is not complete
	phaseQueued               // the handshake may not begin yet
	phaseShaking              // it is under way
	phaseOpen                 // the session speaks
	phasePlain                // the client speaks HTTP without TLS, and is told so
	phaseEnding               // close_notify leaves, and our direction ends; the session goes on
	phaseParting              // the last words leave; the session is over
	phaseLinger               // they have left, and the client may still be sending
	phaseOver
)

// Conn is one connection by TLS: the [machine.Machine] around a session.
type Conn struct {
	srv      *Server
	thread   *session.Thread
	local    *local
	tls      *tls.Conn     // nil before the handshake
	shake    *handshake    // nil unless one is under way
	place    *list.Element // among those that wait for one
	pipe     pipe
	out      chain.Chain
	sealed   int64 // bytes of the session's Out that are in out as records
	deadline clock.Time
	dropped  int // bytes that were read and dropped while lingering
	handle   int32
	idle     int32 // records that brought no data
	order    machine.Order
	phase    phase
	last     machine.Want // of the session
	more     bool         // some of a record is decrypted and not read
	said     bool         // close_notify was sent
	ended    bool         // the session has ended our direction, and lingered
	heard    bool         // the session knows that its client sends nothing more
	lingers  bool         // after the last words
	failed   bool         // it ends for a reason of TLS, whatever the session has under way
	abortive bool
	layer    session.Layer
	session  session.Session
}

var _ machine.Machine = (*Conn)(nil)

// Step goes on as far as it can without more bytes, and says what it needs.
func (c *Conn) Step() machine.Want {
	c.order.Called(machine.CallStep)
	for {
		if want := c.step(); want != 0 {
			return c.order.Wanted(want)
		}
	}
}

// step does what the phase is about. It answers 0 where the phase has changed.
func (c *Conn) step() machine.Want {
	switch c.phase {
	case phaseHello:
		return c.hello()
	case phaseQueued:
		return c.queue()
	case phaseShaking:
		return c.shaking()
	case phaseOpen:
		return c.serve()
	case phasePlain:
		return c.bypass()
	case phaseEnding:
		return c.end()
	case phaseParting:
		return c.part()
	case phaseLinger:
		return c.linger()
	}
	return machine.WantClose
}

// hello waits for the whole of the first message, and does nothing for it before.
func (c *Conn) hello() machine.Want {
	greeting, ticket, alert := greet(c.pipe.waiting())
	silent := len(c.pipe.waiting()) == 0
	now := c.thread.Clock.Now()
	if silent && c.thread.Server.Draining() {
		c.deadline = min(c.deadline, now+lastCall)
	}
	switch {
	case greeting != greetingPlain && !silent && c.thread.FullTo(c.session.Peer().Addr()):
		c.fail(fault.MemoryShort, "no memory for another connection")
	case greeting == greetingWhole:
		cost := fullCost
		if ticket {
			cost = resumedCost
		}
		if c.charge(cost) {
			c.shake = &handshake{began: now, ticket: ticket}
			c.enqueue()
		}
	case greeting == greetingPlain:
		c.layer.Bypassed, c.phase = true, phasePlain
	case greeting == greetingBad:
		c.refuse(alert)
	case silent && (c.pipe.eof || now >= c.deadline):
		c.phase = phaseOver // nobody has asked for anything
	case c.pipe.eof:
		c.fail(fault.HandshakeCut, "the client has left before its ClientHello was complete")
	case now >= c.deadline:
		c.fail(fault.HandshakeTimeout, "no ClientHello in time")
	case c.pipe.full():
		c.refuse(alertDecodeError)
	default:
		c.pipe.release(c.local.in, false)
		return machine.WantRead
	}
	return 0
}

// refuse ends a connection that has begun with no ClientHello that can be taken.
func (c *Conn) refuse(alert byte) {
	why, detail := fault.BadClientHello, "not a ClientHello"
	if alert != 0 {
		c.out.Copy(alertRecord(alert))
	}
	switch alert {
	case alertDecodeError:
		detail = "a ClientHello that is too long, or in too many records"
	case alertIllegalParameter:
		detail = "a server name that is too long"
	case alertUnrecognizedName:
		why, detail = fault.BadServerName, "a server name that ends in a dot (RFC 6066 3)"
	}
	c.fail(why, detail)
}

// queue waits until one more handshake may be under way. The first of those that wait looks now
// and then, for it may be another thread's that ends; the others are nudged in their turn.
func (c *Conn) queue() machine.Want {
	first := c.local.waiting.Front() == c.place
	switch {
	case first && c.srv.begin():
		c.dequeue()
		c.shake.under, c.shake.silent = true, c.thread.Clock.Now()
		c.admitNext()
		c.tls, c.phase = tls.Server(&c.pipe, c.srv.Config()), phaseShaking
		c.thread.Hold(connSize)
		return c.work()
	case c.thread.Clock.Now() >= c.deadline:
		c.dequeue()
		c.fail(fault.HandshakeTimeout, "too many others are under way")
		return 0
	}
	return machine.WantPeer
}

// work has the handshake go on where it may take its time.
func (c *Conn) work() machine.Want {
	c.shake.parked = c.thread.Clock.Now()
	return machine.WantWake
}

// shaking goes on with the handshake when a whole record is here. What it has written leaves first.
func (c *Conn) shaking() machine.Want {
	h := c.shake
	c.takeFlight()
	switch {
	case h.over:
		c.concluded(h)
		return 0
	case c.pipe.whole():
		return c.work()
	case c.pipe.eof:
		c.fail(fault.HandshakeCut, "the client has left")
		return 0
	case c.thread.Clock.Now() >= c.deadline:
		c.fail(fault.HandshakeTimeout, "the handshake took too long")
		return 0
	case c.srv.Busy() && c.thread.Clock.Now() >= h.silent+patience:
		c.fail(fault.HandshakeTimeout, "too slow while others wait for their turn")
		return 0
	case !c.out.Empty():
		return machine.WantWrite
	}
	c.rest()
	return machine.WantRead
}

// takeFlight moves what the handshake has written to where it can be sent from.
func (c *Conn) takeFlight() {
	if len(c.pipe.flight) > 0 {
		c.out.AppendBytes(c.pipe.flight, nil)
		c.pipe.flight = nil
	}
}

// concluded is the end of the handshake, good or bad.
func (c *Conn) concluded(h *handshake) {
	c.pipe.yield = nil
	if h.err != nil {
		why, detail := ofHandshake(h.err, lastBytes(&c.out)), h.err.Error()
		if h.bug != "" {
			why, detail = fault.Internal, detail+"\n"+h.bug
		}
		c.fail(why, detail)
		return
	}
	c.abandon()
	c.established(h)
	if h.ticket && !c.layer.Security.Resumed && !c.charge(fullCost-resumedCost) {
		return
	}
	c.session.RestartDeadline() // its client's time begins now
	c.phase = phaseOpen
}

// lastBytes is the last segment of bytes in a chain.
func lastBytes(q *chain.Chain) []byte {
	segs, _ := q.Bytes(make([][]byte, 0, 8))
	if len(segs) == 0 {
		return nil
	}
	return segs[len(segs)-1]
}

// fail ends the connection for a reason of TLS. An alert that was written for it leaves first.
func (c *Conn) fail(why fault.Reason, detail string) {
	if c.phase < phaseOpen {
		c.thread.Stats.Add(stats.HandshakesFailed, 1)
	}
	if over := c.blame(why); over != fault.NoReason {
		why = over
	}
	c.thread.Unsecured(c.pipe.peer.Addr(), why, detail)
	c.abandon()
	c.session.Fail()
	c.failed = true
	c.goodbye(true)
}

// goodbye has what is in out leave, and then lets the client go, or waits for it a while.
func (c *Conn) goodbye(linger bool) {
	c.phase, c.lingers = phaseParting, linger
	c.deadline = c.thread.Clock.Now() + lingerTime
}

// part sends the last words. Who does not take them in time does without.
func (c *Conn) part() machine.Want {
	late := c.thread.Clock.Now() >= c.deadline
	switch {
	case !late && !c.out.Empty():
		return machine.WantWrite
	case late || c.pipe.eof || !c.lingers:
		c.depart()
		return 0
	}
	c.pipe.release(c.local.in, true)
	c.phase = phaseLinger
	return machine.WantShut
}

// linger drops what the client still sends, until it ends: closed over bytes that nobody has read,
// a socket is reset, and the last words may be lost (RFC 9112 9.6).
func (c *Conn) linger() machine.Want {
	if c.pipe.eof || c.dropped >= lingerMost || c.thread.Clock.Now() >= c.deadline {
		c.depart()
		return 0
	}
	return machine.WantRead
}

// depart lets the client go. Of a session that had no end of its own the kernel may hold megabytes,
// and would keep them for minutes for a client that does not read: they are dropped.
func (c *Conn) depart() { c.phase, c.abortive = phaseOver, c.failed && c.session.Unread() }

// bypass passes on what it gets. The session knows that it is in the wrong place.
func (c *Conn) bypass() machine.Want {
	for {
		switch want := c.session.Step(); {
		case want == machine.WantClose:
			c.phase = phaseOver
			return 0
		case want == machine.WantRead && len(c.pipe.waiting()) > 0:
			n := copy(c.session.Recv(), c.pipe.waiting())
			c.pipe.at += n
			c.session.Received(n)
			c.pipe.release(c.local.in, false)
		default:
			return want
		}
	}
}

// serve does what the session wants.
func (c *Conn) serve() machine.Want {
	if c.sealed > 0 && c.out.Empty() {
		c.session.Out().Ack(c.sealed)
		c.sealed = 0
	}
	if c.session.Reads() { // before it judges a deadline: what came in time counts
		c.feed()
	}
	for c.phase == phaseOpen {
		before := c.last
		c.last = c.session.Step()
		switch c.last {
		case machine.WantRead:
			if c.feed() {
				continue
			}
			if len(c.pipe.waiting()) > 0 && c.session.Idle() && c.thread.FullTo(c.session.Peer().Addr()) {
				c.fail(fault.MemoryShort, "no memory for another record")
				continue
			}
			if c.out.Empty() {
				c.rest()
				return machine.WantRead
			}
			return machine.WantWrite // new keys, or an alert
		case machine.WantWrite:
			if c.sealed > 0 || c.seal() {
				if c.session.Last() && c.sealed == c.session.Out().Len() {
					c.notify() // leaves with the answer
				}
				return machine.WantWrite
			}
		case machine.WantRead | machine.WantWrite: // a tunnel's directions do not wait for each other
			if fed := c.feed(); (c.sealed > 0 || c.seal()) && !fed {
				return machine.WantRead | machine.WantWrite
			}
		case machine.WantPeer:
			if !c.out.Empty() {
				return machine.WantWrite
			}
			return machine.WantPeer
		case machine.WantWake:
			return machine.WantWake
		case machine.WantShut:
			c.notify()
			c.phase, c.ended = phaseEnding, true
		case machine.WantClose:
			c.close(before)
		}
	}
	return 0
}

// feed hands on what has come, record by record, as much as the session has room for. It reports
// whether the session has got anything.
func (c *Conn) feed() (fed bool) {
	for c.more || c.pipe.whole() {
		into := c.session.Recv()
		if len(into) == 0 {
			break
		}
		before := c.pipe.records
		n, err := c.tls.Read(into)
		c.idle += int32(c.pipe.records - before)
		if n > 0 {
			c.session.Received(n)
			fed = true
			c.idle -= int32(min(c.pipe.records-before, 1)) // its data may be of a record that was counted before
		}
		c.more = n == len(into)
		switch {
		case err == nil || err == error(errLater):
		case err == io.EOF:
			c.hear()
			return true
		default:
			c.fail(ofRecord(err), err.Error())
			return true
		}
		if c.idle > maxIdle {
			c.fail(fault.TLSFlood, "records without data over and over")
			return true
		}
	}
	c.layer.Held = len(c.pipe.waiting())
	if !fed && c.pipe.eof && !c.heard {
		c.thread.Stats.Add(stats.Truncated, 1)
		c.hear()
		return true
	}
	return fed
}

// hear tells the session that its client sends nothing more: it has said so (close_notify), or it
// has gone without a word. Either way what it has asked for is still answered.
func (c *Conn) hear() {
	if !c.heard {
		c.heard = true
		c.session.EOF()
	}
}

// seal makes records of what the session wants to send next. It reports false where that has
// first to be read from a disk, or cannot be.
func (c *Conn) seal() bool {
	q := c.session.Out()
	p, err := c.gather(q)
	switch {
	case err == sysnet.ErrCold:
		c.session.Fetch(sysnet.Front(q).Warm)
		return false
	case err != nil:
		c.session.Break(err)
		return false
	}
	if _, err := c.tls.Write(p); err != nil {
		c.fail(ofRecord(err), err.Error())
		return false
	}
	c.sealed = int64(len(p))
	return true
}

// gather is what is to be sealed next: the bytes at the front of the chain where they lie, if they
// are one piece, or a copy of several, and of the beginning of the file that follows.
func (c *Conn) gather(q *chain.Chain) ([]byte, error) {
	var room [16][]byte
	segs, file := q.Bytes(room[:0])
	most := sealAhead
	if c.thread.Scarce() {
		most = sealScarce
	}
	if len(segs) == 1 && !file && len(segs[0]) <= most {
		return segs[0], nil
	}
	if c.local.scratch == nil {
		c.local.scratch = make([]byte, sealAhead)
	}
	p := c.local.scratch[:most]
	n := 0
	for _, s := range segs {
		n += copy(p[n:], s)
	}
	if !file || n == len(p) {
		return p[:n], nil
	}
	got, err := sysnet.ReadFront(q, p[n:])
	if err != nil && n > 0 {
		return p[:n], nil // the next time it stands at the front
	}
	return p[:n+got], err
}

// notify says that we send nothing more (RFC 8446 6.1). What the library writes after that is
// dropped.
func (c *Conn) notify() {
	if !c.said {
		c.said = true
		c.tls.CloseWrite()
		c.pipe.mute = true
	}
}

// end ends our direction once close_notify has left. The session lingers meanwhile.
func (c *Conn) end() machine.Want {
	switch {
	case c.session.Abortive(): // what it stood for has been cut meanwhile
		c.phase, c.abortive = phaseOver, true
		return 0
	case c.out.Empty():
		c.phase = phaseOpen
		return machine.WantShut
	case c.thread.Clock.Now() >= c.session.Deadline():
		c.phase = phaseOver
		return 0
	}
	return machine.WantWrite
}

// close is the session's end. Where it comes straight after an answer, the client may still be
// sending.
func (c *Conn) close(before machine.Want) {
	if c.ended || c.session.Abortive() {
		c.abortive = c.session.Abortive()
		c.phase = phaseOver
		return
	}
	c.notify()
	c.goodbye(before == machine.WantWrite)
}

// rest gives back the buffers that are empty.
func (c *Conn) rest() {
	c.pipe.release(c.local.in, false)
	c.out.Reset()
}

// Deadline is when Step must be called even if the socket stays silent.
func (c *Conn) Deadline() clock.Time {
	switch c.phase {
	case phaseOpen, phasePlain, phaseEnding:
		return c.session.Deadline()
	case phaseQueued:
		if c.local.waiting.Front() == c.place {
			return min(c.deadline, c.thread.Clock.Now()+lookAgain)
		}
	}
	if c.phase == phaseShaking && c.srv.Most > 0 {
		return min(c.deadline, max(c.shake.silent+patience, c.thread.Clock.Now()+patience/4))
	}
	return c.deadline
}

// Reads reports whether the connection waits for its client to send something.
func (c *Conn) Reads() bool {
	if c.phase == phasePlain {
		return c.session.Reads()
	}
	return c.order.May(machine.CallRead)
}

// Recv is the memory to read the socket into.
func (c *Conn) Recv() []byte {
	c.order.Called(machine.CallRead)
	if c.phase == phasePlain {
		return c.session.Recv()
	}
	if c.phase == phaseLinger {
		c.pipe.at, c.pipe.have = 0, 0
	}
	return c.pipe.free(c.local.in)
}

// Received notes that n bytes were read into Recv.
func (c *Conn) Received(n int) {
	c.order.Called(machine.CallRead)
	switch c.phase {
	case phasePlain:
		c.session.Received(n)
	case phaseLinger:
		c.dropped += n
	default:
		c.pipe.have += n
	}
}

// EOF notes that the client has ended its sending direction.
func (c *Conn) EOF() {
	c.order.Called(machine.CallRead)
	c.pipe.eof = true
	if c.phase == phasePlain {
		c.session.EOF()
	}
}

// Out is what is to be sent: records, and no files.
func (c *Conn) Out() *chain.Chain {
	c.order.Called(machine.CallWrite)
	if c.phase == phasePlain {
		return c.session.Out()
	}
	return &c.out
}

// Stalled says that the socket did not take all that WantWrite was about.
func (c *Conn) Stalled() {
	c.order.Called(machine.CallWrite)
	switch {
	case c.phase == phasePlain:
		c.session.Stalled()
	case c.phase == phaseOpen && c.last&machine.WantWrite != 0:
		c.session.Out().NoteWait()
		c.session.Stalled()
	}
}

// Fetch is for what the session sends by itself; records lie in memory.
func (c *Conn) Fetch(read func() error) {
	c.order.Called(machine.CallWrite)
	c.session.Fetch(read)
}

// Work runs the slow work of a connection that answered WantWake: its handshake's, or its
// session's.
func (c *Conn) Work() {
	c.order.Called(machine.CallWork)
	if c.shake != nil { // not the phase: Leave may be writing it
		c.resume()
		return
	}
	c.session.Work()
}

// WorkKind is which kind of slow work that is.
func (c *Conn) WorkKind() offload.Kind {
	if c.shake != nil {
		return offload.Handshake
	}
	return c.session.WorkKind()
}

// RestartDeadline says that the wait so far was not the client's doing. A handshake has its time
// as a whole: it gets back what our own work took, and no more.
func (c *Conn) RestartDeadline() {
	switch {
	case c.phase >= phaseParting:
	case c.phase >= phaseOpen:
		c.session.RestartDeadline()
	case c.shake != nil && c.shake.parked > 0:
		took := c.thread.Clock.Now() - c.shake.parked
		c.deadline, c.shake.silent, c.shake.parked = c.deadline+took, c.shake.silent+took, 0
	}
}

// Fail ends the connection because of its socket.
func (c *Conn) Fail() {
	c.order.Called(machine.CallStep)
	if c.phase == phaseOpen && c.session.HangUp() {
		return
	}
	over := c.phase >= phaseParting // then the session has been told, or has ended by itself
	c.lost()
	if !over {
		c.session.Fail()
	}
}

// lost ends the connection whose client has gone, perhaps in the midst of its handshake.
func (c *Conn) lost() {
	if c.shake != nil || c.phase == phaseHello && len(c.pipe.waiting()) > 0 {
		c.thread.Stats.Add(stats.HandshakesFailed, 1)
		c.thread.Unsecured(c.pipe.peer.Addr(), fault.HandshakeCut, "the client has left")
	}
	c.phase, c.abortive = phaseOver, true
}

// Break ends the connection because of a file that was being sent.
func (c *Conn) Break(err error) {
	c.session.Break(err)
	c.phase, c.abortive = phaseOver, true
}

// Leave ends the connection because its client has gone while Work runs.
func (c *Conn) Leave() {
	c.order.Called(machine.CallWork)
	c.lost()
	c.session.Vacate()
}

// Idle reports whether the connection is between two requests, or before its first byte.
func (c *Conn) Idle() bool {
	switch c.phase {
	case phaseHello:
		return len(c.pipe.waiting()) == 0
	case phaseOpen:
		return c.session.Idle() && c.out.Empty() && len(c.pipe.waiting()) == 0
	case phasePlain:
		return c.session.Idle()
	}
	return false
}

// Abortive reports whether the socket is to be closed with a reset.
func (c *Conn) Abortive() bool { return c.abortive }

// Close ends the connection and gives back all it holds.
func (c *Conn) Close() {
	c.order.Called(machine.CallClose)
	c.phase = phaseOver
	c.dequeue()
	c.abandon()
	c.session.Close()
	c.pipe.release(c.local.in, true)
	c.out.Reset()
	if c.tls != nil {
		c.thread.Hold(-connSize)
	}
	c.tls = nil
}
