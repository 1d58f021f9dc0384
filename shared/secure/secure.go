// Package secure is TLS (RFC 8446, RFC 5246) as a machine: it stands between a socket and a
// session, and neither the driver nor the session has to learn of it. The protocol is crypto/tls's;
// what is here brings it to do what it was not made for: never to wait.
//
// A [Conn] has a [session.Session] inside, and drives it as a stage would. Ciphertext comes in by
// records, each handed to the library only when all of it is there; what the session wants to send
// is sealed as far as the socket takes it. A handshake cannot be told to come back later, so it
// runs as a coroutine that is suspended while the client thinks, and only ever goes on where it may
// take its time: in Work.
//
// Who owns what: a [Server] is shared by all threads and does not change while it serves, except
// for its atomics. A Conn belongs to its thread like any machine. While Work runs, the handshake's
// coroutine alone touches its pipe.
//
// What must not be done: a coroutine must be resumed by a goroutine that is locked to its thread as
// the one was that created it, or the runtime ends the process. So it is created and resumed in
// Work alone; see [Conn.abandon] for its end. And nothing that is allocated while a handshake is
// under way may come from a thread's pools: Work may run on another thread.
package secure

import (
	"container/list"
	"crypto/tls"
	"net/netip"
	"sync"
	"sync/atomic"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// Bounds that nobody needs to change.
const (
	maxHello   = 16 << 10               // bytes of a ClientHello, its header included
	maxName    = 2 + 3 + 255            // bytes of the extension that names a server: two lengths, a type, a name of the DNS (RFC 1035 3.1)
	maxRecord  = 5 + 16<<10 + 2<<10     // bytes of a record with its header (RFC 5246 6.2.3)
	sealAhead  = 64 << 10               // bytes that are sealed at once, before the socket has taken them
	sealScarce = 15 << 10               // the same where memory is scarce: with what a record adds, a chunk of the chain
	connSize   = 8 << 10                // bytes of memory that the library takes for a connection, as long as it lasts
	lingerTime = 2 * clock.Second       // that a client may take to read our last words
	lingerMost = 256 << 10              // bytes that it may still send meanwhile, of a handshake that failed
	lastCall   = 1 * clock.Second       // that a client may still begin in while the server stops
	lookAgain  = 20 * clock.Millisecond // between two looks whether another handshake may begin
	maxIdle    = 1000                   // records without data that a client may send on one connection, such as new keys (RFC 8446 4.6.3)
	patience   = 1 * clock.Second       // that a client may take in its handshake, whatever it sends, while no more may begin

	fullCost    = 5 // requests that a handshake counts for
	resumedCost = 1 // the same of one by ticket
)

// Server is what the connections by TLS of one process share. Its fields are set before the first
// of them and not changed afterwards.
type Server struct {
	// Config is what the next handshake goes by. It is asked on any thread.
	Config func() *tls.Config
	// Timeout is how long a handshake may take in all, from the beginning of its connection.
	Timeout clock.Time
	// Most is how many handshakes may be under way at once, 0 for no limit. What is there beyond
	// it waits for its turn, and the listeners for that. Meanwhile whoever lets us wait for
	// patience in all makes way, or a few clients that say no more would keep out all others.
	Most int64

	under atomic.Int64
	ended atomic.Int64
	local sync.Map // *session.Thread to *local
}

// UnderWay is how many handshakes are under way.
func (s *Server) UnderWay() int64 { return s.under.Load() }

// Ended is how many handshakes have come to an end, good or bad.
func (s *Server) Ended() int64 { return s.ended.Load() }

// Busy reports whether as many handshakes are under way as there may be: then no more connections
// should be accepted.
func (s *Server) Busy() bool { return s.Most > 0 && s.under.Load() >= s.Most }

// begin counts one more handshake, if there may be one.
func (s *Server) begin() bool {
	if n := s.under.Add(1); s.Most > 0 && n > s.Most {
		s.under.Add(-1)
		return false
	}
	return true
}

// local is what the connections of one thread share.
type local struct {
	in      *bufpool.Pool // for what has come and is not yet decrypted
	scratch []byte        // where what is to be sealed is gathered; nil before the first
	spare   chain.Spare   // of the chains whose connections are idle
	waiting list.List     // Conns whose handshakes may not begin yet, the first come first
}

func (s *Server) localOf(l *session.Thread) *local {
	if t, ok := s.local.Load(l); ok {
		return t.(*local)
	}
	t := &local{in: l.Pool(maxRecord)}
	s.local.Store(l, t)
	return t
}

// Opener is what the connections of a listener of TLS begin with.
func (s *Server) Opener() session.Opener {
	return func(l *session.Thread, adm session.Admission, peer netip.AddrPort, handle int) machine.Machine {
		c := &Conn{srv: s, thread: l, local: s.localOf(l), handle: int32(handle)}
		c.out = chain.NewSparing(l.Pool(chain.ChunkSize), &c.local.spare)
		c.pipe.peer, c.pipe.out = peer, &c.out
		c.layer.Out = &c.out
		c.session.Open(l, adm, peer, handle)
		c.session.Through(&c.layer)
		c.order.Opened()
		c.deadline = l.Clock.Now() + s.Timeout
		l.Stats.Add(stats.TLSConns, 1)
		return c
	}
}
