package upstream

// Names and checks of targets, from the start of the server to its end. Each is looked after by a
// goroutine of its own.

import (
	"context"
	"sync"
	"time"

	"fourways/shared/resolve"
)

// Start looks up the targets' names, has them looked up again, and the targets checked, until it is
// stopped. It waits a moment for the first names, so that the first clients find their targets.
func (s *Set) Start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all, first sync.WaitGroup
	for _, state := range s.states {
		if state.where.Named() {
			first.Add(1)
			all.Go(func() { state.follow(ctx, first.Done) })
		}
		if s.opt.Check != "" {
			all.Go(func() { state.checkAgainAndAgain(ctx) })
		}
	}
	named := make(chan struct{})
	go func() {
		first.Wait()
		close(named)
	}()
	select {
	case <-named:
	case <-time.After(resolve.FirstLook):
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// follow looks the target's name up again and again; looked is called after the first time.
func (s *State) follow(ctx context.Context, looked func()) {
	report := func(err error) { s.set.log("The upstream %s is not found: %v", s.Name, err) }
	if err := s.where.Look(ctx); err != nil && ctx.Err() == nil {
		report(err)
	}
	looked()
	s.where.Follow(ctx, report)
}
