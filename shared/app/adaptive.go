package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fourways/shared/config"
	"fourways/shared/limiter"
	"fourways/shared/sysnet"
)

// adaptEvery is how often the machine is looked at: as often as the kernel works out a
// new pressure.
const adaptEvery = 2 * time.Second

// Adapt makes the table's rate follow how busy the machine is, until stop is called,
// which returns when it has ended. It needs nothing of a server but its table, so
// whoever owns a table that several processes share runs it once for all of them.
func Adapt(table *limiter.Table, log *slog.Logger, gauge config.Gauge) (stop func()) {
	f := newFollower(table, log, gauge)
	if f == nil {
		table.SetFactor(1) // a shared table may keep what another setting left in it
		return func() {}
	}
	ending := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer f.close()
		ticker := time.NewTicker(adaptEvery)
		defer ticker.Stop()
		for {
			f.look(int64(sysnet.Now()))
			select {
			case <-ticker.C:
			case <-ending:
				return
			}
		}
	})
	return func() {
		close(ending)
		running.Wait()
	}
}

// follower sets the factor of one table. It belongs to one goroutine.
type follower struct {
	table    *limiter.Table
	log      *slog.Logger
	adaptive *limiter.Adaptive
	reading  string // what is read, for the log
	read     func() (float64, error)
	close    func() error
	blind    bool // the last reading failed, and that has been logged
}

// newFollower is a follower of this gauge, or of the load where the system has no
// pressure; nil if nothing is to be followed.
func newFollower(table *limiter.Table, log *slog.Logger, gauge config.Gauge) *follower {
	f := &follower{table: table, log: log}
	if gauge == config.NoGauge {
		return nil
	}
	if gauge != config.LoadGauge {
		pressure, err := sysnet.OpenPressure()
		if err == nil {
			f.adaptive, f.reading = limiter.NewAdaptive(limiter.PressureMarks), "pressure_avg10"
			f.read, f.close = pressure.Some, pressure.Close
			return f
		}
		if gauge == config.PressureGauge {
			log.Warn("No pressure to read here, the rate follows the load instead", "error", err)
		}
	}
	f.adaptive, f.reading = limiter.NewAdaptive(limiter.LoadMarks), "load_1m"
	f.read = func() (float64, error) { return sysnet.LoadAverage()[0], nil }
	f.close = func() error { return nil }
	return f
}

// look takes one reading, sets the factor, and logs a change. Where there is no reading
// the machine counts as calm: a gauge that broke must not keep clients out for ever.
func (f *follower) look(now int64) {
	reading, err := f.read()
	if err != nil {
		if !f.blind {
			f.log.Warn("Reading failed, the rate counts it as 0", "of", f.reading, "error", err)
		}
		reading = 0
	}
	f.blind = err != nil
	before, factor := f.table.Factor(), f.adaptive.Look(reading, now)
	if factor == before {
		return
	}
	f.table.SetFactor(factor)
	level := slog.LevelInfo
	if factor < before {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, fmt.Sprintf("Rate of each client is now %g of -rate", factor), f.reading, reading)
}
