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
		u.closeIdle(s)
	case k == askSend:
		u.sent(s, c)
	case k == askHangup:
		u.hungUp(s, c)
	case k == askRoom && (c.more() || c.res == unix.POLLRDHUP):
		u.stillFull(s, c)
	case k == askBytes:
		u.received(s, c)
		u.ready(s)
	case k == askInput && !s.parked && s.Reads():
		u.read(s)
		fallthrough
	default:
		u.ready(s)
	}
	u.ring.giveBack(c) // what came in it has been copied
}

// ready goes on with a machine that waited, if it still does.
func (u *uring) ready(s *socket) {
	if !s.parked {
		s.watch = 0 // whatever it waits for now is to be asked for
		u.serve(s, s.Step())
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

// stillFull goes on waiting for room. A poll always ends with POLLRDHUP, too (see watch): where the
// peer has ended its direction, it would end at once each time it is asked for, and the loop would
// spin until a slow reader has made room. So it is asked for such a peer once (multishot), which
// then says what is new only. When there is room it is cancelled, and the end of it goes to the
// machine.
func (u *uring) stillFull(s *socket, c *completion) {
	switch {
	case c.res != unix.POLLRDHUP:
		u.cancel(askRoom, s.fd)
	case !c.more():
		s.notes |= noteEnded
		if !s.parked {
			u.watch(s, s.watch)
		}
	}
}

// received takes what has come. The machine was idle when that was asked for, and an idle one wants
// to read until something comes, or ends. Behind some errors bytes may lie that came in time: there
// was no buffer, or the machine's time is over, and with that the receive.
func (u *uring) received(s *socket, c *completion) {
	p, reads := u.ring.bytes(c), !s.parked && s.Reads()
	switch {
	case len(p) > 0 && reads && len(s.Recv()) >= len(p):
		s.Received(copy(s.Recv(), p))
	case c.res == 0 && reads:
		s.Recv() // as in every read: a session that ends while it has memory looks what is left to be read
		s.EOF()
	case c.err() == unix.ECANCELED || c.err() == unix.ENOBUFS || c.err() == unix.EINTR || c.err() == unix.EAGAIN || c.err() == unix.ENOMEM:
		if reads && u.thread.Clock.Now() >= s.Deadline() { // else it is asked for again, and at the end of the turn there are buffers
			u.read(s)
		}
	case s.parked:
		s.doomed = true
	default:
		s.Fail()
	}
}

// watch asks for what a machine waits for, unless that is under way. What is under way and not
// waited for any more is left: it does no harm.
func (u *uring) watch(s *socket, want machine.Want) {
	s.watch = want
	if want&machine.WantRead != 0 && s.asked&(askBytes|askInput) == 0 {
		u.awaitInput(s)
	}
	if want&machine.WantWrite != 0 && s.asked&askRoom == 0 {
		e := u.request(s, askRoom, opPoll).poll(unix.POLLOUT)
		if s.notes&noteEnded != 0 {
			e.len = pollMulti
		}
	}
	if want != machine.WantPeer {
		return
	}
	// POLLERR and POLLHUP are always reported, and here POLLRDHUP as well, which is no hang-up. So
	// this goes on until the socket is closed (multishot).
	if s.asked&askHangup == 0 {
		u.request(s, askHangup, opPoll).poll(0).len = pollMulti
	}
	if s.notes&noteHungUp != 0 {
		s.Fail()
		u.Nudge(int(s.fd))
		s.watch = 0
	}
}

// awaitInput has an idle socket received from as soon as something comes: a buffer is taken only
// then. In the middle of a request it is read into its machine's memory instead, of which nobody
// here knows how much there is. So is one that the machine has opened itself, for the machine may
// read it too.
func (u *uring) awaitInput(s *socket) {
	if s.notes&noteAccepted == 0 || !s.Idle() {
		u.request(s, askInput, opPoll).poll(unix.POLLIN)
		return
	}
	e := u.request(s, askBytes, opRecv)
	e.flags, e.buffers, e.ioprio = entryBufferSelect, bufferGroup, pollFirst
	e.len = uint32(min(bufferSize, u.thread.Server.HTTP.Head)) // no idle machine has less memory
}

// request makes an entry for a socket.
func (u *uring) request(s *socket, k kind, opcode uint8) *entry {
	s.asked |= k
	return u.ask(k, opcode, s.fd, s.fd)
}

// send has the bytes at the front of a machine's chain sent, if they are all in one piece and no
// file follows. It reports whether the machine has to wait: also where the socket is full.
func (u *uring) send(s *socket, want machine.Want) bool {
	if s.asked&askRoom != 0 {
		u.await(s, want)
		return true
	}
	p, file := s.Out().Bytes(u.front[:0])
	if len(p) == 0 || file || s.Out().Len() > int64(len(p[0])) {
		return false
	}
	e := u.request(s, askSend, opSend)
	e.addr, e.len, e.opFlags = address(unsafe.SliceData(p[0])), uint32(len(p[0])), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL
	u.front[0] = nil // do not keep a body alive here that has left the cache
	s.parked, s.watch = true, want
	u.wheel.Cancel(&s.timer)
	u.sends++
	return true
}

// sent goes on after a send. Where the socket has not taken all of it, it is full.
func (u *uring) sent(s *socket, c *completion) {
	s.parked = false
	out, want := s.Out(), s.watch
	out.Ack(int64(max(c.res, 0)))
	switch {
	case s.doomed || c.res < 0 && c.err() != unix.EAGAIN && c.err() != unix.EINTR && !sysnet.Short(c.err()):
		s.Fail()
	case !out.Empty():
		out.NoteWait()
		s.Stalled()
		s.watch = 0
		u.await(s, want)
		u.Nudge(int(s.fd)) // as another machine may have done meanwhile
		return
	}
	u.ready(s)
}

// release closes a socket as soon as the kernel has let go of its requests.
func (u *uring) release(s *socket, abortive bool) {
	if abortive {
		sysnet.ResetOnClose(int(s.fd))
	}
	u.leaving[s.fd] = s
	for left := s.asked; left != 0; left &= left - 1 {
		u.cancel(1<<bits.TrailingZeros8(uint8(left)), s.fd)
	}
	u.closeIdle(s)
}

// closeIdle closes a socket that leaves, once no request of it is under way. Nobody else can get
// its number before the entry is submitted.
func (u *uring) closeIdle(s *socket) {
	if s.asked == 0 {
		delete(u.leaving, s.fd)
		u.ask(askNothing, opClose, s.fd, 0).flags = entryQuiet
	}
}
