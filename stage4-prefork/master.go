//go:build linux

package main

// The master: it opens what all share, starts the workers, and waits. Whatever happens is
// brought to its one goroutine, which alone knows and changes its state: signals by one
// channel, everything else as a function by another.
//
// What must not be done here: nothing may wait, but for the next thing to happen; nothing
// may read what a client has sent; and a worker is never asked to do something for the
// master, for it may be the one that hangs.

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// Signals to a worker. The terminal sends INT and HUP to all processes; a worker leaves
// them to the master.
const (
	sigDrain  = unix.SIGTERM // finish what you have, within the drain time-out
	sigRetire = unix.SIGUSR2 // finish what you have: a successor is there
	sigReopen = unix.SIGUSR1 // open the log files anew
	sigStacks = unix.SIGQUIT // Go's runtime writes all stacks and ends the process
)

const (
	// lastGrace is how much longer than the drain time-out the master waits for its workers.
	lastGrace = 2 * time.Second
	// atOnce is how long workers may take to end at once.
	atOnce = time.Second
	// maxReport is what is read of a child's report, in bytes.
	maxReport = 4 << 10
	// recordEvery is how often the 24-hour series is moved on.
	recordEvery = time.Second
	// crowded is how long the master waits when there is no entry free for a worker.
	crowded = time.Second
)

// master is the master's state. Its goroutine alone touches it.
type master struct {
	settings
	memory  *memory
	program string // the program's path, for a hand-over
	life    [2]int // the life-line: both ends; closing the second ends all workers

	positions []*position
	workers   map[int]*worker // by pid: all that have not been reaped
	begun     bool            // the banner is out
	stopping  bool
	failed    error // why it stops, if not because it was told to

	reloading *reload   // nil for none under way
	again     bool      // a reload was asked for meanwhile
	successor *handover // nil for none under way, or done
	replaced  bool      // another master has taken over
	report    *os.File  // where a master that is a successor reports, nil otherwise
	activated bool      // the sockets came from systemd, and not from the configuration
	owns      bool      // the Unix sockets' names are its to remove: it made them, or has taken over who did

	unfollow  func()     // ends what makes the rate of clients follow how busy the machine is
	watchDue  clock.Time // when watch is to look next
	forgiven  clock.Time // what was silent before that is not held against anybody
	inbox     chan func()
	signals   chan os.Signal
	exhausted bool // there was no entry free
}

// position is one of the workers that there should be.
type position struct {
	number   int // from 1
	current  *worker
	next     *worker // starts, to take its place
	backoff  backoff
	restarts uint64 // how often it has been filled anew after a death
	gone     bool   // not wanted any more
}

// worker is a worker process as the master knows it.
type worker struct {
	pid, process int
	position     *position
	started      clock.Time
	ready        bool
	reopen       bool        // is to open the log files anew when it is ready
	retired      bool        // told to end
	asked        bool        // the watchdog wants its stacks
	said         chan string // its report, once
	heard        bool
}

// lead is the master's whole life. Its role is that of a successor, or nil.
func lead(r *role) int {
	m, err := newMaster(r)
	if m == nil { // the command line asked for a text, or could not be understood
		stage, _ := newStage()
		return app.Failure(stage, os.Stderr, err)
	}
	if err == nil {
		m.begin()
		for !m.over() {
			select {
			case sig := <-m.signals:
				m.obey(sig)
			case happened := <-m.inbox:
				happened()
			}
		}
		err = m.failed
	}
	m.end(err)
	return app.Failure(m.stage, os.Stderr, err)
}

