// Package machinetest has machines that are no sessions, for tests of drivers: two legs of a
// relay, of which each wants what a session never does. They read and write at once, they wait
// for one another, and one of them is at a socket that nobody accepted.
package machinetest

import (
	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/sysnet"
)

// most is how many bytes a leg holds for its socket before the other one stops reading.
const most = 64 << 10

// leg is one end of a relay. What it reads goes out at the other one.
type leg struct {
	machine.Order
	host  machine.Host
	fd    int
	other *leg
	out   chain.Chain
	in    [16 << 10]byte
	eof   bool // the peer has ended its sending direction
	shut  bool // ours has ended
	waits bool // for room in the other one's out
	over  bool
	hung  bool         // the peer has hung up: what it has sent can still be read
	gone  bool         // and was
	last  machine.Want // what it has said that it waits for
	ended func()

	closed bool // and its number may be another's
}

// Relay makes the two legs of a relay between the sockets a and b. ended is called when a's
// leg is closed.
func Relay(host machine.Host, a, b int, ended func()) (atA, atB machine.Machine) {
	pool := bufpool.New(chain.ChunkSize, 8)
	one := &leg{host: host, fd: a, out: chain.New(pool), ended: ended}
	two := &leg{host: host, fd: b, out: chain.New(pool), ended: func() {}, other: one}
	one.other = two
	one.Opened()
	two.Opened()
	return one, two
}

// Step lets the other leg know when there is room again, and wants whatever makes sense.
func (l *leg) Step() machine.Want {
	l.Called(machine.CallStep)
	l.last = l.step()
	return l.Wanted(l.last)
}

func (l *leg) step() (want machine.Want) {
	o := l.other
	switch {
	case l.over || o.over || l.gone:
		return machine.WantClose
	case o.eof && l.out.Empty() && !l.shut:
		l.shut = true
		return machine.WantShut
	case l.shut && o.shut:
		return machine.WantClose
	}
	if !l.out.Empty() {
		want |= machine.WantWrite
	}
	switch {
	case l.hungry():
		want |= machine.WantRead
	case !l.eof:
		l.waits = true
	}
	if o.waits && o.hungry() {
		o.waits = false
		l.host.Nudge(o.fd)
	}
	if want == 0 {
		want = machine.WantPeer
	}
	return want
}

func (l *leg) Reads() bool { return l.May(machine.CallRead) && l.hungry() }

// hungry reports whether the leg would read if it might. What a peer has left in the kernel is
// taken whole, since that hang-up is reported as long as nothing else is wanted.
func (l *leg) hungry() bool { return !l.eof && !l.over && (l.hung || l.other.out.Len() < most) }

func (l *leg) Recv() []byte {
	l.Called(machine.CallRead)
	return l.in[:]
}

func (l *leg) Received(n int) {
	l.other.out.Copy(l.in[:n])
	l.host.Nudge(l.other.fd)
}

func (l *leg) EOF() {
	l.eof = true
	l.host.Nudge(l.other.fd)
}

func (l *leg) Out() *chain.Chain {
	l.Called(machine.CallWrite)
	return &l.out
}

// Fail ends the relay. That a peer has only hung up is no failure: what it has sent before is read
// first, and may still be on its way to the other leg's peer. That is heard of where nothing else
// was waited for; elsewhere a call on the socket has failed, which may have taken the error away.
func (l *leg) Fail() {
	switch {
	case l.done():
		l.gone = true
	case !l.hung && l.last == machine.WantPeer && sysnet.OnlyHungUp(l.fd):
		l.hung = true
	default:
		l.over = true
	}
	l.host.Nudge(l.other.fd)
}

// done reports whether both directions of the socket have ended.
func (l *leg) done() bool { return l.eof && (l.shut || l.hung) }

func (l *leg) Close() {
	l.Called(machine.CallClose)
	if !l.done() {
		l.over = true
	}
	if l.closed = true; !l.other.closed {
		l.host.Nudge(l.other.fd)
	}
	l.out.Reset()
	l.ended()
}

func (l *leg) Deadline() clock.Time   { return clock.Never }
func (l *leg) Stalled()               {}
func (l *leg) Fetch(func() error)     {}
func (l *leg) Work()                  {}
func (l *leg) WorkKind() offload.Kind { return offload.Lookup }
func (l *leg) RestartDeadline()       {}
func (l *leg) Break(error)            { l.Fail() }
func (l *leg) Leave()                 { l.Fail() }
func (l *leg) Idle() bool             { return false }
func (l *leg) Abortive() bool         { return !l.done() && !l.shut }
