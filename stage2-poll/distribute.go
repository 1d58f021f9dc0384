package main

// Which runner gets a new connection.
//
// All of it runs on the acceptor's thread. A descriptor belongs to it until the message with it is
// written, and then to the runner. What must not be done: it must not wait for a client, nor for
// one runner while the pipe of another has room.

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// distributor gives each new connection to the runner that has the fewest. It works on
// the acceptor's thread, which waits for new connections, and for room in the pipes when
// all of them are full, but never for a client.
type distributor struct {
	acceptor *app.Acceptor
	runners  []*runner
	opens    []session.Opener // for each listener; nil for plain HTTP
	full     []bool           // the runners whose pipes had no room for the current message
}

func newDistributor(a *app.App, runners []*runner) (c *distributor, err error) {
	c = &distributor{runners: runners, opens: openers(a), full: make([]bool, len(runners))}
	c.acceptor, err = a.NewAcceptor(false, c.place)
	return c, err
}

// place finds a runner for one connection. A runner also answers 503 to a connection that may not
// be served. One that gets no answer is closed here.
func (c *distributor) place(fd int, peer netip.AddrPort, listener int) {
	adm, why := c.acceptor.Thread.Admit(peer.Addr(), fd)
	m := message{kind: msgConn, listener: uint16(listener), fd: int32(fd), peer: peer, ticket: adm.Number()}
	switch {
	case why == fault.NoReason:
	case why == fault.TooManyConnections && c.opens[listener] == nil:
		m.kind, m.why = msgRefused, why
	case why == fault.TooManyConnections: // what is not HTTP gets no 503
		c.acceptor.Thread.TurnedAway(peer.Addr(), why)
		fallthrough
	default:
		sysnet.Close(fd, true)
		return
	}
	for !c.hand(m) {
		c.awaitRoom()
	}
}

// hand writes the message to the least busy runner whose pipe has room for it.
//
// The load is counted here, and not when the runner takes the connection: otherwise one runner
// would count as the least busy until it wakes up, and would get all connections of a burst.
func (c *distributor) hand(m message) bool {
	clear(c.full)
	for {
		best := c.leastBusy()
		if best < 0 {
			return false
		}
		r := c.runners[best]
		r.load.Add(1)
		switch err := r.notify.try(m); err {
		case nil:
			return true
		case errFull:
		default:
			panic(err) // EBADF, EFAULT, EPIPE: the pipe is ours and always open
		}
		r.load.Add(-1)
		c.full[best] = true
	}
}

// leastBusy is the index of the runner with the fewest connections whose pipe was not found full,
// or -1.
func (c *distributor) leastBusy() int {
	best := -1
	for i, r := range c.runners {
		if !c.full[i] && (best < 0 || r.load.Load() < c.runners[best].load.Load()) {
			best = i
		}
	}
	return best
}

// awaitRoom waits until some runner has read from its pipe.
func (c *distributor) awaitRoom() {
	fds := make([]unix.PollFd, len(c.runners))
	for i, r := range c.runners {
		fds[i] = unix.PollFd{Fd: int32(r.notify.write), Events: unix.POLLOUT}
	}
	for {
		switch _, err := sysnet.Poll(fds, -1); err {
		case nil:
			return
		case unix.EINTR:
		default:
			panic(err) // EFAULT, EINVAL: nothing that goes away
		}
	}
}
