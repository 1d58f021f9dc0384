// Package app is what every stage does around its own way of waiting: it reads the
// configuration, opens the log, the site and the listening sockets, shows the banner,
// answers signals, and ends in order.
//
// A stage hands [Main] a function that makes its [Driver]. The driver gets an [App]
// with everything ready, serves from Start to Stop, and owns what it opens itself;
// the listening sockets are the App's to open and the driver's to close.
//
// A stage that is several processes does not call Main but the parts of it: each process
// [Configure]s and [Open]s an App of its own, and what they share is in [Inherited].
package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"fourways/shared/accesslog"
	"fourways/shared/config"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// Exit statuses.
const (
	exitOK    = 0
	exitStart = 1 // it could not start
	exitUsage = 2 // it was told something it does not understand
)

// Stage is what tells one stage from another outside its driver.
type Stage struct {
	config.Stage
	Listen sysnet.ListenOptions // how its listeners are made; SockBuf is set from the flags
	// Sockets is how many listening sockets each address gets (SO_REUSEPORT), one for each of
	// those who accept; 0 for one that all share. Nil for that, too.
	Sockets func(*config.Config) int
	Slots   func(*config.Config) int    // threads that count: one slot of statistics each
	Waits   func(*config.Config) string // a banner line: who waits, "2 event loops"
	LogName string                      // who speaks in the log where nobody else is named; empty for "main"
	Inherited
}

// Inherited is what the processes of one server share. The zero value is that of a stage
// that is one process.
type Inherited struct {
	// Processes is how many there can be at once, 0 for one; Process is which one this is.
	Processes, Process int
	// Memory is memory that all of them see: the same each time it is asked for by the
	// same name. Nil for memory of this process's own.
	Memory func(name string, size int) ([]byte, error)
	// Listeners are open already. Where they are what the configuration wants they are used,
	// and others are not touched.
	Listeners []Listener
	// Ledgers has one for each process; see [session.Local]. Empty where nobody reads them.
	Ledgers func(process int) []atomic.Uint64
}

// Driver is a stage's way of waiting.
type Driver interface {
	// Start begins to serve, and returns.
	Start() error
	// Stop closes the listeners, lets what is under way finish, cuts what is left
	// after the timeout, and returns when nothing runs any more.
	Stop(timeout time.Duration)
	// Health is the stage's own part of /health and /stats: its members, to be marshalled.
	// Each is an object, or a list of objects; what metrics.go has a row for is told to
	// Prometheus too. It is called on any thread.
	Health() map[string]any
}

// App is one server, ready for its driver.
type App struct {
	Config    *config.Config
	Log       *slog.Logger
	Server    *session.Server
	Stats     *stats.Region
	Listeners []Listener

	stage       Stage
	driver      Driver
	room        int // connections that this process has descriptors for
	descriptors int // that it may come to have
	cache       published
	logFile     *logging.File
	lines       *logging.Queue    // in front of logFile
	access      *accesslog.Logger // nil for none
	site        *site.Site
	root        string       // the folder served
	folder      *sysnet.Root // the same, opened
	seed        uint64       // tells this run's request ids from another's

}

// Listener is a listening socket. It does not block.
type Listener struct {
	FD   int
	Want sysnet.Addr // as it was asked for
	Addr sysnet.Addr // with the port it really has
	Set  int         // which of the several sockets of its address it is
}

// ListenersOf is the descriptors that the i-th of those who accept is to listen on: its
// own of each address, or the one there is.
func (a *App) ListenersOf(i int) (fds []int) {
	for _, l := range a.Listeners {
		if l.Set == i || l.Set == Everybody {
			fds = append(fds, l.FD)
		}
	}
	return fds
}

// Everybody is the Set of a socket that is its address's only one.
const Everybody = -1

// Main is a stage's whole program but for its driver. It does not return.
func Main(stage Stage, newDriver func(*App) (Driver, error)) {
	os.Exit(run(stage, os.Args[1:], os.Stdout, os.Stderr, newDriver))
}

func run(stage Stage, args []string, stdout, stderr io.Writer, newDriver func(*App) (Driver, error)) int {
	logging.SurviveClosedPipe()
	cfg, err := Configure(stage, args, stdout)
	if cfg == nil {
		return Failure(stage, stderr, err)
	}
	// Before anything is served: a signal that comes while we start is kept for later.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)

	a, err := Open(stage, cfg)
	if err == nil {
		err = a.Start(newDriver)
	}
	if err != nil {
		a.Close() // what stands in the log comes before the last word
		a.RemoveSockets()
		return Failure(stage, stderr, err)
	}
	a.Banner()
	defer a.Close()
	defer a.RemoveSockets()
	defer Adapt(a.Server.Limiter, a.Log, a.Config.Clients.Adaptive)()
	defer a.Watch(true)()
	return a.obey(signals)
}

// Configure reads the command line, the environment, and the file that they name. There
// is no Config, and no error either, where the command line only asked for a text, which
// is then on stdout.
func Configure(stage Stage, args []string, stdout io.Writer) (*config.Config, error) {
	cfg, err := config.Parse(stage.Stage, args, os.Environ())
	if notice := (*config.Notice)(nil); errors.As(err, &notice) {
		io.WriteString(stdout, notice.Text)
		return nil, nil
	}
	return cfg, err
}

