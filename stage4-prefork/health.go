//go:build linux

package main

import (
	"slices"

	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// health is this stage's part of /health: what the memory that all share tells of each
// worker, whichever of them is asked.
func health(region *stats.Region) map[string]any {
	workers, now := []map[string]any{}, sysnet.Now()
	for i := 1; i < region.Processes(); i++ {
		p, s := region.Process(i), region.Slot(i)
		if p.State() == stats.Free || p.PID.Load() == 0 {
			continue
		}
		w := map[string]any{
			"worker":        p.Position.Load(),
			"pid":           p.PID.Load(),
			"state":         p.State().String(),
			"heartbeat_age": seconds(now - clock.Time(p.Beat.Load())),
			"restarts":      p.Restarts.Load(),
			"connections":   p.Conns.Load(),
			"requests":      s.Get(stats.Requests),
			"wakeups":       s.Get(stats.Wakeups),
			"events":        s.Get(stats.Events),
		}
		if n := s.Get(stats.Wakeups); n > 0 {
			w["events_per_wakeup"] = float64(s.Get(stats.Events)*100/n) / 100
		}
		workers = append(workers, w)
	}
	slices.SortStableFunc(workers, func(a, b map[string]any) int {
		return int(a["worker"].(int64) - b["worker"].(int64))
	})
	return map[string]any{"workers": workers, "master": map[string]any{"pid": region.Process(0).PID.Load()}}
}

// seconds is a time with three decimals.
func seconds(t clock.Time) float64 { return float64(max(t, 0)/clock.Millisecond) / 1000 }
