package main

// The runner's thread: its turn, its list of sockets, and the messages in its pipe.
//
// A runner owns the sockets that were given to it, and closes them. Its fields belong to its
// thread, except for the atomics and the pipe's writing end. What must not be done: nothing may
// block but poll(2), and no message may be handled before the ready sockets of the turn, since a
// new connection may have the number of one that ends in it.

import (
	"log/slog"
	"math"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/logging"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

const (
	// turnBytes is about how many bytes all ready connections together write in one turn; each gets
	// an equal share. So fast downloads do not starve other connections, however many there are.
	turnBytes = 256 << 10
	// leastShare is the smallest share, in bytes: with less, calling poll would cost more than the
	// writing.
	leastShare = 16 << 10
	// inbox is how many messages are read from the pipe at once.
	inbox = 64
)

// runner is one thread with many connections. All fields belong to its thread, except load,
// watched, and the writing end of its pipe.
//
// fds is the list that every call of poll(2) takes whole. Slot 0 is the notify pipe. Each other
// slot has the descriptor of a socket or, where poll is to ignore that, its complement (^), which
// is negative. The list has no gaps: the last socket replaces one that is removed.
type runner struct {
	log    *slog.Logger
	thread *session.Thread
	notify *notify
	slow   *offload.Pool
	fds    []unix.PollFd
	wheel  timerwheel.Wheel[socket]
	out    *sysnet.Copier
	opens  []session.Opener // for each listener; nil for plain HTTP

	sockets       table     // by descriptor
	nudged, spare []*socket // to be stepped at the end of the turn, and the last turn's list, for reuse

	working  map[uint64]func() // what follows slow work under way, by the number in msgWorked
	lastWork uint64
	draining bool
	toCut    bool  // the drain timeout has passed: what is left is cut
	share    int64 // bytes that a connection may write in this turn
	inbox    [inbox * messageLen]byte

	offloaded bool // the pool has got work since the thread last gave its processor up

	load    atomic.Int64 // connections handed to it and not yet closed
	watched atomic.Int64 // entries in the last call of poll
}

func newRunner(a *app.App, slow *offload.Pool, slot int, name string) (*runner, error) {
	n, err := newNotify()
	if err != nil {
		return nil, err
	}
	r := &runner{
		log:     a.Log.With(logging.WorkerKey, name),
		thread:  a.Thread(slot, name),
		notify:  n,
		slow:    slow,
		fds:     []unix.PollFd{{Fd: int32(n.read), Events: unix.POLLIN}},
		out:     sysnet.NewCopier(),
		opens:   openers(a),
		working: map[uint64]func(){},
	}
	r.out.Impatient = true
	r.thread.Host = r
	return r, nil
}

// run is the thread's whole life. The order within a turn: first the ready connections, then the
// deadlines, then the pipe. The acceptor may already have a new connection with the number of a
// descriptor that is closed in this turn. With the pipe last, the old one is out of the list before
// the new one comes in.
func (r *runner) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the function
	for !r.draining || len(r.fds) > 1 || len(r.working) > 0 {
		r.watched.Store(int64(len(r.fds)))
		ready, err := r.wait()
		sysnet.ReadClock(&r.thread.Clock)
		switch err {
		case nil:
		case unix.EINTR:
			continue // a signal, also one of Go's scheduler: nothing is ready, wait again
		case unix.EINVAL:
			r.shorten(err)
			continue
		default:
			panic(err) // EFAULT: nothing that goes away
		}
		r.share = max(turnBytes/int64(max(ready, 1)), leastShare)
		if ready > 0 {
			r.serveReady(ready)
		}
		r.wheel.Advance(int64(r.thread.Clock.Now()), r.due)
		if r.fds[0].Revents != 0 {
			r.readPipe()
		}
		r.stepNudged()
		r.thread.EndTurn(sysnet.Now(), ready, 0)
	}
	r.notify.ended.Store(true)
}

// wait waits for ready sockets, for a moment unseen by Go's scheduler (sysnet.UnseenWait). Where
// the pool has got work it gives its processor up before it waits for longer.
func (r *runner) wait() (ready int, err error) {
	timeout := r.timeout()
	unseen := sysnet.Unseen(timeout, len(r.working))
	if unseen > 0 {
		ready, err = sysnet.PollUnseen(r.fds, unseen)
		if ready > 0 || unseen == timeout || err != nil && err != unix.EINTR {
			return ready, err
		}
	}
	if r.offloaded {
		r.offloaded = false
		runtime.Gosched()
	}
	return sysnet.Poll(r.fds, max(timeout-unseen, -1))
}

// timeout is how long poll may wait, in milliseconds: until the next deadline, or for ever if there
// is none. So an idle server sleeps without end.
func (r *runner) timeout() int {
	if len(r.nudged) > 0 {
		return 0
	}
	return r.wheel.Timeout(int64(r.thread.Clock.Now()), math.MaxInt64)
}

// serveReady gives each ready connection its turn, from the last to the first: a connection that
// ends is replaced by the last one, which has had its turn already.
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
		r.ready(r.entry(i), events)
	}
}