// newMaster opens everything. There is a master to be ended as soon as there is a
// configuration.
func newMaster(r *role) (*master, error) {
	m := &master{
		memory:  newMemory(),
		workers: map[int]*worker{},
		inbox:   make(chan func()),
		signals: make(chan os.Signal, 64),
		program: ownPath(),
	}
	m.stage, m.opt = newStage()
	cfg, err := app.Configure(m.stage, os.Args[1:], os.Stdout)
	if cfg == nil {
		return nil, err
	}
	signal.Notify(m.signals, unix.SIGCHLD, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTTIN, unix.SIGTTOU)
	if err := unix.Pipe2(m.life[:], unix.O_CLOEXEC); err != nil {
		return m, fmt.Errorf("cannot make a pipe: %w", err)
	}
	m.stage.Ledgers = m.memory.ledgerOf
	if r != nil {
		err = m.succeed(r)
	} else {
		m.stage.Listeners, err = activated()
		m.activated = len(m.stage.Listeners) > 0
		m.owns = !m.activated
	}
	if err != nil {
		return m, err
	}
	if m.activated {
		adopt(cfg, m.stage.Listeners)
	}
	m.app, err = m.open(cfg)
	if r != nil && foreign(err) {
		app.CloseAll(app.Without(m.app.Listeners, m.stage.Listeners))
		m.app.Close()
		m.memory.close()
		m.app, err = m.open(cfg)
	}
	if err != nil {
		return m, err
	}
	app.CloseAll(app.Without(m.stage.Listeners, m.app.Listeners)) // given, and not wanted
	if m.report == nil {
		m.reign()
	}
	return m, nil
}

// reign notes that this master is the one. A successor is when all serve.
func (m *master) reign() { m.app.Stats.Process(0).PID.Store(int64(os.Getpid())) }

// rules reports whether the server as a whole is this master's to speak of: another one is
// not there yet, or not any more.
func (m *master) rules() bool {
	return m.report == nil && !m.replaced
}

// open opens what a configuration wants, in the memory that there is.
func (m *master) open(cfg *config.Config) (a *app.App, err error) {
	m.stage.Memory = m.memory.get
	if a, err = app.Open(m.stage, cfg); err != nil {
		return a, err
	}
	files, err := sysnet.RaiseFileLimit()
	if err != nil {
		return a, err
	}
	if err = m.memory.makeLedgers(int(min(files, maxLedger))); err != nil {
		return a, err
	}
	text, err := snapshotOf(cfg)
	if err != nil {
		return a, err
	}
	if m.text != nil {
		m.text.Close()
	}
	m.text = text
	return a, nil
}

func snapshotOf(cfg *config.Config) (*os.File, error) {
	if cfg.FileText == nil {
		return nil, nil
	}
	return snapshot(cfg.FileText)
}

// adopt makes the configuration want just these sockets.
func adopt(cfg *config.Config, listeners []app.Listener) {
	cfg.Listen = nil
	for _, l := range listeners {
		cfg.Listen = append(cfg.Listen, config.Address{AddrPort: l.Want.IP, Path: l.Want.Path})
	}
}

// begin starts the workers and the watchdog.
func (m *master) begin() {
	m.forgiven = sysnet.Now()
	for n := range m.app.Config.Workers {
		m.positions = append(m.positions, &position{number: n + 1})
	}
	for _, p := range m.positions {
		p.current = m.start(p)
	}
	m.follow()
	m.record()
	m.watch()
}

// follow has the rate that a client may ask at follow how busy the machine is, for all
// workers.
func (m *master) follow() {
	if m.unfollow != nil {
		m.unfollow()
	}
	m.unfollow = app.Adapt(m.app.Server.Limiter, m.app.Log, m.app.Config.Clients.Adaptive)
}

// record moves the 24-hour series on.
func (m *master) record() {
	if m.replaced {
		return
	}
	m.app.Stats.Record(time.Now().Unix())
	m.sweep()
	m.after(recordEvery, m.record)
}

// sweep buries what a master has left that was killed: a successor that did not come up, or
// the one before this. Its workers have ended with it.
func (m *master) sweep() {
	region, self := m.app.Stats, int64(os.Getpid())
	for i := 1; i < region.Processes(); i++ {
		p := region.Process(i)
		owner, pid := p.Owner.Load(), p.PID.Load()
		if p.State() == stats.Free || owner == 0 || owner == self || alive(owner) || pid != 0 && alive(pid) {
			continue
		}
		m.bury(i)
	}
}

