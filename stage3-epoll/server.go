package main

// The stage's driver: it starts the loops and the pool for slow work, and ends them in order.
//
// The App calls Start and Stop. Figures may run on any thread. Each loop owns the listeners that it
// was given. What must not be done: a loop must not be closed before the pool, since slow work that
// ends wakes its loop.

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"fourways/shared/app"
	"fourways/shared/figures"
	"fourways/shared/offload"
	"fourways/stage3-epoll/loop"
)

// server is the stage's driver: the loops, and a pool for slow work.
type server struct {
	app     *app.App
	loops   []*loop.Loop
	slow    *offload.Pool
	threads sync.WaitGroup
}

func newServer(a *app.App, accept app.Accept, io app.IO) (*server, error) {
	uring, err := loop.Choose(io, a.Log)
	if err != nil {
		return nil, err
	}
	s := &server{app: a, slow: offload.New(offload.Threads)}
	var sharers func() int64
	if accept == app.SharedSocket {
		sharers = func() int64 { return int64(a.Config.Workers) }
	}
	for i := range a.Config.Workers {
		name := fmt.Sprintf("loop-%d", i+1)
		listeners, err := a.ListenersOf(i)
		if err != nil {
			return nil, err
		}
		l, err := loop.New(loop.Options{
			Thread:    a.Thread(i, name),
			Log:       a.Log,
			Name:      name,
			Listeners: listeners,
			Slow:      s.slow,
			Uring:     uring, Auto: io == app.Auto,
			Sharers: sharers,
		})
		if err != nil {
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// processors is how many of Go's processors there are. A thread in a raw system call, of which Go's
// scheduler does not know, holds its processor. So there is one more than there are loops.
func processors(loops int) int { return max(runtime.GOMAXPROCS(0), loops+1) }

// Start starts the loops.
func (s *server) Start() error {
	runtime.GOMAXPROCS(processors(len(s.loops)))
	for _, l := range s.loops {
		s.threads.Go(l.Run)
	}
	return nil
}

// Stop has every loop accept what waits at its listeners and close them, and waits for the loops to
// end, each with its last connection. What is left at the timeout is cut. A loop that hangs does
// not delay the others. The wait itself has no timeout: see app.Driver.
func (s *server) Stop(timeout time.Duration) {
	for _, l := range s.loops {
		l.Drain()
	}
	app.EndWithin(timeout, s.threads.Wait, func() {
		for _, l := range s.loops {
			l.Cut()
		}
	})
	s.slow.Close()
	for _, l := range s.loops {
		l.Close() // no thread is left that could wake it
	}
}

// Figures reports on each loop and on the pool.
func (s *server) Figures(list *figures.List) {
	for i := range s.loops {
		app.LoopFigures(s.app.Stats.Slot(i), i+1, list)
	}
	app.SlowWork(s.slow, list)
}
