package app

// The statistics of event loops and of worker processes, from the memory that all share.
//
// A worker process comes and goes; its position stays. JSON has each process: while one is
// replaced, there are two of a position. Prometheus has each position once, and its counters go on
// from one process to the next.
//
// The functions may be called on any thread. What must not be done: a counter that was reported
// once must always be reported, since a series that disappears looks like a server that has ended.

import (
	"slices"
	"strconv"

	"fourways/shared/clock"
	"fourways/shared/figures"
	"fourways/shared/offload"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// LoopFigures reports on an event loop, which counts in slot.
func LoopFigures(slot *stats.Slot, number int, l *figures.List) {
	rows := []figures.Row{
		{JSON: "connections", Name: "fourways_loop_connections", Help: "Connections of each event loop.", Value: slot.Conns()},
		{JSON: "requests", Name: "fourways_loop_requests_total", Help: "Requests of each event loop.", Kind: figures.Counter, Value: slot.Get(stats.Requests)},
		{JSON: "wakeups", Name: "fourways_loop_wakeups_total", Help: "Waits of each event loop that reported something.", Kind: figures.Counter, Value: slot.Get(stats.Wakeups)},
		{JSON: "events", Name: "fourways_loop_events_total", Help: "Sockets that they reported ready.", Kind: figures.Counter, Value: slot.Get(stats.Events)},
	}
	if n := slot.Get(stats.Enters); n > 0 {
		rows = append(rows, figures.Row{JSON: "enters", Name: "fourways_loop_enters_total", Help: "Calls of io_uring_enter(2) by each event loop.", Kind: figures.Counter, Value: n})
	}
	l.Item("loops", []string{"loop", strconv.Itoa(number)}, append(rows, eventsPerWakeup(slot)...)...)
}

// eventsPerWakeup is how many sockets a wait has reported on average, with two decimals.
func eventsPerWakeup(slot *stats.Slot) []figures.Row {
	n := slot.Get(stats.Wakeups)
	if n == 0 {
		return nil
	}
	return []figures.Row{{JSON: "events_per_wakeup", Value: float64(slot.Get(stats.Events)*100/n) / 100}}
}

// SlowWork reports on a pool for slow work.
func SlowWork(p *offload.Pool, l *figures.List) {
	l.Add(figures.Row{JSON: "slow_work.waiting", Name: "fourways_slow_work_waiting", Help: "Pieces of slow work that wait for the pool.", Value: p.Len()})
}

// states are those of a process that is there.
var states = []stats.State{stats.Starting, stats.Ready, stats.Draining}

// process is a worker process as it was at one moment.
type process struct {
	position   int // from 1
	pid, conns int64
	state      stats.State
	age        float64 // since its loop last turned, in seconds with three decimals
}

// WorkerFigures reports on worker processes, which have positions from 1 to most.
func WorkerFigures(region *stats.Region, most int, l *figures.List) {
	l.Add(
		figures.Row{JSON: "master.pid", Kind: figures.Fact, Value: region.Process(0).PID.Load()},
		figures.Row{Name: "fourways_workers_failing", Help: "Workers that should be there and cannot be kept alive.", Value: region.Failing()},
	)
	for _, s := range states {
		l.Add(figures.Row{Name: "fourways_worker_processes", Help: "Worker processes by how far they have come.", Labels: []string{"state", s.String()}, Value: region.Count(s)})
	}
	all := living(region)
	for _, p := range all {
		tellProcess(l, region.Slot(p.position), p)
	}
	for number := 1; number <= most; number++ {
		tellPosition(l, region.Slot(number), number, all)
	}
}

// living are the processes that exist, by position.
func living(region *stats.Region) (all []process) {
	now := sysnet.Now()
	for i := 1; i < region.Processes(); i++ {
		e := region.Process(i)
		beat := clock.Time(e.Beat.Load())
		p := process{
			position: int(e.Position.Load()), pid: e.PID.Load(), conns: e.Conns.Load(), state: e.State(),
			age: float64(max(now-beat, 0)/clock.Millisecond) / 1000,
		}
		if p.state != stats.Free && p.position != 0 && p.pid != 0 && beat != 0 { // or it comes or goes just now
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b process) int { return a.position - b.position })
	return all
}

// tellProcess reports on one process. The counters are its position's, over all processes that have
// had it.
func tellProcess(l *figures.List, s *stats.Slot, p process) {
	rows := []figures.Row{
		{JSON: "worker", Value: p.position},
		{JSON: "pid", Value: p.pid},
		{JSON: "state", Kind: figures.Fact, Value: p.state.String()},
		{JSON: "heartbeat_age", Value: p.age},
		{JSON: "restarts", Value: s.Get(stats.Restarts)},
		{JSON: "connections", Value: p.conns},
		{JSON: "requests", Value: s.Get(stats.Requests)},
		{JSON: "wakeups", Value: s.Get(stats.Wakeups)},
		{JSON: "events", Value: s.Get(stats.Events)},
	}
	l.Item("workers", nil, append(rows, eventsPerWakeup(s)...)...)
}

// tellPosition reports on one position, which may have no process now, or several. A position that
// has never had one is left out; a counter that has been reported once is reported for ever.
func tellPosition(l *figures.List, s *stats.Slot, number int, all []process) {
	var is process // the position's main process: the one that serves, or will
	conns, oldest := int64(0), 0.0
	for _, p := range all {
		if p.position == number {
			conns, oldest = conns+p.conns, max(oldest, p.age)
			if is.pid == 0 || p.state == stats.Ready || is.state == stats.Draining {
				is = p
			}
		}
	}
	if is.pid == 0 && s.Get(stats.Opened)+s.Get(stats.Wakeups)+s.Get(stats.Restarts) == 0 {
		return
	}
	labels := []string{"worker", strconv.Itoa(number)}
	l.Add(
		figures.Row{Name: "fourways_worker_connections", Help: "Connections of each worker.", Labels: labels, Value: conns},
		figures.Row{Name: "fourways_worker_requests_total", Help: "Requests of each worker.", Kind: figures.Counter, Labels: labels, Value: s.Get(stats.Requests)},
		figures.Row{Name: "fourways_worker_wakeups_total", Help: "Waits of each worker's loop that reported something.", Kind: figures.Counter, Labels: labels, Value: s.Get(stats.Wakeups)},
		figures.Row{Name: "fourways_worker_events_total", Help: "Sockets that they reported ready.", Kind: figures.Counter, Labels: labels, Value: s.Get(stats.Events)},
		figures.Row{Name: "fourways_worker_restarts_total", Help: "How often a worker that died was to be replaced.", Kind: figures.Counter, Labels: labels, Value: s.Get(stats.Restarts)},
	)
	if is.pid != 0 {
		l.Add(
			figures.Row{Name: "fourways_worker_heartbeat_age_seconds", Help: "Time since each worker's loop last turned; of the oldest, where there are two processes.", Unit: figures.Seconds, Labels: labels, Value: oldest},
			figures.Row{Name: "fourways_worker_process_id", Help: "The process that each worker is now.", Labels: labels, Value: is.pid},
		)
	}
}
