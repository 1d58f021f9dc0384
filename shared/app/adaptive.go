package app

// The allowed rate of each client follows the load of the server.
//
// A lower rate helps the many clients that wait because of a few. So the server looks first whether
// clients wait: how late it is with its own work (-adaptive lateness). How busy the machine is does
// not tell that by itself. If another program takes every processor, a server with little to do is
// as quick as ever, and a rate that followed the machine's load would refuse visitors for nothing.
// Only where the server itself is busy does the machine's state say why, and that it will not pass
// soon.

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"time"

	"fourways/shared/config"
	"fourways/shared/limiter"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

const (
	// adaptEvery is how often the gauges are read: as often as the kernel works out a new
	// pressure.
	adaptEvery = 2 * time.Second
	// busyShare is how much of their time the threads have work, from which on what waits
	// counts as late. With less, the next moment of rest is near.
	busyShare = 0.5
	// leastWait is how long ready work waits, from which on the machine's state counts.
	leastWait = 1.0 // milliseconds
)

// Adapt makes the table's rate follow what the gauge reads, until stop is called, which returns
// when it has ended. It needs nothing of a server but its table, its counters and how many of its
// threads can be busy at once. So where several processes share them, one runs it for all.
func Adapt(table *limiter.Table, region *stats.Region, threads int, log *slog.Logger, choice config.Gauge) (stop func()) {
	f := newFollower(table, region, threads, log, choice)
	if len(f.gauges) == 0 { // a shared table may keep what another setting left in it
		table.SetFactor(1)
		table.SetCause(limiter.NoCause)
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
	table  *limiter.Table
	log    *slog.Logger
	gauges []*gauge // read in this order
}

// gauge is something that is read, and the factor that follows from it.
type gauge struct {
	cause    limiter.Cause
	name     string // of what is read, for the log
	adaptive *limiter.Adaptive
	read     func(now int64) (float64, error)
	counts   func() bool // whether the reading does; nil for always
	close    func() error
	reading  float64 // the last one
	blind    bool    // it failed, and that has been logged
}

// newFollower is a follower of what was chosen, of nothing where that is nothing.
func newFollower(table *limiter.Table, region *stats.Region, threads int, log *slog.Logger, choice config.Gauge) *follower {
	f := &follower{table: table, log: log}
	switch choice {
	case config.NoGauge:
	case config.LoadGauge:
		f.gauges = []*gauge{loadGauge(1)}
	case config.PressureGauge:
		f.gauges = []*gauge{machineGauge(1, log)}
	default:
		own := &lateness{region: region, threads: threads}
		late := &gauge{cause: limiter.Lateness, name: "ready_wait_ms", adaptive: limiter.NewAdaptive(limiter.LatenessMarks), close: nothing}
		late.read = func(now int64) (float64, error) { return own.read(now), nil }
		machine := machineGauge(runtime.NumCPU(), slog.New(slog.DiscardHandler)) // without pressure the load does as well
		machine.counts = func() bool { return own.wait >= leastWait }
		f.gauges = []*gauge{late, machine}
	}
	return f
}

func nothing() error { return nil }

// machineGauge is that of the pressure, or of the load where the system has no pressure.
func machineGauge(processors int, log *slog.Logger) *gauge {
	pressure, err := sysnet.OpenPressure()
	if err != nil {
		log.Warn("No pressure to read here, the rate follows the load instead", "error", err)
		return loadGauge(processors)
	}
	return &gauge{
		cause: limiter.Pressure, name: "pressure_avg10", adaptive: limiter.NewAdaptive(limiter.PressureMarks),
		read:  func(int64) (float64, error) { return pressure.Some() },
		close: pressure.Close,
	}
}

// loadGauge is that of the load, for each of so many processors.
func loadGauge(processors int) *gauge {
	return &gauge{
		cause: limiter.Load, name: "load_1m", adaptive: limiter.NewAdaptive(limiter.LoadMarks),
		read:  func(int64) (float64, error) { return sysnet.LoadAverage()[0] / float64(processors), nil },
		close: nothing,
	}
}

func (f *follower) close() {
	for _, g := range f.gauges {
		g.close()
	}
}

// look reads all gauges, and sets the lowest factor that follows from one of them. A change
// is logged.
func (f *follower) look(now int64) {
	factor, cause := 1.0, limiter.NoCause
	for _, g := range f.gauges {
		if low := g.look(now, f.log); low < factor {
			factor, cause = low, g.cause
		}
	}
	before := f.table.Factor()
	f.table.SetCause(cause)
	if factor == before {
		return
	}
	f.table.SetFactor(factor)
	level := slog.LevelInfo
	if factor < before {
		level = slog.LevelWarn
	}
	args := []any{"because", cause.String()}
	for _, g := range f.gauges {
		args = append(args, g.name, math.Round(g.reading*100)/100)
	}
	f.log.Log(context.Background(), level, fmt.Sprintf("Rate of each client is now %g of -rate", factor), args...)
}

// look takes one reading, and returns the factor that follows from it. Where there is none
// it counts as calm: a gauge that broke must not keep clients out for ever.
func (g *gauge) look(now int64, log *slog.Logger) float64 {
	reading, err := 0.0, error(nil)
	if g.counts == nil || g.counts() {
		reading, err = g.read(now)
	}
	if err != nil {
		if !g.blind {
			log.Warn("Reading failed, the rate counts it as 0", "of", g.name, "error", err)
		}
		reading = 0
	}
	g.reading, g.blind = reading, err != nil
	return g.adaptive.Look(reading, now)
}

// lateness reads how late the server is with its own work, from what its threads count
// (session.Thread.EndTurn, Late). It costs them nothing more than that, and tells of the
// threads of other processes too.
type lateness struct {
	region  *stats.Region
	threads int     // that can have their hands full at once, where they are not processes that the region tells of
	busy    float64 // share of their time in which the threads had work since the last reading
	wait    float64 // milliseconds that a ready piece of work waited on average meanwhile; 0 while they are not busy

	at               int64 // of the last reading, in nanoseconds
	had, n, together uint64
}

// read returns the wait since the last reading.
func (l *lateness) read(now int64) float64 {
	had, n, together := l.region.Total(stats.Busy), l.region.Total(stats.Work), l.region.Total(stats.Waited)
	took := float64(now-l.at) * float64(l.atWork())
	l.busy, l.wait = 0, 0
	if l.at != 0 && took > 0 {
		l.busy = min(float64(had-l.had)/took, 1)
		if n > l.n && l.busy >= busyShare {
			l.wait = float64(together-l.together) / float64(n-l.n) / 1e6
		}
	}
	l.at, l.had, l.n, l.together = now, had, n, together
	return l.wait
}

// atWork is how many threads can have their hands full at once: one in each process, where
// there are several, as far as there are processors for them.
func (l *lateness) atWork() int {
	if n := int(l.region.Count(stats.Ready)); n > 0 {
		return min(n, runtime.NumCPU())
	}
	return l.threads
}
