package loop

// Accepting over io_uring(7).
//
// Who owns what: no request here lends the kernel any memory.
//
// A listener of the loop's own is asked once for all connections (multishot). That cannot stop
// before it has taken too many. Nor is it right where loops share a listener: a process that is
// killed may still accept on its way out, since its requests go on until its threads have ended. So
// there, and where there are limits, the loop asks to be told of connections (EPOLLEXCLUSIVE), and
// takes them by accept4(2), as one over epoll does.
//
// What must not be done: a listener must not be closed while a request of it is under way: the
// kernel would go on listening.

import (
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// missedAfter is how often a busy loop looks for connections for which another one was woken.
const missedAfter = clock.Second

// multishot reports whether a listener's connections may be taken however many come at once.
func (u *uring) multishot(a *listener) bool {
	return u.opt.Sharers == nil && u.opt.Room == nil && a.full == nil
}

// listen asks for connections of a listener, or to be told of some. Whoever asks to be told stands
// at the end of the listener's wait queue, so connections go round among the loops.
func (u *uring) listen(a *listener) {
	e, _ := u.ring.next()
	e.fd, e.key = int32(a.Listener), keyOf(askConnection, a.number)
	if u.multishot(a) {
		e.opcode, e.ioprio, e.opFlags = opAccept, acceptMulti, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK
	} else {
		e.opcode = opPoll
		e.events(unix.POLLIN | unix.EPOLLEXCLUSIVE)
	}
	a.watched, a.cancelled = true, false
	u.armed++
}

// ignore asks for no more connections of a listener. Before it is closed, that is waited for: the
// kernel needs no more than a look for it.
func (u *uring) ignore(a *listener) {
	if !a.cancelled {
		a.cancelled = true
		u.cancel(askConnection, a.number)
	}
	for u.draining && a.watched {
		u.ring.look()
		u.turn(u.done[:u.ring.take(u.done[:])])
	}
}

// connection begins a connection, or takes those that there are. Where an accept has failed,
// accept4(2) knows what to do.
func (u *uring) connection(a *listener, c *completion) {
	if !c.more() {
		a.watched = false
		u.armed--
	}
	switch {
	case c.err() == unix.ECANCELED:
	case c.res < 0 || !u.multishot(a):
		u.accept(a, u.batch())
	default:
		u.failing.Over()
		if peer, err := sysnet.Peer(int(c.res)); err == nil {
			u.begin(int(c.res), peer, a.open)
		} else {
			sysnet.Close(int(c.res), true) // it has gone again
		}
	}
}

// batch is how many connections of a listener are taken at a time.
func (u *uring) batch() int {
	if u.opt.Sharers != nil {
		return sharedBatch
	}
	return app.AcceptBatch
}

// acceptMissed looks for connections that nobody has taken. The kernel tells one of the loops that
// share a listener. If that one hangs, or is killed before it has accepted, no other loop is told.
// So a loop whose wait timed out looks, and one that is busy does now and then.
func (u *uring) acceptMissed(timedOut bool) {
	now := u.thread.Clock.Now()
	if u.opt.Sharers == nil || !u.listening || !timedOut && now < u.looked+missedAfter {
		return
	}
	u.looked = now
	for _, a := range u.accepts {
		u.accept(a, sharedBatch)
	}
}