// ready looks at why a connection is ready (poll(2)).
func (r *runner) ready(s *socket, events int16) {
	if events&unix.POLLNVAL != 0 {
		// The descriptor is not open: other code has closed ours. Closing it again could close a
		// connection that has got the number since.
		r.log.Error("a connection's descriptor is not open", "fd", s.fd)
		s.Fail()
		r.end(s)
		r.forget(s)
		return
	}
	// POLLERR: the peer has reset; the next call on the socket fails with the error, and clears it.
	// POLLHUP: both directions have ended; what has arrived can still be read, and after it the
	// end. So both count as readable.
	if s.watch == machine.WantPeer {
		s.Fail() // nothing else was asked for
	}
	s.full = s.full && events&(unix.POLLOUT|unix.POLLERR|unix.POLLHUP) == 0
	r.drive(s, events&(unix.POLLIN|unix.POLLERR|unix.POLLHUP) != 0)
}

// readPipe takes one batch of messages from the pipe, so that a burst of new connections does not
// make the old ones wait.
func (r *runner) readPipe() {
	b, err := r.notify.receive(r.inbox[:])
	if err != nil {
		panic(err) // EBADF, EFAULT, EIO: the pipe is ours and always open
	}
	for ; len(b) >= messageLen; b = b[messageLen:] {
		r.handle(decode(b))
	}
}

// openers are the Openers of the listeners, in their order.
func openers(a *app.App) (list []session.Opener) {
	for _, l := range a.Listeners {
		list = append(list, l.Open)
	}
	return list
}

func (r *runner) handle(m message) {
	switch m.kind {
	case msgConn:
		r.begin(m)
	case msgRefused:
		c := r.newConn(int(m.fd))
		c.session.OpenRefused(r.thread, m.peer, int(m.fd), m.why)
		r.drive(&c.socket, false)
	case msgWorked:
		then := r.working[m.work]
		delete(r.working, m.work)
		then()
	case msgDrain:
		r.draining = true
		r.hasten()
		if r.toCut {
			r.cut()
		}
	case msgCut:
		// The two come from different threads, so msgCut may come before msgDrain.
		if r.toCut = true; r.draining {
			r.cut()
		}
	}
}

// begin begins an accepted connection. Its request is often here already.
func (r *runner) begin(m message) {
	open := r.opens[m.listener]
	if open == nil {
		c := r.newConn(int(m.fd))
		c.session.Open(r.thread, m.admission(), m.peer, int(m.fd))
		r.drive(&c.socket, true)
		return
	}
	s := &socket{}
	r.add(s, int(m.fd))
	s.Machine = open(r.thread, m.admission(), m.peer, int(m.fd))
	r.drive(s, true)
}

// due handles a deadline that has passed.
func (r *runner) due(n *timerwheel.Node[socket]) { r.expired(n.Owner) }

// each calls f for every socket; f may close it.
func (r *runner) each(f func(*socket)) {
	for i := len(r.fds) - 1; i > 0; i-- {
		f(r.entry(i))
	}
}

// entry is the socket of a slot.
func (r *runner) entry(slot int) *socket {
	fd := r.fds[slot].Fd
	return r.socket(int(max(fd, ^fd)))
}

// socket is the socket of a descriptor, nil where the runner has none.
func (r *runner) socket(fd int) *socket { return r.sockets.get(fd) }

// add puts a socket into the list and the table. poll does not watch it for anything yet.
func (r *runner) add(s *socket, fd int) {
	s.fd, s.slot = int32(fd), int32(len(r.fds))
	s.timer.Owner = s
	r.sockets.set(fd, s)
	r.fds = append(r.fds, unix.PollFd{Fd: int32(fd)})
}

// forget takes a socket out of the table and the list, where the last one moves into its slot.
func (r *runner) forget(s *socket) {
	last := len(r.fds) - 1
	r.fds[s.slot] = r.fds[last]
	r.entry(int(s.slot)).slot = s.slot
	r.fds = r.fds[:last]
	r.sockets.set(int(s.fd), nil)
}

// release closes a socket, which is forgotten before its number can be given out again.
func (r *runner) release(s *socket, abortive bool) {
	r.forget(s)
	sysnet.Close(int(s.fd), abortive)
}

// watch has poll watch a socket from the next turn on, even if it was unwatched. Errors and
// hang-ups are always reported (poll(2)).
func (r *runner) watch(s *socket, want machine.Want) {
	entry := &r.fds[s.slot]
	entry.Fd, entry.Events = s.fd, 0
	if want&machine.WantRead != 0 {
		entry.Events |= unix.POLLIN
	}
	if want&machine.WantWrite != 0 {
		entry.Events |= unix.POLLOUT
	}
	s.watch = want
}

// shorten cuts the connections that are too many for poll(2). It refuses a list that is longer than
// the limit of open files, and that limit can be lowered from outside at any time (prlimit(2)).
func (r *runner) shorten(err error) {
	allowed, had := sysnet.FileLimit(), len(r.fds)
	if had <= allowed {
		panic(err) // that was not the reason, so it does not go away
	}
	r.each(func(s *socket) {
		if len(r.fds) > allowed && !s.parked {
			s.Fail()
			r.drive(s, false)
		}
	})
	if len(r.fds) > allowed {
		panic(err)
	}
	r.log.Error("The limit of open files was lowered below what is open", "limit", allowed, "cut", had-len(r.fds))
}

// unwatch makes poll ignore a socket: a negative descriptor does that.
func (r *runner) unwatch(s *socket) {
	r.fds[s.slot].Fd = ^s.fd
	s.watch = 0
}

// Offload has the pool do slow work ([machine.Host]). A message with the work's number says when it
// is done.
func (r *runner) Offload(k offload.Kind, work, then func()) {
	r.lastWork++
	r.offloaded = true
	number := r.lastWork
	r.working[number] = then
	r.slow.Submit(k, func() {
		work()
		r.notify.send(message{kind: msgWorked, work: number})
	})
}
