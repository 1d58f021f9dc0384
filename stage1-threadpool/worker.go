package main

// One thread of the pool: it takes a connection and serves it to its end, by calls that block.
//
// The thread owns the connection's descriptor from take until it closes it. Others may look at
// doing, and call cut; the lock covers fd for them. What must not be done: no call on a socket may
// block for longer than patience, or the thread misses its deadlines and the end of the server.

import (
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/logging"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	// patience is how long a thread blocks in one call at most. A blocked thread notices nothing,
	// so it returns this often to see whether the server stops or a deadline has passed.
	patience = clock.Second
	// moment is how long a thread may wait for its client and still count as busy all the time: in
	// so short a wait it could not have served another client.
	moment = 10 * clock.Millisecond
	// writeTurn is how many bytes are written between two steps of a machine at most: patience, and
	// the end of the server, bound a turn as well (endsTurn).
	writeTurn = 2 << 20
)

// free is what a thread without a connection is doing.
const free = -1

// worker is one thread of the pool. All fields except doing and fd belong to its thread.
type worker struct {
	pool    *pool
	log     *slog.Logger
	thread  *session.Thread
	out     *sysnet.Copier
	client  socket          // what it serves; only begin knows that it is a session
	session session.Session // the machine of plain HTTP
	reads   clock.Time      // the socket's present read timeout
	since   clock.Time      // the busy time before this is counted already
	until   clock.Time      // when a turn of writing ends
	rests   bool            // it waits for its client, or for another machine

	further []*socket // that the connection's machine has opened
	slow    []func()  // given to Offload: pairs of work and what follows it
	list    []*socket // of all, to be used again
	fds     []unix.PollFd

	doing atomic.Int32 // the machine.Want that it is carrying out, or free; other threads read it

	mu sync.Mutex
	fd int // the socket being served, -1 for none; cut looks at it from outside
}

func newWorker(p *pool, i int) *worker {
	name := "worker-" + strconv.Itoa(i+1)
	w := &worker{
		pool:   p,
		log:    p.app.Log.With(logging.WorkerKey, name),
		thread: p.app.Thread(i+1, name),
		out:    sysnet.NewCopier(),
		fd:     -1,
	}
	w.out.Rest = w.endsTurn
	w.thread.Host, w.thread.Works = w, true
	w.doing.Store(free)
	return w
}

// run is the thread's whole life: it takes a connection, serves it to its end, and
// takes the next one.
func (w *worker) run() {
	// A goroutine that blocks in a system call keeps its thread anyway. Locking makes it always the
	// same thread, so that what the course says is true: this is a thread.
	runtime.LockOSThread()
	for {
		c, ok := w.pool.queue.take()
		if !ok {
			return
		}
		if c.queued {
			w.log.Debug("Connection dequeued")
		}
		w.serve(c)
		w.pool.queue.done()
	}
}

// serve serves one connection until it ends. It does what the machine wants. Each of these calls
// may block, at most for patience.
func (w *worker) serve(c conn) {
	if !w.begin(c) {
		return
	}
	s := &w.client
	for !s.over {
		want := w.step()
		switch {
		case len(w.slow) > 0:
			w.workOff()
		case len(w.further) > 0:
			w.attend(want)
		case want == machine.WantRead:
			w.read(s)
		case want == machine.WantWrite:
			w.write(s)
		case want == machine.WantPeer:
			w.pause(s)
		case want == machine.WantWake:
			s.Work() // it may block: this thread serves no other connection
		case want == machine.WantShut:
			sysnet.EndSending(s.fd)
		case want == machine.WantClose:
			w.close(s)
		default:
			panic("two wants at once, of a connection with one socket")
		}
	}
	w.end()
}

// step lets the machine go on. Before the thread waits again, it notes how long the written answers
// took and how long the thread was busy.
func (w *worker) step() machine.Want {
	w.turn()
	if w.pool.over.Load() {
		w.client.Fail()
	}
	want := w.client.Step()
	if want != machine.WantWrite {
		w.thread.Settle(w.thread.Clock.Now())
	}
	w.rests = want == machine.WantRead || want == machine.WantPeer
	if w.rests || want == machine.WantClose {
		w.note()
	}
	w.doing.Store(int32(want))
	return want
}

// turn reads the clock after a call that may have blocked. If the thread has waited for its client,
// it was not busy meanwhile.
func (w *worker) turn() {
	sysnet.ReadClock(&w.thread.Clock)
	if now := w.thread.Clock.Now(); w.rests && now-w.since > moment {
		w.since = now
	}
}

// note counts the time until now as busy.
func (w *worker) note() {
	now := w.thread.Clock.Now()
	w.thread.Late(now-w.since, 0, 0)
	w.since = now
}

