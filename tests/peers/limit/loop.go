//go:build linux

package main

// The loop and its canned answers. One goroutine owns all of it.
//
// What must not be done: nothing may be parsed, checked or allocated for a request, since then the
// loop would no longer show what the kernel alone costs. Counting the empty lines that end the
// heads is all that it does with its input.

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop owns the sockets and the canned answer.
type loop struct {
	epoll, listener int
	closes          bool
	conns           []conn // by descriptor
	in              []byte // what was read last, of whatever connection

	canned []byte // whole answers one after the other, or one head if the body is in a file
	head   int64  // bytes of an answer's head
	unit   int64  // bytes of an answer, head and body
	body   int    // descriptor of the body, if it is not in canned, else -1
}

// conn is what must be remembered of a connection between two events.
type conn struct {
	owed    int64 // bytes of answers not yet sent; the place in the answer follows from it
	matched uint8 // bytes of the empty line seen at the end of the last read
	writing bool  // waits for room in the socket rather than for requests
	corked  bool  // an answer whose body is in a file is under way
}

// can prepares the answer that is the content of a file.
func (l *loop) can(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n", info.Size())
	if l.closes {
		head = append(head, "Connection: close\r\n"...)
	}
	head = append(head, emptyLine[2:]...)
	l.head, l.unit = int64(len(head)), int64(len(head))+info.Size()
	if info.Size() > inMemory {
		l.canned = head
		l.body, err = unix.Dup(int(f.Fd())) // f's own is closed with it
		return err
	}
	content, err := os.ReadFile(file)
	l.body = -1
	l.canned = bytes.Repeat(append(head, content...), max(cannedSize/int(l.unit), 1))
	return err
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
			l.dispatch(int(events[i].Fd))
		}
	}
}

func (l *loop) dispatch(fd int) {
	switch {
	case fd == l.listener:
		l.accept()
	case l.conns[fd].writing:
		l.flush(fd)
	default:
		l.read(fd)
	}
}

// accept takes all connections that wait. Without -close they are asked for their
// request later; with it the request is there already, and epoll need not hear of them.
func (l *loop) accept() {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(l.listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		fd := int(r)
		switch {
		case errno == unix.EINTR || errno == unix.ECONNABORTED:
			continue
		case errno != 0:
			return
		case fd >= len(l.conns):
			unix.Close(fd)
			continue
		}
		l.conns[fd] = conn{}
		if l.closes && !l.read(fd) {
			continue
		}
		if !l.conns[fd].writing && l.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) != nil {
			l.drop(fd)
		}
	}
}

// read takes what arrived and answers it. It reports whether the connection is open still.
func (l *loop) read(fd int) (open bool) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&l.in[0])), uintptr(len(l.in)))
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return true
	}
	if errno != 0 || r == 0 {
		return l.drop(fd)
	}
	c := &l.conns[fd]
	var heads int64
	heads, c.matched = countHeads(l.in[:r], c.matched)
	c.owed += heads * l.unit
	return heads == 0 || l.flush(fd)
}

// flush sends what is owed, and waits for room where that falls short.
func (l *loop) flush(fd int) (open bool) {
	c := &l.conns[fd]
	for c.owed > 0 {
		if l.body >= 0 && !c.corked {
			c.corked = l.cork(fd, 1)
		}
		n, errno := l.send(fd, c.owed)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return l.await(fd, true)
		case errno != 0 || n == 0:
			return l.drop(fd)
		}
		c.owed -= n
		if c.corked && c.owed%l.unit == 0 {
			c.corked = l.cork(fd, 0)
		}
	}
	if l.closes {
		return l.drop(fd)
	}
	return l.await(fd, false)
}

// cork has only full packets leave until it is pulled after the answer's last byte (TCP_CORK,
// tcp(7)). It returns whether the socket is corked.
func (l *loop) cork(fd, on int) bool {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, on) == nil && on == 1
}

// send makes one system call towards what is owed.
func (l *loop) send(fd int, owed int64) (int64, unix.Errno) {
	at := (l.unit - owed%l.unit) % l.unit // in the answer under way
	if l.body >= 0 && at >= l.head {
		offset := at - l.head
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(fd), uintptr(l.body), uintptr(unsafe.Pointer(&offset)), uintptr(min(l.unit-at, turn)), 0, 0)
		return sent(n, errno)
	}
	flags := unix.MSG_NOSIGNAL
	if l.body >= 0 {
		flags |= unix.MSG_MORE // the file follows
	}
	p := l.canned[at:]
	p = p[:min(owed, int64(len(p)))]
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(flags), 0, 0)
	return sent(n, errno)
}

// sent is a system call's result with no bytes where it failed.
func sent(n uintptr, errno unix.Errno) (int64, unix.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int64(n), 0
}

// await changes what a connection waits for, if that changes.
func (l *loop) await(fd int, writing bool) (open bool) {
	c := &l.conns[fd]
	if c.writing == writing {
		return true
	}
	c.writing = writing
	events := uint32(unix.EPOLLIN)
	if writing {
		events = unix.EPOLLOUT
	}
	err := l.watch(unix.EPOLL_CTL_MOD, fd, events)
	if err == unix.ENOENT { // accepted and answered before epoll knew of it
		err = l.watch(unix.EPOLL_CTL_ADD, fd, events)
	}
	if err != nil {
		return l.drop(fd)
	}
	return true
}

func (l *loop) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (l *loop) drop(fd int) (open bool) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return false
}

const emptyLine = "\r\n\r\n"

// countHeads counts the empty lines in p, of which the first matched bytes of one may
// have come before it. It returns how many bytes of the next one p ends with.
func countHeads(p []byte, matched uint8) (heads int64, rest uint8) {
	for len(p) > 0 {
		if matched == 0 {
			end := bytes.Index(p, []byte(emptyLine))
			if end < 0 {
				return heads, endsWith(p)
			}
			heads++
			p = p[end+len(emptyLine):]
			continue
		}
		matched = step(matched, p[0])
		if matched == uint8(len(emptyLine)) {
			heads, matched = heads+1, 0
		}
		p = p[1:]
	}
	return heads, matched
}

// step is the number of bytes matched after one more. A CR that does not belong to the
// line begins another.
func step(matched uint8, b byte) uint8 {
	switch {
	case b == emptyLine[matched]:
		return matched + 1
	case b == '\r':
		return 1
	}
	return 0
}

// endsWith is how much of an empty line p ends with, short of a whole one.
func endsWith(p []byte) uint8 {
	for n := min(len(emptyLine)-1, len(p)); n > 0; n-- {
		if string(p[len(p)-n:]) == emptyLine[:n] {
			return uint8(n)
		}
	}
	return 0
}
