package conformance

// The monitoring routes and the probes, and what flags add to answers.
//
// Each row is one case; see doc.go. All of it is our own policy, or that of Prometheus; so another
// server is not judged by it unless it claims to have the routes.

import (
	"encoding/json"
	"regexp"
	"strings"
)

func healthCases() []Case {
	return topic("health", []Case{
		house("up", "", "/health is JSON that says up", get("/health"), ok(begins("Content-Type", "application/json"), isJSON, healthShape)),
		house("head", "9110 9.3.2", "HEAD /health has no body", head("/health"), ok(empty)),
		house("keep-alive", "9112 9.3", "/health can be asked again and again", strings.Repeat(get("/health"), 5), times(5, ok(healthShape))...),
		house("slash", "", "/health/ is another name", get("/health/"), bad("404")),
		house("query", "9112 3.2.1", "a query does not matter to /health", get("/health?x"), ok(healthShape)),
		house("no-cache", "9111 5.2.2", "/health is not kept by caches", get("/health"), ok(func(x *exchange, r *Response) {
			if !r.Lists("Cache-Control", "no-store") && !r.Lists("Cache-Control", "no-cache") {
				x.complainAt(r, "Cache-Control", "Cache-Control is %q", r.Get("Cache-Control"))
			}
		})),
		script(HOUSE, "counts", "", "/health counts connections and requests", func(x *exchange) {
			first := x.health()
			for range 3 {
				x.ask(ok(), get(sample))
			}
			second := x.health()
			if second.Requests.Total < first.Requests.Total+4 {
				x.fail(HOUSE, "requests.total went from %d to %d in four requests and more", first.Requests.Total, second.Requests.Total)
			}
			if second.Connections.Total < first.Connections.Total+4 {
				x.fail(HOUSE, "connections.total_handled went from %d to %d in four connections and more", first.Connections.Total, second.Connections.Total)
			}
			if second.Connections.Active < 1 || second.Connections.Max < second.Connections.Active {
				x.fail(HOUSE, "connections.active is %d, max_seen %d", second.Connections.Active, second.Connections.Max)
			}
		}),
		script(HOUSE, "blocked", "", "/health counts refusals", func(x *exchange) {
			first := x.health()
			x.ask(bad("403"), get("/../x.txt"))
			if second := x.health(); second.Requests.Blocked <= first.Requests.Blocked {
				x.fail(HOUSE, "requests.blocked went from %d to %d", first.Requests.Blocked, second.Requests.Blocked)
			}
		}),
	}, monitorCases(), probeCases(), statsCases(), metricsCases())
}

// monitorCases: the suite comes from the server's own machine, and so may anybody who comes
// through a proxy there.
func monitorCases() []Case {
	var cases []Case
	for _, route := range []string{"health", "stats", "stats.html", "metrics", "livez", "readyz"} {
		cases = append(cases,
			house("proxied-"+route, "", "/"+route+" is not for who comes through a proxy that is not trusted", get("/"+route, "X-Forwarded-For: 198.51.100.1"), bad("404")))
	}
	return append(cases,
		house("proxied-by-name", "", "a proxy that says that its client is on this machine is not believed", get("/health", "X-Forwarded-For: 127.0.0.1"), bad("404")),
		house("proxied-forwarded", "7239 4", "Forwarded says that there was a proxy", get("/health", "Forwarded: for=198.51.100.1"), bad("404")),
		house("proxied-via", "9110 7.6.3", "Via says that there was a proxy", get("/health", "Via: 1.1 front"), bad("404")),
		house("proxied-real-ip", "", "X-Real-IP says that there was a proxy", get("/health", "X-Real-IP: 198.51.100.1"), bad("404")),
	)
}

