package loop

// What a loop over io_uring(7) asks of one socket, and what it does when that is done.
//
// Who owns what: the requests of a socket that are under way are the bits of asked. A receive has a
// buffer of the ring's, and no memory of the machine's. A poll has no memory. A send has the bytes
// at the front of the machine's chain. They must stay where they are until its completion, so the
// machine is parked meanwhile, and its chain keeps them. A send does not wait (MSG_DONTWAIT): it is
// over when it has been submitted, with the loop's next wait.
//
// What must not be done: a descriptor must not be closed while a request of it is under way. The
// kernel would keep the socket open, and a completion could be taken for that of the number's next
// owner.

import (
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// completed handles a completion of a socket's request.
func (u *uring) completed(fd int32, k kind, c *completion) {
	s := u.sockets[fd]
	leaves := s == nil
	if leaves {
		s = u.leaving[fd]
	}
	if !c.more() {
		s.asked &^= k
	}
	switch {
	case leaves:
		u.buffers.giveBack(c)
		u.closeIdle(s)
	case k == askSend:
		u.sent(s, c)
	case k == askHangup:
		u.hungUp(s, c)
	case k == askBytes:
		u.received(s, c)
		u.buffers.giveBack(c)
		fallthrough
	default:
		u.ready(s, k)
	}
}

// hungUp fails a machine that waits for others, if its peer has gone and has not only ended its
// sending direction.
func (u *uring) hungUp(s *socket, c *completion) {
	if c.res > 0 && c.res&(unix.POLLERR|unix.POLLHUP) != 0 {
		s.notes |= noteHungUp
	}
	if !s.parked && s.watch == machine.WantPeer {
		u.watch(s, s.watch)
	}
}

// ready goes on with a machine that waited, if it still does.
func (u *uring) ready(s *socket, k kind) {
	if s.parked {
		return
	}
	s.watch = 0 // whatever it waits for now is to be asked for
	if k == askInput && s.Reads() {
		u.read(s)
	}
	u.serve(s, s.Step())
}

// received takes what has come, or keeps it until the machine wants it. An end that it does not
// want now is reported again by the next receive.
func (u *uring) received(s *socket, c *completion) {
	p := u.buffers.of(c)
	switch wanted := !s.parked && s.Reads(); {
	case len(p) > 0 && wanted:
		u.feed(s, p)
	case len(p) > 0:
		u.kept[s] = append(u.kept[s], p...)
	case c.res == 0 && wanted:
		s.Recv() // as in every read: a session that ends while it has memory looks what is left to be read
		s.EOF()
	case c.res == 0 || c.err() == unix.EINTR || c.err() == unix.EAGAIN:
	case c.err() == unix.ENOBUFS: // until the end of the turn there are some again
	case s.parked:
		s.doomed = true
	default:
		s.Fail()
	}
	if len(p) == bufferSize {
		s.notes |= noteBulk
	}
}

// feed gives a machine what has come, as much as it has room for, and keeps the rest.
func (u *uring) feed(s *socket, p []byte) {
	n := copy(s.Recv(), p)
	s.Received(n)
	s.watch = 0 // more is to be asked for
	if rest := p[n:]; len(rest) > 0 {
		u.kept[s] = append(u.kept[s][:0], rest...)
	} else if len(u.kept) > 0 {
		delete(u.kept, s)
	}
}

// watch asks for what a machine waits for, unless that is under way. What is under way and not
// waited for any more is left: it does no harm.
func (u *uring) watch(s *socket, want machine.Want) {
	s.watch = want
	if want&machine.WantRead != 0 {
		u.awaitInput(s)
	}
	if want&machine.WantWrite != 0 && s.asked&askRoom == 0 {
		u.awaitReady(s, askRoom, unix.POLLOUT)
	}
	if want != machine.WantPeer {
		return
	}
	// POLLERR and POLLHUP are always reported, and here POLLRDHUP as well, which is no hang-up. So
	// this goes on until the socket is closed (multishot).
	if s.asked&askHangup == 0 {
		u.awaitReady(s, askHangup, 0).len = pollMulti
	}
	if s.notes&noteHungUp != 0 {
		s.Fail()
		u.Nudge(int(s.fd))
		s.watch = 0
	}
}

// awaitInput has a socket received from as soon as something comes: a buffer is taken only then. A
// socket of which much comes is read into its machine's memory instead, and so is one that the
// machine has opened itself, since the machine may read it too.
func (u *uring) awaitInput(s *socket) {
	if s.notes&noteBulk != 0 && s.Idle() {
		s.notes &^= noteBulk
	}
	switch {
	case len(u.kept[s]) > 0:
		u.Nudge(int(s.fd))
	case s.asked&(askBytes|askInput) != 0:
	case s.notes&noteAccepted == 0 || s.notes&noteBulk != 0:
		u.awaitReady(s, askInput, unix.POLLIN)
	default:
		e, _ := u.request(s, askBytes, opRecv)
		e.flags, e.buffers, e.ioprio, e.len = entryBufferSelect, bufferGroup, pollFirst, bufferSize
	}
}

// awaitReady has a socket polled.
func (u *uring) awaitReady(s *socket, k kind, events uint32) *entry {
	e, _ := u.request(s, k, opPoll)
	e.events(events)
	return e
}

// request makes an entry for a socket.
func (u *uring) request(s *socket, k kind, opcode uint8) (*entry, *message) {
	e, m := u.ring.next()
	e.opcode, e.fd, e.key = opcode, s.fd, keyOf(k, s.fd)
	s.asked |= k
	return e, m
}

// cancel has the kernel let go of a request. It then completes, with ECANCELED or with what has
// happened just before.
func (u *uring) cancel(k kind, n int32) {
	e, _ := u.ring.next()
	e.opcode, e.flags, e.addr = opCancel, entryQuiet, uint64(keyOf(k, n))
}

// send has the bytes at the front of a machine's chain sent, if no file is behind them.
func (u *uring) send(s *socket, want machine.Want) bool {
	segs, fileNext := s.Out().Bytes(u.segs[:0])
	if len(segs) == 0 || fileNext {
		return false
	}
	e, m := u.request(s, askSend, opSend)
	e.opFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(segs) == 1 {
		e.addr, e.len = address(unsafe.SliceData(segs[0])), uint32(min(len(segs[0]), 1<<30))
	} else {
		for i, p := range segs {
			m.iov[i].Base = unsafe.SliceData(p)
			m.iov[i].SetLen(len(p))
		}
		m.head = unix.Msghdr{Iov: &m.iov[0]}
		m.head.SetIovlen(len(segs))
		e.opcode, e.addr = opMessage, address(&m.head)
	}
	clear(segs) // do not keep bodies alive here that have left the cache
	s.parked, s.watch = true, want
	u.wheel.Cancel(&s.timer)
	u.sends++
	return true
}

// sent goes on after a send. Where the socket has not taken all of it, it is full.
func (u *uring) sent(s *socket, c *completion) {
	s.parked = false
	want, out := s.watch, s.Out()
	segs, _ := out.Bytes(u.segs[:0])
	asked := 0
	for _, p := range segs {
		asked += len(p)
	}
	clear(segs)
	out.Ack(int64(max(c.res, 0)))
	s.watch = 0
	switch {
	case s.doomed:
		s.Fail()
	case out.Empty():
	case int(c.res) >= asked: // there is more than one message takes, or a file
		u.serve(s, want)
		return
	case c.res >= 0 || c.err() == unix.EAGAIN || c.err() == unix.EINTR:
		out.NoteWait()
		s.Stalled()
		u.await(s, want)
		return
	default:
		s.Fail()
	}
	u.ready(s, askSend)
}

// release closes a socket as soon as the kernel has let go of its requests.
func (u *uring) release(s *socket, abortive bool) {
	if abortive {
		s.notes |= noteAbortive
	}
	delete(u.kept, s)
	u.leaving[s.fd] = s
	for left := s.asked; left != 0; left &= left - 1 {
		u.cancel(1<<bits.TrailingZeros8(uint8(left)), s.fd)
	}
	u.closeIdle(s)
}

// closeIdle closes a socket that leaves, once no request of it is under way. Nobody else can get
// its number before the entry is submitted.
func (u *uring) closeIdle(s *socket) {
	if s.asked != 0 {
		return
	}
	delete(u.leaving, s.fd)
	if s.notes&noteAbortive != 0 {
		sysnet.Close(int(s.fd), true)
		return
	}
	e, _ := u.ring.next()
	e.opcode, e.flags, e.fd = opClose, entryQuiet, s.fd
}
