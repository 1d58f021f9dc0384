// Package app is what every stage does around its own way of waiting: it reads the
// configuration, opens the log, the site and the listening sockets, shows the banner,
// answers signals, and ends in order.
//
// A stage hands [Main] a function that makes its [Driver]. The driver gets an [App]
// with everything ready, serves from Start to Stop, and owns what it opens itself;
// the listening sockets are the App's to open and the driver's to close.
package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
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
	// Sockets is how many listening sockets each address gets (SO_REUSEPORT), nil for one.
	Sockets func(*config.Config) int
	Slots   func(*config.Config) int    // threads that count: one slot of statistics each
	Waits   func(*config.Config) string // a banner line: who waits, "2 event loops"
}

// Driver is a stage's way of waiting.
type Driver interface {
	// Start begins to serve, and returns.
	Start() error
	// Stop closes the listeners, lets what is under way finish, cuts what is left
	// after the timeout, and returns when nothing runs any more.
	Stop(timeout time.Duration)
	// Health is the stage's own part of /health: its members, to be marshalled.
	Health() map[string]any
}

// App is one server, ready for its driver.
type App struct {
	Config    *config.Config
	Log       *slog.Logger
	Server    *session.Server
	Stats     *stats.Region
	Listeners []Listener

	stage   Stage
	driver  Driver
	started time.Time
	logFile *logging.File
	lines   *logging.Queue    // in front of logFile
	access  *accesslog.Logger // nil for none
	site    *site.Site
	root    string       // the folder served
	folder  *sysnet.Root // the same, opened
	seed    uint64       // tells this run's request ids from another's
}

// Listener is a listening socket. It does not block.
type Listener struct {
	FD   int
	Addr sysnet.Addr // with the port it really has
	Set  int         // which of the several sockets of its address it is
}

// ListenersOf is the descriptors that the i-th of those who accept is to listen on: its
// own of each address, or the one there is.
func (a *App) ListenersOf(i int) (fds []int) {
	for _, l := range a.Listeners {
		if l.Set == i || l.Set == everybody {
			fds = append(fds, l.FD)
		}
	}
	return fds
}

// everybody is the Set of a socket that is its address's only one.
const everybody = -1

// Main is a stage's whole program but for its driver. It does not return.
func Main(stage Stage, newDriver func(*App) (Driver, error)) {
	os.Exit(run(stage, os.Args[1:], os.Stdout, os.Stderr, newDriver))
}

func run(stage Stage, args []string, stdout, stderr io.Writer, newDriver func(*App) (Driver, error)) int {
	logging.SurviveClosedPipe()
	cfg, err := config.Parse(stage.Stage, args, os.Environ())
	if notice := (*config.Notice)(nil); errors.As(err, &notice) {
		io.WriteString(stdout, notice.Text)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", stage.Name, err)
		return exitUsage
	}
	// Before anything is served: a signal that comes while we start is kept for later.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	a := &App{Config: cfg, stage: stage, started: time.Now()}
	err = a.open()
	if err == nil {
		a.driver, err = newDriver(a)
	}
	if err == nil {
		err = a.driver.Start()
	}
	if err != nil {
		a.close() // what stands in the log comes before the last word
		fmt.Fprintf(stderr, "%s: %v\n", stage.Name, err)
		if usage := (*config.UsageError)(nil); errors.As(err, &usage) {
			return exitUsage
		}
		return exitStart
	}
	a.banner()
	defer a.close()
	return a.obey(signals)
}

// obey does what signals say until one ends the program (signal(7)).
func (a *App) obey(signals <-chan os.Signal) int {
	for sig := range signals {
		if sig == syscall.SIGHUP {
			a.reopen()
			continue
		}
		a.Server.Drain()
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
			if sig != syscall.SIGHUP {
				a.Log.Warn(fmt.Sprintf("Stopped at once on a second %v", sig))
				return exitOK
			}
		}
	}
}

// reopen opens the log files anew, after something has renamed them.
func (a *App) reopen() {
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

func (a *App) banner() {
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

// Local makes the session state of one thread: its i-th slot of statistics, and the
// name it has in the log.
func (a *App) Local(slot int, worker string) *session.Local {
	l := session.NewLocal(a.Server, a.Stats.Slot(slot), worker, a.seed+uint64(slot)<<32)
	l.Unsent = func(fd int) int64 { return sysnet.Unsent(fd) }
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