// probeCases: what a balancer asks, as balancers write it.
func probeCases() []Case {
	const foreign = "Host: 10.1.2.3:31080\r\n"
	return []Case{
		house("live", "", "/livez is one word", get("/livez"), ok(begins("Content-Type", "text/plain"), lists("Cache-Control", "no-store"), oneWord("alive"))),
		house("ready", "", "/readyz is one word", get("/readyz"), ok(begins("Content-Type", "text/plain"), lists("Cache-Control", "no-store"), oneWord("ready"))),
		house("live-head", "9110 9.3.2", "HEAD /livez has no body", head("/livez"), ok(empty)),
		house("ready-head", "9110 9.3.2", "HEAD /readyz has no body", head("/readyz"), ok(empty)),
		house("ready-http10", "9112 3.2", "an HTTP/1.0 probe needs no Host", "GET /readyz HTTP/1.0\r\n\r\n", refused("200", oneWord("ready"))),
		house("live-http10-head", "9112 3.2", "an HTTP/1.0 probe may be a HEAD", "HEAD /livez HTTP/1.0\r\n\r\n", refused("200", empty).to("HEAD")),
		house("ready-foreign-host", "", "a probe may come under any name", "GET /readyz HTTP/1.1\r\n"+foreign+"\r\n", ok(oneWord("ready"))),
		house("ready-no-host", "9112 3.2", "HTTP/1.1 without Host is no request, nor a probe", "GET /readyz HTTP/1.1\r\n\r\n", refused("400")),
		house("live-post", "9110 15.5.6", "POST /livez is 405", request("POST", "/livez", "Content-Length: 0"), bad("405", allowed("GET"))),
		house("ready-slash", "", "/readyz/ is another name", get("/readyz/"), bad("404")),
		house("ready-keep-alive", "9112 9.3", "/readyz can be asked again and again", strings.Repeat(get("/readyz"), 3), times(3, ok(oneWord("ready")))...),
	}
}

// oneWord wants a body that is just that.
func oneWord(word string) check {
	return func(x *exchange, r *Response) { x.sameBody(r, []byte(word)) }
}

func statsCases() []Case {
	return []Case{
		house("stats", "", "/stats is JSON that has what /health has, and more", get("/stats"), ok(begins("Content-Type", "application/json"), healthShape, statsShape)),
		house("stats-head", "9110 9.3.2", "HEAD /stats has no body", head("/stats"), ok(empty)),
		house("stats-post", "9110 15.5.6", "POST /stats is 405", request("POST", "/stats", "Content-Length: 0"), bad("405", allowed("GET"))),
		house("stats-slash", "", "/stats/ is another name", get("/stats/"), bad("404")),
		house("stats-query", "9112 3.2.1", "a query does not matter to /stats", get("/stats?x"), ok(statsShape)),
		house("stats-keep-alive", "9112 9.3", "/stats can be asked again and again", strings.Repeat(get("/stats"), 3), times(3, ok(statsShape))...),
		house("stats-page", "", "/stats.html is a page, whatever is served", get("/stats.html"), ok(begins("Content-Type", "text/html"), selfContained)),
		house("stats-page-head", "9110 9.3.2", "HEAD /stats.html has no body", head("/stats.html"), ok(empty)),
		house("stats-page-delete", "9110 15.5.6", "DELETE /stats.html is 405", request("DELETE", "/stats.html"), bad("405", allowed("GET"))),
		script(HOUSE, "stats-counts", "", "/stats counts by class of status, by reason, and in its series", func(x *exchange) {
			first := x.stats()
			x.ask(ok(), get(sample))
			x.ask(bad("403"), get("/../x.txt"))
			x.ask(bad("404"), get("/not-there.txt"))
			second := x.stats()
			for _, grown := range []struct {
				what          string
				before, after int
				by            int
			}{
				{"responses.2xx", first.Responses["2xx"], second.Responses["2xx"], 1},
				{"responses.4xx", first.Responses["4xx"], second.Responses["4xx"], 2},
				{"refusals.path-traversal", first.Refusals["path-traversal"], second.Refusals["path-traversal"], 1},
				{"errors.not-found", first.Errors["not-found"], second.Errors["not-found"], 1},
				{"bytes.out", first.Bytes.Out, second.Bytes.Out, 1},
				{"latency_microseconds.count", first.Latency.Count, second.Latency.Count, 3},
			} {
				if grown.after < grown.before+grown.by {
					x.fail(HOUSE, "%s went from %d to %d", grown.what, grown.before, grown.after)
				}
			}
		}),
	}
}

func metricsCases() []Case {
	const format = "text/plain; version=0.0.4"
	return []Case{
		house("metrics", "", "/metrics is Prometheus's text format", get("/metrics"), ok(begins("Content-Type", format), metricLines)),
		house("metrics-head", "9110 9.3.2", "HEAD /metrics has no body", head("/metrics"), ok(empty)),
		house("metrics-post", "9110 15.5.6", "POST /metrics is 405", request("POST", "/metrics", "Content-Length: 0"), bad("405", allowed("GET"))),
	}
}

// statsReport is what /stats says in every stage, beside what /health does.
type statsReport struct {
	Requests  struct{ Total, Blocked int }
	Responses map[string]int
	Refusals  map[string]int
	Errors    map[string]int
	Bytes     struct{ In, Out int }
	Latency   struct{ Count, P50, P90, P99, Max int }      `json:"latency_microseconds"`
	Intervals []struct{ Timestamp, Requests, Blocked int } `json:"interval_data"`
	Older     struct{ Requests, Blocked int }
}

