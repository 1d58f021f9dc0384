package proxyproto

// The machine at the beginning of a connection that a proxy makes: it reads the header, and then
// another machine takes its place.
//
// A Conn belongs to its thread like any machine. It holds a buffer of the thread's while some of a
// header is here, or something behind one that its successor has not taken yet, and nothing else.
// What must not be done: not a byte may be believed that comes from somebody who is not trusted, so
// such a connection ends before anything is read.

import (
	"net/netip"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
)

// lastCall is how long a connection that has sent nothing yet may take once the server stops.
const lastCall = clock.Second

// Opener is what the connections of a listener begin with on which each has a PROXY header. next
// makes what they go on with.
func Opener(next session.Opener) session.Opener {
	return func(l *session.Thread, adm session.Admission, peer netip.AddrPort, handle int) machine.Machine {
		c := &Conn{}
		h := &header{conn: c, next: next, thread: l, adm: adm, peer: peer, handle: handle}
		h.deadline = l.Clock.Now() + l.Server.Timing.Head
		h.order.Opened()
		if !l.Trusts(peer.Addr()) {
			l.TurnedAway(peer.Addr(), fault.ProxyStranger)
			h.end(true)
		}
		c.Machine = h
		return c
	}
}

// Conn is a connection that begins with a PROXY header. What it is at the moment is the machine in
// it: a [header], or whatever serves the client.
type Conn struct {
	machine.Machine
	behind *behind // nil for nothing
}

// behind is what came behind the header and its successor has not taken yet.
type behind struct {
	pool *bufpool.Pool
	buf  []byte // the pool's
	rest []byte // lies in it
}

// Step lets the machine go on that is there. What came behind the header is what it reads first.
func (c *Conn) Step() machine.Want {
	for {
		want := c.Machine.Step()
		switch {
		case want == 0: // the header's end: there is another machine now
		case c.behind != nil && want&machine.WantRead != 0:
			n := copy(c.Machine.Recv(), c.behind.rest)
			c.Machine.Received(n)
			if c.behind.rest = c.behind.rest[n:]; len(c.behind.rest) == 0 {
				c.drop()
			}
		default:
			return want
		}
	}
}

// Close ends the machine that is there.
func (c *Conn) Close() {
	c.Machine.Close()
	c.drop()
}

// drop gives the buffer back.
func (c *Conn) drop() {
	if c.behind != nil {
		c.behind.pool.Put(c.behind.buf)
		c.behind = nil
	}
}

// header is the machine that reads a header.
type header struct {
	conn     *Conn
	next     session.Opener
	thread   *session.Thread
	adm      session.Admission
	peer     netip.AddrPort
	handle   int
	buf      []byte // the pool's; nil while nothing is here
	have     int    // bytes of it that have come
	deadline clock.Time
	order    machine.Order
	eof      bool
	over     bool
	abortive bool
}

func (h *header) pool() *bufpool.Pool { return h.thread.Pool(maxV2) }

// Step looks for the end of the header. It answers 0 when another machine has taken its place.
func (h *header) Step() machine.Want {
	h.order.Called(machine.CallStep)
	return h.order.Wanted(h.step())
}

func (h *header) step() machine.Want {
	if h.over {
		return machine.WantClose
	}
	now := h.thread.Clock.Now()
	if h.have == 0 && h.thread.Server.Draining() {
		h.deadline = min(h.deadline, now+lastCall)
	}
	said, n, err := Parse(h.buf[:h.have])
	switch {
	case err != nil:
		return h.refuse(reasonOf(err), err.Error())
	case n > 0:
		return h.makeWay(said, n)
	case h.have == 0 && (h.eof || now >= h.deadline):
		h.end(false) // nobody has asked for anything
		return machine.WantClose
	case h.eof:
		return h.refuse(fault.ProxyHeaderCut, "the proxy has left before its header was complete")
	case now >= h.deadline:
		return h.refuse(fault.ProxyHeaderTimeout, "no whole PROXY header in time")
	}
	if h.have == 0 {
		h.release()
	}
	return machine.WantRead
}

func reasonOf(err error) fault.Reason {
	if err == ErrNone {
		return fault.NoProxyHeader
	}
	return fault.BadProxyHeader
}

// makeWay puts the client's machine into this one's place. From now on the connection is the
// client's: it is the client who is let in or not.
func (h *header) makeWay(said Header, n int) machine.Want {
	client := h.peer
	if said.From.IsValid() {
		adm, why := h.thread.AdmitNamed(said.From.Addr(), h.handle)
		if why != fault.NoReason {
			h.end(true)
			return machine.WantClose
		}
		client, h.adm = said.From, adm
	}
	c := h.conn
	if n < h.have {
		c.behind = &behind{pool: h.pool(), buf: h.buf, rest: h.buf[n:h.have]}
		h.buf = nil
	}
	h.release()
	h.adm.Marks = h.marks(said)
	c.Machine = h.next(h.thread, h.adm, client, h.handle)
	return 0
}

// marks is what the header says of the client beside its address.
func (h *header) marks(said Header) (m session.Mark) {
	if said.TLS {
		m = session.ByTLS
	}
	switch {
	case said.Own:
	case !said.From.IsValid():
		m |= session.Unnamed
	case h.peer.IsValid() && !h.peer.Addr().Unmap().IsLoopback():
		m |= session.Elsewhere
	}
	return m
}

// refuse ends the connection for what its peer has sent, or has not.
func (h *header) refuse(why fault.Reason, detail string) machine.Want {
	h.thread.Unsecured(h.peer.Addr(), why, detail)
	h.end(true)
	return machine.WantClose
}

// end is the end of the connection. No answer would be understood, so there is none.
func (h *header) end(abortive bool) { h.over, h.abortive = true, abortive }

func (h *header) release() {
	if h.buf != nil {
		h.pool().Put(h.buf)
		h.buf, h.have = nil, 0
	}
}

// Reads reports whether the header is incomplete.
func (h *header) Reads() bool { return h.order.May(machine.CallRead) && !h.over }

// Recv is never empty: a header that fills the buffer is complete, or too long.
func (h *header) Recv() []byte {
	h.order.Called(machine.CallRead)
	if h.buf == nil {
		h.buf = h.pool().Get()
	}
	return h.buf[h.have:]
}

func (h *header) Received(n int) {
	h.order.Called(machine.CallRead)
	h.have += n
}

func (h *header) EOF() {
	h.order.Called(machine.CallRead)
	h.eof = true
}

// Fail ends the connection because of its socket.
func (h *header) Fail() {
	h.order.Called(machine.CallStep)
	h.end(true)
}

func (h *header) Close() {
	h.order.Called(machine.CallClose)
	h.release()
	h.thread.Dismiss(h.adm)
}

func (h *header) Deadline() clock.Time { return h.deadline }
func (h *header) Idle() bool           { return h.have == 0 }
func (h *header) Abortive() bool       { return h.abortive }

// A header writes nothing and has no slow work, so these are not called ([machine.Order]).
func (h *header) Out() *chain.Chain      { h.order.Called(machine.CallWrite); return nil }
func (h *header) Stalled()               { h.order.Called(machine.CallWrite) }
func (h *header) Fetch(func() error)     { h.order.Called(machine.CallWrite) }
func (h *header) Work()                  { h.order.Called(machine.CallWork) }
func (h *header) WorkKind() offload.Kind { return offload.Lookup }
func (h *header) RestartDeadline()       {}
func (h *header) Break(error)            { h.Fail() }
func (h *header) Leave()                 { h.order.Called(machine.CallWork) }
