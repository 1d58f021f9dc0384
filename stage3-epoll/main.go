// Stage 3: epoll and sendfile.
//
// Who waits: one event loop for each processor, each on a thread of its own, with any number of
// connections. On what: epoll_wait(2). The kernel keeps the list of sockets and hands out only
// those that are ready, so a request costs the same however many connections are idle meanwhile.
//
// There is no acceptor any more: each loop accepts for itself. Files are sent by sendfile(2), from
// the page cache to the socket, without a copy in the program. The loop is package loop, so that
// worker processes can run it too.
package main

import (
	"runtime"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/offload"
	"fourways/shared/plural"
	"fourways/shared/sysnet"
)

func main() { app.Main(newStage) }

func newStage() (app.Stage, func(*app.App) (app.Driver, error)) {
	accept, io := app.OwnSocket, app.Epoll
	return app.Stage{
		Stage: config.Stage{
			Name:           "stage3-epoll",
			Number:         3,
			Title:          "epoll",
			DefaultWorkers: runtime.NumCPU(),
			WorkersHelp:    "event loops; default one per processor",
			Flags:          []config.Flag{accept.Flag("loop"), io.Flag()},
		},
		Listen:  sysnet.ListenOptions{DeferAccept: true},
		Sockets: accept.Sockets,
		Slots:   func(c *config.Config) int { return c.Workers },
		Pipes:   true,
		Threads: func(c *config.Config) (own, others int) {
			return c.Workers + offload.Threads + app.GoThreads(processors(c.Workers)), 0
		},
		Waits: func(c *config.Config) string { return plural.Of(c.Workers, "event loop", "event loops") },
	}, func(a *app.App) (app.Driver, error) { return newServer(a, accept, io) }
}