// stats asks for /stats on a connection of its own.
func (x *exchange) stats() (s statsReport) {
	r := x.ask(ok(statsShape), get("/stats"))
	_ = json.Unmarshal(r.Body, &s) // statsShape complains
	return s
}

// statsShape wants every member that /stats has beside those of /health, and that its
// series covers a day and adds up to the totals.
func statsShape(x *exchange, r *Response) {
	var s statsReport
	if err := json.Unmarshal(r.Body, &s); err != nil {
		x.complain(r, "the body of /stats: %v", err)
		return
	}
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx"} {
		if _, ok := s.Responses[class]; !ok {
			x.complain(r, "responses.%s is missing", class)
		}
	}
	if s.Refusals == nil || s.Errors == nil {
		x.complain(r, "refusals or errors is missing")
	}
	l := s.Latency
	if l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
		x.complain(r, "the quantiles do not grow: %+v", l)
	}
	if len(s.Intervals) != 288 {
		x.complain(r, "interval_data has %d intervals, and 288 make a day", len(s.Intervals))
	}
	requests, blocked := s.Older.Requests, s.Older.Blocked
	for i, in := range s.Intervals {
		requests, blocked = requests+in.Requests, blocked+in.Blocked
		if i > 0 && in.Timestamp-s.Intervals[i-1].Timestamp != 300 {
			x.complain(r, "interval %d begins at %d, and the one before at %d", i, in.Timestamp, s.Intervals[i-1].Timestamp)
			return
		}
	}
	if requests != s.Requests.Total || blocked != s.Requests.Blocked {
		x.complain(r, "the series adds up to %d requests and %d blocked, and the totals are %d and %d", requests, blocked, s.Requests.Total, s.Requests.Blocked)
	}
}

// selfContained wants a page that loads nothing from elsewhere.
func selfContained(x *exchange, r *Response) {
	for _, from := range []string{" src=\"", "href=\"http", "href=\"//", "@import", "url(http"} {
		if strings.Contains(string(r.Body), from) {
			x.complain(r, "the page has %q", from)
		}
	}
}

var metricLine = regexp.MustCompile(`^(# (HELP [a-z_][a-z0-9_]* .+|TYPE [a-z_][a-z0-9_]* (counter|gauge|histogram))|[a-z_][a-z0-9_]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.e]+)$`)

// metricLines wants nothing but samples and their descriptions, each with its line end.
func metricLines(x *exchange, r *Response) {
	text, ended := strings.CutSuffix(string(r.Body), "\n")
	if !ended {
		x.complain(r, "the last line has no end")
	}
	for line := range strings.SplitSeq(text, "\n") {
		if !metricLine.MatchString(line) {
			x.complain(r, "no line of the format: %q", line)
			return
		}
	}
	for _, name := range []string{"fourways_requests_total", "fourways_responses_total", "fourways_refusals_total", "fourways_connections", "fourways_request_duration_seconds"} {
		if !strings.Contains(text, "\n# TYPE "+name+" ") {
			x.complain(r, "%s is missing", name)
		}
	}
}

// healthReport is what /health says in every stage.
type healthReport struct {
	Status      string
	Uptime      *float64
	Stage       string
	Connections struct {
		Active int
		Max    int `json:"max_seen"`
		Total  int `json:"total_handled"`
	}
	Requests struct{ Total, Dropped, Blocked int }
	System   map[string]float64
	Cache    map[string]float64
	DDoS     *int     `json:"ddos_mitigations"`
	Factor   *float64 `json:"rate_factor"`
}

// health asks for /health on a connection of its own.
func (x *exchange) health() (h healthReport) {
	r := x.ask(ok(healthShape), get("/health"))
	_ = json.Unmarshal(r.Body, &h) // healthShape complains
	return h
}

// healthShape wants every member that /health has in all stages.
func healthShape(x *exchange, r *Response) {
	var h healthReport
	if err := json.Unmarshal(r.Body, &h); err != nil {
		x.complain(r, "the body of /health: %v", err)
		return
	}
	switch {
	case h.Status != "up":
		x.complain(r, "status is %q, not up", h.Status)
	case h.Uptime == nil || h.DDoS == nil || h.Factor == nil:
		x.complain(r, "uptime, ddos_mitigations or rate_factor is missing")
	case !strings.HasPrefix(h.Stage, "stage"):
		x.complain(r, "stage is %q", h.Stage)
	}
	for _, key := range []string{"load_1m", "load_5m", "load_15m"} {
		if _, ok := h.System[key]; !ok {
			x.complain(r, "system.%s is missing", key)
		}
	}
	for _, key := range []string{"size_mb", "hit_rate", "items"} {
		if _, ok := h.Cache[key]; !ok {
			x.complain(r, "cache.%s is missing", key)
		}
	}
}

