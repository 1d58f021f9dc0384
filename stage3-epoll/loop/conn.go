package loop

import (
	"fourways/shared/clock"
	"fourways/shared/session"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

// conn is one connection, in a loop's hands.
type conn struct {
	session.Session
	timer  timerwheel.Node
	fd     int32
	gen    uint32 // tells it from others that have had its descriptor's number
	watch  interest
	parked bool // its slow work is under way: nobody else may touch it
	doomed bool // to be closed as soon as that is done
}

// Generations of descriptors that are no connections.
const (
	wakeGen   = 0
	listenGen = 1
	firstGen  = 2
)

// adopt takes a descriptor into the table. The poller does not know it yet.
func (l *Loop) adopt(fd int) *conn {
	for fd >= len(l.conns) {
		l.conns = append(l.conns, make([]*conn, max(64, len(l.conns)))...)
	}
	if l.lastGen++; l.lastGen < firstGen {
		l.lastGen = firstGen // it has wrapped round
	}
	c := &conn{fd: int32(fd), gen: l.lastGen}
	c.timer.Owner = c
	l.conns[fd] = c
	l.open++
	return c
}

// drive goes as far with a connection as its socket lets us, for one turn: one read, so
// that a client which sends without end gets no more than its share, and turnBytes written,
// so that one which reads without end does not either. It is read first, because what has
// arrived in time is not late for our having been.
func (l *Loop) drive(c *conn, readable bool) {
	if readable && c.Reads() {
		l.read(c)
	}
	l.serve(c, c.Step())
}

// serve does what a session wants, as it last said, until it has to wait.
func (l *Loop) serve(c *conn, want session.Want) {
	for budget := int64(turnBytes); ; want = c.Step() {
		switch want {
		case session.WantRead:
			l.await(c, forRead)
			return
		case session.WantWrite:
			// Written first, and watched for only if that fell short: nearly always the
			// socket takes all of a small answer, and the kernel need not be told.
			if !l.write(c, &budget) {
				return
			}
		case session.WantWake:
			l.park(c, c.Work)
			return
		case session.WantShut:
			sysnet.EndSending(int(c.fd))
		case session.WantClose:
			l.close(c)
			return
		}
	}
}

// read reads once.
func (l *Loop) read(c *conn) {
	n, err := sysnet.ReadNow(int(c.fd), c.Recv())
	switch {
	case n > 0:
		c.Received(n)
	case err == nil:
		c.EOF()
	case !sysnet.Again(err):
		c.Fail()
	}
}

// write sends until the chain is empty, the socket full, or the budget used up. It reports
// whether the session can go on at once.
func (l *Loop) write(c *conn, budget *int64) bool {
	out := c.Out()
	before := out.Sent()
	err := l.out.Send(int(c.fd), out, *budget)
	*budget -= out.Sent() - before
	switch {
	case err == nil && out.Empty() && *budget > 0:
		return true
	case err == nil || sysnet.Again(err):
		c.Stalled()
		l.await(c, forWrite)
		return false
	case err == sysnet.ErrCold:
		cold := sysnet.Front(out)
		l.park(c, cold.Warm)
		return false
	case sysnet.FileFault(err):
		l.log.Error("Connection closed: " + err.Error())
	}
	c.Fail()
	return true
}

// await has the poller watch for one kind of readiness, if it does not already, and sets
// the deadline.
func (l *Loop) await(c *conn, i interest) {
	if c.watch != i {
		if err := l.poll.set(c, i); err != nil {
			l.log.Error("a connection cannot be watched", "error", err)
			c.Fail()
			c.Step()
			l.close(c)
			return
		}
		c.watch = i
	}
	if d := c.Deadline(); d != clock.Never {
		l.wheel.Schedule(&c.timer, int64(d))
	} else {
		l.wheel.Cancel(&c.timer)
	}
}

// park takes a connection out of the watch while slow work runs elsewhere. Watched for
// nothing it would still be reported when its client hangs up, over and over.
func (l *Loop) park(c *conn, work func()) {
	c.parked = true
	if c.watch != forNothing {
		l.poll.remove(int(c.fd))
		c.watch = forNothing
	}
	l.wheel.Cancel(&c.timer)
	l.slow.Submit(func() {
		work()
		l.mu.Lock()
		l.worked = append(l.worked, c)
		l.mu.Unlock()
		l.poll.wake()
	})
}

// unpark takes a connection back when its work is done.
func (l *Loop) unpark(c *conn) {
	c.parked = false
	c.Forgive()
	if c.doomed {
		c.Fail()
	}
	l.drive(c, false)
}

// close ends a connection. Closing its descriptor takes it out of epoll as well, because
// nobody has a duplicate of it (epoll(7), question 6).
func (l *Loop) close(c *conn) {
	l.wheel.Cancel(&c.timer)
	c.Close()
	l.conns[c.fd] = nil
	l.open--
	sysnet.Close(int(c.fd), c.Abortive())
}