// Failure says in one line why the program cannot go on, and returns its exit status:
// that of a clean end where there is no error.
func Failure(stage Stage, stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "%s: %v\n", stage.Name, err)
	if usage := (*config.UsageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitStart
}

// Open readies everything that a driver needs. The App is to be closed, also where that
// failed.
func Open(stage Stage, cfg *config.Config) (*App, error) {
	a := &App{Config: cfg, stage: stage}
	return a, a.open()
}

// Start makes the driver, and has it serve.
func (a *App) Start(newDriver func(*App) (Driver, error)) (err error) {
	if err := sysnet.GrowDescriptorTable(a.descriptors); err != nil {
		a.Log.Warn("The table of descriptors grows under load, which makes clients wait", "error", err)
	}
	if a.driver, err = newDriver(a); err != nil {
		return err
	}
	return a.driver.Start()
}

// obey does what signals say until one ends the program (signal(7)).
func (a *App) obey(signals <-chan os.Signal) int {
	for sig := range signals {
		if reopens(sig) {
			a.Reopen()
			continue
		}
		a.Server.Drain()
		a.Stats.Stop()
		a.Log.Info(fmt.Sprintf("Stopping on %v: draining for up to %v; once more to stop at once", sig, a.Config.Limits.DrainTimeout))
		break
	}
	done := make(chan struct{})
	go func() {
		a.driver.Stop(a.Config.Limits.DrainTimeout)
		close(done)
	}()
	for {
		select {
		case <-done:
			a.Log.Info("Stopped")
			return exitOK
		case sig := <-signals:
			if reopens(sig) {
				a.Reopen() // who rotates logs does not wait until we have stopped
				continue
			}
			a.Log.Warn(fmt.Sprintf("Stopped at once on a second %v", sig))
			return exitOK
		}
	}
}

// reopens reports whether a signal asks for the log files to be opened anew: HUP, as for
// most daemons, or USR1, as for those where HUP means more.
func reopens(sig os.Signal) bool { return sig == syscall.SIGHUP || sig == syscall.SIGUSR1 }

// Reopen opens the log files anew, after something has renamed them.
func (a *App) Reopen() {
	err := a.logFile.Reopen()
	if a.access != nil {
		err = errors.Join(err, a.access.Reopen())
	}
	if err != nil {
		a.Log.Error("Log files not reopened, the old ones stay in use", "error", err)
		return
	}
	a.Log.Info("Log files reopened")
}

// FlushLogs has what is in front of the log files written. The App logs nothing afterwards.
func (a *App) FlushLogs() {
	if a.access != nil {
		a.access.Flush()
	}
	a.lines.Close()
}

// Banner says on the log who serves what, and where.
func (a *App) Banner() {
	urls := ""
	for _, l := range a.Listeners {
		if l.Set > 0 {
			continue // the same address again
		}
		if urls != "" {
			urls += ", "
		}
		urls += url(l.Addr)
	}
	a.Log.Info(fmt.Sprintf("HTTP server (stage %d: %s) started on %s", a.stage.Number, a.stage.Title, urls))
	a.Log.Info(a.stage.Waits(a.Config))
	a.Log.Info(fmt.Sprintf("Serving files from %q", a.root))
	a.Log.Info("Press Ctrl+C to stop")
	for _, w := range a.Config.Warnings {
		a.Log.Warn(w)
	}
}

// url is an address as a browser wants it.
func url(addr sysnet.Addr) string {
	if addr.Path != "" {
		return addr.String()
	}
	return "http://" + addr.IP.String()
}

// Name is who speaks in the log where nobody else is named.
func (a *App) Name() string {
	if a.stage.LogName == "" {
		return "main"
	}
	return a.stage.LogName
}

// Room is how many connections this process has descriptors for.
func (a *App) Room() int { return a.room }

// Local makes the session state of one thread: its i-th slot of statistics, and the
// name it has in the log.
func (a *App) Local(slot int, worker string) *session.Local {
	l := session.NewLocal(a.Server, a.Stats.Slot(slot), worker, a.seed+uint64(slot)<<32)
	l.Unsent = func(fd int) int64 { return sysnet.Unsent(fd) }
	if a.stage.Ledgers != nil {
		l.Ledger = a.stage.Ledgers(a.stage.Process)
	}
	sysnet.ReadClock(&l.Clock)
	return l
}

// localAddrs is every address under which the listeners can be reached: for [::] and
// 0.0.0.0 those of the machine's interfaces.
func localAddrs(listeners []Listener) (addrs []netip.AddrPort) {
	for _, l := range listeners {
		if l.Addr.Path != "" {
			continue
		}
		addrs = append(addrs, l.Addr.IP)
		if l.Addr.IP.Addr().IsUnspecified() {
			for _, ip := range interfaceAddrs() {
				addrs = append(addrs, netip.AddrPortFrom(ip, l.Addr.IP.Port()))
			}
		}
	}
	return addrs
}
