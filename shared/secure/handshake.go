package secure

// A handshake: a coroutine that the library runs in, and what is counted of it.
//
// It is suspended wherever it reads and nothing has come, and holds no thread meanwhile. It is
// created and resumed by Work alone, which is always run by goroutines of the same kind: those of a
// pool, which are locked to no thread, or the one thread that its connection has for itself.

import (
	"context"
	"crypto/tls"
	"fmt"
	"iter"
	"runtime/debug"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// handshake is one that is under way.
type handshake struct {
	began  clock.Time // when the hello was complete
	parked clock.Time // since when Work is wanted
	silent clock.Time // since when, without our own work, its client has let us wait
	ticket bool       // the client asks to resume a session
	under  bool       // it counts among those that are under way

	next func() (struct{}, bool) // resumes the coroutine; nil before the first time
	stop func()
	over bool // it has come to its end
	err  error
	bug  string // the stack of a panic
}

// resume runs the handshake until it needs more of the client's bytes, or is over.
func (c *Conn) resume() {
	h := c.shake
	if h.next == nil {
		h.next, h.stop = iter.Pull(c.agree)
	}
	h.next()
}

// agree is the coroutine. A panic of the library's ends a connection, not the server.
func (c *Conn) agree(yield func(struct{}) bool) {
	h := c.shake
	defer func() {
		if v := recover(); v != nil {
			h.err, h.bug = fmt.Errorf("panic: %v", v), string(debug.Stack())
		}
		h.over = true
	}()
	c.pipe.yield = yield
	h.err = c.tls.HandshakeContext(context.Background())
}

// abandon lets go of a handshake, if there is one, and of its place among those that are under way.
//
// A coroutine that is suspended has to be stopped, or it stays for ever. Where a pool does the
// work, the coroutine is stopped by a goroutine that is locked to no thread, as the pool's are.
func (c *Conn) abandon() {
	h := c.shake
	if h == nil {
		return
	}
	c.shake = nil
	if h.under {
		c.srv.under.Add(-1)
		c.srv.ended.Add(1)
		c.admitNext()
	}
	if h.ticket && h.under && (h.err != nil || !h.over) {
		c.session.Charge(fullCost - resumedCost) // nobody has seen what the ticket was worth
	}
	if h.stop == nil || h.over {
		return
	}
	c.pipe.mute = true
	if c.thread.Works {
		h.stop()
	} else {
		go h.stop()
	}
}

// enqueue has the handshake wait until it may begin.
func (c *Conn) enqueue() {
	c.phase = phaseQueued
	c.place = c.local.waiting.PushBack(c)
}

// dequeue ends the wait.
func (c *Conn) dequeue() {
	if c.place != nil {
		c.local.waiting.Remove(c.place)
		c.place = nil
	}
}

// admitNext has the first that waits on this thread look whether its time has come.
func (c *Conn) admitNext() {
	if first := c.local.waiting.Front(); first != nil {
		c.thread.Host.Nudge(int(first.Value.(*Conn).handle))
	}
}

// established counts a handshake that has succeeded, and notes what was agreed on.
func (c *Conn) established(h *handshake) {
	st, s := c.thread.Stats, c.tls.ConnectionState()
	c.layer.Security = session.Security{Version: s.Version, Suite: s.CipherSuite, Group: uint16(s.CurveID), Resumed: s.DidResume, ServerName: s.ServerName}
	if s.DidResume {
		st.Add(stats.HandshakesResumed, 1)
	} else {
		st.Add(stats.HandshakesFull, 1)
	}
	if s.Version == tls.VersionTLS13 {
		st.Add(stats.TLS13, 1)
	} else {
		st.Add(stats.TLS12, 1)
	}
	if s.CurveID != 0 {
		st.Add(groupCounter(s.CurveID), 1)
	}
	st.ShookHands(int64(c.thread.Clock.Now() - h.began))
}

func groupCounter(id tls.CurveID) stats.Counter {
	switch id {
	case tls.X25519MLKEM768:
		return stats.GroupHybrid
	case tls.X25519:
		return stats.GroupX25519
	case tls.CurveP256:
		return stats.GroupP256
	case tls.CurveP384:
		return stats.GroupP384
	case tls.CurveP521:
		return stats.GroupP521
	}
	return stats.GroupOther
}

// charge takes the price of the handshake out of the client's allowance. Whoever names a ticket
// pays for a resumed one at first, and for the rest when the ticket was found to be worth nothing,
// or the handshake came to nothing.
func (c *Conn) charge(cost int) bool {
	why := c.session.Charge(cost)
	if why == fault.NoReason {
		return true
	}
	c.thread.TurnedAway(c.pipe.peer.Addr(), why)
	c.phase = phaseOver
	return false
}

// blame counts what cannot be read as TLS like a request that cannot be read as HTTP, since
// otherwise a client that sends nothing else would have no limit, and could fill the log. It
// reports what speaks against the client for it. Who is merely of another age than we, or slow, is
// not to blame.
func (c *Conn) blame(why fault.Reason) fault.Reason {
	switch why {
	case fault.BadClientHello, fault.HandshakeBroken, fault.TLSBroken, fault.TLSFlood:
		return c.session.Blame()
	}
	return fault.NoReason
}
