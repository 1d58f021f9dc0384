package upstream

// How a Link is lost, and whom that is held against.
//
// What must not be done: a target must not be blamed for closing a connection between two requests,
// which is its right.

import "math/rand/v2"

// Disown gives up a target whose answer is well-formed and makes no sense. The user is told so.
func (l *Link) Disown() { l.loseBy(Malformed, "it makes no sense") }

// gone is the end of a connection that came too early.
func (l *Link) gone() {
	switch {
	case !l.reused || l.heard:
		l.lose(Broken)
	case l.client.Out().Sent() == l.from:
		l.distrust()
		l.lose(Unasked)
	default:
		l.distrust()
		l.lose(Overtaken)
	}
}

// distrust has requests that cannot be repeated get new connections for a while.
func (l *Link) distrust() {
	l.local.at[l.target.number].distrusted = l.local.now() + distrust
}

// lose ends the link, and tells its user why.
func (l *Link) lose(why Loss) { l.loseBy(why, nil) }

// loseBy is lose where more is known for the log, nil for nothing.
func (l *Link) loseBy(why Loss, detail any) {
	now, user, http := l.local.now(), l.user, l.state != stateTunnel
	l.settle()
	l.state, l.abortive = stateOver, true
	if n, counted := lossCounter(why); counted && http {
		l.local.at[l.target.number].counts.counters[n].Add(1)
		if !why.Unsent() || l.local.missed(l.target, l.at) {
			l.target.failed(now, rand.Uint64(), why, detail)
		}
	}
	user.Lost(why)
}

// lossCounter is what a loss is counted as. That a kept connection is closed is the target's right.
func lossCounter(why Loss) (Counter, bool) {
	switch why {
	case NotConnected, SlowConnect:
		return Refused, true
	case Broken:
		return Cut, true
	case Malformed:
		return Nonsense, true
	case TooLate:
		return Late, true
	}
	return 0, false
}
