// Package loop is an event loop over epoll(7), or kqueue(2) where there is no epoll: one
// thread that accepts, serves and times out any number of connections.
//
// A Loop belongs to the thread that calls Run, with all its connections; only Drain, Cut
// and Stats may be called from elsewhere. It owns its poller and the connections'
// descriptors. The listeners stay their opener's: several loops may share one.
//
// What must not be done: nothing here may block but the poller's wait. What could wait
// for a disk goes to the pool, whose completions come back through a list and a wake-up.
//
// It is level-triggered: a socket is reported as long as it is ready. So a connection
// may leave off in the middle, for fairness, and is reported again; and no readiness can
// be missed. The interest in a socket is changed only when it changes, and an answer is
// written first and waited for only if that fell short: nearly always the kernel need not
// be told anything but read and write.
package loop

import (
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/logging"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

const (
	// turnBytes is how much of its answer a connection may send before the next one's
	// turn. Less makes large files cost more; more makes small ones wait.
	turnBytes = 2 << 20
	// acceptBatch is how many connections are taken before the others' turn.
	acceptBatch = 64
	// sharedBatch is the same where loops share a listener: a burst is to be dealt out, and
	// not to be swallowed by whoever wakes first.
	sharedBatch = 8
	// eventBatch is how many ready sockets one wait reports at most.
	eventBatch = 256
	// groupSize is how many ready connections are read before the first of them is answered.
	// More would hold more buffers and keep the first one waiting, and save little.
	groupSize = 16
	// exhaustedPause is how long nothing is accepted when the process is out of
	// descriptors. Every connection that ends meanwhile frees one.
	exhaustedPause = 50 * clock.Millisecond
	// headStart is how many connections more than its share a loop may have before it lets
	// the others go first, beside an eighth of the share.
	headStart = 4
)

// Options is what a loop works with.
type Options struct {
	Local     *session.Local
	Log       *slog.Logger
	Name      string // in the log
	Listeners []int  // non-blocking listening sockets
	Slow      *offload.Pool

	// Sharers tells how many loops share the listeners, this one included. Nil where each
	// loop has its own.
	Sharers func() int64
	// Room is how many connections the loop may have; with as many it leaves its listeners
	// alone until one ends. 0 for no limit.
	Room int
	// Watched is where the loop shows that it goes on, once a turn and at least once every
	// Beat. Nil where nobody watches.
	Watched *stats.Process
	Beat    clock.Time
}

// Loop is one event loop.
type Loop struct {
	local     *session.Local
	log       *slog.Logger
	slow      *offload.Pool
	poll      poller
	accepts   []*sysnet.Acceptor
	sharers   func() int64
	watched   *stats.Process
	beat      clock.Time
	limit     int // connections that it may have
	listening bool
	resting   bool            // nothing is accepted for a moment
	resume    timerwheel.Node // when to listen again after that
	conns     []*conn         // by descriptor; nil where there is none
	open      int             // connections in conns
	lastGen   uint32
	wheel     timerwheel.Wheel
	out       *sysnet.Sender
	short     bool // the last accept found no descriptor free
	draining  bool
	toCut     bool          // what is left of a drain is to be given up
	left      chan struct{} // closed when the listeners are left for good

	mu     sync.Mutex // guards what other threads leave for the loop
	worked []*conn    // whose slow work is done
	orders order
}

// order is what other threads want of the loop, as bits.
type order uint8

const (
	orderDrain order = 1 << iota
	orderCut
)

// Stats is what a loop has done.
type Stats struct {
	Conns    int64 // connections now
	Requests uint64
	Wakeups  uint64 // waits that reported something
	Events   uint64 // sockets reported ready
}

// New makes a loop that listens as soon as it runs.
func New(opt Options) (*Loop, error) {
	l := &Loop{
		local: opt.Local,
		log:   opt.Log.With(logging.WorkerKey, opt.Name),
		slow:  opt.Slow,

		sharers: opt.Sharers,
		watched: opt.Watched,
		beat:    opt.Beat,
		limit:   opt.Room,

		out:  sysnet.NewSender(),
		left: make(chan struct{}),
	}
	if l.limit == 0 {
		l.limit = math.MaxInt
	}
	if err := l.poll.open(); err != nil {
		return nil, err
	}
	for _, fd := range opt.Listeners {
		l.accepts = append(l.accepts, sysnet.NewAcceptor(fd, false))
	}
	return l, nil
}

// Stats is what the loop has done so far.
func (l *Loop) Stats() Stats {
	s := l.local.Stats
	closed := s.Get(stats.Closed) // first: what is opened and closed meanwhile must not make it negative
	return Stats{
		Conns:    int64(s.Get(stats.Opened) - closed),
		Requests: s.Get(stats.Requests),
		Wakeups:  s.Get(stats.Wakeups),
		Events:   s.Get(stats.Events),
	}
}

// Drain has the loop take the connections that wait, leave its listeners, and end with
// its last connection. It returns when the listeners are left, so that they can be closed
// before more clients come to them. It may be called from any thread, once.
func (l *Loop) Drain() {
	l.order(orderDrain)
	<-l.left
}

// Cut has a draining loop give up what it still has. It may be called from any thread.
func (l *Loop) Cut() { l.order(orderCut) }

func (l *Loop) order(o order) {
	l.mu.Lock()
	l.orders |= o
	l.mu.Unlock()
	l.poll.wake()
}

// Run is the thread's whole life. The order within a turn: first the connections that
// are ready, then new ones, then what the pool has finished, then the deadlines. New ones
// come after the ready ones because they may get the number of a descriptor closed in this
// turn; an event for the old owner that is still in the batch is told by its generation.
func (l *Loop) Run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the function
	defer l.poll.close()
	l.resume.Owner = l
	l.listen()
	events := make([]event, eventBatch)
	for !l.draining || l.open > 0 {
		n := l.wait(events)
		sysnet.ReadClock(&l.local.Clock)
		l.progress()
		l.turn(events[:n])
		l.collect()
		l.wheel.Advance(int64(l.local.Clock.Now()), l.expired)
		l.attend()
		if l.local.Unsettled() {
			l.local.Settle(sysnet.Now())
		}
	}
}

