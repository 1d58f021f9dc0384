//go:build linux

package main

// What a process gets from the one that starts it, and how it is executed: descriptors with fixed
// numbers, and one environment variable that says what its role is and what the further descriptors
// are.
//
// There is no fork in Go, so workers and new masters are programs that start from the beginning. A
// worker executes the program that is running, whatever has become of its file since; a new master
// executes the file. A worker opens neither the configuration file, of which it gets the text that
// its master has read, nor the files of the certificates and their keys. Descriptors that a process
// does not need are closed in it.

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/children"
	"fourways/shared/shm"
	"fourways/shared/site"
)

// Descriptors after standard input, output and error.
const (
	fdLifeline  = children.First + iota      // a pipe that ends when the master ends
	fdReport                                 // a pipe to say readyWord into, or why it cannot start
	fdMemory                                 // the first of the regions that all share
	fdConfig    = fdMemory + app.MemoryFiles // the text of the configuration file, as the master read it
	fdSecrets   = fdConfig + 1               // the certificates and their keys, as the master read them
	fdListeners = fdSecrets + 1              // the first listening socket
)

// readyWord is the report of a process that serves.
const readyWord = "ready"

// roleVariable holds a role as JSON.
const roleVariable = "PREFORK_ROLE"

// role is the role of a process that was started by a master.
type role struct {
	Master     bool           // it is a new master, and not a worker
	Process    int            // a worker's entry in the shared memory
	Position   int            // which of the workers it is, from 1
	Configured bool           // there is a text at fdConfig
	Secured    bool           // there is something at fdSecrets, for a new master what the old one goes by
	Activated  bool           // the sockets are systemd's
	Site       site.Unpacked  // the built-in site, if it has been unpacked
	Listeners  []app.Listener // in the order of their descriptors
}

// inheritedRole is the role in the environment, or nil for a master that was not started by another
// one.
func inheritedRole() (*role, error) {
	r := &role{}
	if given, err := children.Role(roleVariable, r); !given {
		return nil, err
	}
	for i := range r.Listeners {
		r.Listeners[i].FD = fdListeners + i
	}
	children.Keep(fdListeners + len(r.Listeners) - 1)
	return r, nil
}

// spawnWorker executes a worker. It must be called on the main thread: a worker gets SIGCONT when
// that thread ends. A worker notices by its life-line that the master has ended. But one that is
// stopped (signal(7), SIGSTOP) would notice nothing without SIGCONT, and keep the port.
func (m *master) spawnWorker(w *worker, then func(report string)) (pid int, err error) {
	r := role{Process: w.process, Position: w.position.number, Configured: m.text != nil, Secured: m.secrets != nil, Site: m.stage.Site}
	argv := append([]string{fmt.Sprintf("%s: worker %d", m.stage.Name, w.position.number)}, os.Args[1:]...)
	c := children.Command{Path: "/proc/self/exe", Death: unix.SIGCONT}
	c.Pass(fdLifeline, m.lifeline[0])
	if r.Configured {
		c.Pass(fdConfig, int(m.text.Fd()))
		flags := len(argv) // where the last flag may stand
		if end := slices.Index(argv, "--"); end > 0 {
			flags = end
		}
		argv = slices.Insert(argv, flags, "-config", fmt.Sprintf("/proc/self/fd/%d", fdConfig))
	}
	if r.Secured {
		c.Pass(fdSecrets, int(m.secrets.Fd()))
	}
	c.Argv = argv
	for _, l := range m.app.Listeners {
		if l.Set == app.Everybody || l.Set == w.position.number-1 {
			l.Set = app.Everybody // to this worker it is its address's only one
			r.Listeners = append(r.Listeners, l)
		}
	}
	return m.spawn(c, r, then)
}

// spawnSuccessor executes a new master, which outlives this one. It reads the files of certificates
// and keys itself, and gets what this one has of them for those that it may not read: this one has
// been root perhaps.
func (m *master) spawnSuccessor(then func(report string)) (pid int, err error) {
	r := role{Master: true, Listeners: m.app.Listeners, Activated: m.activated, Site: m.stage.Site}
	c := children.Command{Path: m.program, Argv: os.Args}
	if secrets := m.app.Secrets(); secrets != nil {
		kept, err := shm.Keep("secrets", secrets)
		if err != nil {
			return 0, err
		}
		defer kept.Close()
		r.Secured = true
		c.Pass(fdSecrets, int(kept.Fd()))
	}
	return m.spawn(c, r, then)
}

// spawn gives a child its role, the memory, and the sockets that its role names.
func (m *master) spawn(c children.Command, r role, then func(report string)) (pid int, err error) {
	for i, fd := range m.memory.Files() {
		c.Pass(fdMemory+i, fd)
	}
	for i, l := range r.Listeners {
		c.Pass(fdListeners+i, l.FD)
	}
	if err := c.Give(roleVariable, r, app.ActivationEnv...); err != nil {
		return 0, err
	}
	c.Report = fdReport
	return children.Start(c, then)
}
