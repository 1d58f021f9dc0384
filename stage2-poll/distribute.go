package main

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/http1"
	"fourways/shared/sysnet"
)

// distributor gives each new connection to the runner that has the fewest. It works on
// the acceptor's thread, which waits for new connections, and for room in the pipes when
// all of them are full, but never for a client.
type distributor struct {
	acceptor *app.Acceptor
	runners  []*runner
	full     []bool // whose pipe had no room for the message at hand
}

func newDistributor(a *app.App, runners []*runner) (c *distributor, err error) {
	c = &distributor{runners: runners, full: make([]bool, len(runners))}
	c.acceptor, err = a.NewAcceptor(false, c.place)
	return c, err
}

// place finds a runner for one connection. One that may not be served goes to a runner
// too, where it is sent away; one that deserves no answer is closed.
func (c *distributor) place(fd int, peer netip.AddrPort) {
	adm, why := c.acceptor.Local.Admit(peer.Addr(), fd)
	m := message{kind: msgConn, fd: int32(fd), peer: peer, ticket: adm.Number()}
	switch why {
	case http1.NoReason:
	case http1.TooManyConnections:
		m.kind, m.why = msgRefused, why
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
// The load is counted here, by the hand that gives, and not by the runner that takes:
// otherwise a burst would see one runner as the least busy until that one wakes up, and
// give it all.
func (c *distributor) hand(m message) bool {
	clear(c.full)
	for {
		best := c.leastBusy()
		if best < 0 {
			return false
		}
		r := c.runners[best]
		r.load.Add(1)
		if r.notify.try(m) == nil {
			return true
		}
		r.load.Add(-1)
		c.full[best] = true
	}
}

// leastBusy is the runner with the fewest connections among those whose pipes were not
// found full, -1 if there is none.
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
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return
		}
	}
}
