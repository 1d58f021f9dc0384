package upstream

// Who has a request on a Link, and what that is told when the answer does not come.

import (
	"fourways/shared/chain"
	"fourways/shared/fault"
)

// User is who has sent a request on a Link, and waits for the answer. Its methods are called on the
// thread of both, and may use and drop the link. After Lost it is no longer the user's, nor after
// the end of an answer or of a tunnel.
type User interface {
	Connected()    // the connection is there: the request's body may follow
	Moved(*Link)   // the request goes on there; what was written of it is there, too
	Room()         // less than a little of what was written is left: more may be written
	Interim()      // the answer so far is an interim one
	Response()     // the head of the answer is complete
	End()          // the answer is complete; of a tunnel, that the target sends nothing more
	Closed()       // the tunnel has ended, both ways
	Lost(why Loss) // the answer will not come, or not whole
	Waits() bool   // no other target is left: this one is waited for, where its queue is full
	Held() int64   // of a tunnel: bytes that the kernel holds for the user's own peer

	// Body is given some of the answer's body. With it passes one reference of ref; where that is
	// nil, p is valid during the call.
	Body(p []byte, ref chain.Ref)
	// TakesPipe reports whether it may come in a pipe instead. Pipe is given that, with n bytes.
	TakesPipe() bool
	Pipe(p chain.Pipe, n int64)
}

// Loss is why a Link was lost.
type Loss uint8

const (
	NotConnected Loss = iota // no connection was made: nothing of the request has been sent
	Overtaken                // a kept connection was closed before any of the answer came
	Broken                   // the connection ended too early
	Malformed                // what came is no HTTP, or more than is allowed
	TooLate                  // nothing came in time
	SlowConnect              // no connection was made in time: nothing of the request has been sent
	Unasked                  // a kept connection had news before the request was sent: nothing of it has been
)

// Fault is what the client of a lost answer is told.
func (w Loss) Fault() fault.Fault {
	switch w {
	case NotConnected:
		return fault.Of(fault.UpstreamRefused)
	case Malformed:
		return fault.Of(fault.UpstreamMalformed)
	case TooLate, SlowConnect:
		return fault.Of(fault.UpstreamTimeout)
	}
	return fault.Of(fault.UpstreamCut)
}

// Unsent reports whether nothing of the request can have reached the target.
func (w Loss) Unsent() bool { return w == NotConnected || w == SlowConnect || w == Unasked }

// nobody is the user of a link that is left to itself.
type nobody struct{}

func (nobody) Connected()  {}
func (nobody) Moved(*Link) {}
func (nobody) Room()       {}
func (nobody) Interim()    {}
func (nobody) Response()   {}
func (nobody) End()        {}
func (nobody) Closed()     {}
func (nobody) Lost(Loss)   {}
func (nobody) Waits() bool { return false }
func (nobody) Held() int64 { return 0 }

func (nobody) TakesPipe() bool            { return false }
func (nobody) Pipe(p chain.Pipe, _ int64) { p.Release() }
func (nobody) Body(_ []byte, ref chain.Ref) {
	if ref != nil {
		ref.Release()
	}
}
