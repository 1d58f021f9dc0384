package ensemble

// The two other drivers: the loop over io_uring, where a send is over a turn later and its machine
// rests until then, and where the kernel receives what comes on an idle connection before the loop
// knows; and a thread of stage 1, which serves one client at a time and does the slow work itself.
//
// Of both is here what machines can notice. What must not be done: as long as a send is under way,
// nothing may touch what it sends, so that is compared in the end.

import (
	"bytes"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/sysnet"
)

// sending is a send under way.
type sending struct {
	s    *driven
	p    []byte // the machine's
	copy []byte
}

// submit has the bytes at the front of a machine's chain sent, if they are all in one piece and no
// file follows. It reports whether the machine has to wait.
func (w *world) submit(s *driven, want machine.Want) bool {
	p, file := s.Out().Bytes(nil)
	if len(p) == 0 || file || s.Out().Len() > int64(len(p[0])) {
		return false
	}
	s.parked, s.watch, s.timer = true, want, clock.Never
	w.sends = append(w.sends, sending{s, p[0], bytes.Clone(p[0])})
	return true
}

// complete is the end of all that were submitted.
func (w *world) complete() {
	sends := w.sends
	w.sends = nil
	for _, c := range sends {
		if !bytes.Equal(c.p, c.copy) {
			w.fail("what was being sent has changed: %T", c.s.Machine)
		}
		w.sent(c.s, c.p)
	}
}

// sent goes on after a send.
func (w *world) sent(s *driven, p []byte) {
	s.parked = false
	n, err := s.k.write(p)
	out, want := s.Out(), s.watch
	out.Ack(int64(n))
	switch {
	case s.doomed || err != nil && err != unix.EAGAIN:
		s.Fail()
	case !out.Empty():
		out.NoteWait()
		s.Stalled()
		w.await(s, want)
		w.Nudge(s.fd)
		return
	}
	w.serve(s, s.Step())
}

// receiving is a receive that is over.
type receiving struct {
	s   *driven
	p   []byte
	err error
}

// fetch is what the kernel does for the receives that are asked for, whatever the loop is about:
// what has come leaves the socket.
func (w *world) fetch(which func(i int) bool) {
	for i, s := range w.sockets {
		if !s.asked || !s.reported() || !which(i) {
			continue
		}
		p := make([]byte, min(2<<10, w.thread.Server.HTTP.Head))
		n, err := s.k.read(p)
		s.asked = false
		w.received = append(w.received, receiving{s, p[:n], err})
	}
}

// receive is the end of them.
func (w *world) receive(which func(i int) bool) {
	if !w.uring {
		return
	}
	w.fetch(which)
	received := w.received
	w.received = nil
	for _, r := range received {
		s := r.s
		if s.over {
			continue
		}
		switch reads := !s.parked && s.Reads(); {
		case len(r.p) > 0 && reads && len(s.Recv()) >= len(r.p):
			s.Received(copy(s.Recv(), r.p))
		case len(r.p) == 0 && r.err == nil && reads:
			s.EOF()
		case s.parked:
			s.doomed = true
		default:
			s.Fail()
		}
		if !s.parked {
			s.watch = 0
			w.serve(s, s.Step())
		}
	}
}

// threadTurn is a turn of stage 1's.
func (w *world) threadTurn(which func(i int) bool) {
	for i, s := range w.sockets {
		if s.over || !s.reported() || !which(i) {
			continue
		}
		in, _, hup := s.k.poll()
		if s.watch == machine.WantPeer {
			s.Fail()
		}
		w.threadDrive(s, in || hup)
	}
	for _, s := range w.sockets {
		if !s.over && s.timer <= w.now() {
			s.timer = clock.Never
			w.threadDrive(s, false)
		}
	}
	for len(w.slow) > 0 && !w.late {
		w.finish(0)
	}
	posted := w.posted
	w.posted, w.nudged = nil, nil
	for _, do := range posted {
		do()
	}
	for _, s := range w.sockets {
		if s.nudged {
			s.nudged = false
			w.threadDrive(s, false)
		}
	}
	w.forget()
	w.endClient()
}

// endClient ends what is left of a client that has gone, once nothing has more to say for it.
func (w *world) endClient() {
	for _, s := range w.sockets {
		if s.client || s.nudged || !s.Idle() && !w.draining {
			return
		}
	}
	for _, s := range w.sockets {
		s.Fail()
		w.carryOut(s, s.Step())
	}
	w.forget()
}

func (w *world) threadDrive(s *driven, readable bool) {
	if s.over {
		return
	}
	if readable && s.Reads() {
		w.read(s)
	}
	w.carryOut(s, s.Step())
}

// carryOut does what a machine wants until it has to wait.
func (w *world) carryOut(s *driven, want machine.Want) {
	for n := 0; ; want = s.Step() {
		if n++; n > spins {
			w.fail("a machine goes round and round: %v of %T", want, s.Machine)
		}
		switch {
		case want&machine.WantWrite != 0:
			if !w.threadWrite(s) && !s.Out().Empty() {
				w.await(s, want)
				return
			}
		case want == machine.WantWake:
			s.Work()
		case want == machine.WantShut:
			s.k.shut = true
		case want == machine.WantClose:
			w.close(s)
			return
		default:
			w.await(s, want)
			return
		}
	}
}

// threadWrite sends what there is. It reports whether the machine can go on although not all has
// left.
func (w *world) threadWrite(s *driven) (failed bool) {
	if s.k.shut {
		w.fail("written after the end of our direction: %T", s.Machine)
	}
	err := w.send(s.k, s.Out(), share)
	switch {
	case err == nil:
		return false
	case sysnet.Again(err):
		s.Stalled()
		return false
	case err == sysnet.ErrCold: // a thread waits for the disk itself
		w.files = filesWarm
		return true
	case sysnet.FileFault(err):
		s.Break(err)
	default:
		s.Fail()
	}
	return true
}
