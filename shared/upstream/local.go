package upstream

// What one thread has of the targets: connections that have nothing to do, and how much it has
// under way.
//
// A Local belongs to its thread. An idle connection is in the list of its target from Link.rest
// until it is taken or closed. What must not be done: a connection must not be given to a request
// that could not be repeated without a look whether its target has closed it meanwhile.

import (
	"errors"
	"math/rand/v2"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// errUnknown: it is not known where the target's name leads.
var errUnknown = errors.New("its name is not resolved")

// heldBytes is what a request under way counts as in its thread's memory ([session.Thread.Hold]):
// the Client's buffer, and what the answer's reader will have at least before the target has to
// wait. Without the latter, many requests would be let in before their answers come, which find no
// room.
var heldBytes = int64(received + http1.ResponseLimits.RequestLine + 2*chain.ChunkSize)

// keptClients is how many sets of buffers a thread keeps for the next requests.
const keptClients = 64

// Local is what one thread has of a Set.
type Local struct {
	set     *Set
	thread  *session.Thread
	at      []atTarget // by the target's number
	turns   []uint32   // by the group's number: which member is next among equals
	budget  budget
	chunks  *bufpool.Pool
	clients []*http1.Client // that nobody uses
	dropped [512]byte       // where idle connections read what nobody asked for
}

// atTarget is a thread's part of one target.
type atTarget struct {
	counts   *counts
	idle     []*Link // the last one was used last
	inFlight int

	distrusted clock.Time // until when kept connections are not for requests that cannot be repeated
	address    int        // which of the target's addresses is the next to connect to
	misses     int        // addresses in a row that could not be reached
}

func newLocal(s *Set, thread *session.Thread) *Local {
	l := &Local{set: s, thread: thread, chunks: thread.Pool(chain.ChunkSize)}
	for _, state := range s.states {
		l.at = append(l.at, atTarget{counts: &state.row.counts[thread.Number], idle: make([]*Link, 0, s.opt.Idle)})
	}
	l.turns = make([]uint32, len(s.Groups))
	for i := range l.turns { // threads that began at the same target would all go on to the next together
		l.turns[i] = uint32(thread.Number) % uint32(max(len(s.Groups[i].Members), 1))
	}
	return l
}

func (l *Local) now() clock.Time { return l.thread.Clock.Now() }

// Requested counts one more request in the budget of retries.
func (l *Local) Requested() { l.budget.request(l.now()) }

// MayRetry counts a retry, if one more is allowed.
func (l *Local) MayRetry() bool { return l.budget.retry(l.now()) }

// Kept says which connection a request may have.
type Kept uint8

const (
	AnyKept    Kept = iota // any that is idle: the request can be repeated
	SilentKept             // one that its target has not closed, as far as can be known
	NoneKept               // a new one
)

// Link is a connection to a target for one request. While no more retries are allowed, each request
// gets a new one, as none could be repeated. One that was kept leads to where the target is now: a
// name may lead elsewhere by then. If the target has lately closed kept connections while
// requests were on their way, so does one that cannot be repeated, and one for which no retry would
// be left once all others on kept connections had needed theirs. The error is that of a connection
// that could not even be begun. It is counted, unless it is a lack of ours ([sysnet.IsBusy]): that
// says nothing of the target.
func (l *Local) Link(s *State, user User, which Kept) (*Link, error) {
	at := &l.at[s.number]
	others := uint64(0)
	if l.now() < at.distrusted {
		others = l.budget.mayNeed
	}
	if !l.budget.spare(l.now(), others) || which == SilentKept && l.now() < at.distrusted {
		which = NoneKept
	}
	for n := len(at.idle); n > 0 && which != NoneKept; n = len(at.idle) {
		link := at.idle[n-1]
		at.idle[n-1] = nil
		at.idle = at.idle[:n-1]
		if link.spent() || !s.isAt(link.at) || which == SilentKept && !l.set.opt.Sockets.Silent(link.fd) {
			link.shun()
			continue
		}
		link.begin(user, true)
		return link, nil
	}
	fd, to, err := l.connect(s)
	crowded := sysnet.Again(err) && user.Waits()
	if crowded {
		fd, err = l.set.opt.Sockets.Placeholder()
	}
	if sysnet.IsBusy(err) {
		return nil, err
	}
	if err != nil {
		at.counts.counters[Refused].Add(1)
		if l.missed(s, to) {
			s.failed(l.now(), rand.Uint64(), NotConnected, err)
		}
		return nil, err
	}
	link := &Link{local: l, target: s, at: to, fd: fd, state: stateConnecting, crowded: crowded, again: l.now() + firstKnock}
	link.order.Opened()
	link.gauges().conns.Add(1)
	link.begin(user, false)
	l.thread.Host.Adopt(fd, link)
	return link, nil
}

// connect begins a connection to the next of the target's addresses.
func (l *Local) connect(s *State) (fd int, to *sysnet.Addr, err error) {
	addrs := s.where.Addrs()
	if len(addrs) == 0 {
		return -1, nil, errUnknown
	}
	to = &addrs[l.at[s.number].address%len(addrs)]
	fd, err = l.set.opt.Sockets.Connect(*to)
	return fd, to, err
}

// missed notes that an address of the target could not be reached, nil for none that is known. The
// next connection goes to another one, unless it would anyway: several connections may have been
// under way to this one. It reports whether none of all addresses could be reached.
func (l *Local) missed(s *State, a *sysnet.Addr) (all bool) {
	addrs, at := s.Addrs(), &l.at[s.number]
	if a != nil && len(addrs) > 0 && *a == addrs[at.address%len(addrs)] {
		at.address++
		at.misses++
	}
	return at.misses >= len(addrs)
}

// keep takes a connection that has nothing to do. It reports false where there are enough.
func (l *Local) keep(link *Link) bool {
	at := &l.at[link.target.number]
	if len(at.idle) >= l.set.opt.Idle || l.thread.Server.Draining() || l.set.retired.Load() {
		return false
	}
	at.idle = append(at.idle, link)
	return true
}

// forget takes a connection that is about to be closed out of the list of the idle ones.
func (l *Local) forget(link *Link) {
	at := &l.at[link.target.number]
	for i, have := range at.idle {
		if have == link {
			at.idle = append(at.idle[:i], at.idle[i+1:]...)
			return
		}
	}
}

// borrow lends buffers for one request.
func (l *Local) borrow() *http1.Client {
	l.thread.Hold(heldBytes)
	if n := len(l.clients); n > 0 {
		c := l.clients[n-1]
		l.clients = l.clients[:n-1]
		c.Open()
		return c
	}
	c := http1.NewClient(&http1.ResponseLimits, l.chunks)
	c.Open()
	return c
}

func (l *Local) giveBack(c *http1.Client) {
	c.Shut()
	l.thread.Hold(-heldBytes)
	if len(l.clients) < keptClients {
		l.clients = append(l.clients, c)
	}
}
