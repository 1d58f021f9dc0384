//go:build linux

package client

// The loop of a load: one goroutine has all connections, and waits in epoll_pwait2(2).
//
// It must cost less than the servers, or it would be measured. So nothing is allocated for a
// request, and an answer's head that is the same as the last one is not read again. What must not
// be done: an answer must not be counted that is not whole, or whose length is unknown.

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Sizes and times of the loop.
const (
	fireEvents = 512
	fireBuffer = 64 << 10               // bytes that one recv(2) takes, where they are looked at
	restTime   = 10 * time.Millisecond  // before a client comes again whose request failed
	drainTime  = 2 * time.Second        // for answers that are under way at the end
	crowdTime  = 100 * time.Millisecond // the same for one of a crowd, who was refused
	manyConns  = 1000                   // that a server takes a while to accept
	openPause  = 256                    // connections opened before the server has a moment to accept them
)

// shot is one connection.
type shot struct {
	conn
	open    bool
	waits   bool   // for room in its socket, or for the end of connect(2), and not for an answer
	armed   bool   // epoll knows it
	out     []byte // of its requests, what is not sent yet
	owed    int    // answers
	left    int64  // bytes of the body under way that have not come
	last    bool   // the server ends the connection after this answer
	bad     bool   // the answer under way is no 2xx
	busy    bool   // (503)
	carried []byte // the beginning of a head
	began   int64  // when its request left, and when it was meant to: nanoseconds of the fire's clock
	meant   int64
}

// rest is a connection that waits before it is opened again.
type rest struct {
	at   int64
	shot *shot
}

// fire is a load under way.
type fire struct {
	load     *Load
	requests [][]byte
	epoll    int
	shots    []shot
	byFD     map[int32]*shot
	idle     []*shot // of an open loop: those that have nothing to do
	resting  []rest  // earliest first
	turn     int     // of the paths
	sent     int     // requests, of an open loop

	clock time.Time // the beginning
	now   int64     // when it was looked at last
	end   int64

	draining bool          // nothing leaves any more
	before   time.Duration // that this process had used when it began

	in   []byte
	head headOf

	waited, served *hdrhistogram.Histogram
	sum            Fired
}

// headOf is what was read of an answer's head.
type headOf struct {
	text   []byte
	length int64
	status int
	closes bool
}

// newFire opens the connections.
func newFire(l *Load) (*fire, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := &fire{
		load: l, requests: l.requests(), epoll: epoll, shots: make([]shot, l.Conns), byFD: map[int32]*shot{},
		in: make([]byte, fireBuffer), waited: newHistogram(), served: newHistogram(), clock: time.Now(),
	}
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // an open loop is to be punctual
	if l.Closes {
		return f, nil // each request opens its own
	}
	for i := range f.shots {
		c, err := dial(l.Addr)
		if err == nil && i == l.Conns-1 && l.Conns >= manyConns && !l.Crowd && l.Body == 0 {
			err = c.fetch(request(l.Addr, l.Paths[0])) // connections are accepted in order: all are, then
		}
		if err == nil {
			err = f.adopt(&f.shots[i], c)
		}
		if err != nil {
			f.close()
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		if i%openPause == openPause-1 {
			time.Sleep(time.Millisecond)
		}
	}
	return f, nil
}

// adopt takes a connection that is open.
func (f *fire) adopt(s *shot, c conn) error {
	s.conn, s.open = c, true
	f.byFD[int32(c.fd)] = s
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	return f.watch(s, unix.EPOLLIN)
}

func (f *fire) watch(s *shot, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if !s.armed {
		op = unix.EPOLL_CTL_ADD
	}
	s.armed, s.waits = true, events != unix.EPOLLIN
	return unix.EpollCtl(f.epoll, op, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.fd)})
}

func (f *fire) close() {
	for i := range f.shots {
		if f.shots[i].open {
			f.shots[i].close()
		}
	}
	unix.Close(f.epoll)
}

// look takes the time.
func (f *fire) look() { f.now = int64(time.Since(f.clock)) }

// run makes the load.
func (f *fire) run() error {
	f.clock = time.Now()
	f.end = int64(f.load.For)
	f.before = ownCPU()
	f.look()
	for i := range f.shots {
		f.again(&f.shots[i])
	}
	var events [fireEvents]unix.EpollEvent
	for f.now < f.end {
		f.due()
		n, err := f.wait(events[:])
		if err != nil {
			return err
		}
		f.look()
		for i := range events[:n] {
			f.look()
			if s := f.byFD[events[i].Fd]; s != nil && s.open {
				f.event(s)
			}
		}
	}
	f.finish()
	return f.drain(events[:])
}

// drain takes the answers to what has left before the end. They came too late for the rate, but the
// server has worked for them.
func (f *fire) drain(events []unix.EpollEvent) error {
	f.draining, f.end = true, f.now+int64(drainTime)
	for f.now < f.end && f.waiting() {
		n, err := f.wait(events)
		if err != nil {
			return err
		}
		for i := range events[:n] {
			f.look()
			if s := f.byFD[events[i].Fd]; s != nil && s.open {
				f.event(s)
			}
		}
		f.look()
	}
	return nil
}

// waiting reports whether anybody waits for an answer.
func (f *fire) waiting() bool {
	return slices.ContainsFunc(f.shots, func(s shot) bool { return s.open && s.owed > 0 })
}

// finish sums up, and counts those of an open loop who still wait, for as long as they have.
func (f *fire) finish() {
	f.look()
	f.sum.CPU = ownCPU() - f.before
	if f.load.Rate > 0 {
		for i := range f.shots {
			if s := &f.shots[i]; s.owed > 0 {
				note(f.waited, f.now-s.meant)
			}
		}
		for ; f.meant(f.sent) < f.end; f.sent++ {
			f.sum.Unsent++
			note(f.waited, f.now-f.meant(f.sent))
		}
	}
	f.sum.Elapsed = time.Duration(f.now)
	f.sum.Waited, f.sum.Served = quantiles(f.waited), quantiles(f.served)
}

// meant is when request i of an open loop is to leave.
func (f *fire) meant(i int) int64 { return int64(float64(i) / f.load.Rate * float64(time.Second)) }

// due does what the time has come for: requests of an open loop, and clients that come again.
func (f *fire) due() {
	for len(f.resting) > 0 && f.resting[0].at <= f.now {
		s := f.resting[0].shot
		f.resting = f.resting[1:]
		f.again(s)
	}
	for f.load.Rate > 0 && len(f.idle) > 0 && f.meant(f.sent) <= f.now {
		s := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		f.shoot(s, f.meant(f.sent))
		f.sent++
		f.look() // the next one leaves later
	}
}

// wait waits for events, or for the next moment at which something is due.
func (f *fire) wait(events []unix.EpollEvent) (int, error) {
	next := f.end
	if len(f.resting) > 0 && !f.draining {
		next = min(next, f.resting[0].at)
	}
	if f.load.Rate > 0 && len(f.idle) > 0 && !f.draining {
		next = min(next, f.meant(f.sent))
	}
	left := unix.NsecToTimespec(max(next-int64(time.Since(f.clock)), 0))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(f.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&left)), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	case unix.ENOSYS: // before Linux 5.11: by milliseconds
		some, err := unix.EpollWait(f.epoll, events, int((left.Nano()+int64(time.Millisecond)-1)/int64(time.Millisecond)))
		if err == unix.EINTR {
			err = nil
		}
		return max(some, 0), err
	}
	return 0, errno
}

// again has a connection ask: at once in a closed loop, when its time comes in an open one.
func (f *fire) again(s *shot) {
	switch {
	case f.draining:
		return
	case f.load.Rate > 0:
		f.idle = append(f.idle, s)
	default:
		f.shoot(s, f.now)
	}
}

// shoot sends a request that is meant to leave at a moment.
func (f *fire) shoot(s *shot, meant int64) {
	s.began, s.meant, s.owed, s.left = f.now, meant, max(f.load.Deep, 1), 0
	s.out = f.requests[f.turn]
	if f.turn++; f.turn == len(f.requests) {
		f.turn = 0
	}
	if !s.open {
		if err := f.connect(s); err != nil {
			f.lost(s, err)
			return
		}
	}
	f.send(s)
}

// connect opens a connection, and does not wait for that.
func (f *fire) connect(s *shot) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.conn, s.open, s.armed = conn{fd}, true, false
	f.byFD[int32(fd)] = s
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(f.load.Addr.Port()), Addr: f.load.Addr.Addr().As4()})
	if err != nil && err != unix.EINPROGRESS {
		return err
	}
	return nil
}

