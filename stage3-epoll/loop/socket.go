package loop

// What a loop does with one socket, whatever its machine is.
//
// A socket and its machine belong to the loop's thread; while the socket is parked, its machine
// belongs to the slow work. Nothing here knows HTTP, and nothing waits. Stage 2's runners have the
// same file, word for word except for their poll(2): the two stages differ in the other files
// only.

import (
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/session"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

// lookEvery is how often the socket of a parked machine is looked at.
const lookEvery = clock.Second

// socket is one socket of a loop, and its machine. The runner does not know whether it is an
// accepted connection or one that a machine has opened ([Loop.Adopt]).
type socket struct {
	machine.Machine
	timer  timerwheel.Node[socket]
	fd     int32
	gen    uint32       // tells it from others that have had its descriptor's number
	watch  machine.Want // what is watched for; 0 for nothing at all
	parked bool         // its slow work is under way: nothing else may touch the machine
	doomed bool         // to be closed as soon as that work is done
	gone   bool         // its peer has gone meanwhile, and the socket is closed already
	nudged bool         // to be stepped at the end of the turn ([machine.Host])
	full   bool         // it took no more at the last write, and has not been ready since
	asked  kind         // over io_uring: the requests of it that are under way
	notes  note         // and what else is known of it
}

// conn is a connection of plain HTTP: a socket and its machine, in one allocation.
type conn struct {
	socket
	session session.Session
}

// newConn makes a connection of plain HTTP.
func (l *Loop) newConn(fd int) *conn {
	c := &conn{}
	c.Machine = &c.session
	l.add(&c.socket, fd)
	return c
}

// Adopt takes a further socket of a machine ([machine.Host]).
func (l *Loop) Adopt(fd int, m machine.Machine) {
	l.add(&socket{Machine: m}, fd)
	l.Nudge(fd)
}

// Nudge has the machine of a socket stepped at the end of this turn ([machine.Host]).
func (l *Loop) Nudge(fd int) {
	if s := l.socket(fd); s != nil && !s.nudged {
		s.nudged = true
		l.nudged = append(l.nudged, s)
	}
}

// stepNudged steps each nudged machine once. Those that they nudge in doing so are stepped in the
// next turn.
func (l *Loop) stepNudged() {
	nudged := l.nudged
	l.nudged, l.spare = l.spare[:0], nudged
	for _, s := range nudged {
		s.nudged = false
		if !s.parked && l.socket(int(s.fd)) == s {
			l.drive(s, false)
		}
	}
	clear(nudged)
}

// drive gives a socket its turn: at most one read, so that a peer that sends without end gets no
// more than its share, and at most the loop's share written, so that one that reads without end
// does not either. Read first: bytes that arrived in time count, however late we look.
func (l *Loop) drive(s *socket, readable bool) {
	if readable && s.Reads() {
		l.read(s)
	}
	l.serve(s, s.Step())
}

// serve does what a machine wants, and goes on until the machine has to wait.
func (l *Loop) serve(s *socket, want machine.Want) {
	for budget := l.share; ; want = s.Step() {
		switch {
		case want&machine.WantWrite != 0:
			// Write first, and wait until the socket is writable only if it did not take all:
			// nearly always it takes all of a small answer, and a system call is saved.
			if !l.write(s, want, &budget) {
				return
			}
		case want == machine.WantWake:
			l.park(s)
			return
		case want == machine.WantShut:
			sysnet.EndSending(int(s.fd))
		case want == machine.WantClose:
			l.close(s)
			return
		default:
			l.await(s, want)
			return
		}
	}
}

// read reads once.
func (l *Loop) read(s *socket) {
	n, err := sysnet.ReadNow(int(s.fd), s.Recv())
	switch {
	case n > 0:
		s.Received(n)
	case err == nil:
		s.EOF()
	case !sysnet.Again(err):
		s.Fail()
	}
}

// write sends until the chain is empty, the socket full, or the budget used up. It reports
// whether the machine can go on at once. A socket that is known to be full is not tried: it will be
// reported, and has room for more by then.
func (l *Loop) write(s *socket, want machine.Want, budget *int64) bool {
	if l.uring != nil && l.uring.send(s, want) {
		return false
	}
	if s.full && s.watch&machine.WantWrite != 0 {
		l.await(s, want)
		return false
	}
	out := s.Out()
	before := out.Sent()
	err := l.out.Send(int(s.fd), out, *budget)
	*budget -= out.Sent() - before
	s.full = sysnet.Again(err)
	switch {
	case err == nil && out.Empty() && *budget > 0:
		return true
	case err == nil || sysnet.Again(err):
		s.Stalled()
		l.await(s, want)
		return false
	case err == sysnet.ErrCold:
		cold := sysnet.Front(out)
		s.Fetch(cold.Warm)
	case sysnet.FileFault(err):
		s.Break(err)
	default:
		s.Fail()
	}
	return true
}

// await has the socket watched for what is wanted, unless it is already, and sets the deadline.
func (l *Loop) await(s *socket, want machine.Want) {
	if s.watch != want {
		l.watch(s, want)
	}
	if d := s.Deadline(); d != clock.Never {
		l.wheel.Schedule(&s.timer, int64(d))
	} else {
		l.wheel.Cancel(&s.timer)
	}
}

// expired handles a deadline that has passed. For a parked socket it is the time of the next look.
// Whoever has waited may have been us: a process that was suspended, or a machine too busy for it,
// finds deadlines that have passed and bytes that came in time. They count, so they are read first.
func (l *Loop) expired(s *socket) {
	if s.parked {
		l.look(s)
	} else if s.asked&askBytes != 0 {
		l.uring.cancel(askBytes, s.fd)
	} else {
		l.drive(s, true)
	}
}

// park stops watching a socket while slow work runs on another thread. Even if it were watched for
// no event, a hang-up of its peer would be reported again and again. So it is looked at now and
// then instead.
func (l *Loop) park(s *socket) {
	s.parked = true
	l.unwatch(s)
	l.wheel.Schedule(&s.timer, int64(l.thread.Clock.Now()+lookEvery))
	l.Offload(s.WorkKind(), s.Work, func() { l.unpark(s) })
}

// look closes a parked socket whose peer has gone. A disk that does not answer may delay the work
// for any time, but not keep the descriptor and the peer's place among the connections.
func (l *Loop) look(s *socket) {
	if !sysnet.HungUp(int(s.fd)) {
		l.wheel.Schedule(&s.timer, int64(l.thread.Clock.Now()+lookEvery))
		return
	}
	s.gone = true
	s.Leave()
	l.release(s, true)
}

// unpark takes a socket back when its machine's work is done.
func (l *Loop) unpark(s *socket) {
	s.parked = false
	if s.gone {
		l.end(s)
		return
	}
	s.RestartDeadline()
	if s.doomed {
		s.Fail()
	}
	l.drive(s, false)
}

// close ends a machine and closes its socket.
func (l *Loop) close(s *socket) {
	l.end(s)
	l.release(s, s.Abortive())
}

// end ends a machine.
func (l *Loop) end(s *socket) {
	l.wheel.Cancel(&s.timer)
	s.Close()
	l.open--
}

// hasten steps the idle machines, whose deadlines are earlier now that the server stops.
func (l *Loop) hasten() {
	l.each(func(s *socket) {
		if !s.parked && s.Idle() {
			l.drive(s, false)
		}
	})
}

// cut ends every machine. One whose slow work is under way ends after that work.
func (l *Loop) cut() {
	if l.open > 0 {
		l.log.Warn("Drain timeout reached, cutting what is left")
	}
	l.each(func(s *socket) {
		if s.parked {
			s.doomed = true
			return
		}
		s.Fail()
		l.drive(s, false)
	})
}
