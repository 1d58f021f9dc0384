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
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/accesslog"
	"fourways/shared/auth"
	"fourways/shared/config"
	"fourways/shared/figures"
	"fourways/shared/logging"
	"fourways/shared/plural"
	"fourways/shared/secure"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/spill"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/timeout"
	"fourways/shared/upstream"
)

// Exit statuses.
const (
	exitOK    = 0
	exitStart = 1 // it could not start, or not end in order
	exitUsage = 2 // it was told something it does not understand
)

const (
	// LastGrace is how much longer than the drain time-out the stage may take to end, and
	// then the rest: the logs, the statistics.
	LastGrace = 2 * time.Second
	// atOnce is how long the rest may take on a second signal.
	atOnce = 250 * time.Millisecond
)

// Stage is what tells one stage from another outside its driver.
type Stage struct {
	config.Stage
	Listen sysnet.ListenOptions // how its listeners are made; SockBuf is set from the flags
	// Sockets is how many listening sockets each address gets (SO_REUSEPORT), one for each
	// accepting thread or process; 0, or nil, for one that all share.
	Sockets func(*config.Config) int
	Slots   func(*config.Config) int    // threads that count: one slot of statistics each
	Waits   func(*config.Config) string // for the banner: who waits, "2 event loops"
	// Threads is how many threads this process can have at most, with those of Go's runtime
	// ([GoThreads]), and how many the processes that it starts can have. Nil where limits are not
	// checked.
	Threads func(*config.Config) (own, others int)
	// Blocking says that each of its threads belongs to one client, and waits with it: more of them
	// than there are processors can be busy at once.
	Blocking bool
	LogName  string // the default name of a worker in the log; empty for "main"
	// Pipes says that its threads send what is in pipes ([session.Thread]).
	Pipes bool
	// CatchStacks has the stacks that Go's runtime writes at the end of a process go to the log
	// file as well, if there is one.
	CatchStacks bool
	Inherited
}

// Inherited is what the processes of one server share. The zero value is that of a stage
// that is one process.
type Inherited struct {
	// Processes is how many there can be at once, 0 for one; Process is which one this is.
	Processes, Process int
	// Memory is what all of them see. Nil for memory of this process's own.
	Memory *Memory
	// Listeners are open already. Where they are what the configuration wants they are used,
	// and others are not touched. Activated says that they are a service manager's: then the
	// configuration is to want just them.
	Listeners []Listener
	Activated bool
	// Revived says that it takes the place of a process that has died, while others serve: it is to
	// serve as well, even where it cannot open its logs.
	Revived bool
	// Root is a name of the folder that others serve, whatever its own name leads to by now; empty
	// to open it by its own.
	Root string
	// Known is where the names of relays' targets led last.
	Known map[string][]sysnet.Addr
	// Site is the built-in site where it has been unpacked already.
	Site site.Unpacked
	// Secrets is what the process that reads the certificates has passed on; nil to read the files.
	Secrets []byte
	// Earlier is the Secrets of the App that this one takes the place of, in the same process or,
	// by a hand-over, in another.
	Earlier []byte
}

// Driver is a stage's way of waiting.
type Driver interface {
	// Start begins to serve, and returns.
	Start() error
	// Stop closes the listeners, lets what is under way finish, cuts what is left
	// after the timeout, counted from the call, and returns when nothing runs any more. Where
	// something hangs it may not return; then the App ends without it.
	Stop(timeout time.Duration)
	// Figures adds what this stage has to tell of its own way of waiting. It is called on any
	// thread.
	Figures(*figures.List)
}

