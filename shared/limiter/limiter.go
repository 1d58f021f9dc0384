// Package limiter decides, by address, which clients may connect and send requests: open
// connections, request rate, bans.
//
// The table lives in a slice of bytes that the caller owns, which may be memory shared by several
// processes. Each Table is one view of it; all views see one another's counts and bans at once.
// There is no lock, so a process that is killed in the middle of a call leaves none behind: every
// decision is one compare-and-swap on one word (see entry.go).
//
// The region is bounded, so it can be full. What then?
//
//   - An entry gives way only if it holds nothing that would be missed: no ban that still runs, no
//     open connection. Of those, the one whose rate has been quiet longest goes. So a flood of
//     addresses cannot make us forget a ban.
//   - Where all eight entries that an address may use hold something, the newcomer is let in
//     without an entry, and counted (Unrecorded). To turn it away instead would be just what a
//     flood wants: the owner of enough addresses could lock all other clients out. The limit of
//     connections of the server as a whole still holds for it.
//   - Which addresses share a set is decided by a keyed hash, so nobody outside can fill the set of
//     a chosen victim.
//
// Two processes that meet a new client in the same instant may make two entries for it; its limits
// are then up to twice as wide until one of the two has gone.
//
// Times are nanoseconds, never negative, of a clock that all processes share and that does not go
// back: CLOCK_MONOTONIC (clock_gettime(2)). This package asks no clock and makes no system call.
package limiter

import "net/netip"

// Config is what the limits are. It is read only, and may differ between the views of one region.
type Config struct {
	Key        [2]uint64      // random and secret; the first view of a region writes it there, later ones may leave it zero
	IPv6Prefix int            // bits of an IPv6 address that make one client, 1 to 128
	MaxConns   int            // open connections of one client; 0 for no limit
	Rate       int            // requests a second of one client, at most 1e9; 0 for no limit
	Burst      int            // requests that may come at once at the full rate, 1 to 1e6; at a part of it, a part of them
	LeastBurst int            // requests that may come at once at any part of the rate, if Burst allows as many
	BanAfter   int            // refused requests in a row that make a ban, at most MaxBanAfter; 0 never bans
	Ban        int64          // nanoseconds that a ban lasts
	Exempt     []netip.Prefix // clients that nothing here is for
}

// Kind is what is to be done.
type Kind uint8

const (
	Allowed            Kind = iota // go on
	TooManyConnections             // close at once
	Limited                        // answer 429 with RetryAfter
	Banned                         // close at once
)

// Verdict is the answer to Accept and Request.
type Verdict struct {
	Kind       Kind
	NewBan     bool   // Banned, and by this very request: worth a line in the log
	RetryAfter int64  // nanoseconds until it may be Allowed, if Limited or Banned
	Ticket     Ticket // of Accept: give it to Release when the connection is closed
}

// Ticket stands for one counted connection of one client. Zero is a connection that was not
// counted. It is a plain number and means the same in every view of a region: what a dead process
// held can be released by another one that knows it.
type Ticket uint64

// Accept decides on a new connection, and counts it if it is Allowed.
func (t *Table) Accept(addr netip.Addr, now int64) Verdict {
	id, ok := t.identify(addr)
	if !ok {
		return Verdict{}
	}
	return t.accept(id, now)
}

func (t *Table) accept(id identity, now int64) Verdict {
	s := t.set(id)
	for {
		way := s.claim(id, now)
		if way < 0 {
			t.header.unrecorded.Add(1)
			return Verdict{}
		}
		e := entry(s.entries[way].Load())
		switch {
		case !e.of(id): // evicted since
			continue
		case e.banned():
			if left := s.until[way].Load() - now; left > 0 {
				return Verdict{Kind: Banned, RetryAfter: left}
			}
			s.swap(way, e, e.forgiven())
			continue
		case e.conns() == maxConns || t.cfg.MaxConns > 0 && e.conns() >= t.cfg.MaxConns:
			return Verdict{Kind: TooManyConnections}
		}
		if s.swap(way, e, e+oneConn) {
			return Verdict{Ticket: Ticket(id)}
		}
	}
}

