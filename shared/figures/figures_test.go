package figures

// One list of figures in its three forms: /health, /stats and Prometheus. What is compared is the
// whole of each form.

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowsAreToldInEachOfTheThreeWays(t *testing.T) {
	for _, tt := range []struct {
		name                        string
		list                        *List
		health, figures, prometheus string
	}{
		{"a figure by itself", Of(func(l *List) {
			l.Add(Row{JSON: "queue.length", Name: "x_length", Help: "Who waits.", Value: 3})
		}),
			`{"queue":{"length":3}}`,
			`[{"name":"x_length","help":"Who waits.","kind":"gauge","samples":[{"value":3}]}]`,
			"# HELP x_length Who waits.\n# TYPE x_length gauge\nx_length 3\n"},
		{"figures of one name stand together, wherever their rows are", Of(func(l *List) {
			l.Add(
				Row{JSON: "by.a", Name: "x_total", Help: "All.", Kind: Counter, Unit: Bytes, Labels: []string{"of", "a"}, Value: uint64(1)},
				Row{Name: "y", Help: "Another.", Value: 0.5},
				Row{JSON: "by.b", Name: "x_total", Kind: Counter, Labels: []string{"of", "b"}, Value: uint64(18446744073709551615)},
			)
		}),
			`{"by":{"a":1,"b":18446744073709551615}}`,
			`[{"name":"x_total","help":"All.","kind":"counter","unit":"bytes","samples":[{"labels":{"of":"a"},"value":1},{"labels":{"of":"b"},"value":18446744073709551615}]},` +
				`{"name":"y","help":"Another.","kind":"gauge","samples":[{"value":0.5}]}]`,
			"# HELP x_total All.\n# TYPE x_total counter\nx_total{of=\"a\"} 1\nx_total{of=\"b\"} 18446744073709551615\n# HELP y Another.\n# TYPE y gauge\ny 0.5\n"},
		{"equal things are objects of a list, and told apart by a label", Of(func(l *List) {
			for i, name := range []string{"1", "2"} {
				l.Item("loops", []string{"loop", name},
					Row{JSON: "connections", Name: "x_connections", Help: "Of each.", Value: i},
					Row{JSON: "doing", Kind: Fact, Value: "nothing"})
			}
		}),
			`{"loops":[{"connections":0,"doing":"nothing"},{"connections":1,"doing":"nothing"}]}`,
			`[{"name":"x_connections","help":"Of each.","kind":"gauge","samples":[{"labels":{"loop":"1"},"value":0},{"labels":{"loop":"2"},"value":1}]}]`,
			"# HELP x_connections Of each.\n# TYPE x_connections gauge\nx_connections{loop=\"1\"} 0\nx_connections{loop=\"2\"} 1\n"},
		{"what has no name is in JSON only, and what has no member in the list", Of(func(l *List) {
			l.Add(Row{JSON: "status", Kind: Fact, Value: "up"}, Row{Name: "x", Help: "X.", Value: 1})
		}),
			`{"status":"up"}`,
			`[{"name":"x","help":"X.","kind":"gauge","samples":[{"value":1}]}]`,
			"# HELP x X.\n# TYPE x gauge\nx 1\n"},
		{"label values are escaped as the format knows it", Of(func(l *List) {
			l.Add(Row{Name: "x", Help: "X.", Labels: []string{"a", "1", "b", "\"\n\\é\x01"}, Value: 5})
		}),
			`{}`,
			`[{"name":"x","help":"X.","kind":"gauge","samples":[{"labels":{"a":"1","b":"\"\n\\é\u0001"},"value":5}]}]`,
			"# HELP x X.\n# TYPE x gauge\nx{a=\"1\",b=\"\\\"\\n\\\\é\x01\"} 5\n"},
		{"a distribution has buckets that add up", Of(func(l *List) {
			l.Add(Row{Name: "x_seconds", Help: "X.", Kind: Histogram, Unit: Seconds, Labels: []string{"of", "a"},
				Value: Distribution{Count: 4, Sum: 3600.000096001, Buckets: []Bucket{{3.2e-05, 2}, {16.777216, 3}}}})
		}),
			`{}`,
			`[{"name":"x_seconds","help":"X.","kind":"histogram","unit":"seconds","samples":[{"labels":{"of":"a"},"count":4,"sum":3600.000096001}]}]`,
			"# HELP x_seconds X.\n# TYPE x_seconds histogram\nx_seconds_bucket{of=\"a\",le=\"3.2e-05\"} 2\nx_seconds_bucket{of=\"a\",le=\"16.777216\"} 3\n" +
				"x_seconds_bucket{of=\"a\",le=\"+Inf\"} 4\nx_seconds_sum{of=\"a\"} 3600.000096001\nx_seconds_count{of=\"a\"} 4\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.health+"\n", string(tt.list.AppendHealth(nil)))
			require.Equal(t, tt.prometheus, string(tt.list.AppendPrometheus(nil)))
			var stats struct{ Figures json.RawMessage }
			require.NoError(t, json.Unmarshal(tt.list.AppendStats(nil), &stats))
			require.JSONEq(t, tt.figures, string(stats.Figures))
		})
	}
}

func TestALongMemberIsInStatsOnly(t *testing.T) {
	l := Of(func(l *List) {
		l.Add(Row{JSON: "a", Value: 1}, Row{JSON: "b", Long: true, Kind: Fact, Value: map[string]int{}})
	})
	require.Equal(t, "{\"a\":1}\n", string(l.AppendHealth(nil)))
	require.JSONEq(t, `{"a":1,"b":{},"figures":[]}`, string(l.AppendStats(nil)))
}

func TestAValueThatIsNoNumberIsAMistake(t *testing.T) {
	l := Of(func(l *List) { l.Add(Row{Name: "x", Value: "five"}) })
	require.Panics(t, func() { l.AppendPrometheus(nil) })
}
