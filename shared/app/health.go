package app

// What the server tells of itself. Every figure is read from the region of statistics, so
// whichever process answers tells the same of the whole server; what a stage has of its
// own its driver adds (Driver.Health). /health, /stats and /metrics are three ways to write
// the same figures: health.go has the JSON, metrics.go Prometheus's format, watch.go what
// has to be done about it once a second.

import (
	"encoding/json"
	"math"
	"os"

	"fourways/shared/http1"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// healthReport is /health's JSON, but for what the stage adds.
type healthReport struct {
	Status      string `json:"status"` // up, draining or degraded
	Uptime      int64  `json:"uptime"` // seconds
	Stage       string `json:"stage"`
	Connections struct {
		Active  int64  `json:"active"`
		MaxSeen int64  `json:"max_seen"`
		Total   uint64 `json:"total_handled"`
	} `json:"connections"`
	Requests struct {
		Total   uint64 `json:"total"`
		Dropped uint64 `json:"dropped"` // connections turned away without a request
		Blocked uint64 `json:"blocked"` // by a check or a limit
	} `json:"requests"`
	System struct {
		Load1  float64 `json:"load_1m"`
		Load5  float64 `json:"load_5m"`
		Load15 float64 `json:"load_15m"`
	} `json:"system"`
	Cache struct {
		SizeMB  float64 `json:"size_mb"`
		HitRate float64 `json:"hit_rate"` // percent
		Items   int64   `json:"items"`
	} `json:"cache"`
	Mitigations uint64  `json:"ddos_mitigations"` // clients banned
	RateFactor  float64 `json:"rate_factor"`      // of -rate that holds now
}

// statsReport is /stats's JSON, but for what the stage adds.
type statsReport struct {
	healthReport
	PID       int               `json:"pid"`       // of the process that answers
	Responses map[string]uint64 `json:"responses"` // final ones, by class of status
	Refusals  map[string]uint64 `json:"refusals"`  // by reason; they add up to requests.blocked
	Errors    map[string]uint64 `json:"errors"`    // likewise, what was no refusal
	Bytes     struct {
		In  uint64 `json:"in"`  // of requests' bodies
		Out uint64 `json:"out"` // of answers' bodies
	} `json:"bytes"`
	Latency   latencyReport    `json:"latency_microseconds"` // from a request's head to its answer's end
	Intervals []stats.Interval `json:"interval_data"`        // of five minutes, the oldest first, the running one last
	Older     stats.Count      `json:"older"`                // before them
}

// latencyReport is in microseconds; see stats.Latency for how exact it is.
type latencyReport struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   uint64  `json:"p50"`
	P90   uint64  `json:"p90"`
	P99   uint64  `json:"p99"`
	P999  uint64  `json:"p99_9"`
	Max   uint64  `json:"max"`
}

// health is what /health answers: 200 while the server is up, 503 while it drains or is degraded. It
// may be called by all threads at once, as may the others.
func (a *App) health(b []byte) (status int, body []byte) {
	r := a.healthReport()
	status = 200
	if r.Status != "up" {
		status = 503
	}
	return status, a.appendReport(b, r)
}

// stats is what /stats answers: 200 always, because it is asked for the figures.
func (a *App) stats(b []byte) (status int, body []byte) {
	s, h := a.Stats, a.Stats.History()
	r := statsReport{
		healthReport: a.healthReport(),
		PID:          os.Getpid(),
		Responses:    make(map[string]uint64),
		Latency:      latency(s.Latency()),
		Intervals:    h.Intervals[:],
		Older:        h.Older,
	}
	// One reading for both, so that the series adds up to the totals.
	r.Requests.Total, r.Requests.Blocked = h.Total.Requests, h.Total.Blocked
	for _, class := range classes {
		r.Responses[class.name] = s.Total(class.counter)
	}
	r.Refusals, r.Errors = a.reasons()
	r.Bytes.In, r.Bytes.Out = s.Total(stats.BytesIn), s.Total(stats.BytesOut)
	return 200, a.appendReport(b, r)
}

// classes are the classes of a final answer's status.
var classes = []struct {
	name    string
	counter stats.Counter
}{
	{"2xx", stats.Answers2xx}, {"3xx", stats.Answers3xx}, {"4xx", stats.Answers4xx}, {"5xx", stats.Answers5xx},
}

func (a *App) healthReport() (r healthReport) {
	s := a.Stats
	r.Status, r.Stage = "up", a.stage.Name
	switch {
	case s.Stopping(): // the server; a process of it may drain because it is replaced
		r.Status = "draining"
	case s.Failing() > 0:
		r.Status = "degraded"
	}
	began, _ := s.Began()
	r.Uptime = (int64(sysnet.Now()) - began) / 1e9
	r.Connections.Active, r.Connections.MaxSeen, r.Connections.Total = s.Conns(), s.MaxActive(), s.Total(stats.Opened)
	r.Requests.Total, r.Requests.Dropped, r.Requests.Blocked = s.Total(stats.Requests), s.Total(stats.Dropped), s.Blocked()
	load := sysnet.LoadAverage()
	r.System.Load1, r.System.Load5, r.System.Load15 = round(load[0], 2), round(load[1], 2), round(load[2], 2)
	a.publishCache()
	cache := s.Cache()
	r.Cache.SizeMB, r.Cache.Items, r.Cache.HitRate = round(float64(cache.Bytes)/(1<<20), 2), cache.Items, round(cache.HitRate(), 1)
	r.Mitigations, r.RateFactor = s.Mitigated(), a.Server.Limiter.Factor()
	return r
}

// reasons are those that have occurred: of refusals, and of what was an error but none.
func (a *App) reasons() (refusals, others map[string]uint64) {
	refusals, others = make(map[string]uint64), make(map[string]uint64)
	for why := http1.NoReason + 1; why < http1.NumReasons; why++ {
		switch n := a.Stats.Refused(why); {
		case n == 0:
		case why.Refusal():
			refusals[why.String()] = n
		default:
			others[why.String()] = n
		}
	}
	return refusals, others
}

func latency(h *stats.Latency) (r latencyReport) {
	r.Count = h.Count
	r.P50, r.P90, r.P99 = h.Quantile(500), h.Quantile(900), h.Quantile(990)
	r.P999, r.Max = h.Quantile(999), h.Quantile(1000)
	if h.Count > 0 {
		r.Mean = round(float64(h.Nano)/float64(h.Count)/1e3, 1)
	}
	return r
}

// appendReport writes a report and goes on in the same object with what the stage adds.
func (a *App) appendReport(b []byte, report any) []byte {
	b = appendJSON(b, report)
	b = append(b[:len(b)-1], ',')
	return append(append(b, appendJSON(nil, a.driver.Health())[1:]...), '\n')
}

func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and strings only
	}
	return append(b, text...)
}

func round(f float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(f*unit) / unit
}
