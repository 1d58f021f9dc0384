//go:build linux

package main

// The master: it opens what all share, starts the workers, and waits. Signals, reports and timeouts
// reach its one goroutine as functions through one channel, and only this goroutine reads and
// changes the master's state.
//
// What must not be done here: nothing may wait except the receive from that channel; nothing may
// read what a client has sent; and the master must not need an answer from a worker, since that may
// be the one that hangs.

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/children"
	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

// recordEvery is how often the 24-hour series is moved on.
const recordEvery = time.Second

// master is the master's state. Its goroutine alone touches it.
type master struct {
	settings
	phase    phase
	stage    app.Stage // with the memory
	program  string    // the program's path, for a hand-over
	lifeline [2]int    // both ends; closing the second ends all workers
	inbox    chan func()

	positions []*position
	workers   map[int]*worker // by pid: all that have not been reaped
	reopened  clock.Time      // when the log files were last opened again
	unstarted error           // why the last worker could not be started, nil if it could
	failed    error           // why it ends, if not on a signal

	inCharge  bool       // this master reports on the server as a whole, and removes the names of its sockets
	change    *change    // of the settings: the last one that was begun
	reloadDue bool       // a reload was asked for that could not begin yet
	successor *successor // nil if no hand-over is under way
	report    *os.File   // where a successor reports how its start went; nil for others

	patience children.Patience
}

// settings are those of the command line and the configuration file, and what was opened for them.
type settings struct {
	opt *options // the stage's own
	app *app.App
}

// runMaster is the master's whole life. Its role is that of a successor, or nil.
func runMaster(r *role) int {
	m, err := app.Starting(func() (*master, error) { return newMaster(r) })
	if m == nil { // it hangs, or the command line asked for a text, or could not be understood
		stage, _ := newStage()
		return app.Failure(stage, os.Stderr, err)
	}
	if err == nil {
		m.begin()
		for !m.over() {
			happened := <-m.inbox
			happened()
		}
		err = m.failed
	}
	m.close(err)
	return app.Failure(m.stage, os.Stderr, err)
}

// newMaster opens everything. It returns a master, which must be closed, as soon as there is a
// configuration, even with an error.
func newMaster(r *role) (*master, error) {
	m := &master{workers: map[int]*worker{}, inbox: make(chan func()), program: children.OwnPath()}
	obey := func(sig os.Signal) { m.inbox <- func() { orders[sig][m.phase](m, sig) } }
	first := slices.Concat([]os.Signal{unix.SIGUSR2}, app.Reloads, app.Endings)
	app.AwaitSignals(first, obey)
	m.stage, m.opt = newStage()
	cfg, err := app.Configure(m.stage, os.Args[1:], os.Stdout)
	if cfg == nil {
		return nil, err
	}
	app.AwaitSignals(slices.DeleteFunc(slices.Collect(maps.Keys(orders)), func(sig os.Signal) bool {
		return slices.Contains(first, sig)
	}), obey)
	if err := unix.Pipe2(m.lifeline[:], unix.O_CLOEXEC); err != nil {
		return m, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if r != nil {
		m.report = os.NewFile(fdReport, "report")
		err = r.TakeOver(&m.stage, fdPassed)
	} else {
		m.inCharge = true
		err = m.stage.Activate()
	}
	if err != nil {
		return m, err
	}
	m.app, err = app.Open(m.stage, cfg)
	if r != nil && app.OtherLayout(err) { // then the counting begins at zero
		app.CloseAll(app.Without(m.app.Listeners, m.stage.Listeners))
		m.app.Close()
		m.stage.Memory.Close()
		m.app, err = app.Open(m.stage, cfg)
	}
	if err != nil {
		return m, err
	}
	app.CloseAll(app.Without(m.stage.Listeners, m.app.Listeners)) // inherited, and not in the configuration
	if r == nil {
		m.takeCharge()
	}
	return m, nil
}

// after makes the master do something later.
func (m *master) after(d time.Duration, do func()) {
	time.AfterFunc(d, func() { m.inbox <- do })
}

// takeCharge makes this master the one in charge. A successor takes charge once its workers serve.
func (m *master) takeCharge() {
	m.inCharge = true
	m.app.Stats.Process(0).PID.Store(int64(os.Getpid()))
}

// begin starts the workers and the watchdog.
func (m *master) begin() {
	m.patience.Excuse(sysnet.Now())
	m.reap() // orphans of process 1 that ended before their signals were heard
	if m.inCharge {
		m.opt.faults.Crowd(m.app.Stats)
	}
	m.grow()
	m.record()
	m.watch()
}

// record moves the 24-hour series on, and shows the workers that the master goes on.
func (m *master) record() {
	if m.phase == replaced {
		return
	}
	if m.inCharge {
		m.app.Stats.Process(0).Beat.Store(int64(sysnet.Now()))
	}
	m.app.Stats.Record(time.Now().Unix())
	m.app.Publish()
	m.app.TendTLS()
	m.app.Stats.TakeStale(int64(os.Getpid()), children.Alive, m.freeEntry)
	m.after(recordEvery, m.record)
}

// freeEntry takes a dead process's connections off its clients' counts, and frees its entry.
func (m *master) freeEntry(process int) {
	m.app.Server.Limiter.Reclaim(m.stage.Memory.LedgerOf(process))
	m.app.Stats.Bury(process)
}

// over reports whether there is nothing left to wait for.
func (m *master) over() bool {
	return m.within(replaced, draining, ending) && len(m.workers) == 0 && m.successor == nil
}

// close closes everything, in the reverse order.
func (m *master) close(err error) {
	if m.app != nil {
		if err == nil {
			m.app.Log.Info("Stopped")
		}
		if m.inCharge {
			m.app.RemoveSite()
		}
		m.app.Close()
		if m.inCharge && !m.stage.Activated {
			app.RemoveNames(m.app.Listeners)
		}
	}
	if err != nil {
		children.Report(m.report, err.Error())
	}
	m.stage.Memory.Close()
}
