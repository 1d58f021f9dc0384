package loop

// Accepting: which listeners a loop watches and when, and how a connection begins.
//
// A loop watches all of its listeners or none: none while it has as many connections as it can
// have, is out of descriptors, or drains. It leaves out those whose connections have no room at the
// moment ([app.Listener.Waits]). What must not be done: nothing here waits, and accepts come in
// batches, so that a flood of new connections does not delay the old ones.

import (
	"net/netip"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	// sharedBatch is [app.AcceptBatch] where loops share a listener: a burst is to be spread over
	// the loops, and not all taken by the one that wakes first.
	sharedBatch = 8
	// exhaustedPause is how long nothing is accepted when the process is out of
	// descriptors. Every connection that ends meanwhile frees one.
	exhaustedPause = clock.Time(app.ExhaustedPause)
	// headStart is how many connections above its share a loop may have before it lets the other
	// loops go first, in addition to one for each shareSlack of the share.
	headStart  = 4
	shareSlack = 8
)

// listener is a listening socket, and how its connections begin.
type listener struct {
	*sysnet.Acceptor
	open    session.Opener // nil for plain HTTP
	full    func() bool    // reports that it is to wait; nil for never
	watched bool
	number  int32 // its index
}

// waits reports whether nothing is to be accepted for now.
func (a *listener) waits() bool { return a.full != nil && a.full() }

// acceptReady takes a batch of the connections that wait at each listener. Loops that share one
// take small batches, and a loop above its share goes to the end of the listener's wait queue: the
// kernel wakes the first one in the queue that waits, and on a quiet server that would be the same
// loop each time.
func (l *Loop) acceptReady() {
	batch := app.AcceptBatch
	if l.opt.Sharers != nil {
		batch = sharedBatch
	}
	for _, a := range l.accepts {
		l.accept(a, batch)
	}
	if l.opt.Sharers != nil && l.listening && l.aboveShare() {
		for _, a := range l.accepts {
			l.ignore(a)
		}
		l.adjustListening()
	}
}

// accept takes at most so many of the connections that wait at one listener, and serves each at
// once: with TCP_DEFER_ACCEPT its request is here already. If the answer ends the connection, it is
// never added to the poller.
func (l *Loop) accept(a *listener, most int) {
	for n := 0; n < most && (l.draining || l.open < l.limit && !a.waits()); n++ {
		fd, peer, err := a.Accept()
		if err == sysnet.ErrNone {
			return
		}
		if err != nil {
			l.pause(err)
			return
		}
		l.failing.Over(l.thread.Clock.Now())
		app.Accepted(l.thread, fd, n+1, most)
		l.begin(fd, peer, a.open)
	}
}

// begin begins an accepted connection. One that is not plain HTTP gets no 503.
func (l *Loop) begin(fd int, peer netip.AddrPort, open session.Opener) {
	adm, why := l.thread.Admit(peer.Addr(), fd)
	switch {
	case why == fault.NoReason && open == nil:
		c := l.newConn(fd)
		c.notes = noteAccepted
		c.session.Open(l.thread, adm, peer, fd)
		l.drive(&c.socket, true)
	case why == fault.NoReason:
		s := &socket{notes: noteAccepted}
		l.add(s, fd)
		s.Machine = open(l.thread, adm, peer, fd)
		l.drive(s, true)
	case why == fault.TooManyConnections && open == nil:
		c := l.newConn(fd)
		c.session.OpenRefused(l.thread, peer, fd, why)
		l.drive(&c.socket, false)
	case why == fault.TooManyConnections:
		l.thread.TurnedAway(peer.Addr(), why)
		fallthrough
	default:
		sysnet.Close(fd, true)
	}
}

// pause has nothing accepted for a moment: while there is no descriptor free, a listener stays
// readable, and the loop would spin.
func (l *Loop) pause(err error) {
	l.failing.Report(l.thread.Clock.Now(), err)
	l.resting = true
	l.wheel.Schedule(&l.resume, int64(l.thread.Clock.Now()+exhaustedPause))
}

// aboveShare reports whether the loop has clearly more connections than its share.
func (l *Loop) aboveShare() bool {
	share := l.thread.Server.Conns() / max(l.opt.Sharers(), 1)
	return int64(l.open) > share+share/shareSlack+headStart
}

// adjustListening has the poller watch the listeners, or not: none while the loop has as many
// connections as it may have, rests or drains. New connections then wait for another loop, or for
// one here to end. Listeners that are to wait are left out. Whether they still are is looked at in
// each turn, and after a moment without one: it may be another thread that makes room.
func (l *Loop) adjustListening() {
	l.listening = l.open < l.limit && !l.resting && !l.draining
	for _, a := range l.accepts {
		waits := l.listening && a.waits()
		if waits {
			l.wheel.Schedule(&l.resume, int64(l.thread.Clock.Now()+exhaustedPause))
		}
		switch wanted := l.listening && !waits; {
		case !wanted:
			l.ignore(a)
		case !a.watched:
			l.listen(a)
		}
	}
}

// listen has the poller watch a listener.
func (l *Loop) listen(a *listener) {
	if l.uring != nil {
		l.uring.listen(a)
		return
	}
	if err := l.addListener(a.Listener, listenGen); err != nil {
		l.pause(app.Scarce(err)) // and then try again
		return
	}
	a.watched = true
}

// ignore takes a listener out of the poller.
func (l *Loop) ignore(a *listener) {
	switch {
	case !a.watched:
	case l.uring != nil:
		l.uring.ignore(a)
	default:
		l.poll.Remove(a.Listener)
		a.watched = false
	}
}
