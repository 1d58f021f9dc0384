//go:build linux

package main

// A worker's whole life: it takes over what it inherits, runs one loop of stage 3, and ends when it
// is told to or when its master is gone.
//
// Only its connections belong to the worker alone. It may be killed at any instant; what the others
// need to go on without it is in the shared memory.

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/children"
	"fourways/shared/config"
	"fourways/shared/faults"
	"fourways/shared/figures"
	"fourways/shared/offload"
	"fourways/shared/stats"
	"fourways/stage3-epoll/loop"
)

// Signals to a worker. They are real-time signals (signal(7)), which no other program sends. A
// terminal and a service manager send theirs to all processes of a group, and a worker leaves those
// to the master.
const (
	sigDrain  = syscall.Signal(40) // finish your connections, within the drain time-out
	sigRetire = syscall.Signal(41) // finish your connections: another worker has taken your place
	sigReopen = syscall.Signal(42) // open the log files again
	sigStacks = unix.SIGQUIT       // Go's runtime writes all stacks and ends the process
)

// ignored are the signals that are the master's alone.
var ignored = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTTIN, unix.SIGTTOU, unix.SIGTSTP,
}

const (
	// processors is GOMAXPROCS: one for the loop, which holds it in raw system calls, of which Go's
	// scheduler does not know, and one for everything else.
	processors = 2
	// flushTime is how long a worker without a master may take to write its logs.
	flushTime = 500 * time.Millisecond
	// forever is the time-out of a worker that another one has replaced.
	forever = math.MaxInt64
)

// workerThreads are a worker's threads, with the loop's and that of watchLifeline; see [app.Stage].
func workerThreads(*config.Config) (own, others int) {
	return 2 + offload.Threads + app.GoThreads(processors), 0
}

// server is the worker's driver: one loop, and a pool for slow work.
type server struct {
	app   *app.App
	opt   *options
	role  *role
	loop  *loop.Loop
	slow  *offload.Pool
	entry *stats.Process
	leave func()        // leaveListeners, once
	ended chan struct{} // closed when the loop has ended

	serving atomic.Pointer[app.App] // app, once it serves
}

// runWorker is the process's whole life. If it cannot serve, it reports why to the master, which
// logs it.
func runWorker(r *role) int {
	signal.Ignore(ignored...) // they go to the whole group, and the master handles them
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, sigDrain, sigRetire, sigReopen)
	os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte("stage4-prefork"), 0) // and not "exe"; for ps(1)
	report := os.NewFile(fdReport, "report")

	s := &server{role: r, ended: make(chan struct{})}
	s.leave = sync.OnceFunc(s.leaveListeners)
	if err := s.open(); err != nil {
		if children.Report(report, app.Explained(err).Error()) != nil { // no master has started this
			fmt.Fprintf(os.Stderr, "%v; unset %s\n", err, roleVariable)
		}
		return 1
	}
	s.serving.Store(s.app)
	unwatch := s.app.Watch(false)
	children.Report(report, readyWord)
	s.opt.faults.Strike(faults.CrashReady, s.role.Position)
	s.obey(signals)
	unwatch()
	s.app.Close()
	return 0
}

// open opens what the configuration asks for, with what the master has passed on, and starts.
func (s *server) open() error {
	stage, opt := newStage()
	s.opt = opt
	stage.Process, stage.Revived, stage.LogName = s.role.Process, s.role.Revived, fmt.Sprintf("worker-%d", s.role.Position)
	stage.Sockets, stage.CatchStacks, stage.Threads = nil, true, workerThreads
	if err := s.role.TakeOver(&stage, fdPassed); err != nil {
		return err
	}
	go s.watchLifeline() // from now on: what follows may hang
	cfg, err := app.Configure(stage, os.Args[1:], io.Discard)
	if err != nil {
		return err
	}
	s.role.ReadTexts(cfg, fdPassed)
	opt.faults.Strike(faults.CrashAtStart, s.role.Position)
	opt.faults.Strike(faults.HangAtStart, s.role.Position)
	if s.app, err = app.Open(stage, cfg); err != nil {
		return err
	}
	return s.app.Start(func(a *app.App) (app.Driver, error) { return s, s.prepare(a) })
}

// prepare makes the loop.
func (s *server) prepare(a *app.App) (err error) {
	a.Server.Handler = s.opt.faults.Handler(a.Server.Handler)
	s.slow = offload.New(offload.Threads)
	s.entry = a.Stats.Process(s.role.Process)
	listeners, err := a.ListenersOf(0)
	if err != nil {
		return err
	}
	log := a.Log
	if s.role.Position > 1 {
		log = slog.New(slog.DiscardHandler) // it is the same for all, and the first one says it
	}
	uring, err := loop.Choose(s.opt.io, log)
	if err != nil {
		return err
	}
	opt := loop.Options{
		Thread:    a.Thread(s.role.Position, a.Name()),
		Log:       a.Log,
		Name:      a.Name(),
		Listeners: listeners,
		Slow:      s.slow,
		Uring:     uring,
		Auto:      s.opt.io == app.Auto,
		Room:      a.Room,
		Watched:   s.entry,
		Beat:      s.opt.beat(),
	}
	if s.opt.accept == app.SharedSocket {
		opt.Sharers = func() int64 { return a.Stats.Count(stats.Ready) }
	}
	s.loop, err = loop.New(opt)
	return err
}

// Start starts the loop, on a thread whose name the watchdog learns.
func (s *server) Start() error {
	runtime.GOMAXPROCS(processors)
	go func() {
		runtime.LockOSThread()
		s.entry.Thread.Store(int64(unix.Gettid()))
		s.loop.Run()
		close(s.ended)
	}()
	return nil
}

// Stop makes the loop accept the connections that wait at its listeners, close these, and end with
// its last connection. What is left at the timeout is cut. The listeners are closed in this process
// alone. Stop may be called again with a shorter timeout. The loop's poller, which a Cut may still
// wake, is closed by the end of the process.
func (s *server) Stop(timeout time.Duration) {
	s.leave()
	app.EndWithin(timeout, func() { <-s.ended }, s.loop.Cut)
}

// leaveListeners is the part of Stop that is done once; see server.leave. If the server stops,
// clients that have begun to connect have a moment to arrive.
func (s *server) leaveListeners() {
	s.app.Server.Drain()
	time.AfterFunc(app.LastArrivals, s.loop.Drain)
}

// Figures reports on all workers, whichever of them is asked.
func (s *server) Figures(l *figures.List) { app.WorkerFigures(s.app.Stats, maxWorkers, l) }

// obey obeys the master's signals until the worker has ended.
func (s *server) obey(signals <-chan os.Signal) {
	for {
		select {
		case <-s.ended:
			s.slow.Close()
			return
		case sig := <-signals:
			switch sig {
			case sigReopen:
				s.app.Reopen()
			case sigRetire:
				go s.Stop(forever)
			case sigDrain:
				go s.Stop(s.app.Config.Limits.DrainTimeout)
			}
		}
	}
}

// watchLifeline ends the worker when its master ends, for any reason: the pipe's other end is open
// in the master alone. Nothing else would ever end the worker then.
func (s *server) watchLifeline() {
	children.AwaitEnd(fdLifeline)
	time.AfterFunc(flushTime, func() { os.Exit(1) })
	if a := s.serving.Load(); a != nil {
		a.Log.Warn("Ending at once: there is no master any more, or it wants it so")
		a.FlushLogs()
	}
	os.Exit(1)
}
