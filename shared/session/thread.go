package session

// What the sessions of one thread share, and nothing else touches: so nothing in it is locked.
//
// A thread serves connections in turns: the sockets that are ready, then the end of the turn
// (EndTurn), at which answers that have left are counted together. What must not be done: a buffer
// must not be lent to two sessions, so borrow and giveBack stand in pairs.

import (
	"net/netip"
	"sync/atomic"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/stats"
)

// Thread is what the sessions of one thread share.
type Thread struct {
	Server *Server
	Clock  clock.Clock
	Stats  *stats.Slot
	Worker string // the thread's name in the log
	Number int    // of its slot of statistics, by which others count what it does, too

	// Host is the driver, for machines that need a further socket or wake one another.
	Host machine.Host
	// Works says that the thread does the slow work of its machines itself. It then serves one
	// connection at a time.
	Works bool

	// Unsent asks the kernel how many bytes written to the socket the peer has not acknowledged
	// (SIOCOUTQ, tcp(7)); handle is what the session was opened with. A slow reader is visible this
	// way even where the socket's buffer is large. May be nil.
	Unsent func(handle int) int64

	// HungUp asks the kernel whether the peer has hung up in order, after which some of what it has
	// sent may still be there (poll(2), POLLHUP and no POLLERR). May be nil.
	HungUp func(handle int) bool

	// Reached asks the kernel at which address of ours the peer has reached us (getsockname(2)); it
	// is called only for a Host that is not a configured name, or where none is named. May be nil.
	Reached func(handle int) netip.AddrPort

	// Pipes are for machines that pass bytes on as they are. Their driver sends what is in them. It
	// steps a machine that waits to read, but does not (Reads), once something has come. Nil for
	// none.
	Pipes chain.Pipes

	// Ledger has a word for each handle. A process that may be killed notes there for which client
	// each connection counts ([limiter.Table.AcceptNoted]). Nil where no other process could read
	// it.
	Ledger []atomic.Uint64

	// Memory is how many bytes the thread's connections may hold together, 0 for no bound; see
	// Full.
	Memory int64

	held    int64           // bytes that Hold counts
	busy    int64           // requestStates lent
	chunks  *bufpool.Pool   // of chain.ChunkSize bytes
	pools   []*bufpool.Pool // of other sizes
	free    []*requestState
	pending []answers  // whose latency is not counted yet
	behind  clock.Time // since when some socket may have been ready; 0 for none
	turned  int        // sockets that have had their turn since then
	ids     idMaker
	away    []byte        // the last Turnaway
	dropped [4 << 10]byte // lingering sessions read into this, and drop it
	intake  *chain.Intake // what passes through is read into this; nil before the first
}

// NewThread makes a Thread. Its request ids are derived from seed, which differs between threads
// and between runs of the server.
func NewThread(srv *Server, st *stats.Slot, worker string, seed uint64) *Thread {
	return &Thread{
		Server: srv, Stats: st, Worker: worker,
		chunks: bufpool.New(chain.ChunkSize, 2*keepStates),
		ids:    idMaker{prefix: uint32(seed ^ seed>>32)},
	}
}

// Pool lends slices of so many bytes to the machines of this thread.
func (l *Thread) Pool(size int) *bufpool.Pool {
	if size == l.chunks.Size() {
		return l.chunks
	}
	for _, p := range l.pools {
		if p.Size() == size {
			return p
		}
	}
	l.pools = append(l.pools, bufpool.New(size, keepStates))
	return l.pools[len(l.pools)-1]
}

// Intake is the memory into which machines of this thread read what they pass on as it is.
func (l *Thread) Intake() *chain.Intake {
	if l.intake == nil {
		l.intake = chain.NewIntake()
	}
	return l.intake
}

// renew goes over to the Server that has taken the place of the thread's, if one has. Buffers that
// were made by other limits are not used again.
func (l *Thread) renew() {
	if latest := l.Server.Latest(); latest != l.Server {
		l.Server, l.free = latest, nil
	}
}

// answers counts answers handed to the kernel whose requests' heads were complete at the same
// reading of the clock.
type answers struct {
	began clock.Time
	n     uint64
}

// answered notes an answer, to be counted by Settle. Those of one turn mostly began in it,
// at one reading of the clock, so the list stays short.
func (l *Thread) answered(began clock.Time) {
	if last := len(l.pending) - 1; last >= 0 && l.pending[last].began == began {
		l.pending[last].n++
		return
	}
	l.pending = append(l.pending, answers{began, 1})
}

// Settle counts the latency of what was answered since the last call, from the head to now. A
// driver calls it after a turn's writing and before it waits again: so the clock is read once for
// all answers of a turn, and the wait for the next turn is not counted. A small answer counts as
// handed over even if the socket did not take it at once, since the rest depends on how fast the
// client reads. A file counts once its last byte has been sent.
func (l *Thread) Settle(now clock.Time) {
	for _, a := range l.pending {
		l.Stats.Took(int64(now-a.began), a.n)
	}
	l.pending = l.pending[:0]
}

// EndTurn ends a turn of a thread that has many connections. The turn began when the clock was last
// read; ready sockets were handled in it, and others may be ready too, for which the list of events
// had no room. It counts those, settles what was answered, and notes how late the thread is: a
// ready socket waits until it is handled, at worst until the end of the turn. Sockets are handled
// in turn. So once as many were handled as there are, none waits any longer that was ready when
// the first of them was.
func (l *Thread) EndTurn(now clock.Time, ready, others int) {
	if ready > 0 {
		l.Stats.Add(stats.Wakeups, 1)
		l.Stats.Add(stats.Events, uint64(ready))
	}
	l.Settle(now)
	began := l.Clock.Now()
	if l.behind == 0 {
		l.behind = began
	}
	l.Late(now-began, ready, now-l.behind)
	l.turned += ready
	if others <= 0 || l.turned >= ready+others {
		l.behind, l.turned = 0, 0
	}
}

// Late notes that the thread was busy for a time, and that n pieces of work were ready and waited
// so long each.
func (l *Thread) Late(busy clock.Time, n int, waited clock.Time) {
	l.Stats.Add(stats.Busy, uint64(max(busy, 0)))
	if n > 0 {
		l.Stats.Add(stats.Work, uint64(n))
		l.Stats.Add(stats.Waited, uint64(n)*uint64(max(waited, 0)))
	}
}

// borrow lends a requestState, ready for its session's next request.
func (l *Thread) borrow(s *Session) *requestState {
	l.renew()
	l.busy++
	var a *requestState
	if n := len(l.free); n > 0 {
		a = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		a = newRequestState(l)
	}
	a.open(s)
	return a
}

func (l *Thread) giveBack(a *requestState) {
	l.busy--
	if a.made == l.Server && len(l.free) < keepStates {
		l.free = append(l.free, a)
	}
}
