package loop

// A loop over io_uring(7): it asks not who is ready but what is done.
//
// Who owns what: a uring and its Loop belong to the thread that calls Run. Of this file's own
// requests none lends the kernel any memory. The table of sockets, and leaving, keep all sockets
// reachable of which the kernel still has a request; uring_socket_linux.go tells what it may
// touch of them.
//
// What must not be done: nothing may block but the ring's sleep, and the ring must not be closed
// before all has ended that may wake the loop.

import (
	"runtime"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// callBatch is how many things that a call of io_uring_enter(2) has waited for it does at most
// (IO_LOCAL_TW_DEFAULT_MAX in the kernel's io_uring.c).
const callBatch = 20

// key is what a request is known by: its kind, and the descriptor or the listener's number.
type key uint64

func keyOf(k kind, n int32) key    { return key(k)<<32 | key(uint32(n)) }
func (k key) split() (kind, int32) { return kind(k >> 32), int32(uint32(k)) }

// uring is what a loop has in place of a poller.
type uring struct {
	*Loop
	ring    ring
	buffers buffers
	done    [eventBatch]completion
	armed   int               // listeners of which a request is under way
	looked  clock.Time        // when the listeners were looked at last; see acceptMissed
	leaving map[int32]*socket // to be closed as soon as no request is under way, by descriptor
	kept    map[*socket][]byte
	segs    [maxSegs][]byte
	late    []*socket // nudged while they are sent to
	sends   int       // that are to be handed in
}

// openUring readies all that the kernel is to have. The ring is no thread's yet.
func openUring(l *Loop) (completions, error) {
	u, err := newUring(l, bufferCount, 0)
	if err != nil {
		return nil, err
	}
	l.poll = poller{ep: -1, wakeFD: -1}
	if l.poll.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// newUring makes a ring with so many buffers. hidden are features that a test has it not see.
func newUring(l *Loop, buffers uint16, hidden uint32) (*uring, error) {
	u := &uring{Loop: l, leaving: map[int32]*socket{}, kept: map[*socket][]byte{}}
	if err := u.ring.open(hidden); err != nil {
		return nil, err
	}
	if err := u.buffers.open(&u.ring, buffers); err != nil {
		u.ring.close()
		return nil, err
	}
	return u, nil
}

// probe reports why io_uring cannot be used, nil where it can.
func probe() error {
	u, err := newUring(nil, bufferCount, 0)
	if err == nil {
		u.close()
	}
	return err
}

func (u *uring) close() {
	u.ring.close()
	u.buffers.close()
}

// run is Run. The order within a turn is the same, but what has been done has no order: a
// connection that is accepted may be before one that has sent something.
func (u *uring) run() {
	u.start()
	for !u.draining || u.open > 0 || u.working > 0 || len(u.leaving) > 0 || u.armed > 0 {
		n := u.wait()
		sysnet.ReadClock(&u.thread.Clock)
		u.progress()
		u.turn(u.done[:n])
		u.endTurn()
		u.thread.EndTurn(sysnet.Now(), n, u.ring.waiting())
	}
	u.ring.look() // the last descriptors are closed with it
}

// start makes the ring the calling thread's, and asks for the first things.
func (u *uring) start() {
	if err := u.ring.enable(); err != nil {
		panic(err) // EBADFD: it is a thread's already
	}
	u.awaitWake()
	u.adjustListening()
}

// awaitWake has each write to the eventfd completed. It is never read: a multishot poll reports
// each write, as an edge.
func (u *uring) awaitWake() {
	e, _ := u.ring.next()
	e.opcode, e.fd, e.key, e.len = opPoll, int32(u.poll.wakeFD), keyOf(askWake, 0), pollMulti
	e.events(unix.POLLIN)
}

// wait hands in what is wanted, and takes what is done. A send is done when it has been handed in:
// with one of them the loop looks, which Go's scheduler need not know of, and sleeps only where
// that has brought nothing. Where the pool has got work it gives its processor up before that
// (Loop.wait).
func (u *uring) wait() int {
	if u.sends > 0 || u.offloaded || len(u.nudged) > 0 || u.ring.waiting() > 0 {
		u.ring.look()
	}
	if u.offloaded {
		u.offloaded = false
		runtime.Gosched()
	}
	if len(u.nudged) == 0 && u.ring.waiting() == 0 {
		most := int64(clock.Never)
		if u.opt.Watched != nil {
			most = int64(u.opt.Beat)
		}
		if next, ok := u.wheel.Next(int64(u.thread.Clock.Now())); ok {
			most = min(most, next)
		}
		u.ring.sleep(most)
	}
	// A call does no more than so many things besides. What is left may have come in time for a
	// deadline that is due now.
	for had, has := 0, u.ring.waiting()-u.sends; has-had >= callBatch && has < eventBatch; had, has = has, u.ring.waiting()-u.sends {
		u.ring.look()
	}
	u.sends = 0
	return u.ring.take(u.done[:])
}

// turn handles what is done.
func (u *uring) turn(done []completion) {
	if len(done) > 0 {
		u.thread.Stats.Add(stats.Wakeups, 1)
		u.thread.Stats.Add(stats.Events, uint64(len(done)))
	}
	for i := range done {
		c := &done[i]
		switch k, n := c.key.split(); k {
		case askNothing: // a cancellation that came too late
		case askWake: // collect handles the reason for the wake-up
			if !c.more() {
				u.awaitWake()
			}
		case askConnection:
			u.connection(u.accepts[n], c)
		default:
			u.completed(n, k, c)
		}
	}
	u.acceptMissed(len(done) == 0)
}

// endTurn does what is due besides. What is nudged while it is sent to has its turn when that is
// over.
func (u *uring) endTurn() {
	u.collect()
	u.wheel.Advance(int64(u.thread.Clock.Now()), u.due)
	for _, s := range u.nudged {
		if s.asked&askSend != 0 {
			u.late = append(u.late, s)
		} else if p := u.kept[s]; len(p) > 0 && !s.parked && s.Reads() {
			u.feed(s, p)
		}
	}
	u.stepNudged()
	for _, s := range u.late {
		u.Nudge(int(s.fd))
	}
	clear(u.late)
	u.late = u.late[:0]
	u.adjustListening()
}
