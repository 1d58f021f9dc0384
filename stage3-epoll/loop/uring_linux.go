package loop

// A loop over io_uring(7): it asks not who is ready but what is done.
//
// Who owns what: a uring and its Loop belong to the thread that calls Run. Of this file's own
// requests none lends the kernel any memory. The table of sockets, and leaving, keep all sockets
// reachable of which the kernel still has a request; uring_socket_linux.go tells what it may
// touch of them.
//
// What must not be done: nothing may block but the ring's sleep. The ring must not be closed
// before all has ended that may wake the loop, nor a listener while the kernel has a request of
// it: it would go on listening.

import (
	"runtime"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

const (
	// callBatch is how many things that a call of io_uring_enter(2) has waited for it does at most
	// (IO_LOCAL_TW_DEFAULT_MAX in the kernel's io_uring.c).
	callBatch = 20
	// missedAfter is how often a busy loop looks for connections for which another one was woken.
	missedAfter = clock.Second
)

// key is what a request is known by: its kind, and the descriptor or the listener's number.
type key uint64

func keyOf(k kind, n int32) key    { return key(k)<<32 | key(uint32(n)) }
func (k key) split() (kind, int32) { return kind(k >> 32), int32(uint32(k)) }

// uring is what a loop has in place of a poller.
type uring struct {
	*Loop
	ring    ring
	done    [eventBatch]completion
	front   [1][]byte         // what is sent
	sends   int               // that are to be handed in
	looked  clock.Time        // when the listeners were looked at last
	leaving map[int32]*socket // to be closed as soon as no request is under way, by descriptor
}

// useUring readies all that the kernel is to have, and has a loop be over it. The ring is no
// thread's yet. Without a loop it only tries.
func useUring(l *Loop) error {
	u := &uring{Loop: l, leaving: map[int32]*socket{}}
	err := u.ring.open(bufferCount, 0)
	switch {
	case err != nil:
	case l == nil:
		u.close()
	default:
		l.uring, l.thread.Pipes = u, nil // the kernel reads sockets by itself: nothing is left for a pipe
	}
	return err
}

func (u *uring) close() { u.ring.close() }

// run is Run. The order within a turn is the same.
func (u *uring) run() {
	u.start()
	for !u.draining || u.open > 0 || u.working > 0 || len(u.leaving) > 0 {
		n := u.wait()
		sysnet.ReadClock(&u.thread.Clock)
		u.progress()
		u.turn(n)
		u.thread.EndTurn(sysnet.Now(), n, u.ring.waiting())
	}
	u.ring.look() // the last descriptors are closed with it
}

// start makes the ring the calling thread's, and asks for the first things.
func (u *uring) start() {
	if err := u.ring.register(registerEnable, nil, 0); err != nil {
		panic(err) // EBADFD: it is a thread's already
	}
	u.awaitWake()
	u.adjustListening()
}

// awaitWake has each write to the eventfd completed. It is never read: a multishot poll reports
// each write, as an edge.
func (u *uring) awaitWake() {
	u.ask(askWake, opPoll, int32(u.poll.wakeFD), 0).poll(unix.POLLIN).len = pollMulti
}

// ask makes an entry about a descriptor, which is known by a kind and a number.
func (u *uring) ask(k kind, opcode uint8, fd, n int32) *entry {
	e := u.ring.next()
	e.opcode, e.fd, e.key = opcode, fd, keyOf(k, n)
	return e
}

// cancel has the kernel let go of a request. It then completes, with ECANCELED or with what has
// happened just before.
func (u *uring) cancel(k kind, n int32) {
	e := u.ask(askNothing, opCancel, -1, 0)
	e.flags, e.addr = entryQuiet, uint64(keyOf(k, n))
}

// wait hands in what is wanted, and returns how many things are done. A send is done when it has
// been handed in: with one of them the loop looks, which Go's scheduler need not know of, and
// sleeps only where that has brought nothing. Where the pool has got work it gives its processor up
// before that (Loop.wait).
func (u *uring) wait() int {
	if u.sends > 0 || u.offloaded || len(u.nudged) > 0 || u.ring.waiting() > 0 {
		u.ring.look()
	}
	if u.offloaded {
		u.offloaded = false
		runtime.Gosched()
	}
	if len(u.nudged) == 0 && u.ring.waiting() == 0 {
		timeout := u.timeout()
		u.ring.sleep(timeout, sysnet.Unseen(timeout, u.working))
	}
	// A call does no more than so many things besides. What is left has waited as long.
	for had, has := 0, u.ring.waiting()-u.sends; has-had >= callBatch && has < eventBatch; had, has = has, u.ring.waiting()-u.sends {
		u.ring.look()
	}
	u.sends = 0
	return u.ring.take(u.done[:])
}

// turn handles what is done, the listeners last, and then what is due besides. The kernel tells one
// of the loops that share a listener. If that one hangs, or is killed before it has accepted, no
// other loop is told. So a loop whose wait timed out looks, and one that is busy does now and then.
func (u *uring) turn(n int) {
	now := u.thread.Clock.Now()
	looks := u.opt.Sharers != nil && u.listening && (n == 0 || now >= u.looked+missedAfter)
	if u.handle(u.done[:n]) || looks {
		u.looked = now
		u.acceptReady()
	}
	u.endTurn()
	u.thread.Stats.Add(stats.Enters, u.ring.enters)
	u.ring.enters = 0
}

// handle handles what is done, and reports whether a listener was among it.
func (u *uring) handle(done []completion) (listenerReady bool) {
	for i := range done {
		c := &done[i]
		switch k, n := c.key.split(); k {
		case askNothing: // a cancellation that came too late
		case askWake: // collect handles the reason for the wake-up
			if !c.more() {
				u.awaitWake()
			}
		case askConnection:
			u.accepts[n].watched = false
			listenerReady = listenerReady || c.err() != unix.ECANCELED
		default:
			u.completed(n, k, c)
		}
	}
	return listenerReady
}

// listen asks to be told of connections of a listener, which accept4(2) then takes. A multishot
// accept could not stop before it has taken too many. And a process that is killed would still
// accept on its way out, since its requests go on until its threads have ended.
func (u *uring) listen(a *listener) {
	u.ask(askConnection, opPoll, int32(a.Listener), a.number).poll(unix.POLLIN | unix.EPOLLEXCLUSIVE)
	a.watched = true
}

// ignore asks for no more connections of a listener. Before it is closed, that is waited for: the
// kernel needs no more than a look for it.
func (u *uring) ignore(a *listener) {
	u.cancel(askConnection, a.number)
	for u.draining && a.watched {
		u.ring.look()
		u.handle(u.done[:u.ring.take(u.done[:])])
	}
}
