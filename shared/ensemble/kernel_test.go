package ensemble

// The sockets, as the kernel has them: what has come and was not read, what was written and not
// taken, and in which ways a connection ends. Where it matters they are as tcp(7) has them, to the
// error that is told once, whoever asks first.
//
// A connection has two sides: ours, which machines and their driver see, and the peer's, which the
// course of events plays. What must not be done: the two must not know more of one another than two
// kernels do.

import (
	"golang.org/x/sys/unix"

	"fourways/shared/sysnet"
)

// window is how many bytes of a peer's may wait to be read.
const window = 128 << 10

// socket is a connection as the kernel has it.
type socket struct {
	in      []byte // has come, and we have not read it
	eof     bool   // the peer has ended its direction
	out     []byte // we have written it, and the peer has not taken it
	room    int    // bytes that out may have
	shut    bool   // we have ended our direction
	pending bool   // it is still being connected
	err     error  // that is told once
	dead    bool   // by a reset, of either side
	gone    bool   // the peer has closed its end
	closed  bool   // we have closed ours
	reset   bool   // and with a reset
	local   bool   // it is a Unix socket

	wrote []byte // all that was ever written, where somebody checks it
	keeps bool
}

// poll is what poll(2) and epoll(7) report: it can be read, written, and is broken or over.
func (k *socket) poll() (in, out, hup bool) {
	in = len(k.in) > 0 || k.eof || k.dead
	out = k.dead || !k.pending && len(k.out) < k.room
	hup = k.dead || k.err != nil || k.shut && k.eof || k.local && k.gone
	return in, out, hup
}

// onlyHungUp is POLLHUP without POLLERR.
func (k *socket) onlyHungUp() bool {
	_, _, hup := k.poll()
	return hup && k.err == nil
}

// told is the pending error, which is none afterwards.
func (k *socket) told() error {
	err := k.err
	k.err = nil
	return err
}

func (k *socket) read(p []byte) (int, error) {
	switch {
	case len(k.in) > 0:
		n := copy(p, k.in)
		k.in = k.in[n:]
		return n, nil
	case k.eof:
		return 0, nil
	case k.err != nil:
		return 0, k.told()
	case k.dead:
		return 0, nil
	}
	return 0, unix.EAGAIN
}

func (k *socket) write(p []byte) (int, error) {
	switch {
	case k.err != nil:
		return 0, k.told()
	case k.dead || k.shut || k.local && k.gone:
		return 0, unix.EPIPE
	case k.pending || len(k.out) >= k.room:
		return 0, unix.EAGAIN
	}
	n := min(len(p), k.room-len(k.out))
	if k.keeps {
		k.wrote = append(k.wrote, p[:n]...)
	}
	if k.gone { // nobody is there any more, and the peer's kernel says so
		k.die()
		return n, nil
	}
	k.out = append(k.out, p[:n]...)
	return n, nil
}

// die is the arrival of a reset.
func (k *socket) die() {
	if k.dead {
		return
	}
	k.dead, k.out = true, nil
	if k.err = unix.ECONNRESET; k.eof {
		k.err = unix.EPIPE
	}
}

// close is ours. Over what has come and was not read it is a reset.
func (k *socket) close(reset bool) {
	k.closed, k.reset = true, reset || len(k.in) > 0
	if k.reset {
		k.out = nil
	}
}

// The peer's side.

// over reports whether the peer can say nothing more.
func (k *socket) over() bool { return k.eof || k.dead || k.closed || k.gone || k.pending }

// say is what the peer sends. It reports how much the window has taken.
func (k *socket) say(p []byte) int {
	if k.over() {
		return 0
	}
	n := min(len(p), window-len(k.in))
	k.in = append(k.in, p[:n]...)
	return n
}

// take is what the peer reads: at most n bytes.
func (k *socket) take(n int) []byte {
	n = min(n, len(k.out))
	p := k.out[:n:n]
	k.out = k.out[n:]
	return p
}

// end ends the peer's direction.
func (k *socket) end() { k.eof = k.eof || !k.over() }

// leave has the peer close its end. Over what it has not read that is a reset.
func (k *socket) leave() {
	switch {
	case k.gone || k.dead || k.closed || k.pending:
	case len(k.out) > 0 && k.local: // what we have sent is lost, what it has sent is not (unix(7))
		k.gone, k.eof, k.err, k.out = true, true, unix.ECONNRESET, nil
	case len(k.out) > 0:
		k.gone = true
		k.die()
	default:
		k.gone, k.eof = true, true
	}
}

// breakOff has the peer reset the connection.
func (k *socket) breakOff() {
	if !k.closed && !k.pending {
		k.gone = true
		k.die()
	}
}

// refuse is the answer to a connection that nobody takes.
func (k *socket) refuse() {
	k.dead, k.err = true, unix.ECONNREFUSED
}

// calls are the system's, for the machines of a world ([sysnet.Sockets]).
type calls struct{ w *world }

// Connect begins a connection to a target, as the course of events has it go.
func (c calls) Connect(a sysnet.Addr) (int, error) {
	w := c.w
	switch w.connects {
	case connectsShort:
		return -1, unix.EMFILE
	case connectsRefused:
		return -1, unix.ECONNREFUSED
	case connectsFull:
		if w.local {
			return -1, unix.EAGAIN
		}
	}
	fd, k := w.socket()
	k.pending = w.connects == connectsLater
	k.local, k.keeps = w.local, true
	w.targets = append(w.targets, &target{w: w, k: k, relayed: a.IP.Port() == relayPort})
	return fd, nil
}

func (c calls) Connected(fd int) error {
	k := c.w.at(fd)
	switch {
	case k.err != nil:
		return k.told()
	case k.pending:
		return unix.EAGAIN
	case k.dead: // somebody has been told already (getpeername(2), ENOTCONN)
		return unix.EAGAIN
	}
	return nil
}

func (c calls) Placeholder() (int, error)          { fd, _ := c.w.socket(); return fd, nil }
func (c calls) Read(fd int, p []byte) (int, error) { return c.w.at(fd).read(p) }
func (c calls) Unsent(fd int) int64                { return int64(len(c.w.at(fd).out)) }
func (c calls) OnlyHungUp(fd int) bool             { return c.w.at(fd).onlyHungUp() }
func (c calls) Silent(fd int) bool {
	k := c.w.at(fd)
	if len(k.in) == 0 && !k.eof && k.told() != nil { // recv(2) tells it, also with MSG_PEEK
		return false
	}
	return len(k.in) == 0 && !k.eof && !k.dead
}
