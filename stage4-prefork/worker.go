//go:build linux

package main

// A worker's whole life: it takes what it was given, runs one loop of stage 3, and ends
// when it is told to or when its master is gone.
//
// Nothing in here belongs to the worker alone but its connections. It may be killed at any
// instant; what the others need to go on without it lies in the shared memory.

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/offload"
	"fourways/shared/stats"
	"fourways/stage3-epoll/loop"
)

const (
	// slowThreads is how many pieces of slow work run at once: enough to keep a disk busy.
	slowThreads = 8
	// processors is one for the loop, which holds it in system calls that Go's scheduler does
	// not see, and one for everything else.
	processors = 2
	// lastWords is how long a worker without a master may take to write its logs.
	lastWords = 500 * time.Millisecond
)

// server is the worker's driver: one loop, and a pool for slow work.
type server struct {
	app   *app.App
	opt   *options
	role  *role
	loop  *loop.Loop
	slow  *offload.Pool
	entry *stats.Process
	ended chan struct{} // closed when the loop has ended

	serving atomic.Pointer[app.App] // app, once it serves
}

// work is the process's whole life. What keeps it from serving it reports to the master,
// which says it.
func work(r *role) int {
	signal.Ignore(unix.SIGINT, unix.SIGHUP) // the terminal's; the master hears them too
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, sigDrain, sigRetire, sigReopen)
	os.WriteFile("/proc/self/comm", []byte("stage4-prefork"), 0) // and not "exe"; for ps(1)
	report := os.NewFile(fdReport, "report")

	s := &server{role: r, ended: make(chan struct{})}
	if err := s.open(); err != nil {
		if _, unheard := io.WriteString(report, err.Error()); unheard != nil { // no master has started this
			fmt.Fprintf(os.Stderr, "%v; unset %s\n", err, roleVariable)
		}
		return 1
	}
	s.serving.Store(s.app)
	unwatch := s.app.Watch(false)
	io.WriteString(report, readyWord)
	report.Close()
	s.obey(signals)
	unwatch()
	s.app.Close()
	return 0
}

// open opens what the configuration wants, in what the master has given, and starts.
func (s *server) open() error {
	stage, opt := newStage()
	mem, err := inheritMemory()
	if err != nil {
		return err
	}
	go s.holdLifeline() // from now on: what comes may hang
	stage.Memory, stage.Ledgers = mem.get, mem.ledgerOf
	stage.Process, stage.LogName = s.role.Process, fmt.Sprintf("worker-%d", s.role.Position)
	stage.Listeners, stage.Sockets = s.role.Listeners, nil
	cfg, err := app.Configure(stage, os.Args[1:], io.Discard)
	if err != nil {
		return err
	}
	if opt.faults.start == s.role.Position {
		panic("a crash at the start that was asked for")
	}
	s.opt = opt
	adopt(cfg, s.role.Listeners)
	if s.app, err = app.Open(stage, cfg); err != nil {
		return err
	}
	s.catchStacks()
	return s.app.Start(func(a *app.App) (app.Driver, error) { return s, s.prepare(a) })
}

// prepare makes the loop.
func (s *server) prepare(a *app.App) (err error) {
	if s.opt.faults.routes {
		a.Server.Handler = faulty{a.Server.Handler}
	}
	s.slow = offload.New(slowThreads)
	s.entry = a.Stats.Process(s.role.Process)
	opt := loop.Options{
		Local:     a.Local(s.role.Process, a.Name()),
		Log:       a.Log,
		Name:      a.Name(),
		Listeners: a.ListenersOf(0),
		Slow:      s.slow,
		Room:      a.Room(),
		Watched:   s.entry,
		Beat:      s.opt.beat(),
	}
	if s.opt.accept == loop.SharedSocket {
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

// Stop has the loop take who waits at the listeners, leave them, and end with its last
// connection; what is left at the timeout it cuts. The listeners are closed in this process
// alone.
func (s *server) Stop(timeout time.Duration) {
	patience := time.AfterFunc(timeout, s.loop.Cut)
	s.finish()
	patience.Stop()
}

// finish is Stop without a timeout.
func (s *server) finish() {
	s.app.Server.Drain()
	s.loop.Drain()
	for _, l := range s.app.Listeners {
		unix.Close(l.FD)
	}
	<-s.ended
	s.slow.Close()
}

// Health is this stage's part of /health.
func (s *server) Health() map[string]any { return health(s.app.Stats) }

// obey does what the master's signals say until the worker has ended.
func (s *server) obey(signals <-chan os.Signal) {
	finished := make(chan struct{})
	finish := sync.OnceFunc(func() {
		go func() {
			s.finish()
			close(finished)
		}()
	})
	for {
		select {
		case <-finished:
			return
		case sig := <-signals:
			switch sig {
			case sigReopen:
				s.app.Reopen()
				s.catchStacks()
			case sigRetire:
				finish()
			case sigDrain:
				finish()
				defer time.AfterFunc(s.app.Config.Limits.DrainTimeout, s.loop.Cut).Stop()
			}
		}
	}
}

// holdLifeline ends the worker when its master ends, however that comes about: the pipe's
// other end is open in the master alone. Nobody else would ever end it.
func (s *server) holdLifeline() {
	var b [1]byte
	for {
		if _, err := unix.Read(fdLifeline, b[:]); err != unix.EINTR {
			break
		}
	}
	time.AfterFunc(lastWords, func() { os.Exit(1) })
	if a := s.serving.Load(); a != nil {
		a.Log.Warn("Ending at once: there is no master any more, or it wants it so")
		a.FlushLogs()
	}
	os.Exit(1)
}

// catchStacks has the stacks that Go's runtime writes at the end of a process (SIGQUIT, a
// panic that nobody catches) go to the log file as well, if there is one.
func (s *server) catchStacks() {
	path := s.app.Config.Log.File
	if path == "" {
		return // standard error is the log
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		err = debug.SetCrashOutput(f, debug.CrashOptions{})
		f.Close()
	}
	if err != nil {
		s.app.Log.Warn("Stacks will not go to the log file", "error", err)
	}
}