// wait waits for events. After work there is mostly more: so it first looks without
// waiting, which need not be told to Go's scheduler, and only then waits for real.
func (l *Loop) wait(events []event) int {
	if n := l.poll.look(events); n > 0 {
		return n
	}
	timeout := -1
	wait, ok := l.wheel.Next(int64(l.local.Clock.Now()))
	if l.watched != nil && (!ok || wait > int64(l.beat)) {
		wait, ok = int64(l.beat), true
	}
	if ok {
		timeout = int((wait + int64(time.Millisecond) - 1) / int64(time.Millisecond))
	}
	return l.poll.wait(events, timeout)
}

// progress shows whoever watches that the loop goes on. It is the loop that says so, once
// a turn: a timer or a thread beside it would go on saying so when the loop hangs.
func (l *Loop) progress() {
	if l.watched != nil {
		l.watched.Beat.Store(int64(l.local.Clock.Now()))
	}
}

// turn gives every ready socket its turn, the listeners last.
func (l *Loop) turn(events []event) {
	if len(events) > 0 {
		l.local.Stats.Add(stats.Wakeups, 1)
		l.local.Stats.Add(stats.Events, uint64(len(events)))
	}
	knocks := false
	for group := range slices.Chunk(events, groupSize) {
		knocks = l.group(group) || knocks
	}
	if knocks {
		l.welcome()
	}
}

// welcome takes a batch of the connections that wait at each listener. Loops that share one
// take small batches, and who is ahead goes to the end of the queue at the listener: the
// kernel wakes whoever stands first and waits, and on a quiet server that would be the same
// loop each time.
func (l *Loop) welcome() {
	batch := acceptBatch
	if l.sharers != nil {
		batch = sharedBatch
	}
	for _, a := range l.accepts {
		l.accept(a, batch)
	}
	if l.sharers != nil && l.listening && l.ahead() {
		l.unlisten()
		l.listen()
	}
}

// group gives some ready sockets their turn in three rounds: all of them are read, then all
// sessions step, then all answers are sent. Each system call leaves the processor's caches
// and its guesses at branches full of the kernel's code. In rounds, the code of a request
// runs for one after the other with no call in between, and so does that of each call. It
// reports whether a listener was among them.
func (l *Loop) group(events []event) (knocks bool) {
	var ready [groupSize]*conn
	var wants [groupSize]session.Want
	n := 0
	for i := range events {
		e := &events[i]
		switch {
		case e.gen() == wakeGen: // collect looks at what was left for us
		case e.gen() == listenGen:
			knocks = true
		default:
			// A descriptor closed earlier in this batch, and perhaps open again as another
			// connection: that one was not meant.
			if c := l.conns[e.fd()]; c != nil && c.gen == e.gen() {
				if e.readable() && c.Reads() {
					l.read(c)
				}
				ready[n] = c
				n++
			}
		}
	}
	for i, c := range ready[:n] {
		wants[i] = c.Step()
	}
	for i, c := range ready[:n] {
		l.serve(c, wants[i])
	}
	return knocks
}

