package main

import (
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/logging"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

const (
	// turnBytes is about how much the connections that are ready write in one turn of all,
	// each its share of it: fast downloads must not starve their neighbours, however many
	// there are.
	turnBytes = 256 << 10
	// leastShare is the smallest share: with less, poll would cost more than what it is for.
	leastShare = 16 << 10
	// inbox is how many messages are read from the pipe at once.
	inbox = 64
)

// conn is one connection, in a runner's hands.
type conn struct {
	session.Session
	timer  timerwheel.Node
	fd     int
	slot   int  // its index in runner.fds and runner.conns
	parked bool // its slow work is under way: nobody else may touch it
	doomed bool // to be closed as soon as that is done
}

// runner is one thread with many connections. All it has is its own, but for load,
// watched, and the writing end of its pipe.
//
// fds is what poll(2) is handed, the whole of it every time. Slot 0 is the notify pipe;
// conns[i] is the connection of fds[i]. The two have no gaps: a connection that goes is
// replaced by the last one.
type runner struct {
	log    *slog.Logger
	local  *session.Local
	notify *notify
	slow   *offload.Pool
	fds    []unix.PollFd
	conns  []*conn
	wheel  timerwheel.Wheel
	out    *sysnet.Copier

	parked   map[uint64]*conn // by the number that msgWorked brings back
	lastPark uint64
	draining bool
	share    int64 // bytes that a connection may write in this turn
	inbox    [inbox * messageLen]byte

	load    atomic.Int64 // connections given to it and not yet closed
	watched atomic.Int64 // entries that poll was last handed
}

func newRunner(a *app.App, slow *offload.Pool, slot int, name string) (*runner, error) {
	n, err := newNotify()
	if err != nil {
		return nil, err
	}
	r := &runner{
		log:    a.Log.With(logging.WorkerKey, name),
		local:  a.Local(slot, name),
		notify: n,
		slow:   slow,
		fds:    []unix.PollFd{{Fd: int32(n.read), Events: unix.POLLIN}},
		conns:  []*conn{nil},
		out:    sysnet.NewCopier(),
		parked: map[uint64]*conn{},
	}
	r.out.Impatient = true
	return r, nil
}

// run is the thread's whole life. The order within a turn: first the connections that
// are ready, then the deadlines, then the pipe. So a descriptor that is closed in this
// turn, whose number the acceptor may already have given out again, is not in the list
// any more when its successor comes in through the pipe.
func (r *runner) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the function
	for !r.draining || len(r.conns) > 1 {
		r.watched.Store(int64(len(r.fds)))
		ready, err := unix.Poll(r.fds, r.timeout())
		sysnet.ReadClock(&r.local.Clock)
		switch err {
		case nil:
		case unix.EINTR:
			continue // a signal, Go's scheduler sends them too: nothing is ready, look again
		default:
			panic(err) // EFAULT, EINVAL, ENOMEM: nothing that goes away
		}
		r.share = max(turnBytes/int64(max(ready, 1)), leastShare)
		if ready > 0 {
			r.local.Stats.Add(stats.Wakeups, 1)
			r.local.Stats.Add(stats.Events, uint64(ready))
			r.serveReady(ready)
		}
		r.wheel.Advance(int64(r.local.Clock.Now()), r.expired)
		if r.fds[0].Revents != 0 {
			r.readPipe()
		}
		if r.local.Unsettled() {
			r.local.Settle(sysnet.Now())
		}
	}
	r.notify.ended.Store(true)
}

// timeout is how long poll may wait, in milliseconds: until the next deadline, for ever
// if there is none. An idle server does not wake up to find that it is idle.
func (r *runner) timeout() int {
	wait, ok := r.wheel.Next(int64(r.local.Clock.Now()))
	if !ok {
		return -1
	}
	return int((wait + int64(time.Millisecond) - 1) / int64(time.Millisecond))
}

// serveReady gives each ready connection its turn. It goes from behind: a connection
// that ends is replaced by the last one, which has had its turn already.
func (r *runner) serveReady(ready int) {
	if r.fds[0].Revents != 0 {
		ready--
	}
	for i := len(r.fds) - 1; i > 0 && ready > 0; i-- {
		events := r.fds[i].Revents
		if events == 0 {
			continue
		}
		ready--
		r.ready(r.conns[i], events)
	}
}

// ready looks at why a connection is ready (poll(2)).
func (r *runner) ready(c *conn, events int16) {
	if events&unix.POLLNVAL != 0 {
		// The descriptor is not open: somebody closed what was ours. Closing it again
		// could hit a stranger who has got the number since.
		r.log.Error("a connection's descriptor is not open", "fd", c.fd)
		c.Fail()
		r.remove(c)
		return
	}
	// POLLERR, the peer has reset: the next call on the socket fails with the error, and
	// takes it away. POLLHUP, both directions have ended: what has arrived can still be
	// read, and behind it the end. So both are handled by going on as if readable.
	r.drive(c, events&(unix.POLLIN|unix.POLLERR|unix.POLLHUP) != 0)
}

