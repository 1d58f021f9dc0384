package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/offload"
	"fourways/stage3-epoll/loop"
)

// slowThreads is how many pieces of slow work run at once: enough to keep a disk busy.
const slowThreads = 8

// server is the stage's driver: the loops, and a pool for slow work.
type server struct {
	app     *app.App
	loops   []*loop.Loop
	slow    *offload.Pool
	threads sync.WaitGroup
}

func newServer(a *app.App, accept loop.Accept) (*server, error) {
	s := &server{app: a, slow: offload.New(slowThreads)}
	var sharers func() int64
	if accept == loop.SharedSocket {
		sharers = func() int64 { return int64(a.Config.Workers) }
	}
	for i := range a.Config.Workers {
		name := fmt.Sprintf("loop-%d", i+1)
		l, err := loop.New(loop.Options{
			Local:     a.Local(i, name),
			Log:       a.Log,
			Name:      name,
			Listeners: a.ListenersOf(i),
			Slow:      s.slow,
			Sharers:   sharers,
		})
		if err != nil {
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// Start starts the loops. A thread that sits in a system call without the scheduler's
// knowledge holds its processor, so there is one more of those than there are loops.
func (s *server) Start() error {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), len(s.loops)+1))
	for _, l := range s.loops {
		s.threads.Go(l.Run)
	}
	return nil
}

// Stop has every loop take what waits at its listener and leave it, closes the
// listeners, and waits for the loops to end, each with its last connection; what is left
// at the timeout they cut.
func (s *server) Stop(timeout time.Duration) {
	for _, l := range s.loops {
		l.Drain()
	}
	for _, l := range s.app.Listeners {
		unix.Close(l.FD)
	}
	patience := time.AfterFunc(timeout, func() {
		for _, l := range s.loops {
			l.Cut()
		}
	})
	s.threads.Wait()
	patience.Stop()
	s.slow.Close()
}

// Health is this stage's part of /health.
func (s *server) Health() map[string]any {
	loops := make([]map[string]any, len(s.loops))
	for i, l := range s.loops {
		st := l.Stats()
		loops[i] = map[string]any{"connections": st.Conns, "requests": st.Requests, "wakeups": st.Wakeups, "events": st.Events}
		if st.Wakeups > 0 {
			loops[i]["events_per_wakeup"] = float64(st.Events*100/st.Wakeups) / 100
		}
	}
	return map[string]any{"loops": loops, "slow_work": map[string]any{"waiting": s.slow.Len()}}
}