// alive reports whether there is such a process.
func alive(pid int64) bool { return unix.Kill(int(pid), 0) != unix.ESRCH }

// bury takes a dead process's connections off its clients' counts, and frees its entry.
func (m *master) bury(process int) {
	m.app.Server.Limiter.Reclaim(m.memory.ledgerOf(process))
	m.app.Stats.Bury(process)
}

// over reports whether there is nothing left to wait for.
func (m *master) over() bool {
	return (m.stopping || m.replaced) && len(m.workers) == 0 && m.successor == nil
}

// end lets go of everything, in the other order.
func (m *master) end(err error) {
	if m.unfollow != nil {
		m.unfollow()
	}
	if m.app != nil {
		if err == nil {
			m.app.Log.Info("Stopped")
		}
		m.app.Close()
		if m.owns {
			m.app.RemoveSockets()
		}
	}
	m.tell(err)
	m.memory.close()
}

// tell reports to the master before this one, if there is one that waits.
func (m *master) tell(err error) {
	if m.report == nil {
		return
	}
	if err != nil {
		io.WriteString(m.report, err.Error())
	} else if m.begun {
		io.WriteString(m.report, readyWord)
	}
	m.report.Close()
	m.report = nil
}

// obey does what a signal says.
func (m *master) obey(sig os.Signal) {
	switch sig {
	case unix.SIGCHLD:
		m.reap()
	case unix.SIGINT, unix.SIGTERM:
		if m.stopping {
			m.endAtOnce(sig)
		} else {
			m.stop(fmt.Sprintf("on %v", sig))
		}
	case unix.SIGQUIT:
		m.endAtOnce(sig)
	case unix.SIGHUP:
		m.reload()
	case unix.SIGUSR1:
		m.app.Reopen()
		m.reopen()
	case unix.SIGUSR2:
		m.handOver()
	case unix.SIGTTIN:
		m.resize(+1)
	case unix.SIGTTOU:
		m.resize(-1)
	}
}

// reopen has all workers open the log files anew. A worker that starts may have opened
// the old ones already, and not be able to hear yet: it is told when it is ready.
func (m *master) reopen() {
	for _, w := range m.workers {
		if w.ready {
			unix.Kill(w.pid, sigReopen)
		} else {
			w.reopen = true
		}
	}
}

// start starts a worker. It returns nil where that cannot be done now; it is tried again.
func (m *master) start(p *position) *worker {
	region := m.app.Stats
	process, ok := region.Claim(1)
	if !ok {
		if !m.exhausted {
			m.app.Log.Error(fmt.Sprintf("No worker started: there are %d processes, with those that still finish what they had", maxProcesses))
		}
		m.exhausted = true
		m.refill(p, crowded)
		return nil
	}
	m.exhausted = false
	w := &worker{process: process, position: p, started: sysnet.Now(), said: make(chan string, 1)}
	entry := region.Process(process)
	entry.Owner.Store(int64(os.Getpid()))
	entry.Position.Store(int64(p.number))
	entry.Restarts.Store(p.restarts)
	entry.Beat.Store(int64(w.started))
	pid, report, err := m.spawnWorker(w)
	if err != nil {
		m.app.Log.Error("No worker started", "error", err)
		region.Bury(process)
		m.refill(p, max(p.backoff.died(0, chance()), firstDelay))
		return nil
	}
	w.pid = pid
	entry.PID.Store(int64(pid))
	m.workers[pid] = w
	m.listen(report, w.said, func() { m.heard(w) })
	return w
}

