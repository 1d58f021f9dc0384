//go:build linux

package main

// The watchdog: it finds workers that are alive and do nothing.
//
// A process that hangs is not dead. It keeps its connections, the kernel lists it, and kill(pid, 0)
// finds it. But it makes no progress, so progress is what is watched. Each worker's loop, and
// nothing else in the worker, writes the time into shared memory once a turn. A busy loop turns
// anyway; an idle one wakes up for it.
//
// A silent worker is asked for its stacks, which show where it hangs, and is then killed. It cannot
// be repaired: its stack cannot be unwound from outside, and what it has half done is unknown. The
// kernel takes back what it held there; what it held in shared memory is kept in a form that the
// master can take back.

import (
	"cmp"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

const (
	// stacksGrace is how long a worker may take to write its stacks.
	stacksGrace = time.Second
	// beatsWithin is how many times at least a loop beats within the watchdog's time.
	beatsWithin = 4
	// slowestBeat is the longest time between two beats, whatever the watchdog's time.
	slowestBeat = clock.Second
	// startTime is how long at least a worker may take until its first turn: executing a program
	// and opening a site depend on a disk.
	startTime = 10 * clock.Second
)

// beat is how often an idle loop is to show that it goes on.
func (o *options) beat() clock.Time {
	if o.watchdog == 0 {
		return slowestBeat
	}
	return min(max(clock.Time(o.watchdog)/beatsWithin, clock.Millisecond), slowestBeat)
}

// watch looks at all workers, and again when the first of them could be overdue.
func (m *master) watch() {
	limit := clock.Time(m.opt.watchdog) // 0 for none: then only those that start are watched
	now, within := sysnet.Now(), cmp.Or(limit, startTime)
	if m.patience.Look(now, within) {
		m.app.Log.Warn("The master was suspended; no worker is blamed for the time")
	}
	first := clock.Never
	for _, w := range m.workers {
		if overdue := m.overdue(w, limit); overdue > now {
			first = min(first, overdue)
		} else if w.progress != workerHung {
			m.askForStacks(w, now)
		}
	}
	m.after(time.Duration(m.patience.Next(now, first, within)-now), m.watch)
}

// overdue is when a worker will have been silent for too long.
func (m *master) overdue(w *worker, limit clock.Time) clock.Time {
	last := clock.Time(m.app.Stats.Process(w.process).Beat.Load())
	switch {
	case !w.reported():
		limit = max(limit, startTime)
	case limit == 0:
		return clock.Never
	}
	return m.patience.Overdue(last, limit)
}

// askForStacks ends a silent worker. The signal goes to the loop's own thread, whose stack then
// comes first. On another thread Go's runtime would have to stop the loop to see its stack, and a
// loop that hangs in a raw system call does not react to that.
func (m *master) askForStacks(w *worker, now clock.Time) {
	w.enter(workerHung)
	entry := m.app.Stats.Process(w.process)
	m.app.Log.Error(fmt.Sprintf("Worker %d has been silent for %v: asked for its stacks, and to be killed", w.position.number,
		time.Duration(now-clock.Time(entry.Beat.Load())).Round(time.Millisecond)), "pid", w.pid)
	if unix.Tgkill(w.pid, int(entry.Thread.Load()), sigStacks) != nil {
		unix.Kill(w.pid, sigStacks)
	}
	m.after(stacksGrace, func() {
		if m.workers[w.pid] == w {
			unix.Kill(w.pid, unix.SIGKILL)
			m.after(atOnce, func() { m.giveUp(w) })
		}
	})
}

// giveUp replaces a worker that not even that has ended: one that waits for a disk (uninterruptible
// sleep), or is frozen with its control group. There are no more of them than positions, or where
// each new worker hangs they would take all memory.
func (m *master) giveUp(w *worker) {
	p, left := w.position, 0
	for _, other := range m.workers {
		if other.progress == workerHung && other.position.current != other && other.position.next != other {
			left++
		}
	}
	if m.workers[w.pid] != w || p.current != w && p.next != w || left >= len(m.positions) {
		return
	}
	m.app.Log.Error(fmt.Sprintf("Worker %d cannot be killed: another one takes its place", p.number), "pid", w.pid)
	m.app.Stats.Process(w.process).SetState(stats.Draining)
	m.lose(w)
}
