package site

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"regexp"

	"fourways/shared/http1"
	"fourways/shared/session"
)

// Routes that look inside. They are there for those who may, whatever is served besides;
// for everybody else there are no such things.
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

// Report appends a report, and says under which status it goes. It is called on any thread.
type Report func(b []byte) (status int, body []byte)

// Reports is what is told to those who may look inside. A nil one is not there.
type Reports struct {
	Health  Report // JSON, short
	Stats   Report // JSON, whole; the page is drawn from it
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

// digest is that of the page's only element of this name, as a policy names it.
func digest(element string) string {
	m := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(statsPage)
	if m == nil {
		panic("site: stats.html has no <" + element + ">")
	}
	sum := sha256.Sum256(m[1])
	return base64.StdEncoding.EncodeToString(sum[:])
}

// report answers with a report.
func (s *Site) report(x *session.Exchange, make Report, kind string) {
	if make == nil || !s.monitors(x) {
		x.Fail(http1.Fault{Status: 404, Reason: http1.NotFound})
		return
	}
	status, body := make(nil)
	h := s.begin(x, status, int64(len(body)))
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
		x.Fail(http1.Fault{Status: 404, Reason: http1.NotFound})
		return
	}
	h := s.begin(x, 200, int64(len(statsPage)))
	h.Field("Content-Type", htmlType)
	h.Field("Cache-Control", "no-cache")
	h.Field("Content-Security-Policy", pagePolicy)
	h.Raw([]byte(noSniff))
	h.End()
	x.Write(statsPage)
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
