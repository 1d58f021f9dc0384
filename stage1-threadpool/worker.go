package main

import (
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"fourways/shared/clock"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	// patience is how long a thread blocks in one call at most. A thread that is
	// blocked hears nothing, so it looks up this often to see whether the server stops
	// or a deadline has passed.
	patience = clock.Second
	// writeTurn is how many bytes are written between two looks at the clock.
	writeTurn = 2 << 20
)

// free is what a thread without a connection is doing.
const free = -1

// worker is one thread of the pool. All it has is its own, but for doing and fd.
type worker struct {
	pool  *pool
	log   *slog.Logger
	local *session.Local
	out   *sysnet.Copier
	conn  session.Session
	reads clock.Time // the socket's present read timeout

	doing atomic.Int32 // the session.Want it is about, or free; others look at it

	mu sync.Mutex
	fd int // the socket being served, -1 for none; cut looks at it from outside
}

func newWorker(p *pool, i int) *worker {
	name := "worker-" + strconv.Itoa(i+1)
	w := &worker{
		pool:  p,
		log:   p.app.Log.With(logging.WorkerKey, name),
		local: p.app.Local(i+1, name),
		out:   sysnet.NewCopier(),
		fd:    -1,
	}
	w.doing.Store(free)
	return w
}

// run is the thread's whole life: it takes a connection, serves it to its end, and
// takes the next one.
func (w *worker) run() {
	// A goroutine that blocks in a system call keeps its thread anyway. Locking makes
	// it the same thread always, and the course's word true: this is a thread.
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

// serve belongs to one connection until it ends. It does what the session wants, and
// each of these calls may block for as long as the client likes, up to patience.
func (w *worker) serve(c conn) {
	if !w.begin(c) {
		return
	}
	s := &w.conn
	for {
		switch w.step() {
		case session.WantRead:
			w.read(c.fd, s)
		case session.WantWrite:
			w.write(c.fd, s)
		case session.WantWake:
			s.Work() // this thread has nothing better to do than to wait for it
		case session.WantShut:
			sysnet.EndSending(c.fd)
		case session.WantClose:
			w.end(c)
			return
		}
	}
}

// step lets the session go on, and notes how long the answers took that have been written
// before the thread waits again.
func (w *worker) step() session.Want {
	sysnet.ReadClock(&w.local.Clock)
	want := w.conn.Step()
	if want != session.WantWrite {
		w.local.Settle(w.local.Clock.Now())
	}
	w.doing.Store(int32(want))
	return want
}

// begin sets the socket's timeouts (SO_RCVTIMEO, SO_SNDTIMEO, socket(7)): they are how
// a blocking thread keeps a deadline.
func (w *worker) begin(c conn) bool {
	sysnet.ReadClock(&w.local.Clock)
	w.reads = patience
	if sysnet.SetReadTimeout(c.fd, patience) != nil || sysnet.SetWriteTimeout(c.fd, patience) != nil {
		w.local.Dismiss(c.adm)
		sysnet.Close(c.fd, true) // the client has gone already (darwin: EINVAL)
		return false
	}
	w.hold(c.fd)
	if w.pool.over.Load() {
		w.cut() // it came out of the queue too late for Stop to see it here
	}
	w.conn.Open(w.local, c.adm, c.peer, c.fd)
	return true
}

func (w *worker) end(c conn) {
	w.conn.Close()
	w.local.Settle(w.local.Clock.Now())
	w.doing.Store(free)
	w.hold(-1)
	sysnet.Close(c.fd, w.conn.Abortive())
}

// read blocks until there are bytes, the client ends, or the time is up.
func (w *worker) read(fd int, s *session.Session) {
	left := min(s.Deadline()-w.local.Clock.Now(), patience)
	if left != w.reads {
		// Hardly ever: only when a deadline is closer than patience.
		if sysnet.SetReadTimeout(fd, left) == nil {
			w.reads = left
		}
	}
	n, err := sysnet.Read(fd, s.Recv())
	switch {
	case n > 0:
		s.Received(n)
	case err == nil:
		s.EOF()
	case !sysnet.Again(err):
		s.Fail()
	}
}

// write blocks until everything is written, the time is up, or a turn is over.
func (w *worker) write(fd int, s *session.Session) {
	switch err := w.out.Send(fd, s.Out(), writeTurn); {
	case err == nil:
	case sysnet.Again(err):
		s.Stalled()
	case sysnet.FileFault(err):
		w.log.Error("Connection closed: " + err.Error())
		s.Fail()
	default:
		s.Fail()
	}
}

// activities are what a thread can be about: reading and writing may mean that it waits
// for its client.
var activities = []string{"free", "reading", "writing", "working"}

// activity is what the thread is about, seen from outside.
func (w *worker) activity() string {
	switch session.Want(w.doing.Load()) {
	case session.WantRead:
		return "reading"
	case session.WantWrite:
		return "writing"
	case session.WantWake:
		return "working"
	case session.WantShut, session.WantClose:
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

// cut ends the connection that is being served, from another thread. The lock keeps
// the descriptor from being closed and given to another connection in between.
func (w *worker) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		sysnet.Cut(w.fd)
	}
}