// Release gives back a connection that Accept counted. It is called once for each.
func (t *Table) Release(ticket Ticket) {
	if ticket == 0 {
		return
	}
	id := identity(ticket)
	s := t.set(id)
	for way := range ways {
		e := entry(s.entries[way].Load())
		for e.of(id) && e.conns() > 0 {
			if s.swap(way, e, e-oneConn) {
				return
			}
			e = entry(s.entries[way].Load())
		}
	}
}

// State is how far a request has come when it is decided on. A ban comes of refusals in a row, and
// a request that cannot be read is one, however seldom it comes. So the row ends with a request
// that could be read to its end.
type State uint8

const (
	Complete      State = iota // all of it has come
	Begun                      // its body is still to come; [Table.Completed] says that it has
	Malformed                  // it could not be read
	MalformedBody              // it was Begun, and its body could not be read
)

// Request decides on one request that is complete, and counts it.
func (t *Table) Request(addr netip.Addr, now int64) Verdict { return t.Judge(addr, now, Complete) }

// Judge decides on one request, and counts it. What is Malformed or MalformedBody is refused by the
// caller, whatever the verdict is: it is Allowed as long as it brings neither a limit nor a ban
// with it.
func (t *Table) Judge(addr netip.Addr, now int64, state State) Verdict {
	return t.judge(addr, now, state, 1)
}

// Charge decides on something that is no request and costs us as much as so many, and counts it as
// those: a handshake of TLS, for example. It ends no row of refusals.
func (t *Table) Charge(addr netip.Addr, now int64, requests int) Verdict {
	return t.judge(addr, now, Begun, int64(requests))
}

func (t *Table) judge(addr netip.Addr, now int64, state State, requests int64) Verdict {
	id, ok := t.identify(addr)
	if !ok || t.cfg.Rate == 0 {
		return Verdict{}
	}
	s := t.set(id)
	for {
		way := s.claim(id, now)
		if way < 0 {
			t.header.unrecorded.Add(1)
			return Verdict{}
		}
		e := entry(s.entries[way].Load())
		switch {
		case !e.of(id):
			continue
		case e.banned():
			if left := s.until[way].Load() - now; left > 0 {
				return Verdict{Kind: Banned, RetryAfter: left}
			}
			s.swap(way, e, e.forgiven())
			continue
		}
		if state != MalformedBody {
			if v := t.charge(s, way, id, now, requests); v.Kind != Allowed {
				return v
			}
		}
		switch state {
		case Complete:
			s.praise(way, id)
		case Malformed, MalformedBody:
			if v := t.refuse(s, way, id, 0, now); v.Kind == Banned {
				return v
			}
		}
		return Verdict{}
	}
}

// Completed says that the rest of a request that was Begun has come.
func (t *Table) Completed(addr netip.Addr) {
	if id, ok := t.identify(addr); ok {
		s := t.set(id)
		for way := range ways {
			s.praise(way, id)
		}
	}
}

// charge takes so many requests out of a client's allowance, and refuses what is beyond it. What
// the full rate would let pass is no step to a ban.
func (t *Table) charge(s *set, way int, id identity, now, requests int64) Verdict {
	flood := t.floods(s, way, now, requests)
	wait, lowered := t.spend(s, way, now, requests)
	switch {
	case wait == 0:
		return Verdict{}
	case flood && !lowered:
		return t.refuse(s, way, id, wait, now)
	}
	return Verdict{Kind: Limited, RetryAfter: wait}
}

