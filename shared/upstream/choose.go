package upstream

// The choice of a target: the one with the fewest requests of this thread under way; of several
// such, the next in turn.
//
// A thread looks at its own requests only. It would have to read the memory of all threads to know
// the others', for each request, and they come out even all the same, because each thread spreads
// its own.

import "math/bits"

// Tried is which members of a group a request has been sent to, as bits.
type Tried uint64

// All reports whether it has been sent to every one of them.
func (t Tried) All(g *Group) bool { return bits.OnesCount64(uint64(t)) == len(g.Members) }

// Choose picks a target that a request has not been tried at. There is none where all have been
// tried; full says that there was one, and it has as many requests under way as it may have. Where
// all of them rest, one is tried anyway: it may be better than its reputation, and there is nothing
// to lose.
func (l *Local) Choose(g *Group, tried *Tried) (s *State, full bool) {
	now := l.thread.Clock.Now()
	turn := &l.turns[g.number]
	best, resting := -1, -1
	for i := range g.Members {
		m := (int(*turn) + i) % len(g.Members)
		state := g.Members[m]
		switch {
		case *tried>>m&1 != 0:
			continue
		case state.full():
			full = true
			continue
		case best >= 0 && l.at[state.number].inFlight >= l.at[g.Members[best].number].inFlight:
			continue
		case state.available(now):
			best = m
		case resting < 0 || l.at[state.number].inFlight < l.at[g.Members[resting].number].inFlight:
			resting = m
		}
	}
	if best >= 0 && !g.Members[best].admit(now) {
		return l.Choose(g, tried) // it is not available any more
	}
	if best < 0 {
		best = resting
	}
	if best < 0 {
		return nil, full
	}
	*tried |= 1 << best
	*turn = uint32(best+1) % uint32(len(g.Members))
	return g.Members[best], false
}

// full reports whether the target has as many requests under way as it may have.
func (s *State) full() bool {
	return s.set.opt.Conns > 0 && s.row.inFlight() >= s.set.opt.Conns
}
