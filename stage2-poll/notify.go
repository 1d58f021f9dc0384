package main

// The pipe that wakes a runner, and the messages in it.
//
// The runner reads; any thread may write. The server closes both ends after the last writer has
// ended. A descriptor in a message belongs to the runner once the message is written. What must not
// be done: no Go pointer may be sent. No message may be longer than PIPE_BUF, since only writes up
// to that size are all or nothing. A runner must not wait for room in its own pipe.

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// A notify pipe wakes a runner and tells it why.
//
// The runner sleeps in poll(2), which only a descriptor can end, so the message has to come through
// one. A pipe keeps messages in order. It wakes the runner if that sleeps, and keeps the message if
// not, so that no wake-up can be lost just before the runner goes to sleep. Both ends are
// non-blocking. A write of up to PIPE_BUF bytes (4096 at least on Linux) is all or nothing
// (pipe(7)), so messages of several writers never mix.
//
// Messages are numbers only. The garbage collector does not see a Go pointer in the kernel's
// memory, and would free what it points to.
type notify struct {
	read, write int
	ended       atomic.Bool // the reader has gone
}

// msgKind is what a message is about.
type msgKind uint8

const (
	msgConn    msgKind = iota // a connection to serve
	msgRefused                // a connection to send away
	msgWorked                 // slow work is done
	msgDrain                  // finish what you have, then end
	msgCut                    // give up what you have
)

// message is what goes through the pipe. Its kind decides which fields have a meaning.
type message struct {
	kind     msgKind
	why      fault.Reason // msgRefused
	listener uint16       // msgConn: the index of the listener that accepted it
	fd       int32        // msgConn, msgRefused: passes to the runner with the message
	work     uint64       // msgWorked: the number of the work
	ticket   uint64       // msgConn: its Admission
	peer     netip.AddrPort
}

// messageLen is the length of every message in the pipe, in bytes. One length for all shows where
// each ends.
const messageLen = 48

// endedLook is how often a writer that waits for room checks whether the runner has ended, in
// milliseconds.
const endedLook = 100

func (m message) encode() (b [messageLen]byte) {
	b[0], b[1] = byte(m.kind), byte(m.why)
	binary.NativeEndian.PutUint32(b[4:], uint32(m.fd))
	binary.NativeEndian.PutUint64(b[8:], m.work)
	binary.NativeEndian.PutUint64(b[16:], m.ticket)
	binary.NativeEndian.PutUint16(b[42:], m.listener)
	if m.peer.IsValid() {
		b[2] = 1
		ip := m.peer.Addr().As16()
		copy(b[24:40], ip[:])
		binary.NativeEndian.PutUint16(b[40:], m.peer.Port())
	}
	return b
}

func decode(b []byte) (m message) {
	m.kind, m.why = msgKind(b[0]), fault.Reason(b[1])
	m.fd = int32(binary.NativeEndian.Uint32(b[4:]))
	m.work = binary.NativeEndian.Uint64(b[8:])
	m.ticket = binary.NativeEndian.Uint64(b[16:])
	m.listener = binary.NativeEndian.Uint16(b[42:])
	if b[2] == 1 {
		ip := netip.AddrFrom16([16]byte(b[24:40])).Unmap()
		m.peer = netip.AddrPortFrom(ip, binary.NativeEndian.Uint16(b[40:]))
	}
	return m
}

// admission is the message's Admission.
func (m message) admission() session.Admission { return session.AdmissionOf(m.ticket) }

// Errors of sending.
var (
	errFull  = errors.New("the notify pipe is full")
	errEnded = errors.New("the runner has ended")
)

func newNotify() (*notify, error) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return nil, err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, err
		}
	}
	return &notify{read: p[0], write: p[1]}, nil
}

// try sends a message if there is room for it, and never waits. It fails with errFull.
func (n *notify) try(m message) error {
	b := m.encode()
	for {
		_, err := unix.Write(n.write, b[:])
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return errFull
		}
		return err
	}
}

// send sends a message, and waits while the pipe is full. It fails with errEnded once the runner
// has ended. A runner must not call it for its own pipe.
func (n *notify) send(m message) error {
	for !n.ended.Load() {
		if err := n.try(m); err != errFull {
			return err
		}
		// Not for ever: the runner may end just after ended was checked.
		fds := []unix.PollFd{{Fd: int32(n.write), Events: unix.POLLOUT}}
		if _, err := sysnet.Poll(fds, endedLook); err != nil && err != unix.EINTR {
			return err
		}
	}
	return errEnded
}

// receive reads up to len(b)/messageLen messages into b and returns their bytes. An empty
// pipe gives none.
func (n *notify) receive(b []byte) ([]byte, error) {
	for {
		got, err := unix.Read(n.read, b)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return nil, nil
		}
		return b[:max(got, 0)], err
	}
}

func (n *notify) close() {
	unix.Close(n.read)
	unix.Close(n.write)
}
