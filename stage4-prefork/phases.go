//go:build linux

package main

// The states of the master and of each worker, which may follow which, and what a signal means in
// each.
//
// The master:
//
//	starting ─── all first workers were tried, and one at least serves ───► serving
//	serving ──── HUP ──► reloading ──── all are replaced, or the first new one fails ───► serving
//	serving ──── USR2 ─► handingOver ── the new program has ended ───► serving
//	                     handingOver ── the new program serves ──────► replaced
//	serving, reloading, handingOver ── INT, TERM ──► lameDuck ── the drain delay is over ──► draining
//	all others so far ── INT, TERM ──► draining ── once more, or QUIT ──► ending
//	starting ─── no first worker comes up ───► ending
//
// In lameDuck the server reports that it ends, and serves on until the balancers have noticed. The
// master ends when its phase is replaced, draining or ending and no process is left. Two states are
// not phases, since they last through several: whether this master is in charge (a successor in
// starting is not yet, a replaced master no longer), and whether a reload is due.
//
// A worker, as the master knows it:
//
//	starting ── it reports that it serves ──► serving ── it is told to go ──► leaving
//	starting ── it is not wanted any more ──► unwanted ── it reports ──► leaving
//	starting, unwanted ── it reports why it cannot serve ──► failed
//	any ──────── it has been silent for too long ──► hung
//
// Each of these states ends with the worker's death, after which the master forgets it. Only after
// its report can a worker handle signals.
//
// No other variable keeps these states. Every change goes through enter, which asserts the table.

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fourways/shared/states"
)

// phase is the state of the master.
type phase uint8

const (
	starting phase = iota
	serving
	reloading
	handingOver
	lameDuck
	replaced
	draining
	ending
	phases
)

// progress is the state of a worker.
type progress uint8

const (
	workerStarting progress = iota
	workerUnwanted
	workerFailed
	workerServing
	workerLeaving
	workerHung
)

// masterNext lists where each phase may lead.
var masterNext = states.Table[phase]{
	starting:    states.Of(serving, draining, ending),
	serving:     states.Of(reloading, handingOver, lameDuck, draining, ending),
	reloading:   states.Of(serving, lameDuck, draining, ending),
	handingOver: states.Of(serving, replaced, lameDuck, draining, ending),
	lameDuck:    states.Of(draining, ending),
	replaced:    states.Of(draining, ending),
	draining:    states.Of(ending),
}

// workerNext lists the same for a worker.
var workerNext = states.Table[progress]{
	workerStarting: states.Of(workerServing, workerUnwanted, workerFailed, workerHung),
	workerUnwanted: states.Of(workerLeaving, workerFailed, workerHung),
	workerFailed:   states.Of(workerHung),
	workerServing:  states.Of(workerLeaving, workerHung),
	workerLeaving:  states.Of(workerHung),
}

// enter moves the master. A move that the table does not have is a fault of this program.
func (m *master) enter(next phase) { masterNext.Move("master", &m.phase, next) }

// enter moves a worker.
func (w *worker) enter(next progress) { workerNext.Move("worker", &w.progress, next) }

// within reports whether the master is in one of these phases.
func (m *master) within(some ...phase) bool { return states.Of(some...).Has(m.phase) }

// reported reports whether a worker has reported, and so can handle signals.
func (w *worker) reported() bool { return states.Of(workerServing, workerLeaving).Has(w.progress) }

// order is what the master does on a signal.
type order func(m *master, sig os.Signal)

func do(what func(*master)) order { return func(m *master, _ os.Signal) { what(m) } }

var (
	ignore = do(func(*master) {})
	leave  = order(func(m *master, sig os.Signal) { m.leave(fmt.Sprintf("on %v", sig)) })
	drain  = order(func(m *master, sig os.Signal) { m.drain(fmt.Sprintf("on %v", sig)) })
	end    = order((*master).endAtOnce)
	reload = do((*master).reload)
	later  = do(func(m *master) { m.reloadDue = true })
	refuse = do(func(m *master) {
		m.app.Log.Warn("Not reloaded: a new program takes over, and reads the settings itself")
	})
	handOn  = do(func(m *master) { m.handOver(0) })
	busy    = do(func(m *master) { m.app.Log.Warn("No hand-over: the server starts, stops or changes already") })
	more    = do(func(m *master) { m.resize(+1) })
	less    = do(func(m *master) { m.resize(-1) })
	stay    = do((*master).keepNumber)
	logs    = do((*master).reopenLogs)
	reap    = do((*master).reap)
	suspend = do((*master).suspend)
)

// orders says what a signal means in each phase.
var orders = map[os.Signal][phases]order{
	//             starting, serving, reloading, handingOver, lameDuck, replaced, draining, ending
	unix.SIGINT:  {drain, leave, leave, leave, end, drain, end, end},
	unix.SIGTERM: {drain, leave, leave, leave, end, drain, end, end},
	unix.SIGQUIT: {end, end, end, end, end, end, end, end},
	unix.SIGHUP:  {later, reload, later, refuse, ignore, ignore, ignore, ignore},
	unix.SIGUSR1: {logs, logs, logs, logs, logs, logs, logs, logs},
	unix.SIGUSR2: {busy, handOn, busy, busy, busy, busy, busy, busy},
	unix.SIGTTIN: {more, more, stay, stay, stay, stay, stay, stay},
	unix.SIGTTOU: {less, less, stay, stay, stay, stay, stay, stay},
	unix.SIGTSTP: {suspend, suspend, suspend, suspend, suspend, suspend, suspend, suspend},
	unix.SIGCHLD: {reap, reap, reap, reap, reap, reap, reap, reap},
}
