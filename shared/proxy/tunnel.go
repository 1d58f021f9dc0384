package proxy

// A connection that is no HTTP any more: WebSocket, for example (RFC 9110 7.8, RFC 6455).
//
// It begins only once the target has answered with 101 and the protocol that was asked for. What
// the client has sent behind its request waits until then: a target that does not switch must not
// find requests in it that nobody has checked. From then on bytes go as they are, both ways, each
// direction at its own speed, and each ends on its own. What the target says waits for a slow
// client in the transfer's queue, like an answer; what the client says waits for a slow target with
// the client. No queue would free anybody there: a client that waits holds no worker, and a target
// that takes nothing should not have strangers fill the disk for it. Nor does it go by pipes:
// clients of tunnels mostly send small messages, and what is large is passed on in the block into
// which it was read. Bulk goes through relays, which move it by pipes both ways.

import (
	"fourways/shared/chain"
	"fourways/shared/session"
)

// switchProtocols passes a 101 on.
func (t *transfer) switchProtocols() {
	x, resp := t.x, t.link.Client().Response()
	lines, ok := SwitchLines(t.local.scratch[:0], &resp.Message, Upgrades(x.Request()))
	t.local.scratch = lines
	if !ok || !t.sent {
		t.link.Disown()
		return
	}
	t.times, t.answered, t.tunnels = t.link.Times(), true, true
	t.note()
	rest := t.link.Tunnel()
	x.Tunnel(lines, tunnel{t})
	if len(rest) > 0 {
		x.Write(rest)
	}
}

// Closed is the end of a tunnel, both ways. Nobody is there any more to take what the client may
// still send.
func (t *transfer) Closed() {
	t.link = nil
	t.x.CloseTunnel()
}

// tunnel is a transfer as the other end of its client's connection.
type tunnel struct{ t *transfer }

// FromClient passes on what the client sends.
func (u tunnel) FromClient(p []byte, ref chain.Ref) {
	if u.t.link != nil {
		u.t.link.Send(p, ref)
	} else if ref != nil {
		ref.Release()
	}
}

// ClientEnds passes the end of the client's direction on.
func (u tunnel) ClientEnds() {
	if u.t.link != nil {
		u.t.clientEnded = true
		u.t.link.EndSending()
	}
}

// Takes reports whether more of the client is to be read.
func (u tunnel) Takes() bool {
	return u.t.link != nil && !u.t.link.Full()
}

// Room goes on with what the target has sent.
func (u tunnel) Room() {
	t := u.t
	if err := t.queue.Feed(t.x); err != nil {
		t.lostOnDisk()
		return
	}
	t.passEnd()
	t.readOn()
}

// passEnd passes the end of the target's direction on, after the last of what it has said.
func (t *transfer) passEnd() {
	if t.targetEnded && t.queue.Len() == 0 {
		t.x.EndTunnel()
	}
}

// Moved notes that the client has taken some of what was written: a tunnel with a slow reader is
// not silent.
func (u tunnel) Moved() {
	if u.t.link != nil {
		u.t.link.Stir()
	}
}

// Gone is the end of the client's connection. A client that had said all has left in order, and the
// target still gets what is left for it.
func (u tunnel) Gone() {
	t := u.t
	if t.link != nil && t.clientEnded {
		t.link.Detach()
		t.link = nil
	}
	t.abandon()
}

var _ session.Tunnel = tunnel{}
