package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"

	"fourways/shared/http1"
	"fourways/shared/stats"
)

// The names follow https://prometheus.io/docs/practices/naming/: base units, counters end in
// _total, and what is to be added up is one name with labels.

// kind is a metric's TYPE.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// latencyPowers are the histogram's bounds, as powers of two of a microsecond: 32 µs to 17 s.
const (
	firstPower = 5
	lastPower  = 24
)

// metrics is what /metrics answers.
func (a *App) metrics(b []byte) (status int, body []byte) {
	m := metricsWriter{b: b}
	a.serverMetrics(&m)
	a.answerMetrics(&m)
	a.cacheMetrics(&m)
	m.latency(a.Stats.Latency())
	m.driver(a.driver.Health())
	return 200, m.b
}

func (a *App) serverMetrics(m *metricsWriter) {
	s := a.Stats
	_, unix := s.Began()
	m.family("fourways_build_info", gauge, "Which of the four servers this is, and what built it.")
	m.value(1, "stage", a.stage.Name, "goversion", runtime.Version())
	m.one("process_start_time_seconds", gauge, "Start time of the server since unix epoch in seconds.", uint64(unix))
	draining := uint64(0)
	if a.Server.Draining() {
		draining = 1
	}
	m.one("fourways_draining", gauge, "1 while the server finishes what it has and takes nothing new.", draining)
	m.one("fourways_connections", gauge, "Connections that are open.", uint64(max(s.Conns(), 0)))
	m.one("fourways_connections_max", gauge, "Most connections that were open at once.", uint64(s.MaxActive()))
	m.one("fourways_accepted_connections_total", counter, "Connections taken into service.", s.Total(stats.Opened))
	m.one("fourways_dropped_connections_total", counter, "Connections turned away without a request.", s.Total(stats.Dropped))
	m.one("fourways_bans_total", counter, "Clients banned.", s.Mitigated())
}

func (a *App) answerMetrics(m *metricsWriter) {
	s := a.Stats
	m.one("fourways_requests_total", counter, "Requests whose head was understood.", s.Total(stats.Requests))
	m.family("fourways_responses_total", counter, "Final responses by class of status.")
	for _, class := range classes {
		m.value(s.Total(class.counter), "class", class.name)
	}
	m.reasons(s, "fourways_refusals_total", "Requests and connections turned away by a check or a limit.", true)
	m.reasons(s, "fourways_errors_total", "Requests that failed though nothing was wrong with them.", false)
	m.one("fourways_request_body_bytes_total", counter, "Bytes of requests' bodies.", s.Total(stats.BytesIn))
	m.one("fourways_response_body_bytes_total", counter, "Bytes of responses' bodies.", s.Total(stats.BytesOut))
}

func (a *App) cacheMetrics(m *metricsWriter) {
	a.publishCache()
	c := a.Stats.Cache()
	m.one("fourways_cache_bytes", gauge, "Memory that the file caches take.", uint64(c.Bytes))
	m.one("fourways_cache_items", gauge, "Files and variants in the caches.", uint64(c.Items))
	m.one("fourways_cache_hits_total", counter, "Lookups that were answered from a cache.", c.Hits)
	m.one("fourways_cache_misses_total", counter, "Lookups that were not.", c.Misses)
}

// metricsWriter appends metrics. A family's samples follow it.
type metricsWriter struct {
	b    []byte
	name string // of the family
}

func (m *metricsWriter) family(name string, k kind, help string) {
	m.name = name
	m.b = fmt.Appendf(m.b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, k)
}

// value appends a sample with some labels, which are names and values in turn.
func (m *metricsWriter) value(v uint64, labels ...string) {
	m.sample("", strconv.FormatUint(v, 10), labels...)
}

func (m *metricsWriter) sample(suffix, value string, labels ...string) {
	m.b = append(append(m.b, m.name...), suffix...)
	before := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		m.b = append(append(append(m.b, before), labels[i]...), '=')
		m.b = strconv.AppendQuote(m.b, labels[i+1])
		before = ','
	}
	if before == ',' {
		m.b = append(m.b, '}')
	}
	m.b = append(append(append(m.b, ' '), value...), '\n')
}

func (m *metricsWriter) one(name string, k kind, help string, v uint64) {
	m.family(name, k, help)
	m.value(v)
}

// reasons has every reason, those too that did not occur: a series that only begins with
// its first event never shows that event as an increase.
func (m *metricsWriter) reasons(s *stats.Region, name, help string, refusals bool) {
	m.family(name, counter, help)
	for why := http1.NoReason + 1; why < http1.NumReasons; why++ {
		if why.Refusal() == refusals {
			m.value(s.Refused(why), "reason", why.String())
		}
	}
}

func (m *metricsWriter) latency(h *stats.Latency) {
	m.family("fourways_request_duration_seconds", histogram, "Time from a request's head to the end of its response.")
	for power := firstPower; power <= lastPower; power++ {
		bound := strconv.FormatFloat(float64(int(1)<<power)/1e6, 'g', -1, 64)
		m.sample("_bucket", strconv.FormatUint(h.Within(power), 10), "le", bound)
	}
	m.sample("_bucket", strconv.FormatUint(h.Count, 10), "le", "+Inf")
	m.sample("_sum", strconv.FormatFloat(float64(h.Nano)/1e9, 'g', -1, 64))
	m.sample("_count", strconv.FormatUint(h.Count, 10))
}

