// Package relay passes the bytes of a connection on to another server and back, whatever protocol
// they are of: two machines at two sockets, each of which sends what the other one has read.
//
// Bytes that the slower side has not taken wait in memory and then on the disk (package spill), up
// to a bound; then the faster side is not read, and its peer notices (RFC 9293 3.8.6). Ends are
// passed on as they come: the end of one direction as such, a reset as a reset. What ends a relay
// before both directions have ended is a reset for both sides, so that neither takes a part for the
// whole.
//
// Who owns what: a [Server] is shared by all threads. A relay and its legs belong to the thread
// that accepted the client, and whose driver owns both sockets.
//
// What must not be done: a leg whose socket is closed must not be nudged, since its number may be
// another's by now.
package relay

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
	"fourways/shared/proxyproto"
	"fourways/shared/resolve"
	"fourways/shared/session"
	"fourways/shared/spill"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// Bounds that nobody needs to change.
const (
	leastPiped = 16 << 10               // bytes that have come at once, after which more is moved by a pipe
	keepsUp    = 2 * clock.Millisecond  // for a peer to take what is left of a pipe, before that is copied
	chainLow   = 32 << 10               // bytes to send, below which more is taken out of the queue
	slices     = 8                      // reads that a second's worth of bytes is cut into, where there is a rate
	tryAgain   = 20 * clock.Millisecond // until a Unix socket whose queue was full is tried again
	tellEvery  = 60 * clock.Second      // between two lines of the log on why the target cannot be reached
	keptQueues = 64                     // queues that a thread keeps for reuse
	tooLate    = clock.Second           // after a relay's time: whoever looks only then was suspended

	smallRest   = 4 << 10                // bytes that the kernel may keep for the peer of a closed socket
	firstLook   = 10 * clock.Millisecond // until it is looked again how much that is; twice the time after each look
	longestLook = clock.Second / 4       // a peer may wait for the end of what it has read
)

// heldBytes is what a relay counts as in the memory of its thread ([session.Thread.Hold]): its two
// legs, and the first chunk of what one of them will have to send.
const heldBytes = 2<<10 + chain.ChunkSize

// Server is what the connections of one relay share. Its fields are set before the first of them.
type Server struct {
	Target         *resolve.Target
	Announce       bool       // a PROXY header tells the target who the client is
	Rate           int64      // bytes a second of a connection, each way; 0 for no limit
	ConnectTimeout clock.Time // in all, however many addresses are tried
	Timeout        clock.Time // that a connection may be silent, both ways
	Queues         *spill.Spill
	Sockets        sysnet.Sockets                // of the system where it is nil
	Log            func(format string, a ...any) // why the target cannot be reached; may be nil

	told  atomic.Int64 // when that was logged last; 0 for never
	local sync.Map     // *session.Thread to *local
}

// local is what the relays of one thread share.
type local struct {
	pool   *bufpool.Pool
	spill  *spill.Thread
	queues []*queue    // empty
	none   chain.Chain // of whoever has nothing to send
	intake *chain.Intake
}

func (s *Server) localOf(l *session.Thread) *local {
	if t, ok := s.local.Load(l); ok {
		return t.(*local)
	}
	t := &local{pool: l.Pool(chain.ChunkSize), intake: l.Intake()}
	t.spill = s.Queues.Thread(l.Host, &l.Clock, t.pool)
	t.spill.Full = l.Full
	s.local.Store(l, t)
	return t
}

// Opener is what the connections of the relay's listener begin with.
func (s *Server) Opener() session.Opener {
	if s.Sockets == nil {
		s.Sockets = sysnet.System
	}
	return func(l *session.Thread, adm session.Admission, peer netip.AddrPort, handle int) machine.Machine {
		now := l.Clock.Now()
		r := &relay{srv: s, thread: l, local: s.localOf(l), adm: adm, peer: peer, addrs: s.Target.Addrs(), moved: now, deadline: now + s.ConnectTimeout}
		r.client = &leg{relay: r, fd: int32(handle)}
		r.client.order.Opened()
		l.Stats.Add(stats.Opened, 1)
		l.Stats.Add(stats.Relayed, 1)
		r.underWay().Add(1)
		if l.Full() {
			l.Unsecured(peer.Addr(), fault.MemoryShort, "no memory for another connection")
			r.over = true
		}
		l.Hold(heldBytes)
		return r.client
	}
}

// relay is one connection that is passed on.
type relay struct {
	srv            *Server
	thread         *session.Thread
	local          *local
	adm            session.Admission
	peer           netip.AddrPort // who the client is
	client, target *leg           // target is nil while no connection to it is under way
	addrs          []sysnet.Addr  // of the target, that are not tried yet
	why            error          // the last one tried has failed
	moved          clock.Time     // when something has moved last, either way
	held           int64          // bytes that the kernel held for both ends at the last look
	deadline       clock.Time     // of connecting
	retry          clock.Time     // when to try again; 0 for not
	open           bool           // the target is connected
	early          []byte         // what a client has said that has hung up before that
	over           bool           // both ends are to be closed, with a reset
}

