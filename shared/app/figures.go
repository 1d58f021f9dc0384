package app

// What the server tells of itself, as rows (package figures) from which /health, /stats, /metrics
// and the page are made. The rows here are those that every stage has; what a stage has of its own
// its driver adds (Driver.Figures). Adding a figure is adding a row to one of these functions.
//
// Every value is read from memory that all processes of the server share, so whichever answers
// tells the same, and a counter goes on when its process dies. What a process counts for itself
// alone has to be put there first (watch.go).
//
// The functions may be called by all threads at once, and only when somebody asks: nothing here is
// on a request's path.

import (
	"math"
	"os"
	"runtime"

	"fourways/shared/fault"
	"fourways/shared/figures"
	"fourways/shared/limiter"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// health is what /health answers: 200 while the server is up, 503 while it drains or is degraded.
func (a *App) health(b []byte) (status int, body []byte) {
	status = 200
	state := a.state() // once: the status and the text are to agree
	if state != "up" {
		status = 503
	}
	return status, a.figures(state, false).AppendHealth(b)
}

// stats is what /stats answers: 200 always, because it is asked for the figures.
func (a *App) stats(b []byte) (status int, body []byte) {
	return 200, a.figures(a.state(), true).AppendStats(b)
}

// metrics is what /metrics answers.
func (a *App) metrics(b []byte) (status int, body []byte) {
	return 200, a.figures(a.state(), true).AppendPrometheus(b)
}

// figures is all that there is to tell now. What /health does not have is left out if it is not for
// long: to find out what the processes use takes a look at each of their files.
func (a *App) figures(state string, long bool) *figures.List {
	a.Publish()
	ofServer := func(l *figures.List) { a.ofServer(l, state) }
	onlyLong := func(add func(*figures.List)) func(*figures.List) {
		if long {
			return add
		}
		return func(*figures.List) {}
	}
	return figures.Of(ofServer, a.ofRequests, a.ofSystem, onlyLong(a.ofProcesses), a.ofCache, a.ofClients, a.ofLogs, a.ofCertificates, onlyLong(a.ofLatency), a.ofTLS, a.ofRelays, a.ofUpstreams, a.ofSpill, a.driver.Figures)
}

// state is the server's, in one word. A process of it may drain because it is replaced; that is not
// the server's end.
func (a *App) state() string {
	switch {
	case a.Stats.Stopping():
		return "draining"
	case a.Stats.Failing() > 0, a.rootGone.Load():
		return "degraded"
	}
	return "up"
}

func (a *App) ofServer(l *figures.List, state string) {
	s := a.Stats
	began, unix := s.Began()
	draining := 0
	if state == "draining" {
		draining = 1
	}
	l.Add(
		figures.Row{JSON: "status", Kind: figures.Fact, Value: state}, // up, draining or degraded
		figures.Row{JSON: "uptime", Kind: figures.Fact, Value: (int64(sysnet.Now()) - began) / 1e9},
		figures.Row{JSON: "stage", Kind: figures.Fact, Value: a.stage.Name},
		figures.Row{JSON: "pid", Long: true, Kind: figures.Fact, Value: os.Getpid()}, // of the process that answers
		figures.Row{Name: "fourways_build_info", Help: "Which of the four servers this is, and what built it.", Labels: []string{"stage", a.stage.Name, "goversion", runtime.Version()}, Value: 1},
		figures.Row{Name: "process_start_time_seconds", Help: "Start time of the server since unix epoch in seconds.", Unit: figures.Time, Value: unix},
		figures.Row{Name: "fourways_draining", Help: "1 while the server finishes what it has and takes nothing new.", Value: draining},

		figures.Row{JSON: "connections.active", Name: "fourways_connections", Help: "Connections that are open.", Value: max(s.Conns(), 0)},
		figures.Row{JSON: "connections.max_seen", Name: "fourways_connections_max", Help: "Most connections that were open at once.", Value: s.MaxActive()},
		figures.Row{JSON: "connections.total_handled", Name: "fourways_accepted_connections_total", Help: "Connections taken into service.", Kind: figures.Counter, Value: s.Total(stats.Opened)},
	)
}

func (a *App) ofRequests(l *figures.List) {
	s, h := a.Stats, a.Stats.History()
	// The totals are the series' own, so that it adds up to them.
	l.Add(
		figures.Row{JSON: "requests.total", Name: "fourways_requests_total", Help: "Requests, with those that could not be read.", Kind: figures.Counter, Value: h.Total.Requests},
		figures.Row{JSON: "requests.dropped", Name: "fourways_dropped_connections_total", Help: "Connections turned away without a request.", Kind: figures.Counter, Value: s.Total(stats.Dropped)},
		figures.Row{JSON: "requests.blocked", Kind: figures.Counter, Value: h.Total.Blocked}, // the sum of fourways_refusals_total
		figures.Row{JSON: "interval_data", Long: true, Kind: figures.Fact, Value: &h.Intervals},
		figures.Row{JSON: "older", Long: true, Kind: figures.Fact, Value: h.Older}, // before them
	)
	for _, class := range classes {
		l.Add(figures.Row{JSON: "responses." + class.name, Long: true, Name: "fourways_responses_total", Help: "Final responses by class of status.", Kind: figures.Counter, Labels: []string{"class", class.name}, Value: s.Total(class.counter)})
	}
	a.reasons(l, "refusals", "fourways_refusals_total", "Requests and connections turned away by a check or a limit.", true)
	a.reasons(l, "errors", "fourways_errors_total", "Requests that failed though nothing was wrong with them.", false)
	l.Add(
		figures.Row{JSON: "bytes.in", Long: true, Name: "fourways_request_body_bytes_total", Help: "Bytes of requests' bodies.", Kind: figures.Counter, Unit: figures.Bytes, Value: s.Total(stats.BytesIn)},
		figures.Row{JSON: "bytes.out", Long: true, Name: "fourways_response_body_bytes_total", Help: "Bytes of responses' bodies.", Kind: figures.Counter, Unit: figures.Bytes, Value: s.Total(stats.BytesOut)},
	)
}

// classes are the classes of a final answer's status.
var classes = []struct {
	name    string
	counter stats.Counter
}{
	{"2xx", stats.Answers2xx}, {"3xx", stats.Answers3xx}, {"4xx", stats.Answers4xx}, {"5xx", stats.Answers5xx},
}

// reasons tells how often each reason has occurred. Prometheus has those too that have not: a
// series that only begins with its first event never shows that event as an increase.
func (a *App) reasons(l *figures.List, member, name, help string, refusals bool) {
	occurred := map[string]uint64{}
	for why := fault.NoReason + 1; why < fault.NumReasons; why++ {
		if why.Refusal() != refusals {
			continue
		}
		n := a.Stats.Refused(why)
		if n > 0 {
			occurred[why.String()] = n
		}
		l.Add(figures.Row{Name: name, Help: help, Kind: figures.Counter, Labels: []string{"reason", why.String()}, Value: n})
	}
	l.Add(figures.Row{JSON: member, Long: true, Kind: figures.Fact, Value: occurred})
}

func (a *App) ofSystem(l *figures.List) {
	load := sysnet.LoadAverage()
	for i, over := range []string{"1m", "5m", "15m"} {
		l.Add(figures.Row{JSON: "system.load_" + over, Name: "fourways_system_load", Help: "The machine's load average.", Labels: []string{"over", over}, Value: round(load[i], 2)})
	}
}

// ofProcesses is what the server uses of the machine, all of its processes together.
func (a *App) ofProcesses(l *figures.List) {
	used := a.usage()
	whole, failed, last := a.Stats.Reloads()
	l.Add(
		figures.Row{JSON: "process.cpu_seconds", Long: true, Name: "process_cpu_seconds_total", Help: "Processor time of the server, with all its processes, in seconds. What a process used in the second before it was killed is not in it.", Kind: figures.Counter, Unit: figures.Seconds, Value: float64(a.Stats.CPU()) / 1e9},
		figures.Row{JSON: "process.max_fds", Long: true, Name: "process_max_fds", Help: "Files that each process may have open.", Value: sysnet.MaxFiles()},
		figures.Row{JSON: "reloads.done", Long: true, Name: "fourways_reloads_total", Help: "Reloads, by whether all that they were to read again was in use after them.", Kind: figures.Counter, Labels: []string{"result", "done"}, Value: whole},
		figures.Row{JSON: "reloads.failed", Long: true, Name: "fourways_reloads_total", Kind: figures.Counter, Labels: []string{"result", "failed"}, Value: failed},
		figures.Row{JSON: "reloads.last", Long: true, Name: "fourways_last_reload_time_seconds", Help: "When the last reload was that was done, since unix epoch in seconds; 0 for never.", Unit: figures.Time, Value: last},
	)
	if used.Resident > 0 { // where the system says it
		l.Add(figures.Row{JSON: "process.resident_bytes", Long: true, Name: "process_resident_memory_bytes", Help: "Memory that the server's processes have; what several have counts for each.", Unit: figures.Bytes, Value: used.Resident})
	}
	if used.Files > 0 {
		l.Add(figures.Row{JSON: "process.open_fds", Long: true, Name: "process_open_fds", Help: "Files and sockets that the server's processes have open.", Value: used.Files})
	}
}

// usage adds up what the server's processes use.
func (a *App) usage() (sum sysnet.Usage) {
	pids := map[int]bool{os.Getpid(): true}
	for i := range max(a.stage.Processes, 1) {
		p := a.Stats.Process(i)
		if pid, owner := int(p.PID.Load()), int(p.Owner.Load()); p.State() != stats.Free && pid > 0 {
			pids[pid], pids[owner] = true, true
		}
	}
	for pid := range pids {
		sum.Add(sysnet.UsageOf(pid))
	}
	return sum
}

func (a *App) ofCache(l *figures.List) {
	c := a.Stats.Cache()
	l.Add(
		figures.Row{JSON: "cache.size_mb", Kind: figures.Gauge, Value: round(float64(c.Bytes)/(1<<20), 2)},
		figures.Row{JSON: "cache.hit_rate", Kind: figures.Gauge, Value: percent(c.Hits, c.Hits+c.Misses)},
		figures.Row{JSON: "cache.items", Name: "fourways_cache_items", Help: "Files and variants in the caches.", Value: c.Items},
		figures.Row{Name: "fourways_cache_bytes", Help: "Memory that the file caches take.", Unit: figures.Bytes, Value: c.Bytes},
		figures.Row{Name: "fourways_cache_hits_total", Help: "Lookups that were answered from a cache.", Kind: figures.Counter, Value: c.Hits},
		figures.Row{Name: "fourways_cache_misses_total", Help: "Lookups that were not.", Kind: figures.Counter, Value: c.Misses},
	)
}

func (a *App) ofClients(l *figures.List) {
	t := a.server().Limiter
	l.Add(
		figures.Row{JSON: "ddos_mitigations", Name: "fourways_bans_total", Help: "Clients banned.", Kind: figures.Counter, Value: a.Stats.Mitigated()},
		figures.Row{JSON: "rate_factor", Name: "fourways_rate_factor_ratio", Help: "How much of -rate each client may use now.", Unit: figures.Ratio, Value: t.Factor()},
		figures.Row{JSON: "rate_cause", Kind: figures.Fact, Value: t.Cause().String()}, // none, or why the factor is below 1
		figures.Row{JSON: "lost.clients", Name: "fourways_unrecorded_clients_total", Help: "Connections and requests let in without an entry, because the table of clients had no room.", Kind: figures.Counter, Value: t.Unrecorded()},
	)
	for _, cause := range limiter.Causes {
		lowered := 0
		if t.Cause() == cause {
			lowered = 1
		}
		l.Add(figures.Row{Name: "fourways_rate_lowered", Help: "1 while the rate is lowered for this reason.", Labels: []string{"reason", cause.String()}, Value: lowered})
	}
	s := a.Stats
	l.Add(
		figures.Row{JSON: "lateness.busy_seconds", Long: true, Name: "fourways_busy_seconds_total", Help: "Time in which threads had work, added up.", Kind: figures.Counter, Unit: figures.Seconds, Value: seconds(s.Total(stats.Busy))},
		figures.Row{JSON: "lateness.ready", Long: true, Name: "fourways_ready_total", Help: "Sockets that were found ready, or connections that got a thread.", Kind: figures.Counter, Value: s.Total(stats.Work)},
		figures.Row{JSON: "lateness.wait_seconds", Long: true, Name: "fourways_ready_wait_seconds_total", Help: "Time that they had to wait, added up.", Kind: figures.Counter, Unit: figures.Seconds, Value: seconds(s.Total(stats.Waited))},
	)
}

// ofLogs tells what the logs have lost: lines that a reader of the log does not see, and cannot
// miss.
func (a *App) ofLogs(l *figures.List) {
	lost := a.Stats.Logs()
	const lines = "Lines that did not get into a log: nobody took them in time, or writing failed."
	const failed = "Writes to a log that failed."
	l.Add(
		figures.Row{JSON: "lost.log_lines", Name: "fourways_log_lost_lines_total", Help: lines, Kind: figures.Counter, Labels: []string{"log", "server"}, Value: lost.Lines},
		figures.Row{JSON: "lost.access_log_lines", Name: "fourways_log_lost_lines_total", Kind: figures.Counter, Labels: []string{"log", "access"}, Value: lost.AccessLines},
		figures.Row{JSON: "lost.log_errors", Name: "fourways_log_errors_total", Help: failed, Kind: figures.Counter, Labels: []string{"log", "server"}, Value: lost.Errors},
		figures.Row{JSON: "lost.access_log_errors", Name: "fourways_log_errors_total", Kind: figures.Counter, Labels: []string{"log", "access"}, Value: lost.AccessErrors},
	)
}

// The histogram's bounds are powers of two of a microsecond: 32 µs to 17 s.
const (
	firstPower = 5
	lastPower  = 24
)

// distribution is what Prometheus gets of a histogram.
func distribution(h *stats.Latency) figures.Distribution {
	d := figures.Distribution{Count: h.Count, Sum: float64(h.Nano) / 1e9}
	for power := firstPower; power <= lastPower; power++ {
		d.Buckets = append(d.Buckets, figures.Bucket{Most: float64(int(1)<<power) / 1e6, N: h.Within(power)})
	}
	return d
}

// ofLatency tells how long it took from a request's head to its answer's end; see stats.Latency for
// how exact that is.
func (a *App) ofLatency(l *figures.List) {
	h := a.Stats.Latency()
	l.Add(figures.Row{Name: "fourways_request_duration_seconds", Help: "Time from a request's head to the end of its response.", Kind: figures.Histogram, Unit: figures.Seconds, Value: distribution(h)})
	mean := 0.0
	if h.Count > 0 {
		mean = round(float64(h.Nano)/float64(h.Count)/1e3, 1)
	}
	l.Add(
		figures.Row{JSON: "latency_microseconds.count", Long: true, Value: h.Count},
		figures.Row{JSON: "latency_microseconds.mean", Long: true, Value: mean},
	)
	for _, q := range quantiles {
		l.Add(figures.Row{JSON: "latency_microseconds." + q.name, Long: true, Value: h.Quantile(q.perMille)})
	}
}

var quantiles = []struct {
	name     string
	perMille uint64
}{
	{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99_9", 999}, {"max", 1000},
}

// percent is how many of a hundred, with one decimal. It is 100 only when it is all, and 0 only
// when it is none: 99.97 of a hundred is not everything.
func percent(n, of uint64) float64 {
	if n == 0 {
		return 0
	}
	p := round(100*float64(n)/float64(of), 1)
	if n < of {
		p = min(p, 99.9)
	}
	return max(p, 0.1)
}

func round(f float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(f*unit) / unit
}

func seconds(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }
