package app

// The threads of a process: all that it can ever need exist before it serves.
//
// Go's runtime makes threads as they are needed, keeps them, and ends the process where the kernel
// refuses it one. Under load a refusal would be the fault of a client, or of a neighbour that has
// used up a limit which both share. At the start it is a message.

import (
	"fmt"
	"runtime"
	"sync"

	"fourways/shared/plural"
	"fourways/shared/sysnet"
)

// GoThreads is how many threads Go's runtime has of its own in a process that runs on so many
// processors: one for each, and some that wait: for signals, in system calls, to watch the others,
// to start others.
func GoThreads(processors int) int { return processors + 6 + spare }

// spare is how many threads the runtime makes by itself while makeThreads goes on.
const spare = 3

// startThreads fails where the threads that the server can need are more than it may have.
// Otherwise it has the runtime make those of this process. It comes before descriptors are counted,
// because a thread that starts may read a file.
func (a *App) startThreads() error {
	if a.stage.Threads == nil {
		return nil
	}
	free, limit, limited := sysnet.FreeThreads()
	own, others := a.stage.Threads(a.Config)
	own -= sysnet.OwnThreads()
	if need := own + others; limited && free < need {
		return fmt.Errorf("cannot start %s: there is room for %d by %s; raise that, or give fewer -workers", plural.Of(need, "more thread", "more threads"), free, limit)
	}
	makeThreads(own - spare)
	return nil
}

// makeThreads has the runtime make so many threads more. A goroutine that is locked to its thread
// needs one of its own; when it lets go, the runtime keeps the thread.
func makeThreads(n int) {
	var up, down sync.WaitGroup
	all := make(chan struct{})
	for range n {
		up.Add(1)
		down.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			up.Done()
			<-all
		})
	}
	up.Wait()
	close(all)
	down.Wait()
}
