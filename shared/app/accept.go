package app

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// exhaustedPause is how long an acceptor rests when the process is out of descriptors.
// Every connection that ends meanwhile frees one.
const exhaustedPause = 50 * time.Millisecond

// acceptBatch is how many connections are taken from one listener before the others' turn.
const acceptBatch = 64

// Acceptor is one thread that takes connections from all listeners, for stages in which
// those who serve do not accept for themselves. It owns the listeners from Start on.
type Acceptor struct {
	Local *session.Local // its thread's; Place may use it

	app      *App
	log      *slog.Logger
	blocking bool
	place    func(fd int, peer netip.AddrPort)
	ending   [2]int // a pipe: closing its writing end ends the wait
	thread   sync.WaitGroup
	short    bool // the last accept found no descriptor free
}

// NewAcceptor makes an acceptor that counts in the first slot of the statistics. Each
// connection's descriptor, blocking or not, passes to place, which must not wait for the
// client.
func (a *App) NewAcceptor(blocking bool, place func(fd int, peer netip.AddrPort)) (*Acceptor, error) {
	c := &Acceptor{
		Local:    a.Local(0, "acceptor"),
		app:      a,
		log:      a.Log.With(logging.WorkerKey, "acceptor"),
		blocking: blocking,
		place:    place,
	}
	if err := unix.Pipe(c.ending[:]); err != nil {
		return nil, err
	}
	unix.CloseOnExec(c.ending[0])
	unix.CloseOnExec(c.ending[1])
	return c, nil
}

// Start starts the thread.
func (c *Acceptor) Start() { c.thread.Go(c.run) }

// Stop returns when every connection that had come has been placed, and the listeners
// are closed.
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
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			panic(err) // EFAULT, EINVAL, ENOMEM: nothing that goes away
		}
		sysnet.ReadClock(&c.Local.Clock)
		ending := fds[0].Revents != 0
		for _, l := range listeners {
			// All that wait are taken on the way out: closing a listener resets the connections
			// that are still in its backlog.
			c.accept(l, ending)
			if ending {
				unix.Close(l.Listener)
				l.Close()
			}
		}
		if ending {
			return
		}
	}
}

// accept takes the connections that wait at one listener: a batch, so that the others and
// the end are heard of under a flood too, or all.
func (c *Acceptor) accept(l *sysnet.Acceptor, all bool) {
	for n := 0; n < acceptBatch || all; n++ {
		fd, peer, err := l.Accept()
		switch err {
		case nil:
			c.short = false
			c.place(fd, peer)
		case sysnet.ErrNone:
			return
		case sysnet.ErrExhausted:
			c.rest()
			return
		default:
			c.log.Error("accept failed", "error", err)
			time.Sleep(exhaustedPause)
			return
		}
	}
}

// rest waits a moment, so that a listener which stays readable does not make the thread
// spin. It says so once.
func (c *Acceptor) rest() {
	c.Local.Stats.Add(stats.Dropped, 1)
	if !c.short {
		c.short = true
		c.log.Warn("Out of descriptors, accepting slowly until some are free")
	}
	time.Sleep(exhaustedPause)
}
