package app

import (
	"os"
	"os/signal"
)

// AwaitSignals takes each kind of signal from a channel of its own. Package os/signal drops signals
// for which a channel has no room, so with one channel for all a flood of one kind would displace
// the others. Of one kind only repetitions are lost, as in the kernel.
func AwaitSignals(kinds []os.Signal, then func(os.Signal)) {
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