// attend leaves the listeners alone while the loop has all the connections that it can
// have: those that come wait for another loop, or for one here to end.
func (l *Loop) attend() {
	switch full := l.open >= l.limit; {
	case full && l.listening:
		l.unlisten()
	case !full && !l.listening && !l.resting && !l.draining:
		l.listen()
	}
}

// ahead reports whether the loop has clearly more connections than its share.
func (l *Loop) ahead() bool {
	share := l.local.Server.Conns() / max(l.sharers(), 1)
	return int64(l.open) > share+share/8+headStart
}

// collect takes what other threads have left for the loop.
func (l *Loop) collect() {
	l.mu.Lock()
	worked, orders := l.worked, l.orders
	l.worked, l.orders = nil, 0
	l.mu.Unlock()
	for _, c := range worked {
		l.unpark(c)
	}
	if orders&orderDrain != 0 {
		l.drain()
	}
	l.toCut = l.toCut || orders&orderCut != 0
	if l.toCut && l.draining { // or it is cut when it drains
		l.toCut = false
		l.cut()
	}
}

// listen has the poller watch the listeners.
func (l *Loop) listen() {
	for _, a := range l.accepts {
		if err := l.poll.addListener(a.Listener); err != nil {
			panic(err) // EBADF, ENOMEM: it cannot serve at all
		}
	}
	l.listening = true
}

func (l *Loop) unlisten() {
	for _, a := range l.accepts {
		l.poll.remove(a.Listener)
	}
	l.listening = false
}

// accept takes up to so many connections that wait at one listener, and serves each at
// once: with TCP_DEFER_ACCEPT its request is here already, and if the answer ends the
// connection, the poller never hears of it.
func (l *Loop) accept(a *sysnet.Acceptor, most int) {
	for n := 0; n < most && (l.open < l.limit || l.draining); n++ {
		fd, peer, err := a.Accept()
		switch err {
		case nil:
			l.short = false
		case sysnet.ErrNone:
			return
		default:
			l.pause(err)
			return
		}
		adm, why := l.local.Admit(peer.Addr(), fd)
		switch why {
		case http1.NoReason:
			c := l.adopt(fd)
			c.Open(l.local, adm, peer, fd)
			l.drive(c, true)
		case http1.TooManyConnections:
			c := l.adopt(fd)
			c.OpenRefused(l.local, peer, fd, why)
			l.drive(c, false)
		default:
			sysnet.Close(fd, true)
		}
	}
}

// pause stops listening for a moment: out of descriptors, a listener stays readable, and
// a loop that went on would spin. It says so once.
func (l *Loop) pause(err error) {
	l.local.Stats.Add(stats.Dropped, 1)
	if !l.short {
		l.short = true
		if err == sysnet.ErrExhausted {
			l.log.Warn("Out of descriptors, accepting slowly until some are free")
		} else {
			l.log.Error("accept failed", "error", err)
		}
	}
	if l.listening {
		l.unlisten()
		l.resting = true
		l.wheel.Schedule(&l.resume, int64(l.local.Clock.Now()+exhaustedPause))
	}
}

// expired is a deadline that has passed: a connection's, or the end of a pause.
func (l *Loop) expired(n *timerwheel.Node) {
	switch owner := n.Owner.(type) {
	case *conn:
		l.drive(owner, false)
	case *Loop:
		l.resting = false
		if !l.draining {
			l.listen()
		}
	}
}

// drain stops listening and steps those that are idle, whose deadlines are nearer now.
func (l *Loop) drain() {
	l.draining = true // from now on also more than its room: who waits has nobody else
	for _, a := range l.accepts {
		l.accept(a, 1<<30) // closing a listener resets the connections still in its backlog
		a.Close()
	}
	if l.listening {
		l.unlisten()
	}
	l.wheel.Cancel(&l.resume)
	close(l.left)
	l.each(func(c *conn) {
		if c.Idle() {
			l.drive(c, false)
		}
	})
}

// cut gives up every connection. One whose slow work is under way ends behind it.
func (l *Loop) cut() {
	if l.open > 0 {
		l.log.Warn("Drain timeout reached, cutting what is left")
	}
	l.each(func(c *conn) {
		if c.parked {
			c.doomed = true
			return
		}
		c.Fail()
		l.drive(c, false)
	})
}

// each calls f for every connection; f may close it.
func (l *Loop) each(f func(*conn)) {
	for _, c := range l.conns {
		if c != nil {
			f(c)
		}
	}
}
