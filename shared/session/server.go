package session

// What all sessions of a process share, the Server, and the decision whether a connection is
// admitted.
//
// A Server's fields are set before the first session and then only read; its atomics may be used on
// any thread. Other settings are another Server, which takes the first one's place (Succeed): each
// thread goes over to it at the next connection or request, and what is under way ends by the
// limits that it began with. An Admission is given back exactly once: by the Close of the session
// opened with it, or by Dismiss.

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/stats"
)

// Handler decides what is answered. It is called on the session's thread and must
// not block: what may block goes to [Exchange.Park].
type Handler interface {
	// Serve answers the request, or begins to: on return the answer is complete, or a
	// Sink, a Source or Park has been asked for.
	Serve(x *Exchange)
	// Refuse answers the request with an error. It completes the answer.
	Refuse(x *Exchange, f fault.Fault)
}

// Prober answers probes: requests that ask how the server is. They are answered whatever
// their Host is and however many come, and are not in the access log.
type Prober interface {
	// IsProbe reports whether a request is a probe. It is asked about each one.
	IsProbe(x *Exchange) bool
	// Probe answers a probe.
	Probe(x *Exchange)
	// IsReport reports whether a request is for a report on the server, of a client who may see it.
	// It is asked where memory is short: then the Handler gets these alone.
	IsReport(x *Exchange) bool
	// MayProbe reports whether a peer may ask any of that.
	MayProbe(peer netip.Addr) bool
}

// Observer is told what happened, for the logs. It is called on the sessions'
// threads, so it must be safe for concurrent use, and must not keep the Exchange.
type Observer interface {
	// Done: an answer is complete. It has been handed to the kernel, or is first among answers that
	// will be.
	Done(x *Exchange)
	// Refused: a request was turned away, or a connection cut.
	Refused(x *Exchange, f fault.Fault)
	// TurnedAway: a connection was closed before anything was read of it.
	TurnedAway(peer netip.Addr, why fault.Reason)
	// Unsecured: the layer below HTTP has ended a connection. detail says more; it may repeat what
	// the client sent.
	Unsecured(peer netip.Addr, why fault.Reason, detail string)
	// Broken: an answer broke off because of a file that was being sent on this thread.
	Broken(t *Thread, err error)
	// Panicked: a Handler panicked with this value. The client gets a 500 if nothing was sent yet.
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
	rateGrace   = 5 * clock.Second       // before and between two looks at a transfer's rate
	maxSilence  = 60 * clock.Second      // at most so long may a transfer rest that was faster than the minimum before
	LingerTime  = 2 * clock.Second       // for a client to read the last answer before its connection is closed
	LingerBytes = 16 << 20               // bytes from the client that are read and dropped meanwhile
	tooLate     = 2 * clock.Second       // after a deadline: whoever looks only then was suspended, and that is no client's doing
	lastCall    = 1 * clock.Second       // after an answer, for one more request while the server stops
	highWater   = 64 << 10               // bytes waiting to be sent, above which no further request is looked at
	smallAnswer = 4 << 10                // bytes that the kernel may keep of a closed connection's answer
	firstLook   = 10 * clock.Millisecond // until the first look whether the client has read all of its last answer
	soonLook    = clock.Millisecond / 10 // the same where a whole thread waits with the client
	lowWater    = 32 << 10               // bytes waiting to be sent, below which a Source is asked for more
	keepStates  = 64                     // sets of buffers a thread keeps for reuse
)

// MaxRefused is how many connections may be reading their 503 at once. Further ones are closed
// without a 503, so that what is spent on refusals is bounded, too.
const MaxRefused = 512