// App is one server, ready for its driver.
type App struct {
	Config    *config.Config // that it began with; see settings
	Log       *slog.Logger
	Server    *session.Server // that it began with; see server
	Stats     *stats.Region
	Listeners []Listener

	stage     Stage
	root      bool // in a check: it was begun by root
	driver    Driver
	files     int // descriptors that this process may have open
	reserved  int // of those, for other things than connections
	room      int // sockets of connections that it has descriptors for, once there is a driver
	published published
	started   int                           // workers that were passed what they need
	kept      []string                      // settings that could not change, of an App of a Renewal
	doubts    []string                      // the warnings of its settings that are new, of the same
	another   func() Stage                  // its stage with variables of its own, for other settings; nil where others see to these
	latest    atomic.Pointer[config.Config] // that it goes by; nil for those that it began with
	form      *logging.Form
	logFile   *logging.File
	lines     *logging.Queue                   // in front of logFile
	access    atomic.Pointer[accesslog.Logger] // nil for none until now
	site      atomic.Pointer[site.Site]
	gate      *auth.Gate    // in front of everything; nil where no password is asked for
	limits    []byte        // the limiter's table
	most      int           // connections that there are descriptors for
	renewing  sync.Mutex    // held while what is served is opened anew
	unpacked  site.Unpacked // under mu
	folder    sharedFolder  // the same, opened
	rootGone  atomic.Bool   // it cannot be served, as watchRoot has found
	// staleAfterReload says that a reload which goes on has left something as it was.
	staleAfterReload atomic.Bool
	tls              identity                    // what TLS clients are shown
	secure           *secure.Server              // what connections by TLS share; nil for none
	relays           *relays                     // what relayed connections share; nil for none
	targets          *upstream.Region            // what is known of the servers behind this one, and was of others
	upstreams        atomic.Pointer[upstreams]   // those that there are now; nil for none
	queues           atomic.Pointer[spill.Spill] // where bytes wait for slow readers; nil where there are none until now
	pipes            []*sysnet.Pipes             // of each thread
	inPipes          int                         // descriptors that they may have
	share            sync.Once                   // finds shareBytes
	shareBytes       int64                       // see memoryOfThread
	seed             uint64                      // tells this run's request ids from another's
	stopAdapting     func()                      // ends what makes the rate follow the load; under adapting
	mu               sync.Mutex                  // for a few words
	finish           func()                      // lets go of everything, once the driver has stopped

	logsAnew, settingsAnew, rootAnew, tlsAnew, readyAnew repeated // what HUP and USR1 ask for
}

// The main goroutine, which hears signals, keeps the main thread for itself. The kernel gives a
// process's signal to its main thread if that can take one (complete_signal in its
// kernel/signal.c). Were that thread held by a hung disk, with some other goroutine's open(2),
// the signal would wait there, and no other thread would hear of it.
func init() { runtime.LockOSThread() }

// NewStage describes a stage, with variables of its own for what only that stage has of settings,
// and makes its driver by those.
type NewStage func() (Stage, func(*App) (Driver, error))

// Main is a stage's whole program except its driver. It does not return.
func Main(newStage NewStage) {
	os.Exit(run(newStage, os.Args[1:], os.Stdout, os.Stderr))
}

func run(newStage NewStage, args []string, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 8) // those that come while we start are kept for later
	signal.Notify(signals, slices.Concat(Reloads, Endings)...)
	reapOrphans()
	logging.SurviveClosedPipe()
	stage, newDriver := newStage()
	a, err := Starting(func() (*App, error) { return start(stage, newDriver, args, stdout) })
	if a == nil {
		return Failure(stage, stderr, err)
	}
	a.Banner()
	a.NotifyReady()
	a.Adapt()
	a.another = func() Stage {
		other, _ := newStage()
		return other
	}
	unwatch := a.Watch(true)
	a.finish = func() {
		unwatch()
		a.RemoveSite()
		a.Close()
	}
	return a.obey(signals)
}

// start has a driver serve. There is no App, and no error either, where there is nothing to serve
// for: see [Configure].
func start(stage Stage, newDriver func(*App) (Driver, error), args []string, stdout io.Writer) (*App, error) {
	cfg, err := Configure(stage, args, stdout)
	if cfg == nil {
		return nil, err
	}
	if err := stage.Activate(); err != nil {
		return nil, err
	}
	a, err := Open(stage, cfg)
	if err == nil {
		err = a.Start(newDriver)
	}
	if err != nil {
		a.RemoveSite()
		a.Close() // what stands in the log comes before the last word
		RemoveNames(a.Listeners)
		return nil, err
	}
	return a, nil
}

