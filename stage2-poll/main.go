// Stage 2: poll and notify pipes.
//
// Who waits: a handful of runner threads, each for many connections at once. On what:
// poll(2), which is handed the whole list of sockets every time and says which of them
// are ready. A slow client costs an entry in that list now, and no longer a thread.
//
// One more thread accepts connections. It hands each to the runner that has the fewest,
// by writing its descriptor into the runner's notify pipe: a thread that sleeps in poll
// can only be woken by a descriptor. What would make a runner wait for a disk runs in a
// pool, and comes back through the same pipe.
//
// The price is in the list. The kernel walks all of it at every call, so a request costs
// the more, the more connections sit idle beside it.
//
// The files, in the order of their story: server.go holds the threads together,
// distribute.go shares the connections out, notify.go hands them over, runner.go serves.
package main

import (
	"fmt"
	"runtime"

	"fourways/shared/app"
	"fourways/shared/config"
)

func main() {
	app.Main(app.Stage{
		Stage: config.Stage{
			Name:           "stage2-poll",
			Number:         2,
			Title:          "poll",
			DefaultWorkers: runtime.NumCPU(),
			WorkersHelp:    "runner threads, each serving many connections; default one per processor",
		},
		Slots: func(c *config.Config) int { return c.Workers + 1 }, // the acceptor counts too
		Waits: func(c *config.Config) string { return fmt.Sprintf("%d runner threads", c.Workers) },
	}, func(a *app.App) (app.Driver, error) { return newServer(a) })
}
