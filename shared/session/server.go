package session

import (
	"net/netip"
	"sync/atomic"

	"fourways/shared/bufpool"
	"fourways/shared/clock"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/stats"
)

// Handler decides what is answered. It is called on the session's thread and must
// not block: what may block goes to [Exchange.Park].
type Handler interface {
	// Serve answers the request, or begins to: on return the answer is complete, or a
	// Sink, a Source or Park has been asked for.
	Serve(x *Exchange)
	// Refuse answers the request with an error. It completes the answer.
	Refuse(x *Exchange, f http1.Fault)
}

// Observer is told what happened, for the logs. It is called on the sessions'
// threads, so it must be safe for concurrent use, and must not keep the Exchange.
type Observer interface {
	// Done: an answer is complete and has been handed to the kernel, or lies in front
	// of others that will be.
	Done(x *Exchange)
	// Refused: a request was turned away, or a connection cut.
	Refused(x *Exchange, f http1.Fault)
	// TurnedAway: a connection was closed before anything was read of it.
	TurnedAway(peer netip.Addr, why http1.Reason)
	// Panicked: a Handler panicked with this value, and the client gets a 500 if
	// nothing was sent yet.
	// It is called while the stack is still that of the panic.
	Panicked(x *Exchange, value any)
}

// Timing is how long a client may take.
type Timing struct {
	Head    clock.Time // first byte to the end of a head
	Idle    clock.Time // between two requests
	MinRate int64      // bytes a second that bodies and answers must move at least, 0 for no limit
}

// Bounds that nobody needs to change.
const (
	rateGrace   = 5 * clock.Second  // before and between two looks at a transfer's rate
	maxSilence  = 60 * clock.Second // that a transfer may have earned by having been faster than it must
	lingerTime  = 2 * clock.Second  // that a closed connection's client may take to read its last answer
	lingerBytes = 16 << 20          // of what it still sends that are read and dropped meanwhile
	lastCall    = 1 * clock.Second  // after its last answer, that a client may still send a request while the server stops
	highWater   = 64 << 10          // bytes waiting to be sent, above which no further request is looked at
	lowWater    = 32 << 10          // bytes waiting to be sent, below which a Source is asked for more
	keepActive  = 64                // sets of buffers a thread keeps for reuse
)

// MaxRefused is how many connections may be reading their 503 at once. Beyond it they are
// closed without: what is there to bound the server must be bounded itself.
const MaxRefused = 512

// Server is what all sessions share. Its fields are set before the first session
// opens and do not change afterwards.
type Server struct {
	HTTP     http1.Config
	Timing   Timing
	Hosts    *guard.Hosts
	Stats    *stats.Region
	Limiter  *limiter.Table // nil for no defence per address
	Handler  Handler
	Observer Observer
	Process  int            // which of the region's processes this one is
	MaxConns int64          // connections at once, of all processes
	Trusted  []netip.Prefix // proxies whose X-Forwarded-For and X-Request-Id are believed

	TrustUnix bool // whoever comes by a Unix socket is such a proxy

	refused  atomic.Int64 // sessions that OpenRefused began
	draining atomic.Bool
}

// Drain makes every answer from now on its connection's last. Drivers close their
// listeners first, and step their idle sessions once afterwards.
func (s *Server) Drain() { s.draining.Store(true) }

// Draining reports whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// Conns is the number of connections admitted and not yet closed, in all processes.
func (s *Server) Conns() int64 { return s.Stats.Conns() }

// own is the number of connections of this process.
func (s *Server) own() *atomic.Int64 { return &s.Stats.Process(s.Process).Conns }

// Local is what the sessions of one thread share.
type Local struct {
	Server *Server
	Clock  clock.Clock
	Stats  *stats.Slot
	Worker string // the thread's name in the log

	// Unsent asks the kernel how many bytes written to the socket the peer has not
	// acknowledged (SIOCOUTQ, tcp(7)); handle is what the session was opened with. It
	// makes a slow reader visible behind a large socket buffer. May be nil.
	Unsent func(handle int) int64

	// Ledger has a word for each handle, where a process that may be killed notes whom its
	// connections count for ([limiter.Table.AcceptNoted]). Nil where there is nobody to
	// read it.
	Ledger []atomic.Uint64

	chunks  *bufpool.Pool
	free    []*active
	pending []answers // whose latency is not counted yet
	ids     idMaker
	away    []byte        // the last Turnaway
	dropped [4 << 10]byte // what lingering sessions read and drop goes here
}

// NewLocal makes a thread's Local. seed tells its request ids from other threads'
// and other runs' ones.
func NewLocal(srv *Server, st *stats.Slot, worker string, seed uint64) *Local {
	return &Local{
		Server: srv, Stats: st, Worker: worker,
		chunks: bufpool.New(http1.ChunkSize, 2*keepActive),
		ids:    idMaker{prefix: uint32(seed ^ seed>>32)},
	}
}

// answers is some answers that have been handed over, of requests whose heads were
// complete at the same time.
type answers struct {
	began clock.Time
	n     uint64
}