// drive goes as far with a connection as its socket lets us, for one turn: one read, so
// that a client which sends without end gets no more than its share, and r.share written,
// so that one which reads without end does not either. It is read first, because what has
// arrived in time is not late for our having been.
func (r *runner) drive(c *conn, readable bool) {
	if readable && c.Reads() {
		r.read(c)
	}
	for budget := r.share; ; {
		switch c.Step() {
		case session.WantRead:
			r.wait(c, unix.POLLIN)
			return
		case session.WantWrite:
			// Written first, and watched for only if that fell short: nearly always the
			// socket takes all of a small answer, and the kernel need not be told.
			if !r.write(c, &budget) {
				return
			}
		case session.WantWake:
			r.park(c, c.Work)
			return
		case session.WantShut:
			sysnet.EndSending(c.fd)
		case session.WantClose:
			r.close(c)
			return
		}
	}
}

// read reads once.
func (r *runner) read(c *conn) {
	n, err := sysnet.Read(c.fd, c.Recv())
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
func (r *runner) write(c *conn, budget *int64) bool {
	out := c.Out()
	before := out.Sent()
	err := r.out.Send(c.fd, out, *budget)
	*budget -= out.Sent() - before
	switch {
	case err == nil && out.Empty() && *budget > 0:
		return true
	case err == nil || sysnet.Again(err):
		c.Stalled()
		r.wait(c, unix.POLLOUT)
		return false
	case err == sysnet.ErrCold:
		cold := sysnet.Front(out)
		r.park(c, cold.Warm)
		return false
	case sysnet.FileFault(err):
		r.log.Error("Connection closed: " + err.Error())
	}
	c.Fail()
	return true
}

// wait has poll watch for one kind of readiness from now on, and for the deadline.
func (r *runner) wait(c *conn, events int16) {
	r.fds[c.slot].Events = events
	if d := c.Deadline(); d != clock.Never {
		r.wheel.Schedule(&c.timer, int64(d))
	} else {
		r.wheel.Cancel(&c.timer)
	}
}

// expired is a connection whose deadline has passed.
func (r *runner) expired(n *timerwheel.Node) {
	r.drive(n.Owner.(*conn), false)
}

// park takes a connection out of the watch while slow work runs elsewhere. A negative
// descriptor makes poll(2) pass over the slot; with no events it would still report a
// client that hangs up, over and over.
func (r *runner) park(c *conn, work func()) {
	c.parked = true
	r.fds[c.slot].Fd = -1
	r.wheel.Cancel(&c.timer)
	r.lastPark++
	number := r.lastPark
	r.parked[number] = c
	r.slow.Submit(func() {
		work()
		r.notify.send(message{kind: msgWorked, parked: number})
	})
}

// unpark takes a connection back when its work is done.
func (r *runner) unpark(number uint64) {
	c := r.parked[number]
	delete(r.parked, number)
	c.parked = false
	r.fds[c.slot].Fd = int32(c.fd)
	c.Forgive()
	if c.doomed {
		c.Fail()
	}
	r.drive(c, false)
}

// readPipe takes what the pipe has, a batch at a time, so that a burst of new connections
// does not make the old ones wait.
func (r *runner) readPipe() {
	b, err := r.notify.receive(r.inbox[:])
	if err != nil {
		panic(err) // EBADF, EFAULT, EIO: the pipe is ours and always open
	}
	for ; len(b) >= messageLen; b = b[messageLen:] {
		r.handle(decode(b))
	}
}

func (r *runner) handle(m message) {
	switch m.kind {
	case msgConn:
		c := r.adopt(m)
		c.Open(r.local, m.admission(), m.peer, c.fd)
		r.drive(c, true) // the request is often here already
	case msgRefused:
		c := r.adopt(m)
		c.OpenRefused(r.local, m.peer, c.fd, m.why)
		r.drive(c, false)
	case msgWorked:
		r.unpark(m.parked)
	case msgDrain:
		r.draining = true
		r.each(func(c *conn) {
			if c.Idle() {
				r.drive(c, false) // its deadline is nearer now
			}
		})
	case msgCut:
		r.log.Warn("Drain timeout reached, cutting what is left")
		r.each(func(c *conn) {
			if c.parked {
				c.doomed = true
				return
			}
			c.Fail()
			r.drive(c, false)
		})
	}
}

// each calls f for every connection; f may close it.
func (r *runner) each(f func(*conn)) {
	for i := len(r.conns) - 1; i > 0; i-- {
		f(r.conns[i])
	}
}

// adopt takes a connection's descriptor into the list.
func (r *runner) adopt(m message) *conn {
	c := &conn{fd: int(m.fd), slot: len(r.fds)}
	c.timer.Owner = c
	r.fds = append(r.fds, unix.PollFd{Fd: m.fd, Events: unix.POLLIN})
	r.conns = append(r.conns, c)
	return c
}

// close ends a connection. Its descriptor leaves the list before its number can be
// given out again.
func (r *runner) close(c *conn) {
	r.remove(c)
	sysnet.Close(c.fd, c.Abortive())
}

// remove takes a connection out of the list: the last one moves into its slot.
func (r *runner) remove(c *conn) {
	r.wheel.Cancel(&c.timer)
	c.Close()
	last := len(r.fds) - 1
	r.fds[c.slot], r.conns[c.slot] = r.fds[last], r.conns[last]
	r.conns[c.slot].slot = c.slot
	r.conns[last] = nil
	r.fds, r.conns = r.fds[:last], r.conns[:last]
	r.load.Add(-1)
}
