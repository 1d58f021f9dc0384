//go:build linux

package main

// The end: in order, at once, or before the server has come up; and the pause by a terminal's
// Ctrl+Z.
//
// Each wait here is for the deaths of processes, and has a timeout: a process that hangs cannot
// keep the server from ending.

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/children"
)

const (
	// lastGrace is how much longer than the drain time-out the master waits for its workers.
	lastGrace = app.LastGrace
	// atOnce is how long workers may take to end at once.
	atOnce = time.Second
)

var errUnkillable = errors.New("something hangs that cannot be killed: see ps -o pid,state,wchan")

// leave stops the server after the drain delay. Until then probes are told that it ends, new
// clients are served, and a worker that dies is replaced.
func (m *master) leave(why string) {
	limits := m.app.Config.Limits
	if limits.DrainDelay == 0 {
		m.drain(why)
		return
	}
	m.enter(lameDuck)
	m.app.Stats.Stop() // before it is logged: a reader of the log finds it so
	m.app.Log.Info(fmt.Sprintf("Stopping %s: %s; once more to stop at once", why, limits.Stopping()))
	m.app.NotifyStopping()
	m.endSuccessor()
	for _, p := range m.positions {
		if p.next != nil && p.current != nil {
			m.dismiss(p.next) // of a reload, which goes no further
		}
	}
	m.after(limits.DrainDelay, func() {
		if m.phase == lameDuck {
			m.drain("after the drain delay")
		}
	})
}

// drain tells all workers to finish their connections, and makes sure that they end. The master
// closes the sockets first. A worker accepts the connections that wait before it closes its own
// copies. So the last process to close a socket leaves no connection in it.
func (m *master) drain(why string) {
	timeout := m.app.Config.Limits.DrainTimeout
	m.enter(draining)
	if m.inCharge { // else another master serves on
		m.app.Stats.Stop()
	}
	m.app.Log.Info(fmt.Sprintf("Stopping %s: draining for up to %v; once more to stop at once", why, timeout))
	m.app.NotifyStopping()
	if m.inCharge && !m.stage.Activated { // else a successor or systemd keeps the sockets
		app.StopArrivals(m.listeners())
	}
	m.closeListeners()
	m.endSuccessor()
	m.dismissAll()
	m.after(timeout+lastGrace, m.kill)
}

// closeListeners closes all sockets in this process. Their names are removed later.
func (m *master) closeListeners() { app.CloseAll(m.listeners()) }

// listeners are all sockets, including those of the settings before a change.
func (m *master) listeners() []app.Listener {
	list := m.app.Listeners
	if c := m.change; c != nil {
		list = slices.Concat(list, app.Without(c.before.app.Listeners, list))
	}
	return list
}

// dismissAll tells all workers to go.
func (m *master) dismissAll() {
	for _, w := range m.workers {
		m.dismiss(w)
	}
}

// endAtOnce ends the workers without waiting for their clients.
func (m *master) endAtOnce(sig os.Signal) {
	if !m.within(draining, ending) {
		m.drain(fmt.Sprintf("on %v", sig))
	}
	m.app.Log.Warn(fmt.Sprintf("Stopped at once on %v", sig))
	if m.phase == ending {
		return
	}
	m.enter(ending)
	unix.Close(m.lifeline[1])
	m.after(atOnce, m.kill)
}

// fail ends a server that has not come up. It logs nothing: the reason is printed at the very end.
func (m *master) fail(err error) {
	m.failed = err
	m.enter(ending)
	m.dismissAll()
	m.signalWorkers(unix.SIGKILL, func(w *worker) bool { return !w.reported() })
	m.after(atOnce, m.kill)
}

// kill ends the workers that are still there. A process that waits for a hung disk survives even
// that (uninterruptible sleep), and is not waited for.
func (m *master) kill() {
	m.signalWorkers(unix.SIGKILL, everyone)
	m.after(atOnce, func() {
		if m.over() {
			return
		}
		clear(m.workers)
		m.successor = nil
		if m.failed == nil {
			m.failed = errUnkillable
		}
	})
}

// signalWorkers sends a signal to all workers of some kind.
func (m *master) signalWorkers(sig unix.Signal, some func(*worker) bool) {
	for pid, w := range m.workers {
		if some(w) {
			unix.Kill(pid, sig)
		}
	}
}

func everyone(*worker) bool { return true }

// suspend stops all processes as a terminal's Ctrl+Z asks (SIGTSTP), and continues the workers once
// the master is continued, since that SIGCONT may go to the master alone.
func (m *master) suspend() {
	m.signalWorkers(unix.SIGSTOP, everyone)
	children.Suspend() // the master stops here
	m.signalWorkers(unix.SIGCONT, everyone)
}
