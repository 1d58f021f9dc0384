package session

import (
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/stats"
)

// active is what a session needs while it has a request: lent by the Local.
type active struct {
	conn *http1.Conn
	x    Exchange
	path []byte // where x.path is decoded into
}

func newActive(l *Local) *active {
	a := &active{conn: http1.NewConn(&l.Server.HTTP, &l.Clock, l.chunks)}
	a.x.conn, a.x.loc = a.conn, l
	a.path = make([]byte, 0, l.Server.HTTP.RequestLine)
	return a
}

func (a *active) open(s *Session) {
	a.conn.Open(s.served)
	a.x.reset(s)
}

// reset makes the exchange a fresh one of the session. Until a head says otherwise, the
// peer is the client. It is cleared where it is: to copy another one over it costs more.
func (x *Exchange) reset(s *Session) {
	conn, loc := x.conn, x.loc
	*x = Exchange{}
	x.conn, x.loc, x.s, x.client = conn, loc, s, s.peer.Addr().Unmap()
}

// checkPath decodes the target's path where it has one.
func (x *Exchange) checkPath() (f http1.Fault) {
	r := x.Request()
	switch r.Form {
	case http1.AuthorityForm:
		x.path = nil
	case http1.AsteriskForm:
		x.path = r.Path
	default:
		if len(r.Path) == 1 && r.Path[0] == '*' { // OPTIONS http://host (RFC 9112 section 3.2.4)
			x.path = r.Path
			return f
		}
		x.path, f = guard.Path(x.s.act.path[:0], r.Path)
	}
	return f
}

// account counts and logs an answer, once, when it is complete or given up; lost is how
// many bytes of it will never leave.
func (x *Exchange) account(lost int64) {
	if x.logged {
		return
	}
	x.logged = true
	x.sent = max(x.conn.Written()-lost, 0)
	st := x.loc.Stats
	st.Answer(x.conn.Status())
	st.Add(stats.BytesOut, uint64(x.sent))
	if x.heard {
		x.loc.answered(x.began)
	}
	x.loc.Server.Observer.Done(x)
}

// abandon gives up what was under way.
func (x *Exchange) abandon() {
	if x.sink != nil {
		x.sink.Abort()
	}
	if x.source != nil {
		x.source.Abort()
	}
	x.sink, x.source, x.work, x.then = nil, nil, nil, nil
}

// renew makes the exchange that of the next request, if its own is over.
func (x *Exchange) renew() {
	if x.logged {
		x.reset(x.s)
	}
}
