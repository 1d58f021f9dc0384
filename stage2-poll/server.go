package main

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"fourways/shared/app"
	"fourways/shared/offload"
	"fourways/shared/stats"
)

// slowThreads is how many pieces of slow work run at once: enough to keep a disk busy.
const slowThreads = 8

// server is the stage's driver: one acceptor, some runners, and a pool for slow work.
type server struct {
	app     *app.App
	accept  *distributor
	runners []*runner
	slow    *offload.Pool
	threads sync.WaitGroup // the runners'
}

func newServer(a *app.App) (*server, error) {
	s := &server{app: a, slow: offload.New(slowThreads)}
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

// Start starts the threads. The acceptor comes last: nothing is accepted before there
// is somebody to serve it. Go's scheduler takes a thread's processor away while that waits,
// and then the thread has to get one again: so there is one for each runner, and one for
// slow work, which may use it for milliseconds.
func (s *server) Start() error {
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), len(s.runners)+1))
	for _, r := range s.runners {
		s.threads.Go(r.run)
	}
	s.accept.acceptor.Start()
	return nil
}

// Stop ends in order: no new connections; then the runners finish what they have, and
// each ends with its last connection; what is left at the timeout they cut.
func (s *server) Stop(timeout time.Duration) {
	s.accept.acceptor.Stop()
	s.tellAll(message{kind: msgDrain})
	patience := time.AfterFunc(timeout, func() { s.tellAll(message{kind: msgCut}) })
	s.threads.Wait()
	patience.Stop()
	s.slow.Close()
	for _, r := range s.runners {
		r.notify.close()
	}
}

// tellAll waits for room in the pipes, which the runners make. One that has ended needs
// to be told nothing.
func (s *server) tellAll(m message) {
	for _, r := range s.runners {
		if err := r.notify.send(m); err != nil && !errors.Is(err, errEnded) {
			s.app.Log.Error("notify pipe failed", "error", err)
		}
	}
}

// Health is this stage's part of /health.
func (s *server) Health() map[string]any {
	runners := make([]map[string]any, len(s.runners))
	for i, r := range s.runners {
		st := r.local.Stats
		runners[i] = map[string]any{
			"connections": r.load.Load(), "poll_set": r.watched.Load(),
			"requests": st.Get(stats.Requests), "wakeups": st.Get(stats.Wakeups), "events": st.Get(stats.Events),
		}
	}
	return map[string]any{"runners": runners, "slow_work": map[string]any{"waiting": s.slow.Len()}}
}
