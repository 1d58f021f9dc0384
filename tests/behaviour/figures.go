package behaviour

// The statistics against what a client has counted itself.
//
// Each case has a server for itself alone, since any other request would be counted as well. What
// must not be done: a figure must not be compared while an answer is still being counted; await it.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// load is requests of one kind.
type load struct {
	name   string
	times  int
	bytes  string
	status int
	reason string // what it is counted under; "" for nothing
	failed bool   // reason is no refusal
	broken bool   // its head cannot be understood, so that it is counted and not measured
	body   int    // bytes that it has after its head
}

const closing = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

// everyKind is a little of everything that is counted.
var everyKind = []load{
	{name: "a page", times: 7, bytes: "GET /index.html" + closing + "\r\n", status: 200},
	{name: "its head", times: 2, bytes: "HEAD /index.html" + closing + "\r\n", status: 200},
	{name: "an unchanged page", times: 3, bytes: "GET /index.html" + closing + "If-None-Match: *\r\n\r\n", status: 304},
	{name: "an upload", times: 2, bytes: "POST /upload" + closing + "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"kept\":true}", status: 201, body: 13},
	{name: "an upload in chunks that is no JSON", times: 1, bytes: "POST /upload" + closing + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n", status: 400, reason: "bad-json", body: 4},
	{name: "a file that is not there", times: 4, bytes: "GET /nothing.txt" + closing + "\r\n", status: 404, reason: "not-found", failed: true},
	{name: "a path out of the root", times: 5, bytes: "GET /../x.txt" + closing + "\r\n", status: 403, reason: "path-traversal"},
	{name: "a type that is not served", times: 1, bytes: "GET /x.php" + closing + "\r\n", status: 415, reason: "refused-type"},
	{name: "a method that is not known", times: 1, bytes: "BREW /" + closing + "\r\n", status: 501, reason: "unknown-method"},
	{name: "a foreign host", times: 1, bytes: "GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n", status: 403, reason: "foreign-host"},
	{name: "what is no request", times: 2, bytes: "nonsense\r\n\r\n", status: 400, reason: "bad-request-line", broken: true},
}

// expected is what a client has counted.
type expected struct {
	connections, requests, blocked int
	responses                      map[string]int // by class
	refusals, errors               map[string]int // by reason
	measured                       int            // responses whose latency is known
	in, out                        int            // bytes of bodies
}

func newExpected() *expected {
	return &expected{
		responses: map[string]int{"2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0},
		refusals:  map[string]int{}, errors: map[string]int{},
	}
}

// play sends one request on a connection of its own, and counts it.
func (c *expected) play(t *testing.T, s *harness.Server, l load) (body []byte) {
	conn := s.Dial(t)
	defer conn.Close()
	_, err := io.WriteString(conn, l.bytes)
	require.NoError(t, err, l.name)
	method, _, _ := strings.Cut(l.bytes, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err, l.name)
	require.Equal(t, l.status, resp.StatusCode, l.name)
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err, l.name)

	c.connections++
	c.responses[fmt.Sprintf("%dxx", l.status/100)]++
	c.in += l.body
	c.out += len(body)
	c.requests++
	if !l.broken {
		c.measured++
	}
	if l.reason != "" && l.failed {
		c.errors[l.reason]++
	} else if l.reason != "" {
		c.refusals[l.reason]++
		c.blocked++
	}
	return body
}

// ask fetches a report, which counts itself: as a request that has no answer yet.
func (c *expected) ask(t *testing.T, s *harness.Server, path string) (body []byte, then expected) {
	before := *c
	before.responses = map[string]int{}
	for class, n := range c.responses {
		before.responses[class] = n
	}
	body = c.play(t, s, load{name: path, bytes: "GET " + path + closing + "\r\n", status: 200})
	before.connections, before.requests = c.connections, c.requests
	return body, before
}

// statsSaid is /stats, as far as all stages have it.
type statsSaid struct {
	Status      string
	Connections struct {
		Active int
		Max    int `json:"max_seen"`
		Total  int `json:"total_handled"`
	}
	Requests  struct{ Total, Dropped, Blocked int }
	Responses map[string]int
	Refusals  map[string]int
	Errors    map[string]int
	Bytes     struct{ In, Out int }
	Latency   struct {
		Count              int
		Mean               float64
		P50, P90, P99, Max int
		P999               int `json:"p99_9"`
	} `json:"latency_microseconds"`
	Intervals []struct {
		Timestamp         int64
		Requests, Blocked int
	} `json:"interval_data"`
	Older struct{ Requests, Blocked int }
}

var _ = test("Figures", figures)

// figures: what /health, /stats and /metrics say is what the client has counted, and
// Prometheus's own tools find nothing to complain of.
func figures(t *testing.T) {
	s := harness.Start(t, "-root", rootOfPages(t))
	c := newExpected()
	for _, l := range everyKind {
		for range l.times {
			c.play(t, s, l)
		}
	}
	harness.Eventually(t, "the server has counted the last answer and closed the last connection", func() bool {
		body, then := c.ask(t, s, "/stats")
		var said statsSaid
		require.NoError(t, json.Unmarshal(body, &said))
		return said.Connections.Active == 1 && said.Latency.Count == then.measured && said.Bytes.Out == then.out
	})
	t.Run("Stats", func(t *testing.T) { figuresOfStats(t, s, c) })
	t.Run("Health", func(t *testing.T) {
		harness.Eventually(t, "the connection before has ended", func() bool {
			body, then := c.ask(t, s, "/health")
			var said statsSaid
			require.NoError(t, json.Unmarshal(body, &said))
			require.Equal(t, then.requests, said.Requests.Total)
			require.Equal(t, then.blocked, said.Requests.Blocked)
			require.Equal(t, then.connections, said.Connections.Total)
			return said.Connections.Active == 1
		})
	})
	t.Run("Metrics", func(t *testing.T) { figuresOfMetrics(t, s, c) })
}

// rootOfPages is a folder with a page and a place for uploads.
func rootOfPages(t *testing.T) string {
	return rootWith(t, "index.html", 5000)
}

func figuresOfStats(t *testing.T, s *harness.Server, c *expected) {
	var said statsSaid
	var then expected
	harness.Eventually(t, "the last answer has been counted", func() bool {
		var body []byte
		body, then = c.ask(t, s, "/stats")
		said = statsSaid{}
		require.NoError(t, json.Unmarshal(body, &said))
		return said.Latency.Count == then.measured
	})
	require.Equal(t, "up", said.Status)
	require.Equal(t, then.connections, said.Connections.Total)
	require.Equal(t, then.requests, said.Requests.Total)
	require.Equal(t, then.blocked, said.Requests.Blocked)
	require.Zero(t, said.Requests.Dropped)
	require.Equal(t, then.responses, said.Responses)
	require.Equal(t, then.refusals, said.Refusals)
	require.Equal(t, then.errors, said.Errors)
	require.Equal(t, then.in, said.Bytes.In)
	require.Equal(t, then.out, said.Bytes.Out)
	l := said.Latency
	require.True(t, slices.IsSorted([]int{1, l.P50, l.P90, l.P99, l.P999, l.Max}), "%+v", l)
	require.LessOrEqual(t, l.Mean, float64(l.Max))

	require.Len(t, said.Intervals, 288)
	requests, blocked := said.Older.Requests, said.Older.Blocked
	for i, in := range said.Intervals {
		requests, blocked = requests+in.Requests, blocked+in.Blocked
		require.Zero(t, in.Timestamp%300)
		if i > 0 {
			require.EqualValues(t, 300, in.Timestamp-said.Intervals[i-1].Timestamp)
		}
	}
	running := time.Unix(said.Intervals[287].Timestamp, 0)
	require.False(t, running.After(time.Now()))
	require.Less(t, time.Since(running), 10*time.Minute, "the last interval is the running one")
	require.Equal(t, said.Requests.Total, requests, "the series has every request once")
	require.Equal(t, said.Requests.Blocked, blocked)
}

func figuresOfMetrics(t *testing.T, s *harness.Server, c *expected) {
	var text []byte
	var then expected
	var families map[string]*dto.MetricFamily
	harness.Eventually(t, "the last answer has been counted", func() bool {
		text, then = c.ask(t, s, "/metrics")
		var err error
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err = parser.TextToMetricFamilies(bytes.NewReader(text))
		require.NoError(t, err)
		return int(families["fourways_request_duration_seconds"].Metric[0].Histogram.GetSampleCount()) == then.measured
	})
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	require.Equal(t, map[string]int{"": then.requests}, samples(families, "fourways_requests_total", ""))
	require.Equal(t, map[string]int{"": then.connections}, samples(families, "fourways_accepted_connections_total", ""))
	require.Equal(t, then.responses, samples(families, "fourways_responses_total", "class"))
	require.Equal(t, then.refusals, occurred(samples(families, "fourways_refusals_total", "reason")))
	require.Equal(t, then.errors, occurred(samples(families, "fourways_errors_total", "reason")))
	require.Equal(t, map[string]int{"": then.in}, samples(families, "fourways_request_body_bytes_total", ""))
	require.Equal(t, map[string]int{"": then.out}, samples(families, "fourways_response_body_bytes_total", ""))
	require.Contains(t, families, "fourways_build_info")
	require.Contains(t, families, "process_start_time_seconds")
	require.Contains(t, families, "fourways_cache_hits_total")

	h := families["fourways_request_duration_seconds"].Metric[0].Histogram
	last := uint64(0)
	for _, b := range h.Bucket {
		require.GreaterOrEqual(t, b.GetCumulativeCount(), last)
		last = b.GetCumulativeCount()
	}
	require.Equal(t, h.GetSampleCount(), last, "the last bucket has all")
	ofWorkers(t, families, then)
}

// ofWorkers: what threads, runners, loops or processes have done adds up to what the
// server has, where the stage counts it for each.
func ofWorkers(t *testing.T, families map[string]*dto.MetricFamily, then expected) {
	for name := range families {
		label := strings.TrimSuffix(strings.TrimPrefix(name, "fourways_"), "_requests_total")
		if label == name || "fourways_"+label+"_requests_total" != name {
			continue
		}
		sum := 0
		for _, n := range samples(families, name, label) {
			sum += n
		}
		require.Equal(t, then.requests, sum, "%s: a name of this form is for what each %s has done, and adds up to all requests", name, label)
	}
}

// samples are the values of a counter or gauge, by one label.
func samples(families map[string]*dto.MetricFamily, name, label string) map[string]int {
	values := map[string]int{}
	for _, m := range families[name].GetMetric() {
		key := ""
		for _, l := range m.Label {
			if l.GetName() == label {
				key = l.GetValue()
			}
		}
		values[key] = int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
	}
	return values
}

func occurred(counts map[string]int) map[string]int {
	for name, n := range counts {
		if n == 0 {
			delete(counts, name)
		}
	}
	return counts
}