// send sends what is left of the requests.
func (f *fire) send(s *shot) {
	for len(s.out) > 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(s.out)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			s.out = s.out[n:]
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOTCONN, unix.EINPROGRESS:
			if err := f.watch(s, unix.EPOLLOUT); err != nil {
				f.lost(s, err)
			}
			return
		default:
			f.lost(s, errno)
			return
		}
	}
	if !s.armed || s.waits {
		if err := f.watch(s, unix.EPOLLIN); err != nil {
			f.lost(s, err)
		}
	}
}

// event goes on with a connection.
func (f *fire) event(s *shot) {
	if s.waits {
		f.send(s)
		return
	}
	flags, p := 0, f.in
	if s.left > fireBuffer { // of a large body, nobody looks at what comes
		flags, p = unix.MSG_TRUNC, discard[:min(s.left, discardSize)]
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(flags), 0, 0)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		f.lost(s, errno)
	case r == 0:
		f.lost(s, errEnded)
	case flags != 0:
		f.body(s, int64(r))
		f.ended(s)
	default:
		f.arrived(s, p[:r])
	}
}

var errEnded = errors.New("the server closed the connection")

// arrived reads answers.
func (f *fire) arrived(s *shot, p []byte) {
	if len(s.carried) > 0 {
		s.carried = append(s.carried, p...)
		p = s.carried
	}
	for len(p) > 0 && s.open {
		if s.left > 0 {
			p = p[f.body(s, int64(len(p))):]
			if f.ended(s); s.owed == 0 {
				return
			}
			continue
		}
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 && len(p) < maxHead {
			s.carried = append(s.carried[:0], p...)
			return
		}
		if end < 0 || s.owed == 0 || f.head.read(p[:end]) != nil {
			f.lost(s, errEnded)
			return
		}
		p = p[end+len("\r\n\r\n"):]
		s.left, s.last = f.head.length, f.head.closes
		s.bad, s.busy = f.head.status/100 != 2, f.head.status == 503
		if f.ended(s); s.owed == 0 {
			return
		}
	}
	s.carried = s.carried[:0]
}

// body counts what has come of a body, and returns how much of n that is.
func (f *fire) body(s *shot, n int64) int64 {
	n = min(n, s.left)
	s.left -= n
	if f.draining {
		f.sum.LateBytes += n
	} else {
		f.sum.Bytes += n
	}
	return n
}

// ended looks whether an answer is whole.
func (f *fire) ended(s *shot) {
	if s.left > 0 {
		return
	}
	s.owed--
	switch {
	case f.draining:
		if !s.bad {
			f.sum.Late++
		}
	case s.busy && f.load.Crowd:
		f.sum.Refused++
	case s.bad:
		f.sum.Errors++
	default:
		f.sum.Answers++
		note(f.waited, f.now-s.meant)
		note(f.served, f.now-s.began)
	}
	switch {
	case s.bad:
		f.drop(s)
		f.later(s)
	case s.owed == 0 || s.last:
		s.owed = 0
		s.carried = s.carried[:0]
		if f.load.Closes || s.last {
			f.drop(s)
		}
		f.again(s)
	}
}

// lost gives a connection up that came to its end too early.
func (f *fire) lost(s *shot, err error) {
	waited := s.owed > 0
	f.drop(s)
	switch {
	case !waited || f.draining:
		return // it had nothing to do, and is opened when it has
	case f.load.Crowd:
		f.sum.Refused++
	default:
		f.sum.Errors++
	}
	f.later(s)
}

// later has a client come again after a while.
func (f *fire) later(s *shot) {
	wait := restTime
	if f.load.Crowd {
		wait = crowdTime
	}
	f.resting = append(f.resting, rest{f.now + int64(wait), s})
}

func (f *fire) drop(s *shot) {
	if s.open {
		delete(f.byFD, int32(s.fd))
		s.close()
	}
	s.open, s.armed, s.waits, s.owed, s.left, s.out, s.carried = false, false, false, 0, 0, nil, s.carried[:0]
}

// read reads a head, unless it is the last one again.
func (h *headOf) read(p []byte) error {
	if bytes.Equal(p, h.text) {
		return nil
	}
	h.text = h.text[:0]
	var status int
	if _, err := fmt.Sscanf(string(p[:min(len(p), 12)]), "HTTP/1.1 %03d", &status); err != nil {
		return err
	}
	length, err := lengthOf(p)
	if err != nil {
		return err
	}
	h.text, h.length, h.status, h.closes = append(h.text, p...), length, status, saysClose(p)
	return nil
}
