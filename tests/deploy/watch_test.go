package deploy

// Prometheus and Grafana: what is asked for is there.

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// TestTheRulesOfPrometheus: promtool takes the configuration and the alerts, and runs their own
// tests.
func TestTheRulesOfPrometheus(t *testing.T) {
	t.Parallel()
	promtool := needs(t, "promtool", "prometheus")
	says(t, promtool, "check", "config", filepath.Join(folder, "prometheus/prometheus.yml"))
	says(t, promtool, "test", "rules", filepath.Join(folder, "prometheus/fourways.rules.test.yml"))
	names := regexp.MustCompile(`alert: (\S+)`).FindAllStringSubmatch(shipped(t, "prometheus/fourways.rules.yml"), -1)
	require.NotEmpty(t, names)
	for _, m := range names {
		require.Contains(t, shipped(t, "prometheus/fourways.rules.test.yml"), "- alertname: "+m[1]+"\n", "each alert is seen")
	}
}

// dashboard is what is used of one.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

var metric = regexp.MustCompile(`\b(?:fourways|process|go)_[a-z_]+\b`)

// watched is a server that has all that is told of one: TLS, and an upstream.
func watched(t *testing.T) *harness.Server {
	return harness.Start(t, "-workers", "1", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-listen", "127.0.0.1:0", "-proxy", "/up=http://127.0.0.1:1")
}

// securedAt is where a server speaks TLS.
func securedAt(t *testing.T, s *harness.Server) string {
	return s.Log.Await(t, regexp.MustCompile(`https://(\S+)`))[1]
}

// TestWhatIsAskedForIsMeasured: each name in rules and dashboard is one of /metrics, and each
// variable of the dashboard is there.
func TestWhatIsAskedForIsMeasured(t *testing.T) {
	t.Parallel()
	_, told := watched(t).Get(t, "/metrics")
	names := metric.FindAllString(shipped(t, "prometheus/fourways.rules.yml"), -1)
	var d dashboard
	require.NoError(t, json.Unmarshal([]byte(shipped(t, "grafana/fourways.json")), &d))
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			names = append(names, metric.FindAllString(target.Expr, -1)...)
		}
	}
	require.Greater(t, len(names), 20)
	for _, name := range names {
		require.Contains(t, string(told), "\n"+name, "a figure of the server")
	}
}

// TestEachQueryOfTheDashboardHasAnAnswer: a real Prometheus scrapes a server by the configuration,
// and has something for each panel.
func TestEachQueryOfTheDashboardHasAnAnswer(t *testing.T) {
	t.Parallel()
	prometheus, dir, at := needs(t, "prometheus", "prometheus"), t.TempDir(), free(t)
	written(t, dir, "fourways.rules.yml", adapted(t, "prometheus/fourways.rules.yml"))
	conf := written(t, dir, "prometheus.yml", adapted(t, "prometheus/prometheus.yml", "15s", "200ms", "localhost:443", securedAt(t, watched(t))))
	runs(t, exec.Command(prometheus, "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at, "--log.level=warn"))
	answers := func(query string) (status string, rows int) {
		resp, err := http.Get("http://" + at + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return "", 0
		}
		defer resp.Body.Close()
		var r struct {
			Status string
			Data   struct{ Result []any }
		}
		json.NewDecoder(resp.Body).Decode(&r)
		return r.Status, len(r.Data.Result)
	}
	var d dashboard
	require.NoError(t, json.Unmarshal([]byte(shipped(t, "grafana/fourways.json")), &d))
	queries := []string{"fourways:errors:ratio", "fourways:request_duration_seconds:p99", `up{job="fourways"} == 1`}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", "fourways", "$instance", ".*")
	for _, query := range queries {
		query = fill.Replace(query)
		harness.Eventually(t, query+" has an answer", func() bool {
			status, rows := answers(query)
			require.NotEqual(t, "error", status, query)
			return rows > 0
		})
	}
}
