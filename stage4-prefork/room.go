//go:build linux

package main

// Room for the workers of the next reload or hand-over.
//
// A worker that is told to go stays until its clients have what they asked for. One that reads a
// large file as slowly as it may can draw that out for weeks, and each reload can leave such
// workers behind. But in the memory that all share there is room for maxProcesses, and where it is
// full no worker can be started: not by a reload, nor in the place of one that has died.

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// makeRoom is called when one more worker has been told to go. Where fewer entries are free than
// there can be workers, those who have been leaving for longest have the drain time-out to finish.
func (m *master) makeRoom() {
	short := maxWorkers - m.app.Stats.Vacant(1)
	var leaving []*worker
	for _, w := range m.workers {
		switch {
		case w.hurried:
			short-- // it goes soon
		case w.progress == workerLeaving:
			leaving = append(leaving, w)
		}
	}
	n := min(short, len(leaving))
	if n <= 0 || m.within(draining, ending) { // then all have it
		return
	}
	timeout := m.app.Config.Limits.DrainTimeout
	m.app.Log.Warn(fmt.Sprintf("Hardly any room for further workers: %d of those that finish what they had have %v left", n, timeout))
	slices.SortFunc(leaving, func(a, b *worker) int { return cmp.Compare(a.started, b.started) })
	for _, w := range leaving[:n] {
		m.hurry(w, timeout)
	}
}

// hurry gives a worker that is leaving a time to finish.
func (m *master) hurry(w *worker, timeout time.Duration) {
	w.hurried = true
	unix.Kill(w.pid, sigDrain)
	m.after(timeout+lastGrace, func() {
		if m.workers[w.pid] == w {
			unix.Kill(w.pid, unix.SIGKILL)
		}
	})
}