// begin sets the socket's timeouts (SO_RCVTIMEO, SO_SNDTIMEO, socket(7)), by which a blocking
// thread keeps a deadline.
func (w *worker) begin(c conn) bool {
	sysnet.ReadClock(&w.thread.Clock)
	w.reads, w.since, w.rests = patience, w.thread.Clock.Now(), false
	w.thread.Late(0, 1, c.waited(w.since))
	if sysnet.SetReadTimeout(c.fd, patience) != nil || sysnet.SetWriteTimeout(c.fd, patience) != nil {
		w.thread.Dismiss(c.adm)
		sysnet.Close(c.fd, true) // the client has gone already (darwin: EINVAL)
		return false
	}
	w.hold(c.fd)
	w.client = socket{fd: c.fd}
	if c.open != nil {
		w.client.Machine = c.open(w.thread, c.adm, c.peer, c.fd)
		return true
	}
	w.client.Machine = &w.session
	w.session.Open(w.thread, c.adm, c.peer, c.fd)
	return true
}

// end ends what is left of a connection.
func (w *worker) end() {
	for _, s := range w.further {
		if !s.over {
			s.Fail()
			w.carryOut(s, s.Step())
		}
	}
	w.workOff()
	clear(w.further)
	w.further = w.further[:0]
	w.thread.Settle(w.thread.Clock.Now())
	w.doing.Store(free)
}

// close ends a machine and closes its socket.
func (w *worker) close(s *socket) {
	s.over = true
	s.Close()
	if s == &w.client {
		w.hold(-1)
	}
	sysnet.Close(s.fd, s.Abortive())
}

// read blocks until there are bytes, the client ends, or the time is up.
func (w *worker) read(s *socket) {
	switch left := min(s.Deadline()-w.thread.Clock.Now(), patience); {
	case left < moment: // the kernel's ticks are too coarse for it (SO_RCVTIMEO)
		if !sysnet.AwaitInput(s.fd, max(left, 0)) {
			return
		}
	case left != w.reads:
		// Hardly ever: only when a deadline is closer than patience.
		if sysnet.SetReadTimeout(s.fd, left) == nil {
			w.reads = left
		}
	}
	s.readBy(sysnet.Read)
}

// readBy reads once.
func (s *socket) readBy(read func(fd int, p []byte) (int, error)) {
	n, err := read(s.fd, s.Recv())
	switch {
	case n > 0:
		s.Received(n)
	case err == nil:
		s.EOF()
	case !sysnet.Again(err):
		s.Fail()
	}
}

// endsTurn reports, between two writes, whether a slow client has had enough of its thread for now.
func (w *worker) endsTurn() bool { return w.pool.over.Load() || sysnet.Now() >= w.until }

// write blocks until everything is written, the time is up, or a turn is over. It reports whether
// the machine can go on although not all is written.
func (w *worker) write(s *socket) (failed bool) {
	w.until = w.thread.Clock.Now() + patience
	err := w.out.Send(s.fd, s.Out(), writeTurn)
	switch {
	case err == nil:
		return false
	case sysnet.Again(err):
		s.Stalled()
		w.rests = true
		return false
	case sysnet.FileFault(err):
		s.Break(err)
	default:
		s.Fail()
	}
	return true
}

// pause waits, with nothing to read or write, until the time is up or the client has gone. There is
// nothing to wait for if the machine was nudged.
func (w *worker) pause(s *socket) {
	if s.nudged {
		s.nudged = false
		return
	}
	left := min(s.Deadline()-w.thread.Clock.Now(), patience)
	if sysnet.AwaitHangup(s.fd, max(left, 0)) {
		s.Fail()
	}
}

// activities are the names of what a thread does. One that is reading or writing may be waiting for
// its client.
var activities = []string{"free", "reading", "writing", "working"}

// activity is what the thread does now. It may be called on any thread.
func (w *worker) activity() string {
	switch machine.Want(w.doing.Load()) {
	case machine.WantRead:
		return "reading"
	case machine.WantWrite, machine.WantPeer:
		return "writing"
	case machine.WantWake:
		return "working"
	case machine.WantShut, machine.WantClose:
		return "writing"
	}
	return "free"
}

// hold notes which socket is being served, for cut.
func (w *worker) hold(fd int) {
	w.mu.Lock()
	w.fd = fd
	w.mu.Unlock()
}

// cut wakes the thread where it reads, from another thread; one that writes looks up by itself, at
// most patience later. It then sees that it is to end the connection, by a reset: an end in order
// could make what was sent look whole. The lock keeps the descriptor from being closed and given to
// another connection in between.
func (w *worker) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		sysnet.EndReceiving(w.fd)
	}
}
