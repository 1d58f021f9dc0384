package upstream

// How a Link gets its connection: by TCP the kernel tries for as long as it may, and at a Unix
// socket whose queue is full it knocks again, as nothing is known there of room.

import (
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// knock tries again to connect to a Unix socket whose queue was full, as a connect that blocks
// would wait, and one by TCP tries by itself. Once that is begun, a link at that socket takes this
// one's place, with all that was written.
func (l *Link) knock(now clock.Time) machine.Want {
	if l.broken { // the server cuts what is left
		l.lose(NotConnected)
		return machine.WantClose
	}
	if l.deadline = l.again; now < l.again {
		return machine.WantPeer
	}
	fd, to, err := l.local.connect(l.target)
	full, waited := sysnet.Again(err) || sysnet.IsBusy(err), now-l.times.Began
	switch {
	case full && waited < l.local.set.opt.Connect:
		l.again = now + min(max(waited, firstKnock), longestKnock)
		l.deadline = l.again
		return machine.WantPeer
	case full:
		l.loseBy(SlowConnect, "not connected")
	case err != nil:
		l.loseBy(NotConnected, err)
	default:
		l.moveTo(fd, to)
	}
	return machine.WantClose
}

// moveTo has a link at another socket take this one's place.
func (l *Link) moveTo(fd int, to *sysnet.Addr) {
	next := *l
	next.fd, next.at, next.crowded, next.order = fd, to, false, machine.Order{}
	next.order.Opened()
	next.gauges().conns.Add(1)
	l.user, l.client, l.state = nil, nil, stateOver
	next.user.Moved(&next)
	next.local.thread.Host.Adopt(fd, &next)
}

// connecting reports whether the connection is still being made.
func (l *Link) connecting(now clock.Time) bool {
	err := l.local.set.opt.Sockets.Connected(l.fd)
	switch {
	case l.broken || err != nil && !sysnet.Again(err):
		l.loseBy(NotConnected, err)
	case err == nil:
		l.state, l.times.Connected, l.active = stateBusy, now, now
		at := &l.local.at[l.target.number]
		at.misses = 0
		at.counts.counters[Opened].Add(1)
		l.user.Connected()
	case now >= l.times.Began+l.local.set.opt.Connect:
		l.loseBy(SlowConnect, "not connected")
	default:
		return true
	}
	return false
}
