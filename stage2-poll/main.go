// Stage 2: poll and notify pipes.
//
// Who waits: a handful of runner threads, each for many connections at once. On what: poll(2),
// which takes the whole list of sockets at every call and says which of them are ready. A slow
// client now costs an entry in that list, and no longer a thread.
//
// One more thread accepts connections. It hands each to the runner that has the fewest, by writing
// its descriptor into the runner's notify pipe: a thread that sleeps in poll can only be woken by a
// descriptor. Work that may wait for a disk runs in a pool, which reports its end through the same
// pipe.
//
// The price is in the list. The kernel walks all of it at every call, so a request costs more with
// every connection that is idle meanwhile.
//
// The files, in the order of their story: server.go holds the threads together, distribute.go
// chooses a runner for each connection, notify.go hands it over, runner.go and socket.go serve it.
package main

import (
	"runtime"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/offload"
	"fourways/shared/plural"
)

func main() { app.Main(newStage) }

// newStage describes the stage.
func newStage() (app.Stage, func(*app.App) (app.Driver, error)) {
	return app.Stage{
		Stage: config.Stage{
			Name:           "stage2-poll",
			Number:         2,
			Title:          "poll",
			DefaultWorkers: runtime.NumCPU(),
			WorkersHelp:    "runner threads, each serving many connections; default one per processor",
		},
		Slots: func(c *config.Config) int { return c.Workers + 1 }, // the acceptor counts too
		Threads: func(c *config.Config) (own, others int) {
			return c.Workers + 1 + offload.Threads + app.GoThreads(processors(c.Workers)), 0
		},
		Waits: func(c *config.Config) string { return plural.Of(c.Workers, "runner thread", "runner threads") },
	}, func(a *app.App) (app.Driver, error) { return newServer(a) }
}
