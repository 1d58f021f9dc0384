package app

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/limiter"
	"fourways/shared/logging"
)

func table(t *testing.T) *limiter.Table {
	t.Helper()
	tab, err := (&App{}).openLimiter(config.Clients{Entries: 8, IPv6Prefix: 64, Rate: 100, Burst: 1, Exempt: []netip.Prefix{}})
	require.NoError(t, err)
	return tab
}

func TestTheRateFollowsTheReadings(t *testing.T) {
	const second = int64(1e9)
	var log bytes.Buffer
	reading, failure := 0.0, error(nil)
	f := &follower{
		table:    table(t),
		log:      logging.New(&log, slog.LevelInfo, true),
		adaptive: limiter.NewAdaptive(limiter.LoadMarks),
		reading:  "load_1m",
		read:     func() (float64, error) { return reading, failure },
	}
	broken := errors.New("it is broken")
	steps := []struct {
		name    string
		at      int64 // seconds
		reading float64
		failure error
		want    float64
		logged  string // part of the one line; empty for none
	}{
		{"a calm machine changes nothing", 0, 0.5, nil, 1, ""},
		{"a busy one does, and it is logged as a warning", 2, 6.5, nil, 0.5, `"level":"WARN","msg":"Rate of each client is now 0.5 of -rate","load_1m":6.5}`},
		{"it is logged once", 4, 7, nil, 0.5, ""},
		{"a gauge that breaks is logged once", 6, 7, broken, 0.5, `"of":"load_1m","error":"it is broken"`},
		{"while it is broken", 8, 7, broken, 0.5, ""},
		{"it counts as calm", 36, 7, broken, 0.75, `"level":"INFO","msg":"Rate of each client is now 0.75 of -rate"`},
		{"a gauge that works again is believed again", 38, 11, nil, 0.25, "0.25 of -rate"},
		{"and may break again", 40, 11, broken, 0.25, "it is broken"},
	}
	for _, s := range steps {
		log.Reset()
		reading, failure = s.reading, s.failure
		f.look(s.at * second)
		require.Equal(t, s.want, f.table.Factor(), s.name)
		if s.logged == "" {
			require.Empty(t, log.String(), s.name)
		} else {
			require.Contains(t, log.String(), s.logged, s.name)
			require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("\n")), s.name)
		}
	}
}

func TestAdaptRunsUntilItIsStopped(t *testing.T) {
	for _, gauge := range []config.Gauge{"", config.LoadGauge, config.PressureGauge, config.NoGauge} {
		t.Run(string(gauge), func(t *testing.T) {
			tab := table(t)
			tab.SetFactor(1.0 / 1024) // whatever the machine's state is, it is not this
			stop := Adapt(tab, slog.New(slog.DiscardHandler), gauge)
			stop()
			assert.GreaterOrEqual(t, tab.Factor(), 0.25, "looked at least once, and what was there before is gone")
			if gauge == config.NoGauge {
				assert.Equal(t, 1.0, tab.Factor())
			}
		})
	}
}
