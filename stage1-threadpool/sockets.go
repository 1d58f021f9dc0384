package main

// A connection that needs further sockets, such as the one of a server that it is passed on to.
//
// A blocking call waits for one socket. So from the first further socket on, until the connection
// ends, the thread waits for all of its sockets with one poll(2), and each call on one of them does
// not block. It still serves one client at a time.
//
// The sockets and their machines belong to the thread. The further ones end with the connection,
// or as soon afterwards as what its client had sent has left: between two connections the thread
// waits in the queue, and nothing would watch them. What must
// not be done: a turn may step a machine only if its socket is ready, its deadline has passed, or
// another machine has nudged it, since poll(2) reports what is ready again and again.

import (
	"slices"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// socket is one of the sockets of the connection that is served, and its machine.
type socket struct {
	machine.Machine
	fd     int
	want   machine.Want // what it waits for
	nudged bool         // to be stepped before the thread waits again ([machine.Host])
	over   bool         // closed
}

// Adopt takes a further socket of a machine ([machine.Host]).
func (w *worker) Adopt(fd int, m machine.Machine) {
	w.further = append(w.further, &socket{Machine: m, fd: fd, nudged: true})
}

// Nudge has the machine of a socket stepped before the thread waits again ([machine.Host]).
func (w *worker) Nudge(fd int) {
	if fd == w.client.fd && !w.client.over {
		w.client.nudged = true
		return
	}
	for _, s := range w.further {
		if s.fd == fd && !s.over {
			s.nudged = true
		}
	}
}

// Offload does slow work ([machine.Host]), before the thread waits again. It may block: the thread
// serves no other connection.
func (w *worker) Offload(_ offload.Kind, work, then func()) { w.slow = append(w.slow, work, then) }

// workOff does what was given to Offload.
func (w *worker) workOff() {
	for len(w.slow) > 0 {
		work, then := w.slow[0], w.slow[1]
		w.slow = slices.Delete(w.slow, 0, 2)
		work()
		then()
	}
}

// attend serves a connection with further sockets until it ends, and these have nothing more to
// say. want is what its machine wants now.
func (w *worker) attend(want machine.Want) {
	c := &w.client
	if unix.SetNonblock(c.fd, true) != nil {
		c.Fail()
		want = c.Step()
	}
	w.carryOut(c, want)
	for !c.over || w.finishing() {
		if !c.over && w.pool.over.Load() {
			c.Fail()
			w.carryOut(c, c.Step())
		}
		w.workOff()
		w.stepNudged()
		if (!c.over || w.finishing()) && len(w.slow) == 0 {
			w.await()
		}
	}
}

// finishing reports whether a further socket still has something to say for a client that has left
// in order. Those that wait for another request do not.
func (w *worker) finishing() bool {
	return !w.pool.over.Load() && slices.ContainsFunc(w.further, func(s *socket) bool { return !s.over && (s.nudged || !s.Idle()) })
}

// stepNudged steps each nudged machine. One that is nudged by a later one is stepped in the next
// turn.
func (w *worker) stepNudged() {
	for _, s := range w.all() {
		if s.nudged {
			s.nudged = false
			w.drive(s, false)
		}
	}
}

// all is the sockets of the connection that are open.
func (w *worker) all() []*socket {
	w.further = slices.DeleteFunc(w.further, func(s *socket) bool { return s.over })
	w.list = w.list[:0]
	if !w.client.over {
		w.list = append(w.list, &w.client)
	}
	w.list = append(w.list, w.further...)
	return w.list
}

// await waits with poll(2) for the sockets, and gives each that is ready its turn.
func (w *worker) await() {
	all := w.all()
	w.fds = w.fds[:0]
	now := w.thread.Clock.Now()
	until := now + patience
	for _, s := range all {
		w.fds = append(w.fds, unix.PollFd{Fd: int32(s.fd), Events: events(s.want)})
		until = min(until, s.Deadline())
		if s.nudged {
			until = now
		}
	}
	w.note()
	w.doing.Store(int32(w.client.want))
	w.rests = true
	ready, err := sysnet.Poll(w.fds, milliseconds(until-now))
	w.turn()
	if err != nil {
		return // EINTR: wait again
	}
	now = w.thread.Clock.Now()
	for i, s := range all {
		// Where nothing was ready for a second, each machine may see whether the server stops.
		if got := w.fds[i].Revents; got != 0 || now >= s.Deadline() || ready == 0 {
			if got != 0 && s.want == machine.WantPeer {
				s.Fail() // nothing else was asked for: its peer has gone
			}
			w.drive(s, got&(unix.POLLIN|unix.POLLERR|unix.POLLHUP) != 0)
		}
	}
}

// events is what poll(2) is to watch for. It always reports errors and hang-ups.
func events(want machine.Want) (e int16) {
	if want&machine.WantRead != 0 {
		e |= unix.POLLIN
	}
	if want&machine.WantWrite != 0 {
		e |= unix.POLLOUT
	}
	return e
}

// milliseconds is a time for poll(2), which must not be over too early.
func milliseconds(t clock.Time) int {
	return int((max(t, 0) + clock.Millisecond - 1) / clock.Millisecond)
}

// drive gives a socket its turn: at most one read, then what its machine wants.
func (w *worker) drive(s *socket, readable bool) {
	if s.over {
		return
	}
	if readable && s.Reads() {
		s.readBy(sysnet.Receive)
	}
	w.carryOut(s, s.Step())
}

// carryOut does what a machine wants until the machine has to wait or is over.
func (w *worker) carryOut(s *socket, want machine.Want) {
	for ; ; want = s.Step() {
		switch {
		case want&machine.WantWrite != 0:
			if !w.write(s) && !s.Out().Empty() {
				s.want = want
				return
			}
		case want == machine.WantWake:
			s.Work() // it may block: this thread serves no other connection
		case want == machine.WantShut:
			sysnet.EndSending(s.fd)
		case want == machine.WantClose:
			w.close(s)
			return
		default:
			s.want = want
			return
		}
	}
}
