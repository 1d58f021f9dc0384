// Stage 1: a thread pool.
//
// Who waits: a fixed number of operating-system threads, each for one connection at
// a time, from its first byte to its last. On what: read(2) and write(2), on sockets
// that block. The code of such a thread is a straight line, and that is its strength.
// Its weakness is that a thread which waits for a slow client serves nobody else.
//
// One more thread accepts connections and puts them into a queue of bounded length.
// When all threads are busy and the queue is full, the next client is told so at once.
//
// The files, in the order of their story: pool.go accepts and queues, worker.go
// serves, turnaway.go sends the rest away politely, monitor.go watches and stops.
package main

import (
	"fmt"

	"fourways/shared/app"
	"fourways/shared/config"
)

func main() {
	queue := defaultQueue
	app.Main(app.Stage{
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
		Slots: func(c *config.Config) int { return c.Workers + 1 }, // the acceptor counts too
		Waits: func(c *config.Config) string {
			return fmt.Sprintf("%d threads, and a queue for %d connections", c.Workers, queue)
		},
	}, func(a *app.App) (app.Driver, error) { return newPool(a, queue) })
}
