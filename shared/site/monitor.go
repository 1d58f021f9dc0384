package site

// The monitoring routes, and which clients may use them.
//
// They run on the thread that serves, so a Report must not wait. What must not be done: no route
// here may answer before monitors has agreed. For all other clients the routes must seem not to
// exist, so the refusal is the same 404 as for any other name. Nor may a page from elsewhere read a
// report in the browser of somebody who may: what -cors allows is for the site.

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"

	"fourways/shared/fault"
	"fourways/shared/session"
)

// The monitoring routes. Clients that may use them always get them, even if a file has the same
// name; for all others they do not exist.
const (
	healthRoute  = "/health"
	statsRoute   = "/stats"
	pageRoute    = "/stats.html"
	metricsRoute = "/metrics"
)

const (
	jsonType    = "application/json"
	metricsType = "text/plain; version=0.0.4; charset=utf-8" // Prometheus, "Text-based format"
)

// Report appends a report, and returns the status of its answer. It is called on any thread.
type Report func(b []byte) (status int, body []byte)

// Reports are the answers of the monitoring routes. A route whose Report is nil does not exist.
type Reports struct {
	Health  Report // JSON, short
	Stats   Report // JSON, complete; the page is drawn from it
	Metrics Report // Prometheus's text format
}

// statsPage draws what /stats says. It is one file, and needs nothing else.
//
//go:embed stats.html
var statsPage []byte

// pagePolicy lets the page run its own script, use its own style, and speak to this server
// (Content Security Policy Level 3). Even if something a client sends were ever drawn as
// markup, it could do nothing.
var pagePolicy = fmt.Sprintf("default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	digest("script"), digest("style"))

// digest is the hash of the page's only element of this name, in the form of a policy.
func digest(element string) string {
	_, rest, opened := bytes.Cut(statsPage, []byte("<"+element+">"))
	content, _, closed := bytes.Cut(rest, []byte("</"+element+">"))
	if !opened || !closed {
		panic("site: stats.html has no <" + element + ">")
	}
	sum := sha256.Sum256(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ShownBy is the flag that says who sees a path: that of a monitoring route or of a probe. It is
// empty for all others.
func ShownBy(path []byte) string {
	switch string(path) {
	case healthRoute, statsRoute, pageRoute, metricsRoute:
		return "-monitor-from"
	case aliveRoute, readyRoute:
		return "-probe-from"
	}
	return ""
}

// reports reports whether a path is that of a monitoring route.
func (s *Site) reports(path string) bool {
	r := &s.cfg.Reports
	switch path {
	case healthRoute:
		return r.Health != nil
	case statsRoute, pageRoute:
		return r.Stats != nil
	case metricsRoute:
		return r.Metrics != nil
	}
	return false
}

// report answers with a report.
func (s *Site) report(x *session.Exchange, make Report, kind string) {
	if make == nil || !s.monitors(x) {
		x.Fail(fault.Of(fault.NotFound))
		return
	}
	status, body := make(nil)
	if status == 200 && halted(x, x.Begin, "no-store") {
		return
	}
	h := x.Begin(status, int64(len(body)))
	h.Field("Content-Type", kind)
	h.Field("Cache-Control", "no-store")
	if status == 503 {
		h.Field("Retry-After", retryAfter)
	}
	h.End()
	x.Write(body)
	x.Finish()
}

// page answers with the page that draws the figures.
func (s *Site) page(x *session.Exchange) {
	if s.cfg.Reports.Stats == nil || !s.monitors(x) {
		x.Fail(fault.Of(fault.NotFound))
		return
	}
	if halted(x, x.Begin, "no-cache") {
		return
	}
	h := x.Begin(200, int64(len(statsPage)))
	h.Field("Content-Type", htmlType)
	h.Field("Cache-Control", "no-cache")
	h.Field("Content-Security-Policy", pagePolicy)
	h.Raw([]byte(noSniff))
	h.End()
	x.Write(statsPage)
	x.Finish()
}

// monitors reports whether the client may use the monitoring routes. Allowed: loopback, the peer of
// a Unix socket, and the networks of -monitor-from. A request that was forwarded does not count as
// the proxy's own (see Asker), since anybody may come through a proxy on this machine.
func (s *Site) monitors(x *session.Exchange) bool {
	who, known := x.Asker()
	return known && (x.IsHere(who) || contain(s.cfg.Monitor, who))
}

// local reports whether an address is on this machine. The invalid one is that of a Unix socket's
// peer.
func local(a netip.Addr) bool { return !a.IsValid() || a.IsLoopback() }

func contain(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
