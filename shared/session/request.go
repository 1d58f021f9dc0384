package session

// One request as the session sees it: whose it is, what it may, what it costs its client, and what
// it is refused for.
//
// The order of the checks is that of request. What must not be done: no request may be refused
// without being counted, nor one that cannot be read without being held against its client, or who
// sends only such would have no limit.

import (
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/stats"
)

// request checks a request whose head is complete, and has it answered.
func (s *Session) request(x *Exchange) {
	s.thread.renew()
	srv, st := s.thread.Server, s.thread.Stats
	if srv.relisted { // perhaps since the connection began
		s.lookUpPeer(s.addr)
	}
	st.Add(stats.Requests, 1)
	x.began, x.headComplete = s.thread.Clock.Now(), true
	wrongPort := s.layer != nil && s.layer.Bypassed
	if wrongPort {
		x.conn.SetClosing()
	}
	s.identifyClient(x)
	if x.Secured() {
		x.conn.SetSecured()
	}
	if s.answerProbe(x) || s.spare(x) {
		return
	}
	r := x.Request()
	state := limiter.Complete
	if r.HasBody() {
		state = limiter.Begun
	}
	if f := s.limit(x, state); !f.OK() {
		s.refuse(f)
		return
	}
	to := addressee(r)
	if f := srv.Hosts.Check(to); !f.OK() && !s.reached(f, to) {
		if f.Status == 400 {
			x.conn.SetClosing() // what follows may be meant for another server, too
		}
		s.refuse(f)
		return
	}
	if wrongPort {
		s.refuse(fault.Of(fault.PlainOnTLSPort))
		return
	}
	if s.misdirected(x, to) {
		s.refuse(fault.Of(fault.Misdirected))
		return
	}
	if f := x.checkPath(); !f.OK() {
		s.refuse(f)
		return
	}
	if r.Expects == http1.OtherExpectation {
		x.conn.SetClosing() // the client may or may not send its body now
		s.refuse(fault.Of(fault.UnknownExpectation))
		return
	}
	srv.Handler.Serve(x)
}

// Charge counts something that is no request and costs as much as so many, and is done for the
// peer: a handshake of TLS. It reports what speaks against it, if anything does. What a proxy that
// is trusted does is done for others, who are not known yet.
func (s *Session) Charge(requests int) fault.Reason {
	if !s.answerable() {
		return fault.NoReason
	}
	v := s.thread.Server.Limiter.Charge(s.addr, int64(s.thread.Clock.Now()), requests)
	if v.NewBan { // that it comes again is told to those only who look closely
		s.thread.Server.Observer.Unsecured(s.addr, fault.Banned, "too many handshakes")
	}
	return s.verdict(v)
}

// Blame counts something below HTTP that cannot be read, as if it were a request that cannot be
// parsed, and reports what speaks against the peer for it.
func (s *Session) Blame() fault.Reason {
	if !s.answerable() {
		return fault.NoReason
	}
	return s.verdict(s.thread.Server.Limiter.Judge(s.addr, int64(s.thread.Clock.Now()), limiter.Malformed))
}

// answerable reports whether the peer itself is held to the limits for what it does below HTTP.
func (s *Session) answerable() bool {
	return s.thread.Server.Limiter != nil && s.marks&exempt == 0 && !s.shared() && s.addr.IsValid()
}

// verdict is the reason for a refusal that the limiter wants, and counts a new ban.
func (s *Session) verdict(v limiter.Verdict) fault.Reason {
	if v.NewBan {
		s.thread.Server.Stats.Mitigate()
	}
	return refusalOf(v.Kind)
}

// answerProbe answers a request that is a probe. A probe may name any Host. But with a missing or
// malformed one it is not a valid request (RFC 9112 3.2), and is refused like any other.
func (s *Session) answerProbe(x *Exchange) bool {
	srv := s.thread.Server
	if srv.Prober == nil || !srv.Prober.IsProbe(x) || srv.Hosts.Check(addressee(x.Request())).Status == 400 {
		return false
	}
	x.probe = true
	srv.Prober.Probe(x)
	return true
}

// limited reports whether the limiter applies to the client.
func (s *Session) limited(x *Exchange) bool {
	return s.thread.Server.Limiter != nil && (s.marks&exempt == 0 || s.shared()) && x.client.IsValid()
}

// limit asks the limiter about one more request of this client.
func (s *Session) limit(x *Exchange, state limiter.State) (f fault.Fault) {
	if !s.limited(x) {
		return f
	}
	return s.refusalFor(x, s.thread.Server.Limiter.Judge(x.client, int64(s.thread.Clock.Now()), state))
}

// refusalFor is the fault of a request that a verdict of the limiter refuses.
func (s *Session) refusalFor(x *Exchange, v limiter.Verdict) (f fault.Fault) {
	if f.Reason = refusalOf(v.Kind); f.Reason == fault.NoReason {
		return f
	}
	if v.NewBan {
		s.thread.Server.Stats.Mitigate()
	}
	if v.Kind == limiter.Banned && !s.shared() { // a proxy's connection is not the client's
		x.conn.SetClosing()
	}
	f.Status = 429
	x.retry = v.RetryAfter
	return f
}

// malformed is the fault that a request is refused for when it cannot be parsed. It counts like any
// other request, since otherwise a client that sends only malformed ones would have no limit. Where
// it is malformed, and not only slow or cut short, it also counts towards a ban. TLS does not: a
// page by https with pictures of this server has browsers ask for them by https, too.
func (s *Session) malformed(x *Exchange, f fault.Fault) fault.Fault {
	state := limiter.MalformedBody
	if !x.headComplete {
		s.beginUnread(x)
		if f.Reason == fault.BodyTooLarge { // nothing is wrong with the head, which says whose it is
			s.identifyClient(x)
		}
		state = limiter.Malformed
	}
	if f.Status/100 != 4 || f.Status == 408 || !f.Reason.Refusal() || f.Reason == fault.TLSOnPlainPort {
		if x.headComplete {
			return f
		}
		state = limiter.Begun
	}
	if over := s.limit(x, state); !over.OK() {
		return over
	}
	return f
}

// beginUnread counts a request without a complete head. One of a proxy names no client.
func (s *Session) beginUnread(x *Exchange) {
	s.thread.Stats.Add(stats.Requests, 1)
	x.began = s.headBegan()
	if s.shared() {
		x.setUnknown()
	}
}

// completed tells the limiter that the body of a request which it let in has ended.
func (s *Session) completed(x *Exchange) {
	if x.Request().HasBody() && x.retry == 0 && !x.probe && s.limited(x) {
		s.thread.Server.Limiter.Completed(x.client)
	}
}

// fail ends an exchange whose state is unknown, after a panic for example.
func (s *Session) fail(x *Exchange) {
	x.abandon()
	x.conn.SetClosing()
	if x.conn.Status() == 0 {
		s.refuse(fault.Of(fault.Internal))
	} else {
		s.breakOff()
	}
}

// refuse counts, reports and answers a fault.
func (s *Session) refuse(f fault.Fault) {
	x := &s.req.x
	if sink := x.sink; sink != nil {
		x.sink = nil
		sink.Abort()
	}
	s.report(x, f)
	s.thread.Server.Handler.Refuse(x, f)
}

func (s *Session) report(x *Exchange, f fault.Fault) {
	s.thread.Stats.Refuse(f.Reason)
	s.thread.Server.Observer.Refused(x, f)
}