// answered notes an answer, to be counted by Settle. Those of one turn mostly began in it,
// at one reading of the clock, so the list stays short.
func (l *Local) answered(began clock.Time) {
	if last := len(l.pending) - 1; last >= 0 && l.pending[last].began == began {
		l.pending[last].n++
		return
	}
	l.pending = append(l.pending, answers{began, 1})
}

// Unsettled reports whether anything was answered since the last Settle.
func (l *Local) Unsettled() bool { return len(l.pending) > 0 }

// Settle counts the latency of what was answered since the last call, from the head to
// now. A driver calls it behind a turn's writing and before it waits again: so the clock is
// read once for all answers of a turn, and the wait for the next is none of theirs. A small
// answer that the socket did not take at once counts as handed over all the same, for the
// rest of its way takes as long as its client likes; a file does when its last byte has left.
func (l *Local) Settle(now clock.Time) {
	for _, a := range l.pending {
		l.Stats.Took(int64(now-a.began), a.n)
	}
	l.pending = l.pending[:0]
}

// Admission stands for one connection that was let in, until it is given back.
type Admission struct {
	ticket limiter.Ticket
	note   *atomic.Uint64 // its place in the Ledger; nil for none
}

// Number is the Admission as a plain number, for a driver that has to send it through a
// pipe. [AdmissionOf] undoes it. It is for Locals without a Ledger.
func (a Admission) Number() uint64 { return uint64(a.ticket) }

// AdmissionOf is the Admission of that Number.
func AdmissionOf(n uint64) Admission { return Admission{ticket: limiter.Ticket(n)} }

// Admit decides whether a connection may be served at all, and counts one that may:
// with the Admission a Session is opened, or it is given back with Dismiss. For
// TooManyConnections the client is told so ([Local.Turnaway]); for the other reasons
// the connection is closed at once. handle is the driver's name for the socket.
func (l *Local) Admit(peer netip.Addr, handle int) (Admission, http1.Reason) {
	srv := l.Server
	own := srv.own()
	own.Add(1) // counted first: of two that come at once at the limit, at most one is let in
	n := srv.Conns()
	if n > srv.MaxConns {
		own.Add(-1)
		if srv.refused.Load() >= MaxRefused {
			l.turnedAway(peer, http1.TooManyRefused)
			return Admission{}, http1.TooManyRefused
		}
		return Admission{}, http1.TooManyConnections
	}
	var adm Admission
	if srv.Limiter != nil && peer.IsValid() && !srv.trusts(peer) { // a proxy has the connections of many clients
		if handle < len(l.Ledger) {
			adm.note = &l.Ledger[handle]
		}
		v := srv.Limiter.AcceptNoted(peer, int64(l.Clock.Now()), adm.note)
		if why := refusalOf(v.Kind); why != http1.NoReason {
			own.Add(-1)
			l.turnedAway(peer, why)
			return Admission{}, why
		}
		adm.ticket = v.Ticket
	}
	srv.Stats.SawActive(n)
	return adm, http1.NoReason
}

// turnedAway counts and reports a connection that is closed without an answer.
func (l *Local) turnedAway(peer netip.Addr, why http1.Reason) {
	l.Stats.Refuse(why)
	l.Stats.Add(stats.Dropped, 1)
	l.Server.Observer.TurnedAway(peer, why)
}

// Dismiss gives back an Admission that no Session was opened with.
func (l *Local) Dismiss(adm Admission) {
	l.Server.own().Add(-1)
	if t := l.Server.Limiter; t != nil {
		t.ReleaseNoted(adm.ticket, adm.note)
	}
}

// refusalOf puts a verdict of the limiter into the server's words.
func refusalOf(k limiter.Kind) http1.Reason {
	switch k {
	case limiter.TooManyConnections:
		return http1.TooManyFromClient
	case limiter.Limited:
		return http1.RateLimited
	case limiter.Banned:
		return http1.Banned
	}
	return http1.NoReason
}

// Turnaway makes the whole answer to a connection that cannot be served now: 503 with
// Retry-After (RFC 9110 section 15.6.4). It counts and reports the refusal. It is for a
// driver that sends it by itself; others use [Session.OpenRefused]. The answer is valid
// until the next call.
func (l *Local) Turnaway(peer netip.AddrPort, why http1.Reason) []byte {
	var s Session
	s.OpenRefused(l, peer, -1, why)
	l.away = l.away[:0]
	iov, _ := s.Out().Bytes(make([][]byte, 0, 8))
	for _, p := range iov {
		l.away = append(l.away, p...)
	}
	s.Close()
	return l.away
}

// borrow lends an active, ready for its session's next request.
func (l *Local) borrow(s *Session) *active {
	var a *active
	if n := len(l.free); n > 0 {
		a = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		a = newActive(l)
	}
	a.open(s)
	return a
}

func (l *Local) giveBack(a *active) {
	if len(l.free) < keepActive {
		l.free = append(l.free, a)
	}
}
