//go:build linux

package main

// What a process is given by the one that starts it: descriptors with fixed numbers, and
// one environment variable that says who it is and what the further descriptors are.
//
// Descriptors are passed as plain numbers and never as os.File: taking the descriptor of a
// listener's file makes it blocking (net.TCPListener.File, os.File.Fd), and that is a
// property of the open file description, which all processes share (open(2)). Every worker's
// accept would block from then on.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/shm"
)

// Descriptors behind standard input, output and error. Those that a process does not need
// are closed in it.
const (
	fdLifeline  = 3 + iota // a pipe that ends when the master ends
	fdReport               // a pipe to say readyWord into, or why it cannot start
	fdStats                // memory: counters and the entries of processes
	fdClients              // memory: the table of clients
	fdLedgers              // memory: whom each process's connections count for
	fdConfig               // the text of the configuration file, as the master read it
	fdListeners            // the first listening socket
)

// readyWord is what a process reports when it serves.
const readyWord = "ready"

// roleVariable holds a role as JSON.
const roleVariable = "PREFORK_ROLE"

// role is who a process is that was started by a master.
type role struct {
	Master     bool           // it is a new master, and not a worker
	Process    int            // a worker's entry in the shared memory
	Position   int            // which of the workers it is, from 1
	Configured bool           // there is a text at fdConfig
	Activated  bool           // the sockets are systemd's
	Listeners  []app.Listener // in the order of their descriptors
}

// inheritedRole is what the environment says, or nil for a master that was started by
// somebody else. The variable goes: whoever this process starts gets one of its own.
func inheritedRole() (*role, error) {
	text := os.Getenv(roleVariable)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(roleVariable)
	r := &role{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("%s is for the program's own use: %w; unset it", roleVariable, err)
	}
	for i := range r.Listeners {
		r.Listeners[i].FD = fdListeners + i
	}
	last := fdListeners + len(r.Listeners)
	for fd := fdLifeline; fd < last; fd++ {
		unix.CloseOnExec(fd)
	}
	return r, nil
}

// passed is the descriptors for a child, in the order of their numbers from fdLifeline on.
// One that it does not get is nobody.
type passed [fdListeners - fdLifeline]int

// nobody stands for a descriptor that a child does not get.
const nobody = -1

// spawn executes a program with a role. It returns the child's pid, and the end of the
// pipe where it reports. It must be called on the main thread.
func spawn(path string, argv []string, r role, fds passed) (pid int, report *os.File, err error) {
	report, writer, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer writer.Close()
	fds[fdReport-fdLifeline] = int(writer.Fd()) // its blocking is what the child wants
	text, err := json.Marshal(r)
	if err != nil {
		report.Close()
		return 0, nil, err
	}
	files := []uintptr{0, 1, 2}
	for _, fd := range fds {
		files = append(files, uintptr(fd))
	}
	for _, l := range r.Listeners {
		files = append(files, uintptr(l.FD))
	}
	pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env:   append(ownEnvironment(), roleVariable+"="+string(text)),
		Files: files,
		Sys:   &syscall.SysProcAttr{Pdeathsig: deathSignal(r)},
	})
	if err != nil {
		report.Close()
		return 0, nil, fmt.Errorf("cannot start %s: %w", path, err)
	}
	return pid, report, nil
}

// deathSignal is what a child gets when its master ends. A worker notices by its
// life-line; but one that is stopped (signal(7), SIGSTOP) would notice nothing, and keep
// the port. A new master outlives the old one and gets none.
func deathSignal(r role) syscall.Signal {
	if r.Master {
		return 0
	}
	return syscall.SIGCONT
}

// ownEnvironment is the environment without what was meant for this process alone.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == roleVariable || slices.Contains(activation, name)
	})
}

// attach maps the memory that was inherited at a descriptor.
func attach(fd int) (*shm.Region, error) {
	return shm.Attach(os.NewFile(uintptr(fd), "inherited memory"))
}

// snapshot keeps a text in memory that a child can open by its descriptor, however often.
func snapshot(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("config", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "config")
	if _, err := f.Write(text); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
