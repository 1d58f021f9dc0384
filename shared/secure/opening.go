package secure

// From the first byte to the end of the handshake: the ClientHello, the wait for a turn, and the
// messages that follow.
//
// Nothing is computed for a client before its ClientHello is complete and has been charged for. The
// handshake itself runs where slow work does (handshake.go), while nothing else touches the Conn.

import (
	"crypto/tls"

	"fourways/shared/chain"
	"fourways/shared/fault"
	"fourways/shared/machine"
)

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

// worked gives a handshake back the time that our own work took. Who does the work at once, as a
// thread of stage 1, does not restart the deadline.
func (c *Conn) worked() {
	if h := c.shake; h.parked > 0 {
		took := c.thread.Clock.Now() - h.parked
		c.deadline, h.silent, h.parked = c.deadline+took, h.silent+took, 0
	}
}

// shaking goes on with the handshake when a whole record is here. What it has written leaves first.
func (c *Conn) shaking() machine.Want {
	h := c.shake
	c.worked()
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
