package app

// Messages to a service manager (sd_notify(3)). Without one, nothing here does anything.
//
// In a server of several processes only the master sends them. What must not be done: a message
// must not be waited for longer than notifyTime, since the manager may hang, and the server must
// still start, obey signals and end.

import (
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"fourways/shared/sysnet"
	"fourways/shared/timeout"
)

// notifyTime is how long the manager may take to make room for a message.
const notifyTime = time.Second

// Notify sends the service manager a state.
func (a *App) Notify(state string) {
	err := timeout.Within(notifyTime, func() error {
		_, err := daemon.SdNotify(false, state)
		return err
	})
	if err != nil {
		a.Log.Warn("systemd not notified", "state", state, "error", err)
	}
}

// Renewed is for a server that has started or reloaded, perhaps with sockets from before: who may
// connect to them is what its settings say now, and so are their options, except where a service
// manager has made them. It tells the service manager that it is ready.
func (a *App) Renewed() {
	for _, l := range a.Listeners {
		if l.Addr.Path == "" && !a.stage.Activated {
			if err := sysnet.Tune(l.FD, a.optionsOf(&l)); err != nil {
				a.Log.Error(fmt.Sprintf("The options of %v stay as they were: %v", l.Addr, err))
			}
		}
		if err := l.permit(); err != nil {
			a.Log.Error(fmt.Sprintf("Who may connect to %v stays as it was: %v; restart the server", l.Addr, err))
		}
	}
	a.NotifyReady()
}

// NotifyReady also says who the service's main process is: after a hand-over another one.
func (a *App) NotifyReady() {
	a.Notify(fmt.Sprintf("MAINPID=%d\n%s", os.Getpid(), daemon.SdNotifyReady))
}

// NotifyReloading has to come with the time (sd_notify(3), MONOTONIC_USEC), and before NotifyReady.
// It is that of systemd's own clock, since that waits on where the time is from before its signal.
func (a *App) NotifyReloading() {
	a.Notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, int64(sysnet.Monotonic())/1000))
}

// NoteReload notes that a reload has ended, and whether all that it was to read again is in use.
func (a *App) NoteReload(whole bool) { a.Stats.Reloaded(whole, time.Now().Unix()) }

// NotifyStopping says that the service has begun to end.
func (a *App) NotifyStopping() { a.Notify(daemon.SdNotifyStopping) }
