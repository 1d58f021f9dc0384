// Package limiter decides, by address, who may connect and who may ask: open connections, request rate, bans.
//
// The table lives in a slice of bytes that the caller owns, which may be memory shared by several processes. Each Table is
// one view of it; all views see one another's counts and bans at once. There is no lock, so a process that is killed in
// the middle of a call leaves none behind: every decision is one compare-and-swap on one word (see entry.go).
//
// The region is bounded, so it can be full. What then?
//
//   - An entry gives way only if it holds nothing that would be missed: no ban that still runs, no open connection. Of
//     those, the one whose rate has been quiet longest goes. So a flood of addresses cannot make us forget a ban.
//   - Where all eight entries that an address may use hold something, the newcomer is let in without an entry, and
//     counted (Unrecorded). To turn it away instead would hand the flood its aim: whoever owns enough addresses could
//     lock everybody else out. The limit of connections of the server as a whole still holds for it.
//   - Which addresses share a set is decided by a keyed hash, so nobody outside can fill the set of a chosen victim.
//
// Two processes that meet a new client in the same instant may make two entries for it; its limits are then up to twice
// as wide until one of the two has gone.
//
// Times are nanoseconds, never negative, of a clock that all processes share and that does not go back:
// CLOCK_MONOTONIC (clock_gettime(2)). This package asks no clock and makes no system call.
package limiter

import "net/netip"

// Config is what the limits are. It is read only, and may differ between the views of one region.
type Config struct {
	Key        [2]uint64      // random and secret; the first view of a region writes it there, later ones may leave it zero
	IPv6Prefix int            // bits of an IPv6 address that make one client, 1 to 128
	MaxConns   int            // open connections of one client; 0 for no limit
	Rate       int            // requests a second of one client, at most 1e9; 0 for no limit
	Burst      int            // requests that may come at once at the full rate, 1 to 1e6; at a part of it, a part of them
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

// Ticket stands for one counted connection of one client. Zero is a connection that was not counted. It is a plain number
// and means the same in every view of a region: what a dead process held can be released by another one that knows it.
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

// Request decides on one request, and counts it.
func (t *Table) Request(addr netip.Addr, now int64) Verdict {
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
		if wait := t.spend(s, way, now); wait > 0 {
			return t.refuse(s, way, id, wait, now)
		}
		s.praise(way, id)
		return Verdict{}
	}
}

// spend takes one request out of the client's allowance, or says how long until there is one. This is GCRA (ITU-T I.371):
// a conforming client sends one request each interval, and the one number kept is when the next is due. A client may be
// early by what a burst allows. That is a time, and stays the same when the factor changes the interval: if it grew with
// it, a lower rate would begin with a gift to everybody, and a higher one with refusals for those who kept to the lower.
//
// An entry that changed hands since it was looked up makes its new owner pay for one request; that is the whole damage.
func (t *Table) spend(s *set, way int, now int64) (wait int64) {
	interval := t.interval()
	for {
		due := s.due[way].Load()
		next := max(due, now) + interval
		if early := next - now - max(interval, t.burst); early > 0 {
			return early
		}
		if s.due[way].CompareAndSwap(due, next) {
			return 0
		}
	}
}

// refuse counts a refusal, and bans at the last one. The end of the ban is written before the ban itself: until an entry
// is banned nobody reads it, and two that ban at once write nearly the same.
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
			continue
		}
		s.until[way].Store(now + t.cfg.Ban)
		if s.swap(way, e, e.condemned()) {
			t.header.mitigations.Add(1)
			return Verdict{Kind: Banned, NewBan: true, RetryAfter: t.cfg.Ban}
		}
	}
}
