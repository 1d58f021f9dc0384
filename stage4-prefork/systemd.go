//go:build linux

package main

// What systemd wants to know of a service, and gives it: sd_notify(3), sd_listen_fds(3).
// Where nobody asks, nothing here does anything.

import (
	"fmt"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/sysnet"
)

// activation is the environment that sockets are announced in, and meant for one process.
var activation = []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// firstActivated is the number of the first socket (SD_LISTEN_FDS_START).
const firstActivated = 3

// activated is the listening sockets that the process was started with. They take the
// place of those that the configuration names.
func activated() (listeners []app.Listener, err error) {
	defer func() {
		for _, name := range activation {
			os.Unsetenv(name)
		}
	}()
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number; see sd_listen_fds(3)", os.Getenv("LISTEN_FDS"))
	}
	for fd := firstActivated; fd < firstActivated+n; fd++ {
		unix.CloseOnExec(fd)
		addr, err := sysnet.Adopt(fd)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d of LISTEN_FDS: %w", fd, err)
		}
		listeners = append(listeners, app.Listener{FD: fd, Want: addr, Addr: addr, Set: app.Everybody})
	}
	return listeners, nil
}

// notify tells systemd of a state.
func (m *master) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.app.Log.Warn("systemd not notified", "state", state, "error", err)
	}
}

// notifyReady also says who the service's main process is: after a hand-over another one.
func (m *master) notifyReady() {
	m.notify(fmt.Sprintf("MAINPID=%d\n%s", os.Getpid(), daemon.SdNotifyReady))
}

// notifyReloading has to come with the time (sd_notify(3), MONOTONIC_USEC).
func (m *master) notifyReloading() {
	m.notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, int64(sysnet.Now())/1000))
}
