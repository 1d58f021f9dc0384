package proxy

// The two bodies of a transfer: the request's on its way to the target (upload), and the answer's
// on its way to the client (download).

import (
	"fourways/shared/fault"
	"fourways/shared/session"
)

// upload is a transfer as the sink of the request's body.
type upload struct{ t *transfer }

// Body takes some of the request's body. The client is held up while the target takes no more. It
// is copied, although an answer may go by pipes: a body is no longer than -max-body, which is a few
// pipes full unless somebody wants more. For those a session would need a second way to read, which
// goes past HTTP and is judged by the same minimum rate, and a link one to drain what is left over.
func (u upload) Body(x *session.Exchange, p []byte) {
	t := u.t
	t.taken = true
	t.link.Expect(false) // the client has not waited to be asked
	t.link.Client().Write(p)
	t.link.Push()
	if t.link.Full() {
		x.Wait(t.left)
	}
}

// End completes the request, and waits for the answer. The session ends a body once: one without a
// byte is sent again, if need be, as none is, with the head.
func (u upload) End(x *session.Exchange) {
	t := u.t
	t.sent, t.hasBody = true, t.taken
	t.link.Client().Finish()
	t.link.Push()
	x.Wait(t.left)
}

// Abort is called where the body will not come whole.
func (u upload) Abort() { u.t.abandon() }

// download is a transfer as the source of the answer's body, which [transfer.Body] has written or
// queued.
type download struct{ t *transfer }

// More is called when little is left for the client.
func (d download) More(x *session.Exchange) (last bool) {
	t := d.t
	before := x.Pending()
	if err := t.queue.Feed(x); err != nil {
		t.lostOnDisk()
		return false
	}
	if t.whole && t.queue.Len() == 0 {
		t.over()
		return true
	}
	t.readOn()
	if x.Pending() == before {
		x.Wait(t.left)
	}
	return false
}

// lostOnDisk cuts an answer of which the disk has lost a part.
func (t *transfer) lostOnDisk() {
	if t.link != nil {
		t.link.Drop()
		t.link = nil
	}
	t.why = fault.Of(fault.BrokenFile)
	t.cut()
}

// Abort is called where the client wants no more.
func (d download) Abort() { d.t.abandon() }
