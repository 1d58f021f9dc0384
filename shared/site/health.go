package site

import (
	"fourways/shared/http1"
	"fourways/shared/session"
)

// health answers with the health report, to those who may see it. For everybody else
// there is no such thing.
func (s *Site) health(x *session.Exchange) {
	if s.cfg.Health == nil || !s.monitors(x) {
		x.Fail(http1.Fault{Status: 404, Reason: http1.NotFound})
		return
	}
	status, body := s.cfg.Health(nil)
	h := s.begin(x, status, int64(len(body)))
	h.Field("Content-Type", "application/json")
	h.Field("Cache-Control", "no-store")
	if status == 503 {
		h.Field("Retry-After", retryAfter)
	}
	h.End()
	x.Write(body)
	x.Finish()
}

// monitors reports whether a client may look inside: one on this machine, which who comes
// through a Unix socket is, or one of the networks let in. Who comes through the socket on
// behalf of somebody else, as its X-Forwarded-For says, is not on this machine.
func (s *Site) monitors(x *session.Exchange) bool {
	client := x.Client()
	if !client.IsValid() {
		return !x.Request().Has(http1.XForwardedFor)
	}
	if client.IsLoopback() {
		return true
	}
	for _, p := range s.cfg.Monitor {
		if p.Contains(client) {
			return true
		}
	}
	return false
}
