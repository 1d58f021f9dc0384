package app

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"fourways/shared/logging"
)

// Reloads are the signals that ask for something to be opened anew. A program takes them before it
// does anything else: until then they end it (signal(7)), and whoever has just started a server may
// reload it at once. Nothing can be done about what comes before main, in the process's first two
// milliseconds. Those that ask it to end may end it until it serves.
var Reloads = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1}

// AwaitSignals takes each kind of signal from a channel of its own. Package os/signal drops signals
// for which a channel has no room, so with one channel for all a flood of one kind would displace
// the others. Of one kind only repetitions are lost, as in the kernel. Whoever handles SIGTTOU gets
// it for what it writes to a terminal, too, so the logs have to know.
func AwaitSignals(kinds []os.Signal, then func(os.Signal)) {
	if slices.Contains(kinds, os.Signal(syscall.SIGTTOU)) {
		logging.HandlesTTOU()
	}
	for _, kind := range kinds {
		arrived := make(chan os.Signal, 1)
		signal.Notify(arrived, kind)
		go func() {
			for sig := range arrived {
				then(sig)
			}
		}()
	}
}
