package session

import (
	"fourways/shared/clock"
	"fourways/shared/http1"
)

// await sets the deadline for a wait. A wait that goes on keeps the deadline it
// has: a head that comes a byte at a time gets no more time for it.
func (s *Session) await(w wait) {
	if s.wait == w {
		return
	}
	t := &s.loc.Server.Timing
	s.wait = w
	s.since = s.loc.Clock.Now()
	switch w {
	case waitIdle:
		s.deadline = s.since + t.Idle
	case waitHead:
		s.deadline = s.since + t.Head
	case waitBody:
		s.moved, s.credit = s.progress(), 0
		s.deadline = s.since + rateGrace
	case waitWrite:
		s.credit = 0
		s.moved = unknown // most answers leave at once: only Stalled is worth asking the kernel
		s.deadline = s.since + rateGrace
	case waitWork:
		s.deadline = clock.Never
	}
}

// unknown is the value of moved before anybody has measured.
const unknown = -1

// Stalled says that the socket did not take all that WantWrite was about. From here on
// it counts how fast the client takes it.
func (s *Session) Stalled() {
	if s.wait == waitWrite && s.moved == unknown {
		s.moved = s.progress()
	}
}

// headBegan is when the head that is being waited for began to come.
func (s *Session) headBegan() clock.Time {
	if s.wait == waitHead {
		return s.since
	}
	return s.loc.Clock.Now()
}

// expire decides what it means that the deadline has passed. It reports false when
// the connection is to be cut without another word.
func (s *Session) expire() bool {
	switch s.wait {
	case waitHead:
		s.act.conn.Fail(http1.Fault{Status: 408, Reason: http1.HeadTimeout})
		return true
	case waitBody:
		if s.fastEnough() {
			return true
		}
		f := http1.Fault{Status: 408, Reason: http1.BodyTooSlow}
		if s.act.conn.Status() != 0 {
			s.report(&s.act.x, f)
			return false
		}
		s.act.conn.Fail(f)
		return true
	case waitWrite:
		if s.fastEnough() {
			return true
		}
		x := &s.act.x
		x.renew() // the request may be over and forgotten, and only its answer be left
		s.report(x, http1.Fault{Status: 408, Reason: http1.ReaderTooSlow})
		s.abortive = true
		return false
	}
	return false
}

// fastEnough looks at what has moved since the last look, and begins the next one. What
// moved beyond the minimum is credit for the looks to come, for a minute of silence at
// most: a receiver with a large buffer that is full does not let anything move until it
// has read a good part of it, and then much at once (tcp(7), the window of which is only
// opened in steps), however steadily it reads.
func (s *Session) fastEnough() bool {
	now, total, rate := s.loc.Clock.Now(), s.progress(), s.loc.Server.Timing.MinRate
	if s.moved != unknown {
		s.credit += total - s.moved - rate*int64((now-s.since)/clock.Millisecond)/1000
		s.credit = min(s.credit, rate*int64(maxSilence/clock.Second))
	}
	s.since, s.moved, s.deadline = now, total, now+rateGrace
	return s.credit >= 0
}

// progress is how many bytes have moved in the direction that is waited for. Of an
// answer only what the peer has acknowledged counts: a socket's send buffer takes
// megabytes at once however slowly they are read.
func (s *Session) progress() int64 {
	if s.wait == waitBody {
		return s.act.conn.BodyBytes()
	}
	sent := s.act.conn.Out().Sent()
	if s.loc.Unsent != nil {
		sent -= s.loc.Unsent(s.handle)
	}
	return sent
}
