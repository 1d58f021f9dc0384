//go:build linux

// Stage 4: prefork.
//
// Who waits: worker processes, each one event loop of stage 3. On what: epoll_wait(2), as
// there. What is new is a process beside them that serves nothing: the master. It waits
// for its workers.
//
// A fault in a loop of stage 3 is the end of the server. Here it is the end of one worker,
// with the connections that it had, and the master starts another. For that the master
// keeps everything that must outlive a worker: the listening sockets, and in them the
// connections that nobody has accepted yet; the counters; what is known of the clients.
// And it is so simple that it has little to die of: it reads nothing that a client sends.
//
// There is no fork in Go, for a child would have one thread of the many that the runtime
// needs. A worker is the same program, executed again: main finds in its environment
// which of the two it is.
//
// The files stand in the order of the story: main.go, inherit.go (what a process is
// given), master.go (who starts and ends the workers), respawn.go (when), watchdog.go (who
// notices one that hangs), reload.go and handover.go (changing settings and program while
// serving), worker.go (who works), health.go, faults.go (how to break it), systemd.go.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"fourways/shared/app"
	"fourways/shared/config"
	"fourways/shared/logging"
	"fourways/shared/sysnet"
	"fourways/stage3-epoll/loop"
)

const (
	// maxProcesses is how many processes there may be at once: the master, the workers, and
	// workers that still finish what they had when they were replaced.
	maxProcesses = 256
	// maxWorkers leaves room for as many to be replaced.
	maxWorkers     = 64
	defaultWorkers = 4
	// longestWatchdog bounds -watchdog: with more nobody would wait for it.
	longestWatchdog = time.Hour
)

// options are the settings that only this stage has.
type options struct {
	accept   loop.Accept
	watchdog time.Duration // 0 for none
	faults   faults
}

// newStage describes the stage. The options are set by whoever reads the configuration
// with it.
func newStage() (app.Stage, *options) {
	opt := &options{accept: loop.SharedSocket}
	return app.Stage{
		Stage: config.Stage{
			Name:           "stage4-prefork",
			Number:         4,
			Title:          "prefork",
			DefaultWorkers: defaultWorkers,
			MaxWorkers:     maxWorkers,
			WorkersHelp:    "worker processes, each with one event loop",
			Flags: []config.Flag{
				{
					Name: "accept", Unit: "reuseport|shared", Default: opt.accept.String(),
					Help: "whether each worker listens on a socket of its own or all share one",
					Set:  opt.accept.Set,
				},
				{
					Name: "watchdog", Unit: "SECONDS", Default: "30",
					Help: "how long a worker may be silent before it is replaced; 0 for no watchdog",
					Set:  config.Seconds(&opt.watchdog, 0, longestWatchdog),
				},
				{
					Name: "inject-faults", Unit: "LIST", Hidden: true,
					Help: "routes: GET /fault/hang and /fault/crash; start:N: worker N crashes at its start",
					Set:  opt.faults.set,
				},
			},
		},
		Listen: sysnet.ListenOptions{DeferAccept: true},
		Sockets: func(c *config.Config) int {
			if opt.accept == loop.OwnSocket {
				return c.Workers
			}
			return 0
		},
		Slots:     func(*config.Config) int { return maxProcesses },
		Waits:     func(c *config.Config) string { return fmt.Sprintf("%d worker processes", c.Workers) },
		Inherited: app.Inherited{Processes: maxProcesses},
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
		os.Exit(work(r))
	default:
		os.Exit(lead(r))
	}
}