// Server is what all sessions share. Its fields are set before the first session
// opens and do not change afterwards; another Server can take its place.
type Server struct {
	HTTP   http1.Config
	Timing Timing
	Hosts  *guard.Hosts
	// Misdirected reports whether a request for a host has come by TLS under the certificate for
	// another name, asked, although there is one for that host. Nil for never.
	Misdirected func(asked string, host []byte) bool
	Stats       *stats.Region
	Limiter     *limiter.Table // nil for no defence per address
	Handler     Handler
	Prober      Prober // nil for none
	Observer    Observer
	Process     int            // which of the region's processes this one is
	MaxConns    int64          // connections at once, of all processes
	Trusted     []netip.Prefix // proxies whose X-Forwarded-For and X-Request-Id are believed

	TrustUnix  bool  // the peers of Unix sockets are such proxies
	MaxRefused int64 // connections that may be reading their 503 at once; 0 for the constant

	first    *Server                // the one that stood at the beginning; nil for itself
	relisted bool                   // who is trusted or exempt is not always who it was at the beginning
	latest   atomic.Pointer[Server] // of the first: the one that stands in its place now; nil for itself
	refused  atomic.Int64           // of the first: sessions that OpenRefused began
	draining atomic.Bool            // of the first
}

// Succeed has another Server take the place of s, which must be the latest: new connections and
// requests go by it. The statistics are the same region, and the limiter's tables views of one.
// It is called by one goroutine at a time. Only the first leads to it, so that those in between do
// not stay in memory once nobody serves by them.
func (s *Server) Succeed(next *Server) {
	next.first = s.origin()
	next.relisted = s.relisted || !s.listsAlike(next)
	next.first.latest.Store(next)
}

// listsAlike reports whether another Server trusts and exempts the same peers.
func (s *Server) listsAlike(other *Server) bool {
	return s.TrustUnix == other.TrustUnix && slices.Equal(s.Trusted, other.Trusted) && slices.Equal(s.exempted(), other.exempted())
}

// exempted is to whom the limiter does not apply.
func (s *Server) exempted() []netip.Prefix {
	if s.Limiter == nil {
		return nil
	}
	return s.Limiter.Exempted()
}

// Latest is the one that stands in the place of s now.
func (s *Server) Latest() *Server {
	first := s.origin()
	if latest := first.latest.Load(); latest != nil {
		return latest
	}
	return first
}

func (s *Server) origin() *Server {
	if s.first != nil {
		return s.first
	}
	return s
}

// Drain makes every answer from now on its connection's last. Drivers close their
// listeners first, and step their idle sessions once afterwards.
func (s *Server) Drain() { s.origin().draining.Store(true) }

// Draining reports whether Drain was called.
func (s *Server) Draining() bool { return s.origin().draining.Load() }

// Ending reports whether each answer is to be its connection's last: because of Drain, or because
// the whole server is to end. Between the two, new clients are served as usual.
func (s *Server) Ending() bool { return s.Draining() || s.Stats.Stopping() }

// Conns is the number of connections admitted and not yet closed, in all processes.
func (s *Server) Conns() int64 { return s.Stats.Conns() }

// own is the number of connections of this process.
func (s *Server) own() *atomic.Int64 { return &s.Stats.Process(s.Process).Conns }

func (s *Server) maxRefused() int64 {
	if s.MaxRefused > 0 {
		return s.MaxRefused
	}
	return MaxRefused
}

// Admission stands for one admitted connection, until it is given back.
type Admission struct {
	ticket limiter.Ticket
	note   *atomic.Uint64 // its place in the Ledger; nil for none
	Marks  Mark           // what is said of the peer, by whom it came through
}

// admission is the one with that ticket, of the socket with that handle.
func (l *Thread) admission(t limiter.Ticket, handle int) (adm Admission) {
	adm.ticket = t
	if uint(handle) < uint(len(l.Ledger)) {
		adm.note = &l.Ledger[handle]
	}
	return adm
}

// Number is the Admission as a plain number, for a driver that has to send it through a
// pipe. [AdmissionOf] undoes it. It is for Threads without a Ledger.
func (a Admission) Number() uint64 { return uint64(a.ticket) }

// AdmissionOf is the Admission of that Number.
func AdmissionOf(n uint64) Admission { return Admission{ticket: limiter.Ticket(n)} }

