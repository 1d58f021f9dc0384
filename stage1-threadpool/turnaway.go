package main

import (
	"encoding/binary"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Limits of turning away.
const (
	awayTime  = 2 * time.Second    // that a client may take to read its 503
	awayBytes = 16 << 20           // that it may still send meanwhile
	awayMax   = session.MaxRefused // clients at once; beyond it one of them has to go
)

// turnaway waits, off the acceptor, until clients that were sent away have read why.
//
// The acceptor writes the whole answer without waiting: a new socket's send buffer is
// empty and takes it. Then it may not simply close. The client's request is in the
// receive buffer or on its way, and a socket that is closed over unread bytes sends a
// reset, which destroys the answer on the other side (RFC 9112 section 9.6). So our
// direction is ended, and one thread, for all such clients together, drops what they
// send until they end theirs.
//
// The acceptor hands descriptors over through a pipe; they belong to this thread then.
type turnaway struct {
	pipe  [2]int // the acceptor writes descriptors, 4 bytes each; both ends non-blocking
	fds   []unix.PollFd
	until []time.Time // for fds[i], when its time is up
	bytes []int       // from fds[i], bytes dropped
	done  chan struct{}
	trash [4 << 10]byte
}

func newTurnaway() (*turnaway, error) {
	t := &turnaway{done: make(chan struct{})}
	if err := unix.Pipe(t.pipe[:]); err != nil {
		return nil, err
	}
	for _, fd := range t.pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, err
		}
	}
	t.fds = []unix.PollFd{{Fd: int32(t.pipe[0]), Events: unix.POLLIN}}
	t.until, t.bytes = make([]time.Time, 1), make([]int, 1)
	return t, nil
}

// send writes the answer and hands the socket over. It does not wait.
func (t *turnaway) send(fd int, answer []byte) {
	n, err := sysnet.Send(fd, answer)
	if err != nil || n < len(answer) || sysnet.EndSending(fd) != nil {
		sysnet.Close(fd, true)
		return
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(fd))
	if _, err := unix.Write(t.pipe[1], b[:]); err != nil {
		sysnet.Close(fd, false) // the pipe is full: better a reset for one than a stop for all
	}
}

func (t *turnaway) start() { go t.run() }

// stop lets the thread finish with the clients it has, and waits for it.
func (t *turnaway) stop() {
	unix.Close(t.pipe[1])
	<-t.done
	unix.Close(t.pipe[0])
}

// run is the thread's whole life. Slot 0 is the pipe; once the acceptor has closed it
// and the last client is gone, it ends.
func (t *turnaway) run() {
	runtime.LockOSThread()
	defer close(t.done)
	for t.fds[0].Fd >= 0 || len(t.fds) > 1 {
		if _, err := unix.Poll(t.fds, t.timeout()); err != nil && err != unix.EINTR {
			panic(err) // EFAULT, EINVAL, ENOMEM: nothing that goes away
		}
		// From behind, because drop moves the last one into the gap.
		for i := len(t.fds) - 1; i > 0; i-- {
			if t.fds[i].Revents != 0 && t.finished(i) || !time.Now().Before(t.until[i]) {
				t.drop(i)
			}
		}
		if t.fds[0].Revents != 0 {
			t.receive()
		}
	}
}

// timeout is poll's: the milliseconds until the first client's time is up.
func (t *turnaway) timeout() int {
	if len(t.fds) == 1 {
		return -1
	}
	first := t.until[1]
	for _, u := range t.until[2:] {
		if u.Before(first) {
			first = u
		}
	}
	return max(int(time.Until(first)/time.Millisecond)+1, 0)
}

// receive takes new clients out of the pipe.
func (t *turnaway) receive() {
	var b [4 * 64]byte
	n, err := unix.Read(t.pipe[0], b[:])
	if n == 0 && err == nil {
		t.fds[0].Fd = -1 // closed; poll(2) ignores negative descriptors
	}
	for i := 0; i+4 <= n; i += 4 {
		if len(t.fds) > awayMax {
			t.drop(1)
		}
		fd := int32(binary.NativeEndian.Uint32(b[i:]))
		t.fds = append(t.fds, unix.PollFd{Fd: fd, Events: unix.POLLIN})
		t.until = append(t.until, time.Now().Add(awayTime))
		t.bytes = append(t.bytes, 0)
	}
}

// finished drops what a client has sent, and reports whether that was the last.
func (t *turnaway) finished(i int) bool {
	n, err := sysnet.Receive(int(t.fds[i].Fd), t.trash[:])
	if sysnet.Again(err) {
		return false
	}
	t.bytes[i] += n
	return err != nil || n == 0 || t.bytes[i] > awayBytes
}

// drop closes a client's socket and moves the last one into its place.
func (t *turnaway) drop(i int) {
	unix.Close(int(t.fds[i].Fd))
	last := len(t.fds) - 1
	t.fds[i], t.until[i], t.bytes[i] = t.fds[last], t.until[last], t.bytes[last]
	t.fds, t.until, t.bytes = t.fds[:last], t.until[:last], t.bytes[:last]
}
