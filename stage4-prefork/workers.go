//go:build linux

package main

// The workers: a position for each that there should be, and the process in it.
//
// A worker is in its position as long as it is wanted: as the current one, or during a reload as
// the next one, which is to take its place. A worker that is told to go leaves its position at
// once, and its death needs no action. So a worker that dies in a position is replaced, or was the
// trial of new settings.

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/children"
	"fourways/shared/clock"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// retryEntry is how long the master waits when there is no entry free for a worker.
const retryEntry = time.Second

// Why the first workers do not come up, or a later one.
var (
	errAllDied = errors.New("each of them has died")
	errEntries = fmt.Errorf("there are %d processes, with those that still finish what they had", maxProcesses)
)

// position is one of the workers that there should be.
type position struct {
	number  int // from 1
	current *worker
	next    *worker // starts, to take its place
	backoff children.Backoff
	due     clock.Time // not to be filled before
}

// worker is a worker process as the master knows it.
type worker struct {
	pid, process int // process is its entry in the shared memory
	position     *position
	started      clock.Time
	progress     progress
	report       chan string // what it reports, once; nil when that was read
	hurried      bool        // it has a time-out to finish what it has
	again        int         // how often in a row it was started again, see startAgain
}

// put puts another worker, or none, where one is.
func (p *position) put(next, w *worker) {
	if p.current == w {
		p.current = next
	} else if p.next == w {
		p.next = next
	}
}

// grow makes as many positions as the configuration wants workers, if there are fewer.
func (m *master) grow() {
	for len(m.positions) < m.app.Config.Workers {
		m.positions = append(m.positions, &position{number: len(m.positions) + 1})
	}
	for _, p := range m.positions {
		m.fill(p)
	}
}

// shrink gives up the positions that the configuration does not want.
func (m *master) shrink() {
	want := m.app.Config.Workers
	for _, p := range m.positions[want:] {
		m.dismiss(p.current)
	}
	m.positions = m.positions[:want]
	m.publishFailing()
}

// fill starts a worker in a position that has none and is still wanted. Where that fails it is
// tried again later. At the start of the server judgeStart decides instead: without any worker
// there is no server.
func (m *master) fill(p *position) {
	free := p.current == nil && p.next == nil && sysnet.Now() >= p.due
	if !free || !slices.Contains(m.positions, p) || m.within(replaced, draining, ending) {
		return
	}
	var err error
	if p.current, err = m.start(p); err == nil {
		return
	}
	wait := p.backoff.Unstarted()
	switch {
	case errors.Is(err, errEntries):
		wait = retryEntry
	case m.phase == starting:
		m.after(0, m.judgeStart) // not now: the other positions have not been tried
		return
	}
	m.refill(p, wait)
}

// refill fills a position after a time. Even if that is zero it happens after the current event is
// handled, because that may restore the settings from before.
func (m *master) refill(p *position, wait time.Duration) {
	p.due = sysnet.Now() + clock.Time(wait)
	if wait > 0 {
		m.app.Log.Info(fmt.Sprintf("Worker %d is started anew in %v", p.number, wait.Round(time.Millisecond)))
	}
	m.after(wait, func() { m.fill(p) })
}

// start starts a worker.
func (m *master) start(p *position) (*worker, error) {
	w := &worker{position: p, started: sysnet.Now()}
	err := m.startProcess(w)
	if err != nil && m.phase != starting && fmt.Sprint(err) != fmt.Sprint(m.unstarted) {
		m.app.Log.Error("No worker started", "error", err)
	}
	if m.unstarted = err; err != nil {
		return nil, err
	}
	m.workers[w.pid] = w
	return w, nil
}

// startProcess executes a worker, with an entry of its own in the shared memory.
func (m *master) startProcess(w *worker) (err error) {
	region, ok := m.app.Stats, false
	if w.process, ok = region.Claim(1, int64(os.Getpid())); !ok {
		return errEntries
	}
	entry := region.Process(w.process)
	entry.Position.Store(int64(w.position.number))
	entry.Beat.Store(int64(w.started))
	report := make(chan string, 1)
	w.report = report
	w.pid, err = m.spawnWorker(w, func(text string) {
		report <- text
		m.inbox <- func() { m.takeReport(w) }
	})
	if err != nil {
		region.Bury(w.process)
		return err
	}
	entry.PID.Store(int64(w.pid))
	return nil
}

// takeReport reads a worker's report: that it serves, or why it cannot. A worker with an empty
// report has died, and will be reaped. If the worker was reaped before, only a reason counts.
func (m *master) takeReport(w *worker) {
	if w.report == nil {
		return // it was read when the worker died
	}
	text := <-w.report
	w.report = nil
	switch {
	case text == "" || w.progress == workerHung: // it has died, or is about to
	case text == readyWord:
		if m.workers[w.pid] == w { // else it has died since
			m.workerReady(w)
		}
	default:
		w.enter(workerFailed)
		if m.phase == starting { // with these settings no worker can start
			m.fail(fmt.Errorf("worker %d: %s", w.position.number, text))
			return
		}
		m.app.Log.Error(fmt.Sprintf("Worker %d cannot start: %s", w.position.number, text), "pid", w.pid)
	}
}

