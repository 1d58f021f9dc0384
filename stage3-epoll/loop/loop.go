// Package loop is an event loop over epoll(7), or kqueue(2) where there is no epoll: one thread
// that accepts, serves and times out any number of connections. It can be one over io_uring(7) as
// well, which uring.go and the files after it are about.
//
// A Loop and all its connections belong to the thread that calls Run; only Drain and Cut may be
// called on other threads. It owns its poller and all descriptors that it is given, including
// listeners: loops that share a socket have duplicates of it. The loop closes them itself, right
// after its last accept. Close closes the poller, since other threads may wake the loop until all
// of them have ended.
//
// What must not be done: nothing here may block but the poller's wait. Work that may wait for a
// disk goes to the pool, which reports its end through a list and a wake-up.
//
// It is level-triggered: a socket is reported as long as it is ready. So no readiness can be
// missed, and a connection may stop in the middle, for fairness, and is reported again. The poller
// is called for a socket only where its interest changes, and an answer is written before its
// socket is watched for writing. So most requests need no system call but a read and a write.
package loop

import (
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/logging"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

const (
	// turnBytes is how many bytes a connection may send before the next one's turn. Less makes
	// large files cost more; more makes small ones wait.
	turnBytes = 2 << 20
	// eventBatch is how many ready sockets one wait reports at most.
	eventBatch = 256
	// groupSize is how many ready connections are read before the first of them is answered. A
	// larger group would hold more buffers and keep its first one waiting longer, and save little.
	groupSize = 16
	// firstSockets is how long the table of sockets is at first; it doubles as needed.
	firstSockets = 64
)

// Options is what a loop is made with.
type Options struct {
	Thread    *session.Thread
	Log       *slog.Logger
	Name      string         // in the log
	Listeners []app.Listener // the loop owns and closes them
	Slow      *offload.Pool
	Uring     bool // over io_uring, which Choose has found to work
	Auto      bool // and over epoll where the system has not enough of it for all loops

	// Sharers tells how many loops share the listeners, this one included. Nil where each
	// loop has its own.
	Sharers func() int64
	// Room tells how many sockets the loop may have, besides listeners. With as many it does not
	// watch its listeners until one ends. It is called once, when the loop begins to run. Nil for
	// no limit.
	Room func() int
	// Watched is where the loop shows that it goes on, once a turn and at least once every Beat.
	// Nil for no watchdog.
	Watched *stats.Process
	Beat    clock.Time
}

// Loop is one event loop.
type Loop struct {
	opt           Options
	thread        *session.Thread
	log           *slog.Logger
	poll          poller
	uring         completions // nil over epoll
	accepts       []*listener
	limit         int // sockets that the loop may have
	listening     bool
	resting       bool                    // nothing is accepted for a moment
	resume        timerwheel.Node[socket] // when to listen again after that; of no socket
	failing       app.Failing
	sockets       []*socket // by descriptor; nil where there is none
	open          int       // connections in sockets, and those that are gone while parked
	working       int       // pieces of slow work under way
	lastGen       uint32
	nudged, spare []*socket // to be stepped at the end of the turn, and the last turn's list, for reuse
	share         int64     // bytes that a socket may be sent in a turn
	wheel         timerwheel.Wheel[socket]
	out           *sysnet.Sender
	draining      bool
	offloaded     bool                           // the pool has got work since the thread last gave its processor up
	toCut         bool                           // the drain timeout has passed: what is left is cut
	addListener   func(fd int, gen uint32) error // the poller's; for tests to change

	mu     sync.Mutex // guards posted
	posted []func()   // what other threads have asked the loop to do
}

// New makes a loop that listens as soon as it runs.
func New(opt Options) (*Loop, error) {
	l := &Loop{
		opt:    opt,
		thread: opt.Thread,
		log:    opt.Log.With(logging.WorkerKey, opt.Name),
		limit:  math.MaxInt,
		share:  turnBytes,
		out:    sysnet.NewSender(),
	}
	err := l.poll.Open()
	if err == nil && opt.Uring {
		err = l.overUring() // which has the poller's wake-ups alone
	}
	if err != nil {
		return nil, err
	}
	l.addListener = l.poll.AddListener
	for i, a := range opt.Listeners {
		l.accepts = append(l.accepts, &listener{Acceptor: sysnet.NewAcceptor(a.FD, false), open: a.Open, full: a.Waits, number: int32(i)})
	}
	l.failing = app.Failing{Log: l.log, Stats: l.thread.Stats}
	l.thread.Host = l
	return l, nil
}

// Drain has the loop accept the connections that wait, close its listeners, and end with its last
// connection. It may be called once, on any thread.
func (l *Loop) Drain() { l.post(l.drain) }

// Cut has a draining loop end the connections that it still has. It may be called on any thread.
func (l *Loop) Cut() {
	l.post(func() {
		if l.toCut = true; l.draining { // a Cut may come before the Drain
			l.cut()
		}
	})
}

// Close closes the poller. It is called once the loop has ended, and with it all that may wake it:
// callers of Cut, and the pool that does its slow work. A later wake-up would be written to the
// file that has got the descriptor's number by then.
func (l *Loop) Close() {
	if l.uring != nil {
		l.uring.close()
	}
	l.poll.Close()
}

// post asks the loop to do something, and wakes it, unless what was asked before has done that
// already. It may be called on any thread.
func (l *Loop) post(do func()) {
	l.mu.Lock()
	l.posted = append(l.posted, do)
	first := len(l.posted) == 1
	l.mu.Unlock()
	if first {
		l.poll.Wake()
	}
}

// Run is the thread's whole life. The order within a turn: first the ready connections, then new
// ones, then the work that the pool has finished, then the deadlines. New connections come after
// the ready ones because they may get the number of a descriptor that is closed in this turn. An
// event for the old connection may still be in the batch; its generation shows that.
func (l *Loop) Run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the function
	if l.opt.Room != nil {
		l.limit = l.opt.Room()
	}
	if l.uring != nil {
		l.uring.run()
		return
	}
	l.adjustListening()
	events := make([]event, eventBatch)
	for !l.draining || l.open > 0 || l.working > 0 {
		n := l.wait(events)
		sysnet.ReadClock(&l.thread.Clock)
		l.progress()
		l.turn(events[:n])
		l.endTurn()
		others := 0 // may be ready besides those: none if the list of events had room for more
		if n == eventBatch {
			others = l.open - n
		}
		l.thread.EndTurn(sysnet.Now(), n, others)
	}
}