// Configure reads the command line, the environment, and the file that they name. There
// is no Config, and no error either, where the command line only asked for a text, or whether the
// settings can be used: the answer is then on stdout.
func Configure(stage Stage, args []string, stdout io.Writer) (*config.Config, error) {
	cfg, err := config.Parse(stage.Stage, args, os.Environ())
	if notice := (*config.Notice)(nil); errors.As(err, &notice) {
		io.WriteString(stdout, notice.Text)
		return nil, nil
	}
	if err == nil && cfg.Check {
		return nil, check(stage, cfg, stdout)
	}
	return cfg, err
}

// Failure says in one line why the program cannot go on, and returns its exit status:
// that of a clean end where there is no error.
func Failure(stage Stage, stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	err = Explained(err)
	timeout.Within(LastGrace, func() error { // whoever reads it may stand still
		_, err := fmt.Fprintf(stderr, "%s: %v\n", stage.Name, err)
		return err
	})
	if usage := (*config.UsageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitStart
}

// Explained is an error that says what to do, where it would not say so by itself: any of the
// many things that a start opens may be the one for which there is no descriptor.
func Explained(err error) error {
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%w; allow more (ulimit -n)", err)
	}
	return err
}

// Open readies everything that a driver needs. The App is to be closed, also where that
// failed.
func Open(stage Stage, cfg *config.Config) (*App, error) {
	a := &App{Config: cfg, stage: stage, unpacked: stage.Site}
	switch {
	case stage.Process > 0: // it serves where those that have started it want
		wantOnly(cfg, stage.Listeners)
	case stage.Activated:
		if err := a.stage.useActivated(cfg); err != nil {
			return a, err
		}
	}
	return a, a.open()
}

// Start makes the driver, and has it serve.
func (a *App) Start(newDriver func(*App) (Driver, error)) (err error) {
	if err := sysnet.GrowDescriptorTable(min(a.files, a.Config.Limits.Conns+a.reserved)); err != nil {
		a.Log.Warn("The table of descriptors grows under load, which makes clients wait", "error", err)
	}
	if a.driver, err = newDriver(a); err != nil {
		return err
	}
	if err = a.fitConns(); err != nil {
		return err
	}
	a.upstreams.Load().start()
	return a.driver.Start()
}

// obey does what signals say until one ends the program (signal(7)).
func (a *App) obey(signals <-chan os.Signal) int {
	for sig := range signals {
		if reopens(sig) {
			a.reopen(sig)
			continue
		}
		a.Stats.Stop()
		a.Log.Info(fmt.Sprintf("Stopping on %v: %s; once more to stop at once", sig, a.settings().Limits.Stopping()))
		a.NotifyStopping()
		break
	}
	l := a.settings().Limits
	switch end, sig := a.await(a.stop, signals, l.DrainDelay+LastArrivals+l.DrainTimeout+LastGrace); end {
	case hurried:
		a.Log.Warn(fmt.Sprintf("Stopped at once on a second %v", sig))
		a.await(a.finish, signals, atOnce)
	case hung:
		a.Log.Error("Stopped, though something hangs that did not end in time")
		a.await(a.finish, signals, LastGrace)
		return exitStart
	default:
		a.Log.Info("Stopped")
		a.await(a.finish, signals, LastGrace)
	}
	return exitOK
}

// stop ends the serving, in order.
func (a *App) stop() {
	time.Sleep(a.settings().Limits.DrainDelay) // a balancer sends us clients until it has noticed
	a.Server.Drain()
	if !a.stage.Activated { // else a service manager keeps the sockets
		StopArrivals(a.Listeners)
		time.Sleep(LastArrivals)
	}
	a.driver.Stop(a.settings().Limits.DrainTimeout)
}

// ending is how something that was waited for has come to its end.
type ending int

const (
	ended   ending = iota
	hurried        // a signal came first
	hung           // its time was over first
)

// await waits for do to return, for a signal to end, or for the time to be over. Nothing that
// do may hang in, a thread, a disk or the reader of a log, keeps the program from ending.
func (a *App) await(do func(), signals <-chan os.Signal, limit time.Duration) (ending, os.Signal) {
	done := make(chan struct{})
	go func() {
		do()
		close(done)
	}()
	over := time.After(limit)
	for {
		select {
		case <-done:
			return ended, nil
		case sig := <-signals:
			if !reopens(sig) {
				return hurried, sig
			}
			a.reopen(sig) // who rotates logs does not wait until we have stopped
		case <-over:
			return hung, nil
		}
	}
}

