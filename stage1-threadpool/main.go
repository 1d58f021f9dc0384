// Stage 1: a thread pool.
//
// Who waits: a fixed number of operating-system threads, each for one connection at a time, from
// its first byte to its last. On what: read(2) and write(2), on sockets that block. The code of
// such a thread is a straight line, and that is its strength. Its weakness is that a thread that
// waits for a slow client serves no other one.
//
// One more thread accepts connections and puts them into a queue of bounded length.
// When all threads are busy and the queue is full, the next client is told so at once.
//
// The files, in the order of their story: pool.go and queue.go accept and queue, worker.go serves,
// turnaway.go ends the connections that get a 503, monitor.go logs how the pool is doing.
package main

import (
	"fmt"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/plural"
)

func main() { app.Main(newStage) }

// newStage describes the stage. Reading the settings with it sets the length of the queue.
func newStage() (app.Stage, func(*app.App) (app.Driver, error)) {
	queue := defaultQueue
	return app.Stage{
		Stage: config.Stage{
			Name:           "stage1-threadpool",
			Number:         1,
			Title:          "thread pool",
			DefaultWorkers: 10,
			WorkersHelp:    "threads, each serving one connection at a time",
			Flags: []config.Flag{{
				Name: "queue", Unit: "connections", Default: fmt.Sprint(defaultQueue),
				Help: "connections that may wait for a thread; one more is answered 503",
				Set:  config.Int(&queue, 0, maxQueue),
			}},
		},
		Blocking: true,
		Slots:    func(c *config.Config) int { return c.Workers + 1 }, // the acceptor counts too
		Threads: func(c *config.Config) (own, others int) {
			return c.Workers + 2 + app.GoThreads(processors(c.Workers)), 0
		}, // and the one that turns clients away
		Waits: func(c *config.Config) string {
			return plural.Of(c.Workers, "thread", "threads") + ", and a queue for " + plural.Of(queue, "connection", "connections")
		},
	}, func(a *app.App) (app.Driver, error) { return newPool(a, queue) }
}