// spawnWorker executes this very program, whatever has become of its file since.
func (m *master) spawnWorker(w *worker) (pid int, report *os.File, err error) {
	r := role{Process: w.process, Position: w.position.number, Configured: m.text != nil}
	fds := passed{m.life[0], nobody, nobody, nobody, nobody, nobody}
	m.memory.pass(&fds)
	argv := append([]string{fmt.Sprintf("%s: worker %d", m.stage.Name, w.position.number)}, os.Args[1:]...)
	if r.Configured {
		fds[fdConfig-fdLifeline] = int(m.text.Fd())
		flags := len(argv) // where the last flag may stand
		if end := slices.Index(argv, "--"); end > 0 {
			flags = end
		}
		argv = slices.Insert(argv, flags, "-config", fmt.Sprintf("/proc/self/fd/%d", fdConfig))
	}
	for _, l := range m.app.Listeners {
		if l.Set == app.Everybody || l.Set == w.position.number-1 {
			l.Set = app.Everybody // to this worker it is its address's only one
			r.Listeners = append(r.Listeners, l)
		}
	}
	return spawn("/proc/self/exe", argv, r, fds)
}

// listen waits for a child's report, and has the master do something with it.
func (m *master) listen(report *os.File, said chan<- string, then func()) {
	go func() {
		text, _ := io.ReadAll(io.LimitReader(report, maxReport))
		report.Close()
		said <- string(text)
		m.inbox <- then
	}()
}

// heard takes a worker's report: it serves, or says why it cannot. One that says nothing
// has died, and is reaped.
func (m *master) heard(w *worker) {
	if w.heard {
		return
	}
	w.heard = true
	switch text := <-w.said; text {
	case readyWord:
		w.ready = true
		if w.retired {
			unix.Kill(w.pid, sigRetire)
		} else {
			m.app.Stats.Process(w.process).SetState(stats.Ready)
		}
		if w.reopen {
			unix.Kill(w.pid, sigReopen)
		}
		m.serving(w)
	case "":
	default:
		m.app.Log.Error(fmt.Sprintf("Worker %d cannot start: %s", w.position.number, text), "pid", w.pid)
		if !m.begun && m.failed == nil {
			// What the first workers cannot start with, no worker can.
			m.failed = fmt.Errorf("worker %d: %s", w.position.number, text)
			m.stop("as the workers cannot start")
		}
	}
}

// serving goes on when a worker is ready.
func (m *master) serving(w *worker) {
	p := w.position
	m.app.Log.Debug(fmt.Sprintf("Worker %d is ready", p.number), "pid", w.pid)
	if p.next == w {
		old := p.current
		p.current, p.next = w, nil
		if old != nil {
			m.retire(old)
		}
		if m.reloading != nil {
			m.reloading.changed = true
		}
		m.replaceNext()
	}
	if m.stopping || m.replaced || p.gone {
		m.retire(w)
	}
	m.announce()
	m.account()
}

// announce shows the banner once it is known what becomes of each worker.
func (m *master) announce() {
	if m.begun || m.stopping {
		return
	}
	serving := 0
	for _, p := range m.positions {
		switch {
		case p.current != nil && p.current.ready:
			serving++
		case p.backoff.deaths == 0:
			return
		}
	}
	if serving == 0 {
		return
	}
	m.begun, m.owns = true, !m.activated
	m.app.Banner()
	m.notifyReady()
	m.tell(nil)
	m.reign()
	m.catchUp()
}

// account publishes how many workers cannot be kept alive.
func (m *master) account() {
	if !m.rules() {
		return
	}
	failing := 0
	for _, p := range m.positions {
		if p.backoff.failing() && (p.current == nil || !p.current.ready) {
			failing++
		}
	}
	m.app.Stats.SetFailing(failing)
}

// reap takes all children that have ended. Where the master is the first process of a
// container, orphans are among them, whom nobody knows.
func (m *master) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || pid <= 0:
			return
		}
		if w := m.workers[pid]; w != nil {
			m.buried(w, status)
		} else if m.successor != nil && m.successor.pid == pid {
			m.successorDied(status)
		}
	}
}

