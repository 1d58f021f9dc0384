package app

// What is told of the server, as rows, without a server: no process is started, and the driver has
// nothing to tell.

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/figures"
	"fourways/shared/limiter"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
)

func TestTheHistogramIsCumulative(t *testing.T) {
	a := &App{Stats: stats.New(2)}
	a.Stats.Slot(0).Took(32_000, 2)
	a.Stats.Slot(1).Took(32_001, 1)
	a.Stats.Slot(1).Took(3600e9, 1)
	text := string(figures.Of(a.ofLatency).AppendPrometheus(nil))
	for _, line := range []string{
		`_bucket{le="3.2e-05"} 2`, `_bucket{le="6.4e-05"} 3`, `_bucket{le="16.777216"} 3`, `_bucket{le="+Inf"} 4`,
		`_sum 3600.000096001`, `_count 4`,
	} {
		require.Contains(t, text, "\nfourways_request_duration_seconds"+line+"\n")
	}
}

// A process that drains because it is replaced is not the server's end.
func TestTheServerDrainsWhenAllOfItDoes(t *testing.T) {
	a := &App{Stats: stats.New(1), Server: &session.Server{Stats: stats.New(1)}}
	a.Server.Drain()
	told := func() *figures.List {
		return figures.Of(func(l *figures.List) { a.ofServer(l, a.state()) })
	}
	require.Contains(t, string(told().AppendPrometheus(nil)), "\nfourways_draining 0\n")
	a.Stats.Stop()
	text := told()
	require.Contains(t, string(text.AppendPrometheus(nil)), "\nfourways_draining 1\n")
	require.Contains(t, string(text.AppendHealth(nil)), `"status":"draining"`)
}

func TestAPercentageIsAHundredWhenItIsAll(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n, of uint64
		want  float64
	}{
		{"nothing of nothing", 0, 0, 0},
		{"nothing", 0, 5, 0},
		{"next to nothing", 1, 1e6, 0.1},
		{"some", 978, 1000, 97.8},
		{"nearly all", 999_999, 1e6, 99.9},
		{"all", 7, 7, 100},
	} {
		require.Equal(t, tt.want, percent(tt.n, tt.of), tt.name)
	}
}

// quiet is a driver that has nothing to tell.
type quiet struct{ Driver }

func (quiet) Figures(*figures.List) {}

// Whoever asks /health every second has no use for what each process has open.
func TestHealthDoesNotLookAtWhatItDoesNotTell(t *testing.T) {
	a := &App{Config: &config.Config{Root: t.TempDir()}, driver: quiet{}, Stats: stats.New(1), stage: Stage{Slots: func(*config.Config) int { return 1 }}}
	require.NoError(t, a.openRoot(a.Config.Root))
	defer a.folder.close()
	s, err := site.New(a.siteConfig(a.Config))
	require.NoError(t, err)
	defer s.Close()
	a.site.Store(s)
	a.limits = make([]byte, limiter.Size(8))
	table, err := a.newLimiter(config.Clients{Entries: 8, IPv6Prefix: 64})
	require.NoError(t, err)
	a.Server = &session.Server{Stats: a.Stats, Limiter: table}
	short, long := a.figures("up", false), a.figures("up", true)
	require.Equal(t, string(long.AppendHealth(nil)), string(short.AppendHealth(nil)))
	require.Contains(t, string(long.AppendPrometheus(nil)), "process_cpu_seconds_total")
	require.NotContains(t, string(short.AppendPrometheus(nil)), "process_cpu_seconds_total")
}
