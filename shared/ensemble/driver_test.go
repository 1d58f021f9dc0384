package ensemble

// The driver: what the event loop of stage 3, and so a runner of stage 2, does with its sockets, in
// the same order, over sockets in memory. Which of those that are ready are reported in a turn, and
// how slow the slow work is, is the course's to say.
//
// What must not be done: it must not be kinder than the loop. In particular it must not notice
// anything that the kernel would not have reported.

import (
	"fmt"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

const (
	firstFD   = 100
	share     = 96 << 10 // bytes that a socket may be sent in a turn
	spins     = 20_000   // turns without an end that are no progress any more
	lookEvery = clock.Second
	mostLeft  = 8 << 10 // bytes that a client may not have taken when it is closed in order
)

// driven is a socket of the loop's, and its machine.
type driven struct {
	machine.Machine
	fd     int
	k      *socket
	timer  clock.Time
	watch  machine.Want
	parked bool
	doomed bool
	gone   bool
	nudged bool
	full   bool
	over   bool
	client bool // it was accepted
	asked  bool // over io_uring: what it says next is received by the kernel
}

// job is slow work.
type job struct {
	work, then func()
	done       bool
}

// socket makes one more socket.
func (w *world) socket() (fd int, k *socket) {
	k = &socket{room: 64 << 10}
	w.kernel = append(w.kernel, k)
	return firstFD + len(w.kernel) - 1, k
}

func (w *world) at(fd int) *socket { return w.kernel[fd-firstFD] }

// add has the driver drive one.
func (w *world) add(fd int) *driven {
	s := &driven{fd: fd, k: w.at(fd), timer: clock.Never}
	w.sockets = append(w.sockets, s)
	w.open++
	return s
}

// Adopt takes a further socket ([machine.Host]).
func (w *world) Adopt(fd int, m machine.Machine) {
	w.add(fd).Machine = m
	w.Nudge(fd)
}

// Nudge has a machine stepped ([machine.Host]).
func (w *world) Nudge(fd int) {
	for _, s := range w.sockets {
		if s.fd == fd && !s.over && !s.nudged {
			s.nudged = true
			w.nudged = append(w.nudged, s)
		}
	}
}

// Offload does slow work ([machine.Host]).
func (w *world) Offload(_ offload.Kind, work, then func()) {
	w.slow = append(w.slow, &job{work: work, then: then})
}

// run does the i-th piece of slow work, and finish is its end, of which the loop hears in a turn.
func (w *world) run(i int) {
	if j := w.slow[i]; !j.done {
		j.done = true
		j.work()
	}
}

func (w *world) finish(i int) {
	w.run(i)
	w.posted = append(w.posted, w.slow[i].then)
	w.slow = append(w.slow[:i], w.slow[i+1:]...)
}

// busy reports whether another turn would do something.
func (w *world) busy() bool {
	if len(w.nudged) > 0 || len(w.posted) > 0 || len(w.sends) > 0 || len(w.received) > 0 {
		return true
	}
	for _, s := range w.sockets {
		if s.timer <= w.now() || s.reported() {
			return true
		}
	}
	return false
}

// reported reports whether epoll(7) would report a socket.
func (s *driven) reported() bool {
	in, out, hup := s.k.poll()
	if s.asked {
		return in || hup
	}
	return s.watch != 0 && (hup || in && s.watch&machine.WantRead != 0 || out && s.watch&machine.WantWrite != 0)
}

// turn is a turn of the loop, in which which says of a socket that is ready whether it is reported.
func (w *world) turn(which func(i int) bool) {
	if w.thread.Works {
		w.threadTurn(which)
		return
	}
	w.complete()
	w.receive(which)
	var ready []*driven
	var wants []machine.Want
	for i, s := range w.sockets {
		if s.asked || !s.reported() || !which(i) {
			continue
		}
		in, out, hup := s.k.poll()
		s.full = s.full && !out && !hup
		switch {
		case s.watch == machine.WantPeer && hup:
			s.Fail()
		case (in || hup) && s.Reads():
			w.read(s)
		}
		ready = append(ready, s)
	}
	for _, s := range ready {
		wants = append(wants, s.Step())
	}
	for i, s := range ready {
		w.serve(s, wants[i])
	}
	w.endTurn()
}

func (w *world) endTurn() {
	posted := w.posted
	w.posted = nil
	for _, do := range posted {
		do()
	}
	for _, s := range w.sockets {
		if s.timer <= w.now() {
			s.timer = clock.Never
			w.expired(s)
		}
	}
	nudged := w.nudged
	w.nudged = nil
	for _, s := range nudged {
		s.nudged = false
		if !s.parked && !s.over {
			w.drive(s, false)
		}
	}
	w.thread.EndTurn(w.now(), len(nudged), 0)
	w.forget()
	w.fetch(func(int) bool { return true })
}

// forget forgets the sockets that are closed.
func (w *world) forget() {
	kept := w.sockets[:0]
	for _, s := range w.sockets {
		if !s.over {
			kept = append(kept, s)
		}
	}
	w.sockets = kept
}

// settle has the loop go on until nothing moves any more, slow work included.
func (w *world) settle() {
	for n := 0; w.busy() || len(w.slow) > 0 && !w.late; n++ {
		if n > spins {
			w.fail("the loop goes round and round: %s", w.state())
		}
		for len(w.slow) > 0 && !w.late {
			w.finish(0)
		}
		w.turn(func(int) bool { return true })
	}
}

func (w *world) state() (text string) {
	for _, s := range w.sockets {
		text += fmt.Sprintf("[%d %v parked=%v deadline=%v %T in=%d eof=%v out=%d/%d shut=%v dead=%v gone=%v]", s.fd, s.watch, s.parked, s.timer-w.now(), s.Machine, len(s.k.in), s.k.eof, len(s.k.out), s.k.room, s.k.shut, s.k.dead, s.k.gone)
	}
	return text
}

func (w *world) drive(s *driven, readable bool) {
	if w.thread.Works {
		w.threadDrive(s, readable)
		return
	}
	if readable && s.Reads() {
		w.read(s)
	}
	w.serve(s, s.Step())
}

func (w *world) serve(s *driven, want machine.Want) {
	budget := int64(share)
	for n := 0; ; want = s.Step() {
		if n++; n > spins {
			w.fail("a machine goes round and round: %v of %T", want, s.Machine)
		}
		switch {
		case want&machine.WantWrite != 0:
			if !w.write(s, want, &budget) {
				return
			}
		case want == machine.WantWake:
			w.park(s)
			return
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

func (w *world) read(s *driven) {
	p := s.Recv()
	if len(p) == 0 {
		w.fail("no room to read into: %T", s.Machine)
	}
	n, err := s.k.read(p)
	switch {
	case n > 0:
		s.Received(n)
	case err == nil:
		s.EOF()
	case !sysnet.Again(err):
		s.Fail()
	}
}

func (w *world) write(s *driven, want machine.Want, budget *int64) bool {
	if s.full && s.watch&machine.WantWrite != 0 {
		w.await(s, want)
		return false
	}
	if s.k.shut {
		w.fail("written after the end of our direction: %T", s.Machine)
	}
	if w.uring && w.submit(s, want) {
		return false
	}
	out := s.Out()
	before := out.Sent()
	err := w.send(s.k, out, *budget)
	*budget -= out.Sent() - before
	s.full = sysnet.Again(err)
	switch {
	case err == nil && out.Empty() && *budget > 0:
		return true
	case err == nil || sysnet.Again(err):
		s.Stalled()
		w.await(s, want)
		return false
	case err == sysnet.ErrCold:
		s.Fetch(w.warm(out))
	case sysnet.FileFault(err):
		s.Break(err)
	default:
		s.Fail()
	}
	return true
}

// warm is the reading of what stands at the front of a chain, as the course has it end.
func (w *world) warm(out *chain.Chain) func() error {
	if w.files == filesCold {
		w.files = filesWarm
		return func() error { return nil }
	}
	return sysnet.Front(out).Warm
}

// send is [sysnet.Sender.Send].
func (w *world) send(k *socket, q *chain.Chain, budget int64) error {
	if q.Empty() {
		if k.err != nil {
			return k.told()
		}
		return unix.EAGAIN
	}
	for budget > 0 && !q.Empty() {
		var n int64
		var err error
		if p, most, ok := q.FrontPipe(); ok {
			n, err = p.(*pipe).pour(k, min(most, budget))
		} else {
			n, err = w.sendFront(k, q, budget)
		}
		if err != nil {
			q.NoteWait()
			return err
		}
		q.Ack(n)
		budget -= n
	}
	return nil
}

func (w *world) sendFront(k *socket, q *chain.Chain, budget int64) (int64, error) {
	segs, _ := q.Bytes(make([][]byte, 0, 8))
	if len(segs) > 0 {
		n, err := k.write(segs[0][:min(int64(len(segs[0])), budget)])
		return int64(n), err
	}
	switch w.files {
	case filesCold:
		return 0, sysnet.ErrCold
	case filesBroken:
		w.files = filesWarm
		return 0, sysnet.ErrTruncated
	}
	n, err := sysnet.ReadFront(q, w.page[:min(int64(len(w.page)), budget)])
	if err != nil {
		return 0, err
	}
	n, err = k.write(w.page[:n])
	return int64(n), err
}

func (w *world) await(s *driven, want machine.Want) {
	switch want {
	case machine.WantRead, machine.WantWrite, machine.WantRead | machine.WantWrite, machine.WantPeer:
	default:
		w.fail("%T wants %v", s.Machine, want)
	}
	s.watch, s.timer = want, s.Deadline()
	s.asked = s.asked || w.uring && s.client && want == machine.WantRead && s.Idle()
}

func (w *world) expired(s *driven) {
	if s.parked {
		w.look(s)
	} else {
		s.asked = false // over io_uring: the receive is ended, and then it is read
		w.drive(s, true)
	}
}

func (w *world) park(s *driven) {
	s.parked, s.watch = true, 0
	s.timer = w.now() + lookEvery
	w.Offload(s.WorkKind(), s.Work, func() { w.unpark(s) })
}

func (w *world) look(s *driven) {
	if _, _, hup := s.k.poll(); !hup {
		s.timer = w.now() + lookEvery
		return
	}
	s.gone = true
	s.Leave()
	w.release(s, true)
}

func (w *world) unpark(s *driven) {
	s.parked = false
	if s.gone {
		w.end(s)
		return
	}
	s.RestartDeadline()
	if s.doomed {
		s.Fail()
	}
	w.drive(s, false)
}

func (w *world) close(s *driven) {
	w.end(s)
	w.release(s, s.Abortive())
}

func (w *world) end(s *driven) {
	s.timer = clock.Never
	s.Close()
	w.open--
}

func (w *world) release(s *driven, abortive bool) {
	s.over, s.watch, s.timer = true, 0, clock.Never
	// The kernel would keep it for a client that does not read.
	if s.client && !abortive && !w.draining && len(s.k.out) > mostLeft && len(s.k.in) == 0 {
		w.fail("%d bytes are left to the kernel: %T", len(s.k.out), s.Machine)
	}
	s.k.close(abortive)
}

// drain and cut are the end of the server, in order and at once.
func (w *world) drain() {
	w.srv.Drain()
	w.draining = true
	for _, s := range append([]*driven(nil), w.sockets...) {
		if !s.parked && !s.over && s.Idle() {
			w.drive(s, false)
		}
	}
}

func (w *world) cut() {
	for _, s := range append([]*driven(nil), w.sockets...) {
		switch {
		case s.over:
		case s.parked:
			s.doomed = true
		default:
			s.Fail()
			w.drive(s, false)
		}
	}
}

// pipes lends pipes in memory ([chain.Pipes]).
type pipes struct {
	w          *world
	most, lent int
}

// pipe is one of them.
type pipe struct {
	of   *pipes
	data []byte
	over bool
}

func (p *pipes) Get() chain.Pipe {
	if p.lent >= p.most {
		return nil
	}
	p.lent++
	return &pipe{of: p}
}

func (p *pipe) Fill(fd int, n int64) (int64, error) {
	p.use()
	if len(p.data) > 0 {
		panic("a pipe is filled that is not empty")
	}
	p.data = make([]byte, n)
	got, err := p.of.w.at(fd).read(p.data)
	p.data = p.data[:got]
	return int64(got), err
}

func (p *pipe) Pour(fd int, n int64) (int64, error) { return p.pour(p.of.w.at(fd), n) }

func (p *pipe) pour(k *socket, n int64) (int64, error) {
	p.use()
	m, err := k.write(p.data[:n])
	p.data = p.data[m:]
	return int64(m), err
}

func (p *pipe) Read(b []byte) (int, error) {
	p.use()
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

func (p *pipe) Release() {
	p.use()
	p.over = true
	p.of.lent--
}

func (p *pipe) use() {
	if p.over {
		panic("a pipe is used that was given back")
	}
}
