package upstream

// A Link that is no HTTP any more. Its user writes with Send, and is given what comes; it ends once
// both sides have, or has been silent for too long.

import (
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
)

// Tunnel makes the link a tunnel, after the target has answered with 101: bytes go as they are both
// ways. What comes is told by Body, and that nothing more comes by End; then the user may still
// send. It returns what has come already, valid during the call that this is in.
func (l *Link) Tunnel() (rest []byte) {
	l.state, l.timed = stateTunnel, false
	l.gauges().tunnels.Add(1)
	return l.client.Rest()
}

// Send sends bytes through a tunnel. One reference of ref passes on; without one p is copied.
func (l *Link) Send(p []byte, ref chain.Ref) {
	l.client.Out().Append(p, ref)
	l.active = l.local.now()
	l.Push()
}

// Stir says that a tunnel is not silent, although nothing moves on this side of it: the user still
// passes on what it has from here.
func (l *Link) Stir() { l.active = l.local.now() }

// EndSending ends the user's direction of a tunnel.
func (l *Link) EndSending() {
	l.ends = true
	l.Push()
}

// Detach leaves a tunnel to itself whose user has said all and wants to hear nothing more: what is
// left still goes to the target, which has as long for it as for an answer.
func (l *Link) Detach() {
	l.user, l.detached, l.paused = nobody{}, true, false
	l.Push()
}

// tunnel is step for a link that is no HTTP any more.
func (l *Link) tunnel(now clock.Time) machine.Want {
	l.moved()
	l.deadline = l.active + l.silence()
	out := l.client.Out()
	switch {
	case l.eof && l.hungUp:
		l.part()
		return machine.WantClose
	case l.broken:
		l.lose(Broken)
		return machine.WantClose
	case now >= l.deadline && !l.drains(now):
		l.lose(TooLate)
		return machine.WantClose
	case l.ends && out.Empty() && !l.shut:
		l.shut = true
		return machine.WantShut
	case l.shut && (l.eof || l.detached):
		l.part()
		return machine.WantClose
	}
	if l.wants && out.Len() < roomAt {
		l.wants = false
		l.user.Room()
	}
	return l.wanting()
}

// silence is how long a tunnel may be silent.
func (l *Link) silence() clock.Time {
	if l.detached {
		return l.local.set.opt.Timeout
	}
	return l.local.set.opt.TunnelTimeout
}

// drains reports whether either end of a tunnel has taken, or got, some of what the kernel holds
// for it, since the last look. Then the tunnel is not silent, however long its sockets have no room
// for more: a slow reader makes some only when he has read a third of megabytes. Where we look too
// late ourselves, as after a suspension, what an end has said may not be read yet.
func (l *Link) drains(now clock.Time) bool {
	held := l.local.set.opt.Sockets.Unsent(l.fd) + l.user.Held()
	if held == l.held && now < l.deadline+tooLate {
		return false
	}
	l.held, l.active, l.deadline = held, now, now+l.silence()
	return true
}

// part is the end of a tunnel, both ways.
func (l *Link) part() {
	user := l.user
	l.settle()
	l.state = stateOver
	user.Closed()
}
