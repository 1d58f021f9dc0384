//go:build linux

package main

// What a process gets from the one that starts it, and how it is executed: descriptors with fixed
// numbers, and one environment variable that says what its role is and what the further descriptors
// are. What stands behind those of this file is package app's.
//
// There is no fork in Go, so workers and new masters are programs that start from the beginning. A
// worker executes the program that is running, whatever has become of its file since; a new master
// executes the file. A worker opens no file of settings, passwords, redirects, certificates or
// keys: it gets what its master has read of them, and the folder that its master has opened.
// Descriptors that a process does not need are closed in it.

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/children"
)

// Descriptors after standard input, output and error.
const (
	fdLifeline = children.First + iota // a pipe that ends when the master ends
	fdReport                           // a pipe to say readyWord into, or why it cannot start
	fdPassed                           // the first of what serves: the memory, the settings, the sockets
)

// readyWord is the report of a process that serves.
const readyWord = "ready"

// roleVariable holds a role as JSON.
const roleVariable = "PREFORK_ROLE"

// role is the role of a process that was started by a master.
type role struct {
	Master     bool // it is a new master, and not a worker
	Process    int  // a worker's entry in the shared memory
	Position   int  // which of the workers it is, from 1
	Revived    bool // it takes the place of a worker that has died
	app.Passed      // what it was given
}

// inheritedRole is the role in the environment, or nil for a master that was not started by another
// one.
func inheritedRole() (*role, error) {
	r := &role{}
	if given, err := children.Role(roleVariable, r); !given {
		return nil, err
	}
	r.Receive(fdPassed)
	return r, nil
}

// spawnWorker executes a worker. It must be called on the main thread: a worker gets SIGCONT when
// that thread ends. A worker notices by its life-line that the master has ended. But one that is
// stopped (signal(7), SIGSTOP) would notice nothing without SIGCONT, and keep the port.
func (m *master) spawnWorker(w *worker, then func(report string)) (pid int, err error) {
	number := w.position.number
	c := children.Command{Path: "/proc/self/exe", Death: unix.SIGCONT, Hold: ignored}
	c.Pass(fdLifeline, m.lifeline[0])
	r := role{Process: w.process, Position: number, Revived: w.position.backoff.Tried()}
	r.Passed, err = m.app.PassOn(&c, fdPassed, number-1, fmt.Sprintf("%s: worker %d", m.stage.Name, number))
	if err != nil {
		return 0, err
	}
	return spawn(c, r, then)
}

// startAgain starts a worker again that a signal to all processes has ended before it could leave
// that to the master. It is no fault of the worker, nor of new settings.
func (m *master) startAgain(w *worker) bool {
	if w.again == children.MostAgain {
		return false
	}
	next, err := m.start(w.position)
	if err == nil {
		next.again = w.again + 1
		w.position.put(next, w)
	}
	return err == nil
}

// spawnSuccessor executes a new master, which outlives this one.
func (m *master) spawnSuccessor(then func(report string)) (pid int, err error) {
	c := children.Command{Path: m.program, Argv: os.Args, Hold: append([]os.Signal{unix.SIGUSR2}, app.Reloads...)}
	r := role{Master: true}
	if r.Passed, err = m.app.HandOver(&c, fdPassed); err != nil {
		return 0, err
	}
	return spawn(c, r, then)
}

// spawn executes a child in a role.
func spawn(c children.Command, r role, then func(report string)) (pid int, err error) {
	if err := c.Give(roleVariable, r, app.ActivationEnv...); err != nil {
		return 0, err
	}
	c.Report = fdReport
	return children.Start(c, then)
}