// reopen does what such a signal says. HUP asks for the settings, the served folder and the
// certificates as well, and to a service manager it is a reload.
func (a *App) reopen(sig os.Signal) {
	reload := sig == syscall.SIGHUP && !a.Stats.Stopping()
	if reload {
		a.NotifyReloading()
	}
	a.Reopen()
	if sig == syscall.SIGHUP {
		a.settingsAnew.ask(a.reread)
	}
	if reload {
		a.readyAnew.ask(a.notifyReloaded)
	}
}

// notifyReloaded says that all which HUP asks for is done.
func (a *App) notifyReloaded() {
	a.logsAnew.wait()
	a.settingsAnew.wait() // which asks for the rest
	a.rootAnew.wait()
	a.tlsAnew.wait()
	a.NoteReload(!a.staleAfterReload.Swap(false))
	if !a.Stats.Stopping() {
		a.NotifyReady()
	}
}

// reopens reports whether a signal asks for the log files to be opened again: HUP, as for most
// daemons, or USR1, as for those where HUP means more.
func reopens(sig os.Signal) bool { return slices.Contains(Reloads, sig) }

// Banner logs which program serves what, and where.
func (a *App) Banner() {
	urls := ""
	for _, l := range a.Listeners {
		if l.Set > 0 || l.Relay != nil {
			continue // the same address again, or no address of ours
		}
		if urls != "" {
			urls += ", "
		}
		urls += l.url()
	}
	a.Log.Info(fmt.Sprintf("HTTP server (stage %d: %s) started on %s", a.stage.Number, a.stage.Title, urls))
	a.Log.Info(a.stage.Waits(a.Config))
	a.Log.Info(fmt.Sprintf("Serving files from %q", a.rootName()))
	a.tellRules(a.Config)
	if takes, _ := a.site.Load().TakesUploads(); takes {
		a.Log.Info(a.takingUploads())
	}
	a.tellRelays()
	a.tellCertificates()
	a.Log.Info("Press Ctrl+C to stop")
	a.tellDoubts(a.Config.Warnings)
}

// takingUploads says where uploads go, and up to how many.
func (a *App) takingUploads() string {
	u := a.settings().Uploads
	folder := u.Folder
	if folder == "" {
		folder = filepath.Join(a.rootName(), "uploads")
	}
	says := "Taking uploads into " + strconv.Quote(folder)
	if u.MaxBytes > 0 {
		says += fmt.Sprintf(", up to %d MiB", u.MaxBytes>>20)
	}
	if u.MaxFiles > 0 {
		says += ", up to " + plural.Of(u.MaxFiles, "file", "files")
	}
	return says
}

// Name is the default name of a worker in the log.
func (a *App) Name() string {
	if a.stage.LogName == "" {
		return "main"
	}
	return a.stage.LogName
}

// atWork is how many threads, of all processes, can have their hands full at once.
func (a *App) atWork() int {
	if a.stage.Blocking || a.stage.Processes > 1 {
		return a.Config.Workers
	}
	return min(a.Config.Workers, runtime.NumCPU())
}

// Thread makes the session state of one thread: its i-th slot of statistics, and the
// name it has in the log.
func (a *App) Thread(slot int, worker string) *session.Thread {
	l := session.NewThread(a.Server, a.Stats.Slot(slot), worker, a.seed+uint64(slot)<<32)
	l.Number = slot
	l.Unsent = func(fd int) int64 { return sysnet.Unsent(fd) }
	l.HungUp, l.Reached = sysnet.OnlyHungUp, sysnet.LocalAddr
	if a.stage.Memory != nil {
		l.Ledger = a.stage.Memory.LedgerOf(a.stage.Process)
	}
	a.givePipes(l)
	l.Memory = a.memoryOfThread()
	sysnet.ReadClock(&l.Clock)
	return l
}
