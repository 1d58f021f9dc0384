package machinetest

// A driver in memory: it drives machines at sockets that do not exist, exactly as the stages do,
// and a test plays their peers. Nothing in it waits, and it reads no clock.
//
// A Driver belongs to the test's goroutine. What must not be done: a test must not call a machine's
// methods itself, since the driver keeps its order of calls.

import (
	"errors"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// firstFD is the number of the first socket.
const firstFD = 100

// fileRead is how many bytes of a file are read at once.
const fileRead = 64 << 10

// maxSteps is how often a machine may be stepped before it is said to run in circles.
const maxSteps = 100_000

// Driver drives machines. It is their [machine.Host], and the sockets of those that connect.
type Driver struct {
	Now      func() clock.Time
	Sockets  []*Socket // in the order in which they were opened
	nudged   []*Socket
	spare    []*Socket // the list of the last turn, for reuse
	iov      [1][]byte
	Connects func(sysnet.Addr) error // what a connect comes to at once; nil for nothing special
	slow     []func()                // work, and what follows it, in turn
	steps    int
}

// Socket is one socket, seen from its peer.
type Socket struct {
	To      sysnet.Addr // whom it was connected to
	Got     []byte      // what the peer has got
	Shut    bool        // the sending direction has ended
	Closed  bool
	Reset   bool  // it was closed with a reset
	Pending bool  // the connection is still being made
	Err     error // why it could not be made
	Room    int64 // bytes that the peer takes before the socket is full; below 0 for all
	Held    int64 // bytes that the kernel holds for the peer, as Unsent reports them
	Want    machine.Want

	d      *Driver
	m      machine.Machine
	fd     int
	in     [][]byte // what the peer has sent, by reads
	only   [1][]byte
	eof    bool
	broken bool
	hungUp bool
	nudged bool
}

// Open drives a machine at a new socket. make is called with its number.
func (d *Driver) Open(make func(fd int) machine.Machine) *Socket {
	s := d.socket()
	s.m = make(s.fd)
	d.Nudge(s.fd)
	return s
}

func (d *Driver) socket() *Socket {
	s := &Socket{d: d, fd: firstFD + len(d.Sockets), Room: -1}
	d.Sockets = append(d.Sockets, s)
	return s
}

func (d *Driver) at(fd int) *Socket { return d.Sockets[fd-firstFD] }

// Adopt takes a further socket ([machine.Host]).
func (d *Driver) Adopt(fd int, m machine.Machine) {
	d.at(fd).m = m
	d.Nudge(fd)
}

// Nudge has a machine stepped ([machine.Host]).
func (d *Driver) Nudge(fd int) {
	if s := d.at(fd); s.m != nil && !s.Closed && !s.nudged {
		s.nudged = true
		d.nudged = append(d.nudged, s)
	}
}

// Connect begins a connection, which is there at once unless Connects says otherwise.
func (d *Driver) Connect(a sysnet.Addr) (int, error) {
	var err error
	if d.Connects != nil {
		err = d.Connects(a)
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, err
	}
	s := d.socket()
	s.To, s.Pending = a, err != nil
	return s.fd, nil
}

// Connected is how a connect has gone.
func (d *Driver) Connected(fd int) error {
	switch s := d.at(fd); {
	case s.Err != nil:
		return s.Err
	case s.Pending:
		return unix.EAGAIN
	}
	return nil
}

// Placeholder makes a socket at which nothing happens.
func (d *Driver) Placeholder() (int, error) { return d.socket().fd, nil }

// Read reads what has come.
func (d *Driver) Read(fd int, p []byte) (int, error) {
	s := d.at(fd)
	switch {
	case len(s.in) > 0:
		n := copy(p, s.in[0])
		if s.in[0] = s.in[0][n:]; len(s.in[0]) == 0 {
			s.in = s.in[1:]
		}
		return n, nil
	case s.eof:
		return 0, nil
	case s.broken:
		return 0, unix.ECONNRESET
	}
	return 0, unix.EAGAIN
}

// Silent reports whether nothing has come.
func (d *Driver) Silent(fd int) bool {
	s := d.at(fd)
	return len(s.in) == 0 && !s.eof && !s.broken
}

// Unsent is what the test says that the kernel holds.
func (d *Driver) Unsent(fd int) int64 { return d.at(fd).Held }

// OnlyHungUp reports whether the peer has hung up.
func (d *Driver) OnlyHungUp(fd int) bool { return d.at(fd).hungUp && !d.at(fd).broken }

// Send is what the peer sends: each piece is one read.
func (s *Socket) Send(pieces ...string) {
	for _, p := range pieces {
		if p != "" {
			s.in = append(s.in, []byte(p))
		}
	}
}

// Unread is how many bytes that the peer has sent were not read.
func (s *Socket) Unread() (n int) {
	for _, p := range s.in {
		n += len(p)
	}
	return n
}

// End has the peer end its sending direction.
func (s *Socket) End() { s.eof = true }

// HangUp has the peer close its socket, in order: what it has sent can still be read, and it takes
// nothing any more. So it is with a Unix socket, and with TCP once our direction has ended too.
func (s *Socket) HangUp() { s.eof, s.hungUp = true, true }

// Break has the peer reset the connection.
func (s *Socket) Break() { s.broken = true }

// Take is what the peer has got since the last call.
func (s *Socket) Take() string {
	got := string(s.Got)
	s.Got = s.Got[:0]
	return got
}

// Run goes on until nothing moves any more.
func (d *Driver) Run() {
	for d.steps = 0; d.turn(); {
	}
}

// turn gives each socket that is ready its turn, and then each that was nudged. It reports whether
// there was any.
func (d *Driver) turn() (moved bool) {
	slow := d.slow
	d.slow = nil
	for _, do := range slow {
		moved = true
		do()
	}
	for _, s := range d.Sockets {
		if s.m != nil && !s.Closed && s.ready() {
			moved = true
			d.event(s)
		}
	}
	nudged := d.nudged
	d.nudged, d.spare = d.spare[:0], nudged
	for _, s := range nudged {
		s.nudged = false
		if !s.Closed {
			moved = true
			d.serve(s, s.m.Step())
		}
	}
	return moved
}

// ready reports whether poll(2) would report the socket.
func (s *Socket) ready() bool {
	readable := len(s.in) > 0 || s.eof
	return s.broken || s.hungUp || s.Want&machine.WantRead != 0 && readable ||
		s.Want&machine.WantWrite != 0 && !s.Pending && s.Room != 0 || s.Err != nil || s.m.Deadline() <= s.d.Now()
}

func (d *Driver) event(s *Socket) {
	switch {
	case s.Want == machine.WantPeer && (s.broken || s.hungUp):
		s.m.Fail()
	case s.m.Reads():
		d.read(s)
	}
	d.serve(s, s.m.Step())
}

func (d *Driver) read(s *Socket) {
	n, err := d.Read(s.fd, s.m.Recv())
	switch {
	case n > 0:
		s.m.Received(n)
	case err == nil:
		s.m.EOF()
	case !sysnet.Again(err):
		s.m.Fail()
	}
}

func (d *Driver) serve(s *Socket, want machine.Want) {
	for ; ; want = s.m.Step() {
		if d.steps++; d.steps > maxSteps {
			panic("a machine goes round in circles")
		}
		s.Want = want
		switch {
		case want&machine.WantWrite != 0:
			if !d.write(s) {
				return
			}
		case want == machine.WantWake:
			s.m.Work()
		case want == machine.WantShut:
			s.Shut = true
		case want == machine.WantClose:
			s.Closed = true
			s.m.Close()
			s.Reset = s.m.Abortive()
			return
		default:
			return
		}
	}
}

// write reports whether all was taken.
func (d *Driver) write(s *Socket) bool {
	out := s.m.Out()
	switch {
	case s.Err != nil || s.broken || s.hungUp:
		s.m.Fail()
		return true
	case s.Pending:
		s.m.Stalled()
		return false
	}
	for !out.Empty() && s.Room != 0 {
		if p, n, ok := out.FrontPipe(); ok {
			n, _ = p.Pour(s.fd, n)
			out.Ack(n)
			continue
		}
		p, err := d.front(out)
		if err == sysnet.ErrCold {
			s.m.Fetch(sysnet.Front(out).Warm)
			return true
		}
		if err != nil {
			s.m.Break(err)
			return true
		}
		if s.Room >= 0 {
			p = p[:min(int64(len(p)), s.Room)]
			s.Room -= int64(len(p))
		}
		s.Got = append(s.Got, p...)
		out.Ack(int64(len(p)))
	}
	if !out.Empty() {
		s.m.Stalled()
	}
	return out.Empty()
}

// front is what comes next in a chain: bytes, or some of a file.
func (d *Driver) front(out *chain.Chain) ([]byte, error) {
	if iov, _ := out.Bytes(d.iov[:0]); len(iov) > 0 {
		return iov[0], nil
	}
	p := make([]byte, fileRead)
	n, err := sysnet.ReadFront(out, p)
	return p[:n], err
}

// SendBytes is Send without memory of its own, for tests that count allocations.
func (d *Driver) SendBytes(s *Socket, p []byte) {
	s.only[0] = p
	s.in = s.only[:]
}

// Turn gives one socket a turn: what has come is read, and what was nudged is not stepped.
func (d *Driver) Turn(s *Socket) { d.event(s) }

// Hear has what has come at a socket read, and nothing follow from it yet.
func (d *Driver) Hear(s *Socket) {
	if s.m.Reads() {
		d.read(s)
	}
}

// Offload does slow work in the next turn ([machine.Host]).
func (d *Driver) Offload(_ offload.Kind, work, then func()) { d.slow = append(d.slow, work, then) }