// workerReady goes on when a worker serves, and can handle signals.
func (m *master) workerReady(w *worker) {
	p := w.position
	m.app.Log.Debug(fmt.Sprintf("Worker %d is ready", p.number), "pid", w.pid)
	if m.reopened >= w.started {
		unix.Kill(w.pid, sigReopen)
	}
	if w.progress == workerUnwanted {
		m.bidFarewell(w)
		return
	}
	w.enter(workerServing)
	m.app.Stats.Process(w.process).SetState(stats.Ready)
	if p.next == w {
		m.nextReady(p)
	}
	m.judgeStart()
	m.publishFailing()
}

// farewell is the signal that tells a worker to go.
func (m *master) farewell() unix.Signal {
	if m.within(draining, ending) {
		return sigDrain
	}
	return sigRetire
}

// dismiss tells a worker to finish its connections and end. One that is starting cannot handle the
// signal yet, and gets it when it is ready. w may be nil.
func (m *master) dismiss(w *worker) {
	if w == nil {
		return
	}
	w.position.put(nil, w)
	m.app.Stats.Process(w.process).SetState(stats.Draining)
	switch w.progress {
	case workerStarting:
		w.enter(workerUnwanted)
	case workerServing:
		m.bidFarewell(w)
	case workerLeaving:
		unix.Kill(w.pid, m.farewell()) // it may have a time-out now
	}
}

// bidFarewell tells a worker to go that can hear it.
func (m *master) bidFarewell(w *worker) {
	w.enter(workerLeaving)
	unix.Kill(w.pid, m.farewell())
	m.makeRoom()
}

// judgeStart ends the start once each of the first workers has been tried. At least one must serve,
// or the start has failed.
func (m *master) judgeStart() {
	if m.phase != starting {
		return
	}
	up := 0
	for _, p := range m.positions {
		switch {
		case p.current != nil && p.current.progress == workerServing:
			up++
		case !p.backoff.Tried():
			return
		}
	}
	if up == 0 {
		m.fail(fmt.Errorf("no worker could be started: %w", cmp.Or(m.unstarted, errAllDied)))
		return
	}
	m.enter(serving)
	m.app.Adapt()
	m.app.Banner()
	children.Report(m.report, readyWord)
	m.takeCharge()
	if m.unstarted != nil {
		m.app.Log.Error("Not all workers started", "error", m.unstarted)
	}
	m.grow() // those that could not be started then
	m.serveOn()
}

// publishFailing publishes how many workers cannot be kept alive.
func (m *master) publishFailing() {
	if !m.inCharge {
		return
	}
	failing := 0
	for _, p := range m.positions {
		if p.backoff.Failing() && (p.current == nil || p.current.progress != workerServing) {
			failing++
		}
	}
	m.app.Stats.SetFailing(failing)
}

// reap takes all children that have ended.
func (m *master) reap() {
	children.Reap(func(pid int, how children.End) {
		if w := m.workers[pid]; w != nil {
			m.workerDied(w, how)
		} else if m.successor != nil && m.successor.pid == pid {
			m.successorDied(how)
		}
	})
}

// workerDied handles the death of a worker.
func (m *master) workerDied(w *worker, how children.End) {
	delete(m.workers, w.pid)
	first := m.phase == starting
	m.takeReport(w) // it has closed its end, so the report is there or comes now
	m.freeEntry(w.process)
	p := w.position
	if w != p.current && w != p.next {
		m.app.Log.Debug(fmt.Sprintf("Worker %d has ended", p.number), "pid", w.pid)
		return
	}
	if w.progress == workerStarting && how.By(children.Unheld...) && m.startAgain(w) {
		return
	}
	if !first || w.progress != workerFailed { // else its reason is logged as the server's
		m.app.Log.Error(fmt.Sprintf("Worker %d has died: %s", p.number, how), "pid", w.pid)
	}
	m.lose(w)
}

// lose goes on without a worker that is in its position.
func (m *master) lose(w *worker) {
	p, lived := w.position, time.Duration(sysnet.Now()-w.started)
	if w == p.next {
		p.next = nil
		if p.current == nil { // it has died as well, and this one was to follow it
			m.refill(p, p.backoff.Died(lived))
		}
		m.nextFailed()
	} else {
		p.current = nil
		m.app.Stats.Slot(p.number).Add(stats.Restarts, 1)
		m.refill(p, p.backoff.Died(lived))
		m.judgeStart()
	}
	m.publishFailing()
}

// reopenLogs makes all processes open the log files again. A worker that is starting may have
// opened the old ones already, and is told when it is ready.
func (m *master) reopenLogs() {
	m.reopened = sysnet.Now()
	m.app.Reopen()
	m.signalWorkers(sigReopen, (*worker).reported)
}
