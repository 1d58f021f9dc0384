package secure

// How a connection by TLS ends: the last words leave, and its client may read them, before the
// socket is closed.
//
// What must not be done: a socket must not be closed over bytes that nobody has read, as the reset
// may destroy the last words (RFC 9112 9.6).

import (
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/stats"
)

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
