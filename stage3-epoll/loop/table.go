package loop

// The loop's table: the socket of each descriptor, and what the poller watches it for.
//
// It belongs to the loop's thread. A descriptor's number is used again as soon as it is closed, so
// each socket has a generation, which the poller returns with its events. What must not be done: a
// socket may not be closed before it is forgotten.

import (
	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// Generations of descriptors that are no sockets of ours.
const (
	wakeGen   = 0
	listenGen = 1
	firstGen  = 2
)

// add puts a socket into the table. The poller does not watch it yet.
func (l *Loop) add(s *socket, fd int) {
	for fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]*socket, max(firstSockets, len(l.sockets)))...)
	}
	if l.lastGen++; l.lastGen < firstGen {
		l.lastGen = firstGen // the counter has wrapped round
	}
	s.fd, s.gen = int32(fd), l.lastGen
	s.timer.Owner = s
	l.sockets[fd] = s
	l.open++
}

// socket is the socket of a descriptor, nil where there is none.
func (l *Loop) socket(fd int) *socket {
	if fd < 0 || fd >= len(l.sockets) {
		return nil
	}
	return l.sockets[fd]
}

// forget takes a socket out of the table. Closing its descriptor takes it out of epoll as well,
// because there is no duplicate of it (epoll(7), question 6).
func (l *Loop) forget(s *socket) { l.sockets[s.fd] = nil }

// release closes a socket, which is forgotten before its number can be given out again.
func (l *Loop) release(s *socket, abortive bool) {
	l.forget(s)
	if l.uring != nil {
		l.uring.release(s, abortive)
		return
	}
	sysnet.Close(int(s.fd), abortive)
}

// watch tells the poller what to watch a socket for. When a machine begins to wait for another one,
// as for an upstream, it is not told yet: mostly the peer says nothing before its next request is
// wanted, and two calls are saved. It is told once something has come that is not read.
func (l *Loop) watch(s *socket, want machine.Want) {
	if l.uring != nil {
		l.uring.watch(s, want)
		return
	}
	if want == machine.WantPeer && s.watch == machine.WantRead && s.notes&noteUnread == 0 {
		return
	}
	if err := l.poll.Set(int(s.fd), s.gen, s.watch, want); err != nil { // ENOMEM, ENOSPC
		l.log.Error("a connection cannot be watched", "error", err)
		s.Fail()
		l.Nudge(int(s.fd))
		return
	}
	s.watch = want
}

// unwatch takes a socket out of the poller.
func (l *Loop) unwatch(s *socket) {
	if l.uring != nil {
		s.watch = 0 // what is asked for goes on
		return
	}
	if s.watch != 0 {
		l.poll.Remove(int(s.fd))
		s.watch = 0
	}
}

// each calls f for every connection; f may close it.
func (l *Loop) each(f func(*socket)) {
	for _, s := range l.sockets {
		if s != nil {
			f(s)
		}
	}
}