// drains reports whether an end has taken, or got, some of what the kernel holds for it, since the
// last look. A socket of which megabytes are unread has no room for more until a third of them is
// read, which takes a slow reader longer than a short timeout. Where we look too late ourselves, an
// end may have said something that is not read yet.
func (r *relay) drains() bool {
	held, now := int64(0), r.thread.Clock.Now()
	for _, l := range []*leg{r.client, r.target} {
		if !l.closed {
			held += r.srv.Sockets.Unsent(int(l.fd))
		}
	}
	if held == r.held && now < r.moved+r.srv.Timeout+tooLate {
		return false
	}
	r.held, r.moved = held, now
	return true
}

// connect begins a connection to the next of the target's addresses.
func (r *relay) connect() {
	now := r.thread.Clock.Now()
	r.retry = 0
	for len(r.addrs) > 0 && now < r.deadline {
		fd, err := r.srv.Sockets.Connect(r.addrs[0])
		if err == nil {
			r.target = &leg{relay: r, fd: int32(fd), connecting: true}
			r.target.order.Opened()
			// Each address gets its part of the time, so that one which does not answer leaves some
			// for the others.
			r.target.free = now + (r.deadline-now)/clock.Time(len(r.addrs))
			r.thread.Host.Adopt(fd, r.target)
			return
		}
		r.why = err
		if sysnet.Again(err) && !r.client.closed {
			r.retry = min(now+tryAgain, r.deadline)
			return
		}
		r.addrs = r.addrs[1:]
	}
	r.refuse()
}

// refuse ends a relay whose target cannot be reached.
func (r *relay) refuse() {
	why, detail := fault.RelayRefused, "the target has no address"
	if r.why != nil {
		detail = r.why.Error()
	}
	now := r.thread.Clock.Now()
	if now >= r.deadline {
		why, detail = fault.RelayTimeout, "the target does not answer"
	}
	r.srv.tell(now, detail)
	r.thread.Unsecured(r.peer.Addr(), why, r.srv.Target.String()+": "+detail)
	r.end()
}

// tell has the log say, now and then, why the target cannot be reached.
func (s *Server) tell(now clock.Time, why string) {
	if s.Log != nil && clock.Seldom(&s.told, now, tellEvery) {
		s.Log("The target %v of a relay cannot be reached: %s", s.Target, why)
	}
}

// missed notes that a connection to the target has failed.
func (r *relay) missed(err error) {
	if sysnet.Again(err) {
		err = errSilent
	}
	r.why, r.target = err, nil
	r.addrs = r.addrs[1:]
	if r.client.closed {
		r.connect()
		return
	}
	r.nudge(r.client)
}

var errSilent = errors.New("it does not answer")

// connected is the beginning of the relay proper.
func (r *relay) connected() {
	r.open, r.moved = true, r.thread.Clock.Now()
	if r.srv.Announce {
		q := &r.target.queue().chain
		q.Commit(proxyproto.Append(q.Reserve(proxyproto.MaxWritten), r.named(), r.reached(), r.adm.Marks&session.ByTLS != 0))
	}
	if len(r.early) > 0 {
		r.target.take(r.early, nil)
		r.early = nil
	}
	r.nudge(r.client)
}

// named is who the target is told has come, invalid for nobody. Whom a proxy of connections does
// not name must not pass for the proxy itself, nor one of another machine, as its 127.0.0.1, for
// one of this machine.
func (r *relay) named() (who netip.AddrPort) {
	unnamed := r.adm.Marks&session.Unnamed != 0
	if elsewhere := r.adm.Marks&session.Elsewhere != 0 && r.peer.Addr().Unmap().IsLoopback(); unnamed || elsewhere {
		return who
	}
	return r.peer
}

// reached is where the client has connected to. The socket of one that has hung up is closed; it
// was a Unix socket's.
func (r *relay) reached() (at netip.AddrPort) {
	if !r.client.closed {
		at = r.thread.Reached(int(r.client.fd))
	}
	return at
}

// end ends both sides with a reset.
func (r *relay) end() {
	r.over = true
	r.nudge(r.client)
	if r.target != nil {
		r.nudge(r.target)
	}
}

// nudge has a leg stepped, if its socket is open.
func (r *relay) nudge(l *leg) {
	if !l.closed {
		r.thread.Host.Nudge(int(l.fd))
	}
}

// underWay is how many relays this process has.
func (r *relay) underWay() *atomic.Int64 {
	srv := r.thread.Server
	return &srv.Stats.Process(srv.Process).Relays
}

// other is the leg at the other end; nil before there is one.
func (r *relay) other(l *leg) *leg {
	if l == r.client {
		return r.target
	}
	return r.client
}
