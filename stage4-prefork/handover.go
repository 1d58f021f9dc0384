//go:build linux

package main

// A new program takes over (USR2), and nobody who comes meanwhile is refused.
//
// The master executes the program that now lies where its own lay, and gives it the
// listening sockets and the memory. The new one starts workers of its own, which serve
// beside the old ones. When each of them has had its first try and one at least serves, it
// reports so; the old master retires its workers and ends with the last. A new program that does not come up in time is killed,
// and the old one has never ceased to serve.

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/limiter"
	"fourways/shared/stats"
)

// takeoverTime is how long a new program may take until all of its workers serve.
const takeoverTime = 30 * time.Second

// handover is a new master on its way.
type handover struct {
	pid  int
	said chan string // its report, once
}

// abandon ends it: in order, so that it leaves nothing in the memory that others share, if
// it still can.
func (m *master) abandon(h *handover) {
	unix.Kill(h.pid, unix.SIGQUIT)
	m.after(atOnce+lastGrace, func() {
		if m.successor == h {
			unix.Kill(h.pid, unix.SIGKILL)
		}
	})
}

// handOver starts the new program.
func (m *master) handOver() {
	if os.Getpid() == 1 {
		m.app.Log.Warn("No hand-over: the name space ends with its first process; replace the container")
		return
	}
	if m.stopping || m.replaced || !m.begun || m.successor != nil || m.reloading != nil {
		m.app.Log.Warn("No hand-over: the server starts, stops or changes already")
		return
	}
	fds := passed{nobody, nobody, nobody, nobody, nobody, nobody}
	m.memory.pass(&fds)
	pid, report, err := spawn(m.program, os.Args, role{Master: true, Listeners: m.app.Listeners, Activated: m.activated}, fds)
	if err != nil {
		m.app.Log.Error("No hand-over", "error", err)
		return
	}
	m.app.Log.Info("Handing over to a new program", "program", m.program, "pid", pid)
	h := &handover{pid: pid, said: make(chan string, 1)}
	m.successor = h
	m.listen(report, h.said, func() { m.handedOver(h) })
	m.after(takeoverTime, func() {
		if m.successor == h {
			m.app.Log.Error(fmt.Sprintf("The new program does not serve after %v: killed", takeoverTime))
			m.abandon(h)
		}
	})
}

// handedOver takes the new program's report. One that failed is reaped, or killed when its
// time is over.
func (m *master) handedOver(h *handover) {
	text := <-h.said
	if text != readyWord {
		if text != "" {
			m.app.Log.Error("The new program cannot start: "+text, "pid", h.pid)
		}
		return
	}
	if m.successor != h || m.stopping {
		return // it has died since, or all is to end
	}
	m.app.Log.Info("The new program serves; the old one ends when its clients have what they asked for", "pid", h.pid)
	m.notify(fmt.Sprintf("MAINPID=%d", h.pid)) // systemd may listen to us alone (NotifyAccess=main)
	m.successor, m.replaced, m.owns = nil, true, false
	m.unfollow()
	m.unfollow = nil
	app.CloseAll(m.app.Listeners)
	for _, w := range m.workers {
		m.retire(w)
	}
}

// successorDied: the old program goes on as if nothing had been. Its report is not waited
// for: whatever the new program has started may hold the pipe open.
func (m *master) successorDied(status unix.WaitStatus) {
	m.successor = nil
	if !m.stopping && !m.replaced {
		m.account()
		m.app.Log.Error("No hand-over, the old program goes on: the new one has ended: " + ending(status))
	}
}

// succeed makes the master one that takes over from another.
func (m *master) succeed(r *role) error {
	m.report = os.NewFile(fdReport, "report")
	m.activated = r.Activated
	m.stage.Listeners = r.Listeners
	memory, err := inheritMemory()
	if err != nil {
		return err
	}
	m.memory.close()
	*m.memory = *memory
	return nil
}

// foreign reports whether memory was laid out by a program that is too different. Then
// the counting begins anew.
func foreign(err error) bool {
	return errors.Is(err, stats.ErrRegion) || errors.Is(err, limiter.ErrRegion)
}
