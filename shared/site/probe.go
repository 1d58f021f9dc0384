package site

import (
	"net/netip"

	"fourways/shared/http1"
	"fourways/shared/session"
)

// Probes ask whether the server is alive or ready. A balancer probes before it sends clients here,
// a supervisor before it starts another server instead of this one. Probes come every second for
// years, from programs that know an address and no host name, and must be answered even when all
// other requests are refused. So the session recognizes them before all other checks: they may have
// any Host, no limit of rate applies, and they are not in the access log.
//
// Alive is not ready. A server that is to stop, or waits until its balancer has noticed, is alive.
// A supervisor that killed it then for not being ready would lose requests.
const (
	aliveRoute = "/livez"
	readyRoute = "/readyz"
)

// The words of the answers.
var (
	aliveWord    = []byte("alive")
	readyWord    = []byte("ready")
	drainingWord = []byte("draining")
)

const wordFields = "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" + noSniff

// IsProbe reports whether a request is a probe, from a client that may probe: on this machine, a
// trusted proxy, or in a network of -probe-from. What a proxy of connections asks for itself looks
// to some like what it passes on (PROXY UNKNOWN), so that is let in, too. Requests of other clients
// for these routes are treated like any other request.
func (s *Site) IsProbe(x *session.Exchange) bool {
	r := x.Request()
	if r.Method != http1.GET && r.Method != http1.HEAD || string(r.Path) != aliveRoute && string(r.Path) != readyRoute {
		return false
	}
	who, known := x.Asker()
	return known && (x.IsHere(who) || contain(s.cfg.Probers, who) || x.Trusts(who)) || x.Unnamed()
}

// IsReport reports whether a request is for a report on the server, of a client who may see it.
func (s *Site) IsReport(x *session.Exchange) bool {
	r := x.Request()
	return (r.Method == http1.GET || r.Method == http1.HEAD) && !r.HasBody() && s.reports(string(r.Path)) && s.monitors(x)
}

// MayProbe reports whether a peer may ask for a probe or a report.
func (s *Site) MayProbe(peer netip.Addr) bool {
	return local(peer) || contain(s.cfg.Probers, peer) || contain(s.cfg.Monitor, peer)
}

// Probe answers a probe.
func (s *Site) Probe(x *session.Exchange) {
	status, word := 200, aliveWord
	if string(x.Request().Path) == readyRoute {
		word = readyWord
		if s.cfg.Ending != nil && s.cfg.Ending() {
			status, word = 503, drainingWord
		}
	}
	h := x.Begin(status, int64(len(word)))
	h.Raw([]byte(wordFields))
	h.End()
	x.Write(word)
	x.Finish()
}
