//go:build linux

package main

// The watchdog: who notices a worker that is alive and does nothing.
//
// A process that hangs is not dead. It has its connections, the kernel has it in its
// lists, and kill(pid, 0) finds it. What it does not do is go on; so that is what is
// watched. Each worker's loop, and nothing else in the worker, writes the time into shared
// memory once a turn. A loop that is busy turns; one that is idle is woken for it.
//
// A silent worker is asked for its stacks, which tell where it hangs, and then killed: it
// cannot be mended. Its stack cannot be unwound from outside, and nobody knows what it has
// half done. What it held in the kernel the kernel takes back; what it held in shared
// memory is written so that it can be taken back.

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

const (
	// stacksGrace is how long a worker may take to write its stacks.
	stacksGrace = time.Second
	// beatsWithin is how many times a loop beats within the watchdog's time, at least, and
	// how many times the master looks.
	beatsWithin = 4
	// slowestBeat is how often a loop beats whatever the watchdog's time.
	slowestBeat = clock.Second
	// startTime is how long a worker may take to its first turn, at least: to execute a
	// program and open a site is work for a disk, and not for a loop.
	startTime = 10 * clock.Second
	// restless bounds how often the master looks.
	restless = 10 * clock.Millisecond
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
	now, often := sysnet.Now(), limit/beatsWithin
	if limit == 0 {
		often = startTime / beatsWithin
	}
	if m.watchDue != 0 && now-m.watchDue > often {
		// Whoever stopped us has most likely stopped the workers too: Ctrl+Z, a debugger, a
		// virtual machine that was put aside. They get their time anew. Looking so often, we
		// are late enough to know it whenever a worker that was stopped with us is overdue.
		m.forgiven = now
		m.app.Log.Warn("The master was suspended; no worker is blamed for the time")
	}
	next := now + often
	for _, w := range m.workers {
		if overdue := m.overdue(w, limit); overdue > now {
			next = min(next, overdue)
		} else if !w.asked {
			m.askForStacks(w, now)
		}
	}
	m.watchDue = max(next, now+restless)
	m.after(time.Duration(m.watchDue-now), m.watch)
}

// overdue is when a worker will have been silent for too long, if it stays so.
func (m *master) overdue(w *worker, limit clock.Time) clock.Time {
	last := clock.Time(m.app.Stats.Process(w.process).Beat.Load())
	switch {
	case !w.ready:
		limit = max(limit, startTime)
	case limit == 0:
		return clock.Never
	}
	return max(last, m.forgiven) + limit
}

// askForStacks ends a silent worker. The signal goes to the loop's own thread, whose stack
// then comes first. On another thread Go's runtime would have to stop the loop to see its
// stack, and one that hangs in a raw system call does not hear that.
func (m *master) askForStacks(w *worker, now clock.Time) {
	w.asked = true
	entry := m.app.Stats.Process(w.process)
	m.app.Log.Error(fmt.Sprintf("Worker %d has been silent for %v: asked for its stacks, and to be killed", w.position.number,
		time.Duration(now-clock.Time(entry.Beat.Load())).Round(time.Millisecond)), "pid", w.pid)
	if unix.Tgkill(w.pid, int(entry.Thread.Load()), sigStacks) != nil {
		unix.Kill(w.pid, sigStacks)
	}
	m.after(stacksGrace, func() {
		if m.workers[w.pid] == w {
			unix.Kill(w.pid, unix.SIGKILL)
		}
	})
}