// Admit decides whether a connection may be served at all, and counts one that may: with the
// Admission a Session is opened, or it is given back with Dismiss. For TooManyConnections the
// client is told so ([Thread.Turnaway]), or it is closed and counted ([Thread.TurnedAway]); for the
// other reasons the connection is closed at once. handle is the driver's name for the socket.
func (l *Thread) Admit(peer netip.Addr, handle int) (Admission, fault.Reason) {
	l.renew()
	srv := l.Server
	own := srv.own()
	own.Add(1) // counted first: of two that come at once at the limit, at most one is let in
	n := srv.Conns()
	if n > srv.MaxConns {
		own.Add(-1)
		if srv.origin().refused.Load() >= srv.maxRefused() {
			l.TurnedAway(peer, fault.TooManyRefused)
			return Admission{}, fault.TooManyRefused
		}
		return Admission{}, fault.TooManyConnections
	}
	adm, why := l.AdmitNamed(peer, handle)
	if why != fault.NoReason {
		own.Add(-1)
		return adm, why
	}
	srv.Stats.SawActive(n)
	return adm, fault.NoReason
}

// AdmitNamed asks the limiter whether a client may come: the peer of a new connection, or one whom
// a trusted proxy has named for a connection that was admitted as its own. The connection's
// Admission is then this one. Where the client may not come that is reported, and the connection is
// to be closed.
func (l *Thread) AdmitNamed(client netip.Addr, handle int) (adm Admission, why fault.Reason) {
	srv := l.Server
	if srv.Limiter == nil || !client.IsValid() || srv.trusts(client) { // a proxy's connections are those of many clients
		return adm, fault.NoReason
	}
	adm = l.admission(0, handle)
	v := srv.Limiter.AcceptNoted(client, int64(l.Clock.Now()), adm.note)
	if why = refusalOf(v.Kind); why != fault.NoReason {
		l.TurnedAway(client, why)
		return Admission{}, why
	}
	adm.ticket = v.Ticket
	return adm, fault.NoReason
}

// Trusts reports whether a peer may say for whom it speaks; the invalid address is that of a Unix
// socket's.
func (l *Thread) Trusts(peer netip.Addr) bool { return l.Server.trusts(peer) }

// TurnedAway counts and reports a connection that is closed without an answer. Admit has done so
// already, except for TooManyConnections, where the driver may send an answer.
func (l *Thread) TurnedAway(peer netip.Addr, why fault.Reason) {
	l.Stats.Refuse(why)
	l.Stats.Add(stats.Dropped, 1)
	l.Server.Observer.TurnedAway(peer, why)
}

// Unsecured counts and reports a connection that a layer below HTTP has ended. detail says more.
func (l *Thread) Unsecured(peer netip.Addr, why fault.Reason, detail string) {
	l.Stats.Refuse(why)
	l.Server.Observer.Unsecured(peer, why, detail)
}

// Dismiss gives back an Admission that no Session was opened with.
func (l *Thread) Dismiss(adm Admission) {
	l.Server.own().Add(-1)
	if t := l.Server.Limiter; t != nil {
		t.ReleaseNoted(adm.ticket, adm.note)
	}
}

// refusalOf is the reason for a refusal that corresponds to a verdict of the limiter.
func refusalOf(k limiter.Kind) fault.Reason {
	switch k {
	case limiter.TooManyConnections:
		return fault.TooManyFromClient
	case limiter.Limited:
		return fault.RateLimited
	case limiter.Banned:
		return fault.Banned
	}
	return fault.NoReason
}

// Turnaway makes the whole answer to a connection that cannot be served now: 503 with Retry-After
// (RFC 9110 15.6.4). It counts and reports the refusal. It is for a driver that sends it by itself;
// others use [Session.OpenRefused]. The answer is valid until the next call.
func (l *Thread) Turnaway(peer netip.AddrPort, why fault.Reason) []byte {
	var s Session
	s.OpenRefused(l, peer, -1, why)
	l.away = l.away[:0]
	iov, _ := s.req.conn.Out().Bytes(make([][]byte, 0, 8))
	for _, p := range iov {
		l.away = append(l.away, p...)
	}
	s.req.x.account(0) // the driver sends all of it
	s.Close()
	return l.away
}

// Opener makes the machine of an accepted socket, for a connection that is not plain HTTP. handle
// is the driver's name for the socket, which its [machine.Host] knows.
type Opener func(l *Thread, adm Admission, peer netip.AddrPort, handle int) machine.Machine

// OpenPlain is the Opener of plain HTTP, for whatever stands in front of it.
func OpenPlain(l *Thread, adm Admission, peer netip.AddrPort, handle int) machine.Machine {
	s := &Session{}
	s.Open(l, adm, peer, handle)
	return s
}