// isJSON wants a body that parses.
func isJSON(x *exchange, r *Response) {
	if !json.Valid(r.Body) {
		x.complain(r, "the body is no JSON")
	}
}

func optionCases() []Case {
	const origin = "https://app.example"
	cases := []Case{
		house("header", "9110 5.1", "-header adds its field", get(sample), ok(field("X-Extra", "yes"))),
		house("header-errors", "9110 5.1", "-header adds its field to errors", get("/script.php"), bad("415", field("X-Extra", "yes"))),
		house("header-parser-errors", "9110 5.1", "-header adds its field to errors of the parser", "GET / HTTP/1.1\r\n\r\n", bad("400", field("X-Extra", "yes"))),
		house("header-304", "9110 5.1", "-header adds its field to a 304", get(sample, "If-None-Match: *"), answer("304", field("X-Extra", "yes"))),
		house("error-page", "9110 15.5", "-error-page replaces the page and not the status", get("/not-there.txt"), answer("404", onDisk("404.html"), begins("Content-Type", "text/html"))).withFixtures(),
		house("error-page-head", "9110 9.3.2", "-error-page has no body on HEAD", head("/not-there.txt"), answer("404", empty)),
		house("error-page-others", "9110 15.5", "-error-page leaves other statuses alone", get("/script.php"), bad("415", names("415"))),
		house("error-page-itself", "9110 15.5", "the page itself is an ordinary one", get("/404.html"), ok(onDisk("404.html"))).withFixtures(),
		house("cache-control", "9111 5.2.2", "-cache-control sets the field of files", get(sample), ok(field("Cache-Control", "max-age=60"))),
		house("cache-control-304", "9110 15.4.5", "-cache-control sets the field of a 304", get(sample, "If-None-Match: *"), answer("304", field("Cache-Control", "max-age=60"))),
		house("host", "9110 7.2", "-host adds a name", "GET "+sample+" HTTP/1.1\r\nHost: other.example\r\n\r\n", ok()),
		house("host-case", "9110 4.2.3", "-host's name is case-insensitive", "GET "+sample+" HTTP/1.1\r\nHost: Other.EXAMPLE\r\n\r\n", ok()),
		house("host-dot", "9110 4.2.3", "a dot at the end of -host's name changes nothing", "GET "+sample+" HTTP/1.1\r\nHost: other.example.\r\n\r\n", ok()),
		house("host-port", "9110 7.2", "-host may name a port that is mapped to ours", "GET "+sample+" HTTP/1.1\r\nHost: mapped.example:443\r\n\r\n", ok()),
		house("host-port-only", "9110 7.2", "-host's port is the only one that its name goes with", "GET "+sample+" HTTP/1.1\r\nHost: mapped.example:{port}\r\n\r\n", bad("403")),
		house("host-others", "9110 7.4", "-host does not let others in", "GET "+sample+" HTTP/1.1\r\nHost: not-ours.example\r\n\r\n", bad("403")),
		house("cors", "", "-cors lets its origin read answers", get(sample, "Origin: "+origin), ok(field("Access-Control-Allow-Origin", origin))),
		house("cors-exposed", "", "-cors lets its scripts read what a download, an upload and an error say of themselves",
			get(sample, "Origin: "+origin, "Range: bytes=0-1"), answer("206", lists("Access-Control-Expose-Headers", "Content-Range"),
				lists("Access-Control-Expose-Headers", "ETag"), lists("Access-Control-Expose-Headers", "Location"), lists("Access-Control-Expose-Headers", "X-Request-Id"))),
		house("cors-preflight", "", "-cors answers a preflight", request("OPTIONS", "/upload", "Origin: "+origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"),
			answer("204", field("Access-Control-Allow-Origin", origin), lists("Access-Control-Allow-Methods", "POST"), has("Access-Control-Allow-Headers"))),
		house("cors-other", "", "-cors lets no other origin read answers", get(sample, "Origin: https://evil.example"), ok(func(x *exchange, r *Response) {
			if got := r.Get("Access-Control-Allow-Origin"); got == "*" || strings.Contains(got, "evil") {
				x.complainAt(r, "Access-Control-Allow-Origin", "Access-Control-Allow-Origin is %q", got)
			}
		})),
	}
	for i := range cases {
		cases[i] = cases[i].in(Options)
	}
	return topic("options", cases, []Case{
		house("no-cors", "", "without -cors no origin may read answers", get(sample, "Origin: "+origin), ok(lacks("Access-Control-Allow-Origin"))),
	})
}
