package app

// The acceptor: one thread that accepts connections for the stages whose workers do not accept
// themselves.
//
// It owns the listeners from Start until it closes them. Each descriptor passes to place, which
// closes it or hands it on. What must not be done: place must not wait for a client, since no other
// is accepted meanwhile, and no other thread may use Thread while this one runs.

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// ExhaustedPause is how long an acceptor rests when the process is out of descriptors. Every
// connection that ends meanwhile frees one.
const ExhaustedPause = 50 * time.Millisecond

// AcceptBatch is how many connections are taken from one listener before the others' turn.
const AcceptBatch = 64

// Acceptor is one thread that accepts connections from all listeners. It owns the listeners from
// Start on.
type Acceptor struct {
	Thread *session.Thread // its thread's; Place may use it

	app      *App
	blocking bool
	place    func(fd int, peer netip.AddrPort, listener int)
	ending   [2]int // a pipe: closing its writing end ends the wait
	thread   sync.WaitGroup
	failing  Failing
}

// NewAcceptor makes an acceptor that counts in the first slot of the statistics. Each connection's
// descriptor, blocking or not, passes to place, which must not wait for the client. listener is the
// index of its listener in App.Listeners.
func (a *App) NewAcceptor(blocking bool, place func(fd int, peer netip.AddrPort, listener int)) (*Acceptor, error) {
	c := &Acceptor{
		Thread:   a.Thread(0, "acceptor"),
		app:      a,
		blocking: blocking,
		place:    place,
	}
	c.failing = Failing{Log: a.Log.With(logging.WorkerKey, "acceptor"), Stats: c.Thread.Stats}
	if err := unix.Pipe(c.ending[:]); err != nil {
		return nil, err
	}
	unix.CloseOnExec(c.ending[0])
	unix.CloseOnExec(c.ending[1])
	return c, nil
}

// Start starts the thread.
func (c *Acceptor) Start() { c.thread.Go(c.run) }

// Stop returns when every connection that has arrived is placed, and the listeners are closed.
func (c *Acceptor) Stop() {
	unix.Close(c.ending[1])
	c.thread.Wait()
	unix.Close(c.ending[0])
}

// run is the thread's whole life. It waits in poll(2), since it has several descriptors
// to wait for and one of them tells it to end.
func (c *Acceptor) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the function
	fds := []unix.PollFd{{Fd: int32(c.ending[0]), Events: unix.POLLIN}}
	var listeners []*sysnet.Acceptor
	for _, l := range c.app.Listeners {
		fds = append(fds, unix.PollFd{Fd: int32(l.FD), Events: unix.POLLIN})
		listeners = append(listeners, sysnet.NewAcceptor(l.FD, c.blocking))
	}
	for {
		if _, err := sysnet.Poll(fds, c.choose(fds[1:])); err != nil && err != unix.EINTR {
			panic(err) // EFAULT, EINVAL: nothing that goes away
		}
		sysnet.ReadClock(&c.Thread.Clock)
		ending := fds[0].Revents != 0
		for i, l := range listeners {
			// At the end all that wait are accepted: closing a listener resets the connections that
			// are still in its backlog.
			c.accept(l, i, ending)
			if ending {
				l.Close()
			}
		}
		if ending {
			return
		}
	}
}

// choose has poll pass over the listeners that are to wait (a negative descriptor does that), and
// says how long it may wait itself: a moment if there is one of those.
func (c *Acceptor) choose(fds []unix.PollFd) (milliseconds int) {
	milliseconds = -1
	for i := range fds {
		fds[i].Fd = int32(c.app.Listeners[i].FD)
		if c.waits(i) {
			fds[i].Fd, milliseconds = ^fds[i].Fd, int(ExhaustedPause/time.Millisecond)
		}
	}
	return milliseconds
}

// waits reports whether nothing is to be accepted at a listener for now.
func (c *Acceptor) waits(listener int) bool {
	full := c.app.Listeners[listener].Waits
	return full != nil && full()
}

// accept takes the connections that wait at one listener: all of them, or one batch, so that under
// a flood the other listeners get their turn, and Stop is noticed.
func (c *Acceptor) accept(l *sysnet.Acceptor, listener int, all bool) {
	for n := 0; all || n < AcceptBatch && !c.waits(listener); n++ {
		fd, peer, err := l.Accept()
		switch err {
		case nil:
			c.failing.Over(c.Thread.Clock.Now())
			Accepted(c.Thread, fd, n+1, AcceptBatch)
			c.place(fd, peer, listener)
		case sysnet.ErrNone:
			return
		default:
			// A listener that stays readable would make the thread spin.
			c.failing.Report(c.Thread.Clock.Now(), err)
			time.Sleep(ExhaustedPause)
			return
		}
	}
}

// Accepted notes that a thread has accepted a connection, the nth of a batch of at most so many.
// Behind a whole batch others may wait at the listener, of which no event tells: so the last one's
// wait is counted for all of the batch. It has waited least.
func Accepted(l *session.Thread, fd, n, most int) {
	if n == most {
		l.Late(0, n, sysnet.SinceArrival(fd))
	}
}

// Scarce is the error of a poller that cannot watch a listener now, for want of memory (ENOMEM) or
// of room in its user's share (ENOSPC, epoll(7), max_user_watches): what is open is served all the
// same. Any other is a fault of ours that would not go away, and panics.
func Scarce(err error) error {
	if err != unix.ENOMEM && err != unix.ENOSPC {
		panic(err)
	}
	return err
}

// calmAfter is how long no accept may fail until it is said that the trouble is over. Out of
// descriptors some succeed all the while, by those that connections give back as they end.
const calmAfter = 5 * clock.Second

// Failing reports accepts that fail: it counts each, logs the first, and that it is over. It
// belongs to the thread that accepts.
type Failing struct {
	Log   *slog.Logger
	Stats *stats.Slot
	last  clock.Time // when one has failed
	times int        // since it was said that they fail
	short bool       // it was said that descriptors are short
	other bool       // it was said that accepts fail for another reason
}

// Over says that an accept has succeeded.
func (f *Failing) Over(now clock.Time) {
	if f.times == 0 || now-f.last < calmAfter {
		return
	}
	f.Log.Info("Accepting as before", "failed", f.times)
	f.times, f.short, f.other = 0, false, false
}

// Report counts an accept that failed.
func (f *Failing) Report(now clock.Time, err error) {
	f.Stats.Add(stats.Dropped, 1)
	f.last, f.times = now, f.times+1
	switch {
	case err == sysnet.ErrExhausted && !f.short:
		f.short = true
		f.Log.Warn("Out of descriptors, accepting slowly until some are free")
	case err != sysnet.ErrExhausted && !f.other:
		f.other = true
		f.Log.Error("accept failed", "error", err)
	}
}