// spend takes requests out of the client's allowance, or says how long until there are as many.
// This is GCRA (ITU-T I.371): a conforming client sends one request each interval, and the one
// number kept is when the next is due. A client may be early by what a burst allows. That is a
// time, and stays the same when the factor changes the interval: if it grew with it, a lower rate
// would begin with a gift to everybody, and a higher one with refusals for those who kept to the
// lower. Only where so little would be left of a burst that no page can be loaded, it grows; then a
// client may be found to be earlier than is allowed now. It is brought back at the price of one
// refusal, which lowered tells from its own fault.
//
// Several at once are never more than a burst: else a burst of four would keep a client from what
// costs five for ever.
//
// An entry that changed hands since it was looked up makes its new owner pay; that is the whole
// damage.
func (t *Table) spend(s *set, way int, now, requests int64) (wait int64, lowered bool) {
	interval := t.interval()
	early := max(interval, t.burst, interval*int64(min(t.cfg.Burst, t.cfg.LeastBurst)))
	for {
		due := s.due[way].Load()
		if due > now+early {
			if s.due[way].CompareAndSwap(due, now+early) {
				return interval, true
			}
			continue
		}
		next := max(due, now) + min(interval*requests, early)
		if over := next - now - early; over > 0 {
			return over, false
		}
		if s.due[way].CompareAndSwap(due, next) {
			return 0, false
		}
	}
}

// floods reports whether a client sends more than the full rate allows, whatever part of it holds
// now. While a part does, a second due time is kept, which every request moves on by the full
// rate's interval, refused ones too. It stands where the end of a ban would, if there were one.
func (t *Table) floods(s *set, way int, now, requests int64) bool {
	if t.Factor() == 1 {
		return true // what is refused now is beyond the full rate
	}
	whole := int64(second / float64(t.cfg.Rate)) // the full rate's interval
	for {
		due := s.until[way].Load()
		early := max(whole, t.burst)
		next := max(due, now) + min(whole*requests, early)
		if next-now > early {
			return true
		}
		if s.until[way].CompareAndSwap(due, next) {
			return false
		}
	}
}

// refuse counts a refusal, and bans at the last one.
func (t *Table) refuse(s *set, way int, id identity, wait, now int64) Verdict {
	limited := Verdict{Kind: Limited, RetryAfter: wait}
	for {
		e := entry(s.entries[way].Load())
		switch {
		case !e.of(id) || t.cfg.BanAfter == 0:
			return limited
		case e.banned():
			return Verdict{Kind: Banned, RetryAfter: t.cfg.Ban}
		case e.strikes()+1 < t.cfg.BanAfter:
			if s.swap(way, e, e+oneStrike) {
				return limited
			}
		case t.ban(s, way, e, now):
			return Verdict{Kind: Banned, NewBan: true, RetryAfter: t.cfg.Ban}
		}
	}
}

// ban bans a client whose entry is still e. The end of the ban is written before the ban itself,
// since whoever sees the one looks at the other. Where the entry has changed meanwhile, the end is
// taken back: it would be the due time of a flood (see floods), for as long as a ban lasts. Others
// may do the same at the same time: so who bans writes the end once more, and who takes it back
// looks whether there is a ban, before and after. Whichever of the two is last leaves the end of a
// ban where there is one. A ban could still be lost that is made between that look and the swap
// behind it, if somebody asks about the client before the end is back.
func (t *Table) ban(s *set, way int, e entry, now int64) bool {
	before, end := s.until[way].Load(), now+t.cfg.Ban
	s.until[way].Store(end)
	if s.swap(way, e, e.condemned()) {
		s.until[way].Store(end)
		t.header.mitigations.Add(1)
		return true
	}
	if entry(s.entries[way].Load()).banned() {
		return false // another one has banned, and whoever saw the end gone for a moment would lift that
	}
	before = min(before, now+t.burst) // what another one has written there and will take back is none
	if s.until[way].CompareAndSwap(end, before) && entry(s.entries[way].Load()).banned() {
		s.until[way].Store(end)
	}
	return false
}
