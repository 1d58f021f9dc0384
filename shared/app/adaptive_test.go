package app

// How the allowed rate follows lateness, load and pressure. The readings are given by hand, and so
// is the time.

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/limiter"
	"fourways/shared/logging"
	"fourways/shared/stats"
)

func table(t *testing.T) *limiter.Table {
	t.Helper()
	tab, err := (&App{limits: make([]byte, limiter.Size(8))}).newLimiter(config.Clients{Entries: 8, IPv6Prefix: 64, Rate: 100, Burst: 1, Exempt: []netip.Prefix{}})
	require.NoError(t, err)
	return tab
}

func TestTheRateFollowsTheReadings(t *testing.T) {
	const second = int64(1e9)
	var log bytes.Buffer
	reading, failure := 0.0, error(nil)
	f := &follower{
		table: table(t),
		log:   logging.New(&log, slog.LevelInfo, true),
		gauges: []*gauge{{
			cause: limiter.Load, name: "load_1m", adaptive: limiter.NewAdaptive(limiter.LoadMarks),
			read: func(int64) (float64, error) { return reading, failure },
		}},
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
		{"a busy one does, and it is logged as a warning", 2, 6.5, nil, 0.5, `"level":"WARN","msg":"Rate of each client is now 0.5 of -rate","because":"load","load_1m":6.5}`},
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
	for _, gauge := range []config.Gauge{config.LatenessGauge, config.LoadGauge, config.PressureGauge, config.NoGauge} {
		t.Run(string(gauge), func(t *testing.T) {
			tab := table(t)
			tab.SetFactor(1.0 / 1024) // whatever the machine's state is, it is not this
			stop := Adapt(tab, stats.New(1), 1, slog.New(slog.DiscardHandler), gauge)
			stop()
			assert.GreaterOrEqual(t, tab.Factor(), 0.25, "looked at least once, and what was there before is gone")
			if gauge == config.NoGauge {
				assert.Equal(t, 1.0, tab.Factor())
			}
		})
	}
}

// counted is what a server's threads have counted within two seconds.
type counted struct {
	busy, wait time.Duration // wait is of each piece of work
	ready      int
}

func (c counted) add(s *stats.Slot) {
	s.Add(stats.Busy, uint64(c.busy))
	s.Add(stats.Work, uint64(c.ready))
	s.Add(stats.Waited, uint64(c.ready)*uint64(c.wait))
}

func TestTheRateFollowsTheServersOwnLateness(t *testing.T) {
	const ms, seconds = time.Millisecond, time.Second
	for _, tt := range []struct {
		name     string
		has      counted
		pressure float64
		want     float64
		cause    limiter.Cause
	}{
		{"nothing to do, beside a neighbour who takes everything", counted{}, 99, 1, limiter.NoCause},
		{"a page, each of whose pictures the neighbour made late", counted{600 * ms, 40 * ms, 300}, 99, 1, limiter.NoCause},
		{"one request that was out of luck", counted{300 * ms, 300 * ms, 1}, 99, 1, limiter.NoCause},
		{"much to do, and nobody waits", counted{1900 * ms, ms / 10, 100_000}, 99, 1, limiter.NoCause},
		{"much to do on a machine that has time", counted{1900 * ms, 5 * ms, 100_000}, 10, 1, limiter.NoCause},
		{"much to do on a machine that has none", counted{1900 * ms, 5 * ms, 100_000}, 61, 0.25, limiter.Pressure},
		{"half of the time is much", counted{1001 * ms, 5 * ms, 1000}, 41, 0.5, limiter.Pressure},
		{"late, whatever the machine does", counted{2 * seconds, 101 * ms, 1000}, 0, 0.5, limiter.Lateness},
		{"later than the machine is busy", counted{2 * seconds, 201 * ms, 1000}, 21, 0.25, limiter.Lateness},
		{"a turn that began before counts for no more than the time there was", counted{20 * seconds, 20 * seconds, 1}, 0, 0.25, limiter.Lateness},
	} {
		t.Run(tt.name, func(t *testing.T) {
			region := stats.New(1)
			f := newFollower(table(t), region, 1, slog.New(slog.DiscardHandler), config.LatenessGauge)
			defer f.close()
			own := f.gauges[0]
			machine := f.gauges[1]
			machine.cause, machine.adaptive = limiter.Pressure, limiter.NewAdaptive(limiter.PressureMarks)
			machine.read = func(int64) (float64, error) { return tt.pressure, nil }
			require.Equal(t, limiter.Lateness, own.cause)
			counted{5 * seconds, seconds, 1000}.add(region.Slot(0)) // long ago
			f.look(1e9)
			require.Equal(t, 1.0, f.table.Factor(), "the first look has nothing to compare with")
			tt.has.add(region.Slot(0))
			f.look(3e9)
			require.Equal(t, tt.want, f.table.Factor(), "%v and %v", own.reading, machine.reading)
			require.Equal(t, tt.cause, f.table.Cause())
		})
	}
}

// Two threads at work have twice the time of one; ten have ten times as much only where each
// of them waits with a client of its own.
func TestTimeIsThatOfTheThreadsThatCanBeAtWork(t *testing.T) {
	region := stats.New(1)
	l := &lateness{region: region, threads: 4}
	l.read(1e9)
	counted{4 * time.Second, 1, 1}.add(region.Slot(0))
	l.read(3e9)
	require.Equal(t, 0.5, l.busy)

	a := &App{Config: &config.Config{Workers: 1000}}
	require.Equal(t, runtime.NumCPU(), a.atWork())
	a.stage.Blocking = true
	require.Equal(t, 1000, a.atWork())
}
