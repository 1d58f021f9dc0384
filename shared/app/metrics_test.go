package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/stats"
)

// written is what fill writes.
func written(fill func(*metricsWriter)) string {
	var m metricsWriter
	fill(&m)
	return string(m.b)
}

func TestWhatADriverSaysBecomesMetrics(t *testing.T) {
	for _, tt := range []struct {
		name   string
		health map[string]any
		want   string
	}{
		{"an object's members", map[string]any{"queue": map[string]int{"length": 3, "limit": 50}},
			"# HELP fourways_queue_length Connections that wait for a thread.\n# TYPE fourways_queue_length gauge\nfourways_queue_length 3\n" +
				"# HELP fourways_queue_capacity Connections that may wait for a thread.\n# TYPE fourways_queue_capacity gauge\nfourways_queue_capacity 50\n"},
		{"members that are one metric", map[string]any{"threads": map[string]any{"reading": 2, "writing": 1, "doing": []string{"reading"}}},
			"# HELP fourways_thread_states Threads by what they are about.\n# TYPE fourways_thread_states gauge\n" +
				"fourways_thread_states{state=\"reading\"} 2\nfourways_thread_states{state=\"writing\"} 1\n"},
		{"a list is numbered from 1", map[string]any{"runners": []map[string]any{{"connections": int64(7)}, {"connections": 8}}},
			"# HELP fourways_runner_connections Connections of each runner.\n# TYPE fourways_runner_connections gauge\n" +
				"fourways_runner_connections{runner=\"1\"} 7\nfourways_runner_connections{runner=\"2\"} 8\n"},
		{"who has a name is called by it", map[string]any{"workers": []struct {
			Worker int     `json:"worker"`
			State  string  `json:"state"`
			Age    float64 `json:"heartbeat_age"`
		}{{3, "ready", 0.25}, {1, "starting", 1.5}}},
			"# HELP fourways_worker_heartbeat_age_seconds Time since each worker's loop last turned.\n# TYPE fourways_worker_heartbeat_age_seconds gauge\n" +
				"fourways_worker_heartbeat_age_seconds{worker=\"3\"} 0.25\nfourways_worker_heartbeat_age_seconds{worker=\"1\"} 1.5\n"},
		{"what no row names is left out", map[string]any{"weather": map[string]any{"degrees": 20}, "loops": []any{}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, written(func(m *metricsWriter) { m.driver(tt.health) }))
		})
	}
}

func TestTheHistogramIsCumulative(t *testing.T) {
	r := stats.New(2)
	r.Slot(0).Took(32_000, 2)
	r.Slot(1).Took(32_001, 1)
	r.Slot(1).Took(3600e9, 1)
	text := written(func(m *metricsWriter) { m.latency(r.Latency()) })
	for _, line := range []string{
		`_bucket{le="3.2e-05"} 2`, `_bucket{le="6.4e-05"} 3`, `_bucket{le="16.777216"} 3`, `_bucket{le="+Inf"} 4`,
		`_sum 3600.000096001`, `_count 4`,
	} {
		require.Contains(t, text, "\nfourways_request_duration_seconds"+line+"\n")
	}
}

func TestLabelValuesAreQuoted(t *testing.T) {
	require.Equal(t, "x{a=\"1\",b=\"\\\"\\n\"} 5\n", written(func(m *metricsWriter) {
		m.name = "x"
		m.value(5, "a", "1", "b", "\"\n")
	}))
}
