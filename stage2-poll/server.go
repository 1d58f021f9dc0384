package main

// The stage's driver: it starts the runners, the acceptor and the pool for slow work, and ends them
// in order.
//
// The App calls Start and Stop. Figures may run on any thread. What must not be done: Stop must not
// wait for room in one runner's pipe before it has told the others, and no pipe may be closed while
// another thread could still write to it.

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"fourways/shared/app"
	"fourways/shared/figures"
	"fourways/shared/offload"
	"fourways/shared/stats"
)

// server is the stage's driver: one acceptor, some runners, and a pool for slow work.
type server struct {
	app     *app.App
	accept  *distributor
	runners []*runner
	slow    *offload.Pool
	threads sync.WaitGroup // the runners'
	telling sync.WaitGroup // the goroutines that wait for room in a pipe
}

func newServer(a *app.App) (*server, error) {
	s := &server{app: a, slow: offload.New(offload.Threads)}
	for i := range a.Config.Workers {
		r, err := newRunner(a, s.slow, i+1, "runner-"+strconv.Itoa(i+1))
		if err != nil {
			return nil, err
		}
		s.runners = append(s.runners, r)
	}
	var err error
	s.accept, err = newDistributor(a, s.runners)
	return s, err
}

// processors is how many of Go's processors there are. Go's scheduler takes the processor away from
// a thread that waits, which afterwards has to get one again. So there is one for each runner, and
// one for slow work, which may keep it for milliseconds.
func processors(runners int) int { return max(runtime.GOMAXPROCS(0), runners+1) }

// Start starts the threads. The acceptor comes last: nothing is accepted before there is a runner
// to serve it.
func (s *server) Start() error {
	runtime.GOMAXPROCS(processors(len(s.runners)))
	for _, r := range s.runners {
		s.threads.Go(r.run)
	}
	s.accept.acceptor.Start()
	return nil
}

// Stop ends in order: no new connections; then each runner finishes its connections, and ends with
// the last one. What is left at the timeout is cut. The wait itself has no timeout: see app.Driver.
func (s *server) Stop(timeout time.Duration) {
	app.EndWithin(timeout, func() {
		s.accept.acceptor.Stop()
		s.tellAll(message{kind: msgDrain})
		s.threads.Wait()
	}, func() { s.tellAll(message{kind: msgCut}) })
	s.slow.Close()
	s.telling.Wait()
	for _, r := range s.runners {
		r.notify.close() // no thread is left that could write to it
	}
}

// tellAll sends a message to every runner, each as soon as there is room in its pipe: a runner that
// hangs makes no room, and must not delay the others. One that has ended needs no message.
func (s *server) tellAll(m message) {
	for _, r := range s.runners {
		s.telling.Go(func() {
			if err := r.notify.send(m); err != nil && !errors.Is(err, errEnded) {
				s.app.Log.Error("notify pipe failed", "error", err)
			}
		})
	}
}

// Figures reports on each runner and on the pool.
func (s *server) Figures(l *figures.List) {
	for i, r := range s.runners {
		st := r.thread.Stats
		l.Item("runners", []string{"runner", strconv.Itoa(i + 1)},
			figures.Row{JSON: "connections", Name: "fourways_runner_connections", Help: "Connections of each runner.", Value: r.load.Load()},
			figures.Row{JSON: "poll_set", Name: "fourways_runner_poll_set_size", Help: "Descriptors that poll was last handed.", Value: r.watched.Load()},
			figures.Row{JSON: "requests", Name: "fourways_runner_requests_total", Help: "Requests of each runner.", Kind: figures.Counter, Value: st.Get(stats.Requests)},
			figures.Row{JSON: "wakeups", Name: "fourways_runner_wakeups_total", Help: "Returns of poll that reported something.", Kind: figures.Counter, Value: st.Get(stats.Wakeups)},
			figures.Row{JSON: "events", Name: "fourways_runner_events_total", Help: "Descriptors that poll reported ready.", Kind: figures.Counter, Value: st.Get(stats.Events)},
		)
	}
	app.SlowWork(s.slow, l)
}