// wait waits for events, for a moment unseen by Go's scheduler (sysnet.UnseenWait). A signal may
// have ended that: so it looks again for what is in time for a deadline. Where the pool has got
// work it gives its processor up before it waits for longer.
func (l *Loop) wait(events []event) int {
	timeout := l.timeout()
	unseen := sysnet.Unseen(timeout, l.working)
	if n := l.poll.Look(events, unseen); n > 0 || timeout == 0 {
		return n
	}
	if l.offloaded {
		l.offloaded = false
		runtime.Gosched()
	}
	return l.poll.Wait(events, max(timeout-unseen, -1))
}

// timeout is how long the loop may wait, in milliseconds, or -1 for ever.
func (l *Loop) timeout() int {
	if len(l.nudged) > 0 {
		return 0
	}
	most := clock.Never
	if l.opt.Watched != nil {
		most = l.opt.Beat
	}
	return l.wheel.Timeout(int64(l.thread.Clock.Now()), int64(most))
}

// progress shows the watchdog that the loop goes on. The loop itself does it, once a turn: a timer
// or another thread would go on doing it while the loop hangs.
func (l *Loop) progress() {
	if l.opt.Watched != nil {
		l.opt.Watched.Beat.Store(int64(l.thread.Clock.Now()))
	}
}

// turn gives every ready socket its turn, the listeners last.
func (l *Loop) turn(events []event) {
	// The kernel wakes one of the loops that share a listener. If that one is killed before it has
	// accepted, no other loop is woken for the connection. So a loop whose wait timed out looks at
	// its listeners as well.
	listenerReady := len(events) == 0 && l.opt.Sharers != nil && l.listening
	for group := range slices.Chunk(events, groupSize) {
		listenerReady = l.group(group) || listenerReady
	}
	if listenerReady {
		l.acceptReady()
	}
}

// group gives some ready sockets their turn in three rounds: all of them are read, then all
// machines step, then all answers are sent. A system call fills the processor's caches and branch
// predictor with the kernel's code. In rounds, our code runs for one request after the other with
// no system call in between. group reports whether a listener was among them.
func (l *Loop) group(events []event) (listenerReady bool) {
	var ready [groupSize]*socket
	var wants [groupSize]machine.Want
	n := 0
	for i := range events {
		e := &events[i]
		switch {
		case e.Gen() == wakeGen: // collect handles the reason for the wake-up
		case e.Gen() == listenGen:
			listenerReady = true
		default:
			// The descriptor may have been closed earlier in this batch, and opened again as
			// another connection, for which the event is not meant.
			if s := l.sockets[e.FD()]; s != nil && s.gen == e.Gen() {
				s.full = s.full && !e.Writable()
				switch {
				case s.watch == machine.WantPeer && e.HungUp():
					s.Fail()
				case e.Readable() && s.Reads():
					s.notes &^= noteUnread
					l.read(s)
				case e.Readable():
					s.notes |= noteUnread
				}
				ready[n] = s
				n++
			}
		}
	}
	for i, s := range ready[:n] {
		wants[i] = s.Step()
	}
	for i, s := range ready[:n] {
		l.serve(s, wants[i])
	}
	return listenerReady
}

// endTurn does what is due besides.
func (l *Loop) endTurn() {
	l.collect()
	l.wheel.Advance(int64(l.thread.Clock.Now()), l.due)
	l.stepNudged()
	l.adjustListening()
}

// collect does what other threads have asked for.
func (l *Loop) collect() {
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, do := range posted {
		do()
	}
}

// due handles a deadline that has passed: a socket's, or the end of a pause.
func (l *Loop) due(n *timerwheel.Node[socket]) {
	if n != &l.resume {
		l.expired(n.Owner)
	} else {
		l.resting = false
	}
}

// drain stops listening and steps the idle machines, whose deadlines are earlier now.
func (l *Loop) drain() {
	l.draining = true   // from now on room is no limit: no other loop will take the connections that wait
	l.adjustListening() // closing a duplicate would not stop the reports (epoll(7), question 6)
	for _, a := range l.accepts {
		l.accept(a, math.MaxInt) // closing a listener resets the connections still in its backlog
		a.Close()
	}
	l.wheel.Cancel(&l.resume)
	l.hasten()
	if l.toCut {
		l.cut()
	}
}

// Offload has the pool do slow work ([machine.Host]); collect calls then.
func (l *Loop) Offload(k offload.Kind, work, then func()) {
	l.working++
	l.offloaded = true
	l.opt.Slow.Submit(k, func() {
		work()
		l.post(func() {
			l.working--
			then()
		})
	})
}