// driverMetric says how a member of Driver.Health is told to Prometheus. A member that no
// row names is not.
type driverMetric struct {
	group  string // the member of the map: an object, or a list of objects
	label  string // that tells the objects of a list apart: by their member of that name, else by their number from 1
	member string
	name   string
	kind   kind
	fixed  string // the value of the label "state" where one name has several members
	help   string
}

// driverMetrics has the rows of one name side by side.
var driverMetrics = []driverMetric{
	{group: "threads", member: "total", name: "fourways_threads", kind: gauge, help: "Threads that serve."},
	{group: "threads", member: "busy", name: "fourways_threads_busy", kind: gauge, help: "Threads that have a connection, or are about to."},
	{group: "threads", member: "reading", name: "fourways_thread_states", kind: gauge, fixed: "reading", help: "Threads by what they are about."},
	{group: "threads", member: "writing", name: "fourways_thread_states", fixed: "writing"},
	{group: "threads", member: "working", name: "fourways_thread_states", fixed: "working"},
	{group: "threads", member: "free", name: "fourways_thread_states", fixed: "free"},
	{group: "queue", member: "length", name: "fourways_queue_length", kind: gauge, help: "Connections that wait for a thread."},
	{group: "queue", member: "limit", name: "fourways_queue_capacity", kind: gauge, help: "Connections that may wait for a thread."},

	{group: "runners", label: "runner", member: "connections", name: "fourways_runner_connections", kind: gauge, help: "Connections of each runner."},
	{group: "runners", label: "runner", member: "poll_set", name: "fourways_runner_poll_set_size", kind: gauge, help: "Descriptors that poll was last handed."},
	{group: "runners", label: "runner", member: "requests", name: "fourways_runner_requests_total", kind: counter, help: "Requests of each runner."},
	{group: "runners", label: "runner", member: "wakeups", name: "fourways_runner_wakeups_total", kind: counter, help: "Returns of poll that reported something."},
	{group: "runners", label: "runner", member: "events", name: "fourways_runner_events_total", kind: counter, help: "Descriptors that poll reported ready."},

	{group: "loops", label: "loop", member: "connections", name: "fourways_loop_connections", kind: gauge, help: "Connections of each event loop."},
	{group: "loops", label: "loop", member: "requests", name: "fourways_loop_requests_total", kind: counter, help: "Requests of each event loop."},
	{group: "loops", label: "loop", member: "wakeups", name: "fourways_loop_wakeups_total", kind: counter, help: "Waits of each event loop that reported something."},
	{group: "loops", label: "loop", member: "events", name: "fourways_loop_events_total", kind: counter, help: "Sockets that they reported ready."},

	{group: "workers", label: "worker", member: "connections", name: "fourways_worker_connections", kind: gauge, help: "Connections of each worker process."},
	{group: "workers", label: "worker", member: "requests", name: "fourways_worker_requests_total", kind: counter, help: "Requests of each worker process."},
	{group: "workers", label: "worker", member: "wakeups", name: "fourways_worker_wakeups_total", kind: counter, help: "Waits of each worker's loop that reported something."},
	{group: "workers", label: "worker", member: "events", name: "fourways_worker_events_total", kind: counter, help: "Sockets that they reported ready."},
	{group: "workers", label: "worker", member: "restarts", name: "fourways_worker_restarts_total", kind: counter, help: "How often a worker's place was filled anew after a death."},
	{group: "workers", label: "worker", member: "heartbeat_age", name: "fourways_worker_heartbeat_age_seconds", kind: gauge, help: "Time since each worker's loop last turned."},
	{group: "workers", label: "worker", member: "pid", name: "fourways_worker_process_id", kind: gauge, help: "The process that each worker is now."},

	{group: "slow_work", member: "waiting", name: "fourways_slow_work_waiting", kind: gauge, help: "Pieces of slow work that wait for the pool."},
}

// driver tells of what the stage has of its own.
func (m *metricsWriter) driver(health map[string]any) {
	groups := objects(health)
	for _, row := range driverMetrics {
		for i, object := range groups[row.group] {
			value, ok := object[row.member].(json.Number)
			if !ok {
				continue
			}
			if m.name != row.name {
				m.family(row.name, row.kind, row.help)
			}
			switch {
			case row.fixed != "":
				m.sample("", value.String(), "state", row.fixed)
			case row.label != "":
				m.sample("", value.String(), row.label, identity(object, row.label, i))
			default:
				m.sample("", value.String())
			}
		}
	}
}

// objects are the members of a driver's health as lists of objects, as they stand in JSON.
func objects(health map[string]any) map[string][]map[string]any {
	groups := make(map[string][]map[string]any)
	for name, value := range health {
		text := appendJSON(nil, value)
		if text[0] != '[' {
			text = append(append([]byte{'['}, text...), ']')
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var list []map[string]any
		if dec.Decode(&list) == nil {
			groups[name] = list
		}
	}
	return groups
}

// identity is what an object of a list calls itself.
func identity(object map[string]any, label string, i int) string {
	if id, ok := object[label]; ok {
		return fmt.Sprint(id)
	}
	return strconv.Itoa(i + 1)
}
