//go:build linux

package main

// A new program takes over (USR2), and no client that comes meanwhile is refused.
//
// The master executes the program that now lies where its own lay, and gives it the listening
// sockets and the memory. The new one starts workers of its own, which serve beside the old ones.
// When each has been tried and at least one serves, the new master reports that; the old one tells
// its workers to go and ends with the last. One that is late is killed; the old one stays.

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/children"
)

// takeoverTime is how long a new program may take until all of its workers serve.
const takeoverTime = 30 * time.Second

// successor is a new master that is starting.
type successor struct {
	pid   int
	again int // how often it was started again
}

// handOver starts the new program.
func (m *master) handOver(again int) {
	if os.Getpid() == 1 {
		m.app.Log.Warn("No hand-over: the name space ends with its first process; replace the container")
		return
	}
	s := &successor{again: again}
	pid, err := m.spawnSuccessor(func(text string) {
		m.inbox <- func() { m.successorReported(s, text) }
	})
	if err != nil {
		m.app.Log.Error("No hand-over", "error", err)
		return
	}
	m.app.Log.Info("Handing over to a new program", "program", m.program, "pid", pid)
	s.pid = pid
	m.enter(handingOver)
	m.successor = s
	m.after(takeoverTime, func() {
		if m.successor == s {
			m.app.Log.Error(fmt.Sprintf("The new program does not serve after %v: killed", takeoverTime))
			m.endSuccessor()
		}
	})
}

// successorReported takes the new program's report. A program that failed is reaped, or killed when
// its time is over. It may have died since, or this master may be ending.
func (m *master) successorReported(s *successor, text string) {
	if text != readyWord && text != "" {
		m.app.Log.Error("The new program cannot start: "+text, "pid", s.pid)
	}
	if text != readyWord || m.successor != s || m.phase != handingOver {
		return
	}
	m.app.Log.Info("The new program serves; the old one ends when its clients have what they asked for", "pid", s.pid)
	m.app.Notify(fmt.Sprintf("MAINPID=%d", s.pid)) // systemd may listen to us alone (NotifyAccess=main)
	m.enter(replaced)
	m.successor, m.inCharge = nil, false
	m.app.EndAdapting()
	m.closeListeners()
	m.app.Listeners = nil // other files may soon have their numbers
	m.dismissAll()
}

// successorDied handles the death of a new program: the old one goes on as before. It does not wait
// for the report, since processes that the new program has started may hold the pipe open.
func (m *master) successorDied(how children.End) {
	again := m.successor.again
	m.successor = nil
	if m.phase != handingOver {
		return
	}
	m.enter(serving)
	if how.By(unix.SIGHUP) && again < children.MostAgain { // it came before the new one could handle it
		m.handOver(again + 1)
		return
	}
	m.publishFailing()
	m.app.Log.Error(fmt.Sprintf("No hand-over, the old program goes on: the new one has ended: %v", how))
}

// endSuccessor ends a new program that is still starting, in order if it can: INT and TERM mean an
// end at once. One that handles no signals yet would answer QUIT with its stacks, as by a crash.
func (m *master) endSuccessor() {
	s := m.successor
	if s == nil {
		return
	}
	unix.Kill(s.pid, unix.SIGINT)
	unix.Kill(s.pid, unix.SIGTERM)
	m.after(atOnce+lastGrace, func() {
		if m.successor == s {
			unix.Kill(s.pid, unix.SIGKILL)
		}
	})
}
