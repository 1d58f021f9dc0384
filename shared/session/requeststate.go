package session

// What a session needs only while it has a request. Its thread lends it at the first byte, and
// takes it back once the connection is idle again.
//
// One session owns it at a time, and no pointer to it may be kept after that. It is used again:
// reset clears every field of the exchange, so that no request sees anything of the one before.
// Each answer is counted and logged once, by account.

import (
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/stats"
)

// requestState is what a session needs while it has a request: lent by the Thread.
type requestState struct {
	made *Server // by whose limits its buffers were made
	conn *http1.Conn
	x    Exchange
	path []byte // where x.path is decoded into
	in   pace   // of the request's body

	fetch  func() error // reads what is to be sent next from a disk; nil for nothing to read
	broken error        // the error of fetch
	last   bool         // the connection ends after what is to be sent
	cut    bool         // and before the answer that it belongs to, see breakOff
	short  bool         // there was no memory when the first bytes came
}

func newRequestState(l *Thread) *requestState {
	a := &requestState{made: l.Server, conn: http1.NewConn(&l.Server.HTTP, &l.Clock, l.chunks)}
	a.x.conn, a.x.thread = a.conn, l
	a.path = make([]byte, 0, l.Server.HTTP.RequestLine)
	return a
}

func (a *requestState) open(s *Session) {
	a.conn.Open(int(s.served))
	a.x.reset(s)
}

// reset clears the exchange for a request of s. Until a head says otherwise, the peer is the
// client. The exchange is cleared in place: copying another one over it costs more.
func (x *Exchange) reset(s *Session) {
	conn, thread := x.conn, x.thread
	*x = Exchange{}
	x.conn, x.thread, x.s, x.client = conn, thread, s, s.addr.Unmap()
}

// checkPath decodes the target's path where it has one.
func (x *Exchange) checkPath() (f fault.Fault) {
	r := x.Request()
	switch r.Form {
	case http1.AuthorityForm:
		x.path = nil
	case http1.AsteriskForm:
		x.path = r.Path
	default:
		if len(r.Path) == 1 && r.Path[0] == '*' { // OPTIONS http://host (RFC 9112 3.2.4)
			x.path = r.Path
			return f
		}
		x.path, f = guard.Path(x.s.req.path[:0], r.Path)
	}
	return f
}

// account counts and logs an answer, once, when it is complete or given up. lost is how many of its
// bytes will never be sent. A request may have none: its client has left, or the server ended.
func (x *Exchange) account(lost int64) {
	if x.logged {
		return
	}
	x.logged = true
	x.sent = max(x.conn.Written()-lost, 0)
	st := x.thread.Stats
	st.Answer(x.conn.Status())
	st.Add(stats.BytesOut, uint64(x.sent))
	if x.headComplete && x.conn.Status() != 0 {
		x.thread.answered(x.began)
	}
	if !x.probe {
		x.thread.Server.Observer.Done(x)
	}
}

// abandon gives up what was under way.
func (x *Exchange) abandon() {
	if x.sink != nil {
		x.sink.Abort()
	}
	if x.source != nil {
		x.source.Abort()
	}
	if x.waiting && x.onGone != nil {
		x.onGone()
	}
	if x.tunnel != nil {
		x.tunnel.Gone()
	}
	x.sink, x.source, x.work, x.then, x.waiting, x.onGone, x.tunnel = nil, nil, nil, nil, false, nil, nil
}

// renew clears the exchange for the next request, if the last one has been accounted for.
func (x *Exchange) renew() {
	if x.logged {
		x.reset(x.s)
	}
}