// buried does what is to be done when a worker has died.
func (m *master) buried(w *worker, status unix.WaitStatus) {
	m.heard(w) // it has closed its end, so the report is there or comes now
	delete(m.workers, w.pid)
	m.bury(w.process)
	p := w.position
	if w.retired {
		m.app.Log.Debug(fmt.Sprintf("Worker %d has ended", p.number), "pid", w.pid)
		return
	}
	m.app.Log.Error(fmt.Sprintf("Worker %d has died: %s", p.number, ending(status)), "pid", w.pid)
	if p.next == w {
		p.next = nil
		m.rollBack()
		return
	}
	p.current = nil
	p.restarts++
	m.refill(p, p.backoff.died(time.Duration(sysnet.Now()-w.started), chance()))
	m.announce()
	m.account()
}

// ending says in words how a process has ended (wait(2)).
func ending(status unix.WaitStatus) string {
	if status.Signaled() {
		return status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// refill starts a position's next worker, after a time.
func (m *master) refill(p *position, after time.Duration) {
	if after > 0 {
		m.app.Log.Info(fmt.Sprintf("Worker %d is started anew in %v", p.number, after.Round(time.Millisecond)))
	}
	fill := func() {
		if p.current == nil && !p.gone && !m.stopping && !m.replaced {
			p.current = m.start(p)
		}
	}
	if after == 0 {
		fill()
		return
	}
	m.after(after, fill)
}

// after has the master do something later.
func (m *master) after(d time.Duration, do func()) {
	time.AfterFunc(d, func() { m.inbox <- do })
}

// retire has a worker finish what it has, for as long as its clients take. One that starts
// cannot hear yet: it is told when it is ready.
func (m *master) retire(w *worker) {
	if w.retired {
		return
	}
	w.retired = true
	m.app.Stats.Process(w.process).SetState(stats.Draining)
	if w.ready {
		unix.Kill(w.pid, sigRetire)
	}
}

func (m *master) signalAll(sig syscall.Signal) {
	for pid := range m.workers {
		unix.Kill(pid, sig)
	}
}

// stop has all workers finish what they have, and sees to it that they end. The sockets
// are closed here first. A worker takes the connections that wait before it closes its
// own; so the last one to close leaves none behind.
func (m *master) stop(why string) {
	timeout := m.app.Config.Limits.DrainTimeout
	m.app.Log.Info(fmt.Sprintf("Stopping %s: draining for up to %v; once more to stop at once", why, timeout))
	m.stopping = true
	m.notify(daemon.SdNotifyStopping)
	if m.rules() { // or another master serves on
		m.app.Stats.Stop()
	}
	if !m.replaced { // or they are closed already
		app.CloseAll(m.app.Listeners)
	}
	if m.reloading != nil {
		app.CloseAll(app.Without(m.reloading.before.app.Listeners, m.app.Listeners))
	}
	if m.successor != nil {
		m.abandon(m.successor)
	}
	for _, w := range m.workers {
		w.retired = true
		m.app.Stats.Process(w.process).SetState(stats.Draining)
	}
	m.signalAll(sigDrain)
	m.after(timeout+lastGrace, func() { m.signalAll(unix.SIGKILL) })
}

// endAtOnce ends the workers without waiting for their clients.
func (m *master) endAtOnce(sig os.Signal) {
	if !m.stopping {
		m.stop(fmt.Sprintf("on %v", sig))
	}
	m.app.Log.Warn(fmt.Sprintf("Stopped at once on %v", sig))
	if m.life[1] >= 0 {
		unix.Close(m.life[1])
		m.life[1] = -1
	}
	m.after(atOnce, func() { m.signalAll(unix.SIGKILL) })
}

// ownPath is where a new program would lie: under the name that this one was called by.
func ownPath() string {
	if strings.ContainsRune(os.Args[0], '/') {
		return os.Args[0]
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}
