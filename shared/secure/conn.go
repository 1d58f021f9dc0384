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

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
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
	case c.shake != nil:
		c.worked()
	}
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
