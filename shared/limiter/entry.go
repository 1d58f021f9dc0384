package limiter

// One client's entry, and the set of eight in which it may stand.
//
// Whose entry it is, how many connections it has, and whether it is banned are one word, so that
// they change in one compare-and-swap: a connection can never be counted for a client whose entry
// has just passed to another.
//
//	 63          29   28   27       16 15         0
//	+--------------+------+-----------+------------+
//	| identity     |banned| strikes   | connections|
//	+--------------+------+-----------+------------+
//
// The identity is the upper part of the address's hash; the lower bits chose the set. Zero is an
// empty entry.

import "sync/atomic"

const (
	ways = 8 // entries of a set: their words fill one cache line of 64 bytes

	connBits   = 16
	strikeBits = 12
	bannedBit  = connBits + strikeBits
	idShift    = bannedBit + 1

	oneConn   entry = 1
	oneStrike entry = 1 << connBits
	banMark   entry = 1 << bannedBit

	maxConns    = 1<<connBits - 1
	MaxBanAfter = 1<<strikeBits - 1 // refusals; more cannot be counted
)

// identity is a client's hash; its part above idShift is never zero.
type identity uint64

type entry uint64

func (e entry) of(id identity) bool { return uint64(e)>>idShift == uint64(id)>>idShift }
func (e entry) conns() int          { return int(e & maxConns) }
func (e entry) strikes() int        { return int(e >> connBits & MaxBanAfter) }
func (e entry) banned() bool        { return e&banMark != 0 }

// fresh is the entry of a client that was not known.
func fresh(id identity) entry { return entry(id >> idShift << idShift) }

// calm is e without its strikes.
func (e entry) calm() entry { return e &^ (MaxBanAfter << connBits) }

func (e entry) condemned() entry { return e.calm() | banMark }
func (e entry) forgiven() entry  { return e.calm() &^ banMark }

// set is three cache lines. To look for a client reads the first one only.
type set struct {
	entries [ways]atomic.Uint64
	due     [ways]atomic.Int64 // nanoseconds: when the next request is due; in the past if the client is quiet
	until   [ways]atomic.Int64 // nanoseconds: end of the ban, if the entry is banned; else see Table.floods
}

func (s *set) swap(way int, from, to entry) bool {
	return s.entries[way].CompareAndSwap(uint64(from), uint64(to))
}

// claim returns the client's entry, its own or one that it takes over, or -1 where every entry is
// needed.
func (s *set) claim(id identity, now int64) int {
	for {
		victim, quietest, old := -1, int64(0), entry(0)
		for way := range ways {
			e := entry(s.entries[way].Load())
			if e.of(id) {
				return way
			}
			due := s.due[way].Load()
			if e == 0 {
				due = -1 // before any entry in use
			}
			if s.idle(way, e, now) && (victim < 0 || due < quietest) {
				victim, quietest, old = way, due, e
			}
		}
		if victim < 0 {
			return -1
		}
		due, until := s.due[victim].Load(), s.until[victim].Load()
		if s.swap(victim, old, fresh(id)) {
			// Another thread may have found the entry by now, and have banned the client.
			s.due[victim].CompareAndSwap(due, 0)
			s.until[victim].CompareAndSwap(until, 0)
			return victim
		}
	}
}

// idle reports whether nothing would be missed with e but a little of its rate.
func (s *set) idle(way int, e entry, now int64) bool {
	return e.conns() == 0 && (!e.banned() || s.until[way].Load() <= now)
}

// praise ends a row of refusals. Mostly there is none, and nothing is written.
func (s *set) praise(way int, id identity) {
	for {
		e := entry(s.entries[way].Load())
		if !e.of(id) || e.banned() || e.strikes() == 0 || s.swap(way, e, e.calm()) {
			return
		}
	}
}
