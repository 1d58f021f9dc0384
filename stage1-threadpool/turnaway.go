package main

// The end of connections that were answered 503: one thread waits until their clients have read the
// answer.
//
// send runs on the acceptor's thread, stop on the one that stops the server; all else belongs to
// this thread. A descriptor belongs to send, then to the pipe, then to the thread, which closes it.
// What must not be done: send must not wait, and a socket must not be closed at once while its
// client may still be sending.

import (
	"encoding/binary"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Limits of turning away. A client that gets a 503 here has as long to read it as one whose session
// ends.
const (
	awayTime  = time.Duration(session.LingerTime)
	awayBytes = session.LingerBytes
	awayBatch = 64 // descriptors that are read from the pipe at once
	fdBytes   = 4  // of a descriptor in the pipe
)

// turnaway waits, in place of the acceptor, until clients that got a 503 have read it.
//
// The acceptor writes the whole answer without waiting: a new socket's send buffer is empty and
// takes it. Then it may not simply close. The client's request is in the receive buffer or on its
// way, and a socket that is closed over unread bytes sends a reset, which destroys the answer on
// the other side (RFC 9112 9.6). So our direction is ended, and one thread, for all such clients
// together, drops what they send until they end theirs.
//
// The acceptor hands descriptors over through a pipe; they belong to this thread then.
type turnaway struct {
	most  int    // clients at once; beyond it one of them is closed early
	pipe  [2]int // the acceptor writes descriptors, fdBytes each; both ends non-blocking
	fds   []unix.PollFd
	until []time.Time // for fds[i], when its time is up
	bytes []int       // from fds[i], bytes dropped
	done  chan struct{}
	trash [4 << 10]byte
}

func newTurnaway(most int) (*turnaway, error) {
	t := &turnaway{most: most, done: make(chan struct{})}
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
	var b [fdBytes]byte
	binary.NativeEndian.PutUint32(b[:], uint32(fd))
	if _, err := unix.Write(t.pipe[1], b[:]); err != nil {
		sysnet.Close(fd, false) // the pipe is full: a reset for one client is better than a wait for all
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
		switch _, err := sysnet.Poll(t.fds, t.timeout()); {
		case err == unix.EINVAL && t.shorten():
			continue
		case err != nil && err != unix.EINTR:
			panic(err) // EFAULT, EINVAL: nothing that goes away
		}
		// From the last to the first, because drop moves the last one into the gap.
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

// shorten drops the clients that are too many for poll(2), which takes no more than the limit of
// open files allows. It reports whether that helps: the limit was lowered meanwhile (prlimit(2)).
func (t *turnaway) shorten() bool {
	had := len(t.fds)
	for most := max(sysnet.FileLimit(), 1); len(t.fds) > most; {
		t.drop(len(t.fds) - 1)
	}
	return len(t.fds) < had
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
	var b [awayBatch * fdBytes]byte
	n, err := unix.Read(t.pipe[0], b[:])
	if n == 0 && err == nil {
		t.fds[0].Fd = -1 // closed; poll(2) ignores negative descriptors
	}
	for i := 0; i+fdBytes <= n; i += fdBytes {
		if len(t.fds) > t.most {
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
