//go:build linux

// Stage 4: prefork.
//
// Who waits: worker processes, each one event loop of stage 3. On what: epoll_wait(2), as there.
// What is new is one more process that serves nothing: the master. It waits for its workers.
//
// A fault in a loop of stage 3 ends the server. Here it ends one worker, with its connections, and
// the master starts another. For that the master keeps everything that must outlive a worker: the
// listening sockets, and in them the connections that are not accepted yet; the counters; what is
// known of the clients. The master is simple and reads nothing that a client sends, so that there
// is little that could end it.
//
// There is no fork in Go, because a child would have only one of the threads that the runtime
// needs. A worker is the same program, executed again: main finds in its environment which of the
// two it is.
//
// The files stand in the order of the story: main.go; spawn.go (what a process is given); phases.go
// (how far master and workers have come, as a table); master.go and workers.go (which start the
// workers, and start them again); stop.go; watchdog.go (which finds a worker that hangs); reload.go
// and handover.go (changing settings and program while serving); worker.go (the worker's side).
package main

import (
	"os"
	"runtime"
	"time"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/faults"
	"fourways/shared/logging"
	"fourways/shared/plural"
	"fourways/shared/sysnet"
)

const (
	// maxProcesses is how many processes there may be at once: the master, the workers, and
	// replaced workers that still finish their connections.
	maxProcesses = 256
	// maxWorkers leaves room for as many replaced ones.
	maxWorkers     = 64
	defaultWorkers = 4
	// longestWatchdog bounds -watchdog: more would be of no use.
	longestWatchdog = time.Hour
)

// options are the settings that only this stage has.
type options struct {
	accept   app.Accept
	io       app.IO
	watchdog time.Duration // 0 for none
	faults   faults.Faults
}

// newStage describes the stage. Reading the configuration with it sets the options.
func newStage() (app.Stage, *options) {
	opt := &options{accept: app.SharedSocket}
	return app.Stage{
		Stage: config.Stage{
			Name:           "stage4-prefork",
			Number:         4,
			Title:          "prefork",
			DefaultWorkers: defaultWorkers,
			MaxWorkers:     maxWorkers,
			WorkersHelp:    "worker processes, each with one event loop",
			Replaces:       true,
			Flags: []config.Flag{
				opt.accept.Flag("worker"),
				opt.io.Flag(),
				{
					Name: "watchdog", Unit: "SECONDS", Default: "30",
					Help: "how long a worker may be silent before it is replaced; 0 for no watchdog",
					Set:  config.Seconds(&opt.watchdog, 0, longestWatchdog),
				},
				opt.faults.Flag(),
			},
		},
		Listen:  sysnet.ListenOptions{DeferAccept: true},
		Sockets: opt.accept.Sockets,
		Slots:   func(*config.Config) int { return maxWorkers + 1 }, // of each position, which count from 1
		Pipes:   true,
		Threads: func(c *config.Config) (own, others int) {
			each, _ := workerThreads(c)
			return app.GoThreads(runtime.GOMAXPROCS(0)), c.Workers * each
		},
		Waits:     func(c *config.Config) string { return plural.Of(c.Workers, "worker process", "worker processes") },
		Inherited: app.Inherited{Processes: maxProcesses, Memory: &app.Memory{Processes: maxProcesses}},
	}, opt
}

// The main goroutine stays on the main thread. That is the one thread that lives as long
// as the process; and a worker's parent, to the kernel, is the thread that started it
// (PR_SET_PDEATHSIG, prctl(2)).
func init() { runtime.LockOSThread() }

func main() {
	logging.SurviveClosedPipe()
	r, err := inheritedRole()
	switch {
	case err != nil:
		stage, _ := newStage()
		os.Exit(app.Failure(stage, os.Stderr, err))
	case r != nil && !r.Master:
		os.Exit(runWorker(r))
	default:
		os.Exit(runMaster(r))
	}
}
