//go:build linux

package main

// The loop: which socket is read, and where what it said goes.
//
// One goroutine owns all of it. What must not be done: nothing may be parsed or allocated for a
// message, since then the loop would no longer show what the kernel alone costs.

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// endless is how many bytes come where nobody knows their number.
const endless = math.MaxInt64

// nobody stands where no socket is at the other end.
const nobody = -1

// loop owns the sockets.
type loop struct {
	options
	epoll, listener int
	ends            []end  // by descriptor
	idle            []int  // connections to the upstream that wait for a request, the last used at the end
	in              []byte // what was read last; its first grown bytes are free for a longer head
	unit            int64  // bytes of an answer, or endless
	head            []byte // what the head of an answer becomes, with -close
	grown           int    // bytes by which it is longer then
}

// end is one socket. What it has said goes to its peer.
type end struct {
	peer    int    // descriptor, or nobody
	owed    int64  // bytes that are to come from here
	held    int64  // of those that came, what the peer has not taken yet: in the pipe, or else in buf
	at      int    // where that begins in buf
	buf     []byte // made when it is needed, and kept for the descriptor's next owner
	pipe    [2]int // made when it is needed, and kept too
	watched uint32 // events that epoll tells of
	open    bool
	known   bool // to epoll
	client  bool
	piped   bool // there is a pipe
}

// run serves until epoll fails.
func (l *loop) run() error {
	var events [maxEvents]unix.EpollEvent
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_WAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), maxEvents, ^uintptr(0), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		for i := range events[:n] {
			l.dispatch(int(events[i].Fd), events[i].Events)
		}
	}
}

func (l *loop) dispatch(fd int, events uint32) {
	if fd == l.listener {
		l.accept()
		return
	}
	if events&unix.EPOLLOUT != 0 && l.ends[fd].open && l.ends[fd].peer != nobody {
		l.flush(l.ends[fd].peer)
	}
	if events&^unix.EPOLLOUT != 0 && l.ends[fd].open { // else it was closed in this very turn
		l.take(fd)
	}
}

// accept takes all connections that wait. With -close their request is there already, and epoll
// need not hear of them.
func (l *loop) accept() {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(l.listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch {
		case errno == unix.EINTR || errno == unix.ECONNABORTED:
			continue
		case errno != 0:
			return
		}
		fd := int(r)
		if !l.add(fd, true) {
			continue
		}
		switch {
		case l.echo:
			l.join(fd, fd)
		case l.path == "":
			l.relay(fd)
		case l.closes:
			l.request(fd)
			continue
		}
		l.watch(fd)
	}
}

// add takes a socket into the table.
func (l *loop) add(fd int, client bool) bool {
	if fd >= len(l.ends) {
		unix.Close(fd)
		return false
	}
	e := &l.ends[fd]
	*e = end{peer: nobody, owed: l.unit, buf: e.buf, pipe: e.pipe, piped: e.piped, open: true, client: client}
	return true
}

// join makes what comes from one socket go to the other, and the reverse.
func (l *loop) join(a, b int) { l.ends[a].peer, l.ends[b].peer = b, a }

// relay connects a client with the upstream, for all that is said.
func (l *loop) relay(fd int) {
	up := l.connect()
	if up == nobody {
		l.close(fd)
		return
	}
	l.join(fd, up)
	l.watch(up)
}

func (l *loop) connect() int {
	up, err := connectTo(l.upstream)
	if err != nil || !l.add(up, false) {
		return nobody
	}
	return up
}

// take reads a socket.
func (l *loop) take(fd int) {
	e := &l.ends[fd]
	switch {
	case e.client && l.path != "":
		l.request(fd)
	case e.peer == nobody || e.held > 0: // it says something that nobody asked for, or is gone
		l.drop(fd)
	default:
		l.move(fd)
	}
}

// request passes a client's request on: all that it has sent.
func (l *loop) request(fd int) {
	n, errno := receive(fd, l.in)
	if errno == unix.EAGAIN {
		l.watch(fd)
		return
	}
	if errno != 0 || n == 0 || l.ends[fd].peer != nobody {
		l.drop(fd)
		return
	}
	up := nobody
	if last := len(l.idle) - 1; last >= 0 {
		up, l.idle = l.idle[last], l.idle[:last]
	} else if up = l.connect(); up == nobody {
		l.close(fd)
		return
	}
	l.join(fd, up)
	l.ends[up].owed = l.unit
	if sent, _ := send(up, l.in[:n]); sent < n {
		l.drop(fd)
		return
	}
	l.watch(up)
}

// answered ends an exchange: the upstream's connection is free for the next one.
func (l *loop) answered(up int) {
	e := &l.ends[up]
	client := e.peer
	e.peer, l.ends[client].peer = nobody, nobody
	l.idle = append(l.idle, up)
	l.watch(up)
	if l.closes {
		l.close(client)
	} else {
		l.watch(client)
	}
}

// watch has epoll tell of what a socket is waited for, if that is something else than before.
func (l *loop) watch(fd int) {
	e := &l.ends[fd]
	if !e.open || l.closes && e.client && !e.known && e.peer != nobody && !l.holds(e.peer) {
		return // its request was there before it was accepted, and nothing more will come
	}
	var events uint32
	if e.held == 0 {
		events = unix.EPOLLIN
	}
	if l.holds(e.peer) {
		events |= unix.EPOLLOUT
	}
	if e.known && e.watched == events {
		return
	}
	op := unix.EPOLL_CTL_MOD
	if !e.known {
		op = unix.EPOLL_CTL_ADD
	}
	e.known, e.watched = true, events
	if unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}) != nil {
		l.drop(fd)
	}
}

// holds reports whether something waits for the peer of a socket.
func (l *loop) holds(fd int) bool { return fd != nobody && l.ends[fd].held > 0 }

// drop closes a socket and its peer.
func (l *loop) drop(fd int) {
	peer := l.ends[fd].peer
	l.close(fd)
	if peer != nobody {
		l.close(peer)
	}
}

func (l *loop) close(fd int) {
	e := &l.ends[fd]
	if !e.open {
		return
	}
	if e.held > 0 && e.piped { // what it holds must not reach the next owner's peer
		unix.Close(e.pipe[0])
		unix.Close(e.pipe[1])
		e.piped = false
	}
	if !e.client && e.peer == nobody {
		l.forget(fd)
	}
	e.open = false
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// forget takes a connection out of the idle ones.
func (l *loop) forget(fd int) {
	for i, up := range l.idle {
		if up == fd {
			l.idle = append(l.idle[:i], l.idle[i+1:]...)
			return
		}
	}
}
