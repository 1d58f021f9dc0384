package app

// What stands between a configuration and a driver: the logs, the site, the listening sockets, the
// regions that processes share, and the Server.
//
// The goroutine that starts the process calls open, before anything is served. The App owns what it
// opens, and Close gives it back, also after an error halfway. The listeners are the exception: the
// driver closes them. What must not be done: a socket that listens already must not be opened
// again, since closing the old one resets the connections in its backlog. It is taken over.

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/accesslog"
	"fourways/shared/auth"
	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/logging"
	"fourways/shared/proxyproto"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

const (
	// page is how many requests a web page may take at once, pictures and all. Where the rate
	// is lowered, that many are let through all the same.
	page = 100
	// cachedFiles is how many large files stay open for the next request.
	cachedFiles = 128
	// reservedFiles is how many descriptors are kept free for other things than connections
	// that are served: those that are being refused, cached files, and 128 for files that are
	// sent and for uploads. Where there are few in all, it is a quarter of those that are free.
	reservedFiles = session.MaxRefused + cachedFiles + 128
	// leastReserved is how many that is at least: one to read the machine's load, one for a
	// file, two for refusals.
	leastReserved = 4
)

// open readies everything a driver needs. Each error says what to do about it.
func (a *App) open() (err error) {
	cfg := a.Config
	if err = a.openLog(); err != nil {
		return err
	}
	if err = a.startThreads(); err != nil {
		return err
	}
	if err = a.openAccess(); err != nil {
		return err
	}
	a.seed = randomWords()[0]
	a.reserve()
	if cfg.LockMemory {
		if err := sysnet.LockMemory(cfg.User != ""); err != nil {
			a.Log.Warn("Memory not locked: raise RLIMIT_MEMLOCK or leave out -mlock", "error", err)
		}
	}
	if err = a.openTLS(); err != nil {
		return err
	}
	a.openRelays()
	if err = a.listen(); err != nil {
		return err
	}
	if err = a.becomeUser(); err != nil { // from here on nothing is root's
		return err
	}
	if err = a.openSite(); err != nil {
		return err
	}
	if err = a.checkRelays(); err != nil {
		return err
	}
	return a.assemble()
}

// openLog opens the server's log.
func (a *App) openLog() error {
	cfg := a.Config.Log
	file, err := logging.Open(cfg.File)
	if err != nil && !a.stage.Revived {
		return unusableLog(err)
	}
	if err != nil {
		file = logging.OpenLater(cfg.File)
	}
	a.logFile, a.form = file, logging.NewForm(cfg.Level, cfg.JSON)
	logger := func(w io.Writer) *slog.Logger {
		return logging.NewLive(w, a.form).With(logging.WorkerKey, a.Name())
	}
	a.lines = logging.NewQueue(a.logFile, logger)
	a.Log = logger(a.lines)
	a.catchStacks()
	a.tellUnopened(err)
	return nil
}

// openAccess opens the access log, if there is to be one.
func (a *App) openAccess() error {
	cfg := a.Config.Log
	if cfg.Access == "" {
		return nil
	}
	access, err := accesslog.Open(cfg.Access, cfg.AccessJSON)
	if err != nil && !a.stage.Revived {
		return unusableAccessLog(err)
	}
	if err != nil {
		access = accesslog.OpenLater(cfg.Access, cfg.AccessJSON)
	}
	a.access.Store(access)
	a.tellUnopened(err)
	return nil
}

// tellUnopened logs that a log could not be opened by a process that serves all the same.
func (a *App) tellUnopened(err error) {
	if err != nil {
		a.Log.Error("A log could not be opened: its lines go to standard error until USR1 or HUP finds it", "error", err)
	}
}

// LastArrivals is how long the listeners stay open after StopArrivals, for clients that had begun
// to connect: a round trip, and the first packet of a request (TCP_DEFER_ACCEPT).
const LastArrivals = 100 * time.Millisecond

// StopArrivals stops new connections to listeners that are to be closed for good, by all processes:
// those in their queues can still be accepted, and new ones are refused by the system, or answered
// by a successor. It removes the names of Unix sockets, since without the name no client can
// connect, and while the name is there no successor can take it.
func StopArrivals(list []Listener) {
	RemoveNames(list)
	for _, l := range list {
		if l.Addr.Path == "" {
			sysnet.StopArrivals(l.FD)
		}
	}
}

// RemoveNames removes the names of Unix sockets, where they are still those of the sockets: a
// successor may have bound its own meanwhile.
func RemoveNames(list []Listener) {
	for _, l := range list {
		if l.Addr.Path != "" {
			l.Name.Remove(l.Addr.Path)
		}
	}
}

// Close closes what Open opened, in the reverse order, except the listeners.
func (a *App) Close() {
	a.EndAdapting()
	if a.relays != nil {
		a.relays.close()
	}
	a.upstreams.Load().end()
	if s := a.site.Load(); s != nil {
		if a.Server != nil {
			a.Publish() // or what has been counted since the last time is lost
		}
		s.Close()
	}
	a.folder.close()
	for _, p := range a.pipes {
		p.Close()
	}
	if access := a.access.Load(); access != nil {
		access.Close()
	}
	if a.logFile != nil {
		a.lines.Close()
		a.logFile.Close()
	}
}

// mostFiles stands for a limit of open files that is "unlimited".
const mostFiles = 1 << 30

// reserve raises the limit of open descriptors, and decides how many of those that are free
// are kept for other things than connections.
func (a *App) reserve() {
	limit, err := sysnet.RaiseFileLimit()
	if err != nil {
		a.Log.Warn("Limit of open files not raised", "error", err)
	}
	a.files = int(min(limit, mostFiles))
	free := a.files - sysnet.OpenDescriptors(a.files)
	a.reserved = min(max(free/4, leastReserved), reservedFiles)
}

// reservedFor is a use's part of the reserve, where that is of the whole one when nothing is
// short.
func (a *App) reservedFor(part int) int { return a.reserved * part / reservedFiles }

// fitConns lowers -max-conns to what the limit of open descriptors leaves: to each
// process, where workers are processes. The server has opened by now what it keeps open.
func (a *App) fitConns() error {
	own := sysnet.OpenDescriptors(a.files)
	free := a.files - own - a.reserved
	files := a.forFiles(free) + a.forPipes()
	a.room = free - files
	if a.room < a.descriptors() {
		return fmt.Errorf("%d open files are too few to serve anybody; allow %d or more (ulimit -n)", a.files, own+a.reserved+files+a.descriptors())
	}
	a.most = a.mostConns(a.Config, a.upstreams.Load())
	a.Server.MaxConns = a.fitting(a.Config, true)
	return nil
}

// mostConns is how many connections there are descriptors for, beside those to the servers behind
// this one.
func (a *App) mostConns(cfg *config.Config, up *upstreams) int {
	all := a.room / a.descriptors()
	return (all - forUpstreams(all, up, &cfg.Proxy)) * a.processes()
}

// fitting lowers -max-conns to what there are descriptors for, and its default to what there is
// memory for, and says so if that is news.
func (a *App) fitting(cfg *config.Config, news bool) int64 {
	wanted, why := &cfg.Limits.Conns, ""
	said, memory := *wanted, sysnet.Memory()
	if most := a.connsIn(memory); said == config.DefaultConns && 0 < most && most < said {
		*wanted, why = most, fmt.Sprintf("there are %d MiB of memory", memory>>20)
	}
	if *wanted > a.most {
		*wanted, why = a.most, fmt.Sprintf("%d files may be open in a process (RLIMIT_NOFILE)", a.files)
	}
	if news && why != "" && a.stage.Process <= 1 { // one of them says so
		a.Log.Info(fmt.Sprintf("max-conns lowered from %d to %d: %s", said, *wanted, why))
	}
	return int64(*wanted)
}

func (a *App) openSite() (err error) {
	dir, err := a.rootOf(a.Config)
	if err != nil {
		return err
	}
	if err = a.openRoot(dir); err != nil {
		return err
	}
	if a.stage.Process == 0 { // a worker is not to fail where the others serve
		if err = trySecrets(a.Config, dir); err != nil {
			return err
		}
	}
	c := a.siteConfig(a.Config)
	if a.stage.Revived {
		c.Missing = func(err error) {
			a.Log.Error("The site is served without something of its settings, until HUP finds it", "error", err)
		}
	}
	s, err := site.New(c)
	if err != nil {
		return unusableSite(err)
	}
	a.site.Store(s)
	return a.openUploads()
}

// rootOf is the folder to serve; the built-in site is unpacked if need be.
func (a *App) rootOf(cfg *config.Config) (dir string, err error) {
	if cfg.Root != "" {
		return cfg.Root, nil
	}
	if err = a.unpack(); err != nil {
		return "", fmt.Errorf("cannot unpack the built-in site: %w; give a folder with -root", err)
	}
	return a.Unpacked().Folder, nil
}

// siteConfig is what the site is told.
func (a *App) siteConfig(cfg *config.Config) site.Config {
	return site.Config{
		Root: a.folder.Root,
		Cache: filecache.Options{
			Bytes: a.cacheBytes(cfg.Limits.CacheSize),
			Item:  cfg.Limits.CacheItem,
			Open:  a.reservedFor(cachedFiles),

			PassedOver: a.passedOver,
		},
		Types:        cfg.Types,
		Shown:        cfg.Shown,
		Index:        cfg.Index,
		CleanURLs:    cfg.CleanURLs,
		App:          cfg.App,
		Chunked:      cfg.Chunked,
		Inline:       cfg.Inline,
		CacheControl: cfg.CacheControl,
		CacheRules:   cacheRules(cfg.CacheRules),
		List:         cfg.List,
		Redirects:    cfg.Redirects,
		CORS:         cfg.CORS,
		ErrorPages:   cfg.ErrorPages,
		Monitor:      cfg.Monitor,
		Probers:      cfg.Probers,
		Ending:       func() bool { return a.Stats.Stopping() },
		HTTPS:        a.redirects(),
		HTTPSPort:    uint16(a.Config.TLS.Port),
		Reports:      site.Reports{Health: a.health, Stats: a.stats, Metrics: a.metrics},
		Trouble:      a.trouble,
		Outside:      a.outside,
	}
}

func cacheRules(rules []config.CacheRule) (list []site.CacheRule) {
	for _, r := range rules {
		list = append(list, site.CacheRule(r))
	}
	return list
}

// unpack finds the built-in site where another process of the server has put it, or unpacks it.
func (a *App) unpack() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unpacked.Folder != "" {
		if err := a.unpacked.Hold(); err != nil { // then who has unpacked it holds it alone
			a.Log.Debug("The folder of the built-in site is not locked", "error", err)
		}
		return nil
	}
	if a.unpacked, err = site.Unpack(); err != nil {
		return err
	}
	if a.unpacked.Unused != nil {
		a.Log.Debug("Folders of earlier built-in sites were not removed", "error", a.unpacked.Unused)
	}
	if a.unpacked.Temporary {
		a.Log.Warn(fmt.Sprintf("The built-in site is in a folder that is removed at the end, with what is uploaded: %s", a.unpacked.Why))
	}
	return nil
}

// Unpacked is where the built-in site lies, if any process of the server has needed it. It is
// for the other processes, and for who removes it.
func (a *App) Unpacked() site.Unpacked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unpacked
}

// RemoveSite removes the built-in site, where it was unpacked for this run alone. Nothing serves it
// any more.
func (a *App) RemoveSite() {
	if err := a.Unpacked().Remove(); err != nil {
		a.Log.Warn("The folder of the built-in site was not removed", "error", err)
	}
}

// openUploads has uploads taken, if there is a place for them.
func (a *App) openUploads() error {
	processes := max(a.stage.Processes, 1)
	memory, err := a.memory(UploadsMemory, site.QuotaSize(processes))
	if err != nil {
		return err
	}
	u := uploadsOf(a.Config)
	u.Memory, u.Process = memory, a.stage.Process
	if processes > 1 {
		u.Alive = func(process int) bool { return a.Stats == nil || a.Stats.Process(process).State() != stats.Free }
	}
	if err := a.site.Load().OpenUploads(u); err != nil {
		return unusableUploads(err)
	}
	_, why := a.site.Load().TakesUploads()
	if errors.Is(why, unix.EMFILE) {
		return why
	}
	if why != nil && a.stage.Process == 0 {
		a.warnOfUploads(why)
	}
	return a.removeStale()
}

func uploadsOf(cfg *config.Config) site.Uploads {
	u := cfg.Uploads
	return site.Uploads{Off: u.Off, Folder: u.Folder, MaxBytes: u.MaxBytes, MaxFiles: u.MaxFiles}
}

func (a *App) warnOfUploads(why error) {
	a.Log.Warn(fmt.Sprintf("Uploads are refused: the folder uploads of the root cannot be used; name a folder with -uploads, or say -uploads off: %v", why))
}

// removeStale removes what a crash has left in the folder of uploads. Only without descriptors it
// is an error that this cannot be done: then nothing else can be, either.
func (a *App) removeStale() error {
	removed, err := a.site.Load().RemoveStale(time.Now())
	if errors.Is(err, unix.EMFILE) {
		return err
	}
	if removed > 0 {
		a.Log.Info("Removed what a crash had left of uploads", "files", removed)
	}
	if err != nil {
		a.Log.Warn("What a crash may have left of uploads was not removed", "error", err)
	}
	return nil
}

// listen finds the listening sockets among those that are open already, or opens them.
func (a *App) listen() error {
	sockets := 0
	if a.stage.Sockets != nil {
		sockets = a.stage.Sockets(a.Config)
	}
	for _, l := range a.wanted() {
		if sockets == 0 || l.Addr.Path != "" {
			if err := a.listenOn(&l); err != nil {
				return err
			}
			continue
		}
		for l.Set = range sockets {
			if err := a.listenOn(&l); err != nil {
				return err
			}
		}
	}
	a.boundUnsent()
	return nil
}

// wanted is the listeners of the configuration.
func (a *App) wanted() (list []Listener) {
	for _, want := range a.Config.Listen {
		list = append(list, listenerAt(want))
	}
	for _, want := range a.Config.TLS.Listen {
		l := listenerAt(want)
		l.TLS = true
		if a.secure != nil { // who only keeps sockets for others needs no more
			l.Open, l.Waits = a.secure.Opener(), a.secure.Busy
		}
		list = append(list, l)
	}
	for i := range a.Config.Relays {
		list = append(list, a.relayed(i))
	}
	for i := range list {
		a.proxied(&list[i])
	}
	return list
}

// listenerAt is a listener that is to be opened.
func listenerAt(want config.Address) Listener {
	addr := sysnet.Addr{IP: want.AddrPort, Path: want.Path}
	return Listener{Want: addr, Addr: addr, Set: Everybody, mode: want.Mode, group: want.Group}
}

// proxied has a listener's connections begin with a PROXY header, where that is asked for.
func (a *App) proxied(l *Listener) {
	l.Proxied = slices.ContainsFunc(a.Config.Proxied, func(want config.Address) bool {
		return l.Want == sysnet.Addr{IP: want.AddrPort, Path: want.Path}
	})
	if !l.Proxied {
		return
	}
	next := l.Open
	if next == nil {
		next = session.OpenPlain
	}
	l.Open = proxyproto.Opener(next)
}

// Resize makes the server one of so many workers, where each may have a socket of its own. It
// returns the sockets that are not needed any more, for the caller to close. Where it fails nothing
// has changed.
func (a *App) Resize(workers int) (dropped []Listener, err error) {
	before, cfg := a.Listeners, *a.Config
	cfg.Workers = workers
	next := &App{Config: &cfg, stage: a.stage, secure: a.secure, relays: a.relays}
	next.stage.Listeners = before
	if err := next.listen(); err != nil {
		CloseAll(Without(next.Listeners, before))
		return nil, err
	}
	a.Config, a.Listeners = &cfg, next.Listeners
	return Without(before, next.Listeners), nil
}

// Without is those of a list of listeners that are not among others.
func Without(list, others []Listener) (rest []Listener) {
	for _, l := range list {
		if !slices.ContainsFunc(others, func(o Listener) bool { return o.FD == l.FD }) {
			rest = append(rest, l)
		}
	}
	return rest
}

// CloseForGood closes sockets that nobody is to serve any more, and removes those names in the
// file system that were theirs.
func CloseForGood(list []Listener) {
	StopArrivals(list)
	CloseAll(list)
}

// CloseAll closes listeners.
func CloseAll(list []Listener) {
	for _, l := range list {
		unix.Close(l.FD)
	}
}

// listenOn adds one socket. It stores in l the port it got, which is that of the next
// socket of the same address.
func (a *App) listenOn(l *Listener) (err error) {
	if a.inherit(l) {
		a.Listeners = append(a.Listeners, *l)
		return shareFirst(l)
	}
	opt := a.optionsOf(l)
	if opt.Access, err = l.access(); err != nil {
		return fmt.Errorf("cannot listen on %v: %w", l.Addr, err)
	}
	fd, actual, err := sysnet.Listen(l.Addr, opt)
	if err != nil {
		return cannotListen(l.Addr, err)
	}
	l.FD, l.Addr = fd, actual
	if actual.Path != "" {
		l.Name = sysnet.NameOf(actual.Path)
	}
	a.Listeners = append(a.Listeners, *l)
	return shareFirst(l)
}

// optionsOf are those of a TCP listener.
func (a *App) optionsOf(l *Listener) sysnet.ListenOptions {
	opt := a.stage.Listen
	opt.SockBuf = a.Config.SockBuf
	opt.ReusePort = l.Set > 0
	opt.DeferAccept = opt.DeferAccept && l.Relay == nil // its client may wait for the target to speak first
	return opt
}

// cannotListen says why, and what to do.
func cannotListen(at sysnet.Addr, err error) error {
	switch {
	case errors.Is(err, sysnet.ErrInUse):
		return fmt.Errorf("cannot listen on %v: the address is in use; stop what uses it or give another -listen", at)
	case errors.Is(err, unix.EAFNOSUPPORT) && at.IP.Addr().Is6():
		return fmt.Errorf("cannot listen on %v: this system has no IPv6; give an address of IPv4, as -listen 0.0.0.0:%d", at, at.IP.Port())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %v: no interface of this machine has the address; give another -listen", at)
	case errors.Is(err, unix.EACCES) && at.Path == "" && at.IP.Port() < 1024:
		return fmt.Errorf("cannot listen on %v: such a port is for root (see -user) and for who has CAP_NET_BIND_SERVICE; give another -listen", at)
	}
	return fmt.Errorf("cannot listen on %v: %w; give another -listen", at, err)
}

// shareFirst lets others join the first of several sockets of an address. Only now: had it
// let them from the beginning, it would itself have joined whatever listens there already.
func shareFirst(l *Listener) error {
	if l.Set != 0 {
		return nil
	}
	if err := sysnet.ShareAddress(l.FD); err != nil {
		return fmt.Errorf("SO_REUSEPORT: %w; choose -accept shared", err)
	}
	return nil
}

// inherit finds a socket that is open already, each once. The only one of an address can
// become the first of several, and the first the only one: while it is open, no other may
// begin there.
func (a *App) inherit(l *Listener) bool {
	for _, have := range Without(a.stage.Listeners, a.Listeners) {
		if have.Want == l.Want && max(have.Set, 0) == max(l.Set, 0) {
			l.FD, l.Addr, l.Name = have.FD, have.Addr, have.Name
			return true
		}
	}
	return false
}

// assemble puts the sessions' common part together.
func (a *App) assemble() (err error) {
	if a.Stats, err = a.openStats(); err != nil {
		return err
	}
	a.beginStats()
	if a.stage.Memory != nil {
		if err = a.stage.Memory.makeLedgers(); err != nil {
			return err
		}
	}
	a.boundHeap()
	if a.limits, err = a.memory(ClientsMemory, limiter.Size(a.Config.Clients.Entries)); err != nil {
		return err
	}
	if a.relays != nil || len(a.Config.Proxy.Rules) > 0 {
		if err = a.openSpill(); err != nil {
			return err
		}
	}
	if err = a.openUpstreams(); err != nil {
		return err
	}
	a.Server, a.gate, err = a.newServer(a.Config, a.site.Load(), a.upstreams.Load())
	return err
}

// newServer is what sessions go by under some settings. Nothing goes by it yet.
func (a *App) newServer(cfg *config.Config, s *site.Site, up *upstreams) (srv *session.Server, gate *auth.Gate, err error) {
	l := cfg.Limits
	srv = &session.Server{
		HTTP: http1.Config{
			Limits:    http1.Limits{RequestLine: l.RequestLine, Head: l.Head, Fields: l.Fields, Body: l.Body, Requests: l.Requests},
			KeepAlive: int(l.IdleTimeout.Seconds()),
			Extra:     fieldLines(chosen(cfg.Headers, forAll)),
			Secured:   fieldLines(chosen(cfg.Headers, forHTTPS)),
		},
		Timing: session.Timing{
			Head:    clock.Time(l.HeadTimeout),
			Idle:    clock.Time(l.IdleTimeout),
			MinRate: l.MinRate,
		},
		Hosts:    guard.NewHosts(cfg.Hosts, localAddrs(a.Listeners)),
		Stats:    a.Stats,
		Process:  a.stage.Process,
		Handler:  s,
		Prober:   s,
		Observer: a.observer(cfg),
		MaxConns: int64(l.Conns), // see fitConns
		Trusted:  cfg.Clients.TrustedProxies,

		TrustUnix:  cfg.Clients.TrustUnix,
		MaxRefused: int64(a.reservedFor(session.MaxRefused)),
	}
	if a.tls.certs != nil {
		srv.Misdirected = a.tls.certs.Misdirected
	}
	if srv.Limiter, err = a.newLimiter(cfg.Clients); err != nil {
		return nil, nil, err
	}
	open := func(x *session.Exchange) bool { return s.Open(x, false) }
	if up != nil {
		h := a.passingOn(cfg, s, up)
		srv.Handler, open = h, h.Open
	}
	if cfg.Auth == "" {
		return srv, nil, nil
	}
	if gate, err = auth.New(cfg.Auth); err != nil {
		return nil, nil, err
	}
	gate.Next, gate.Open, gate.Burst = srv.Handler, open, cfg.Clients.Burst
	srv.Handler = gate
	return srv, gate, nil
}

// observer writes into the logs that some settings ask for.
func (a *App) observer(cfg *config.Config) session.Observer {
	o := observer{log: a.Log, hidden: new(atomic.Int64)}
	if cfg.Log.Access != "" {
		o.access = a.access.Load()
	}
	return o
}

// memory is a region that is shared, or this process's own.
func (a *App) memory(name string, size int) ([]byte, error) {
	if a.stage.Memory != nil {
		return a.stage.Memory.Get(name, size)
	}
	words := make([]uint64, (size+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8), nil
}

func (a *App) openStats() (*stats.Region, error) {
	l := stats.Layout{Processes: max(a.stage.Processes, 1), Slots: a.stage.Slots(a.Config)}
	mem, err := a.memory(StatsMemory, stats.Size(l))
	if err != nil {
		return nil, err
	}
	return stats.Open(mem, l)
}

// newLimiter is a view of the table that goes by some settings.
func (a *App) newLimiter(c config.Clients) (*limiter.Table, error) {
	return limiter.New(a.limits, limiter.Config{
		Key:        randomWords(),
		IPv6Prefix: c.IPv6Prefix,
		MaxConns:   c.MaxConns,
		Rate:       c.Rate,
		Burst:      c.Burst,
		LeastBurst: page,
		BanAfter:   c.BanAfter,
		Ban:        int64(c.Ban),
		Exempt:     c.Exempt,
	})
}

func randomWords() (w [2]uint64) {
	var b [16]byte
	rand.Read(b[:]) // never fails, says its documentation
	return [2]uint64{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}

// forHTTPS reports whether a field must not be said to who has come by plain HTTP (RFC 6797 7.2).
func forHTTPS(h config.Header) bool { return strings.EqualFold(h.Name, "Strict-Transport-Security") }

func forAll(h config.Header) bool { return !forHTTPS(h) }

// chosen is those of a list that are so.
func chosen(headers []config.Header, are func(config.Header) bool) (list []config.Header) {
	for _, h := range headers {
		if are(h) {
			list = append(list, h)
		}
	}
	return list
}

// fieldLines renders the fields that -header adds, once for all answers.
func fieldLines(headers []config.Header) (b []byte) {
	for _, h := range headers {
		b = append(b, h.Name+": "+h.Value+"\r\n"...)
	}
	return b
}

// interfaceAddrs is the machine's own addresses, none where the system does not say.
func interfaceAddrs() (ips []netip.Addr) {
	addrs, _ := net.InterfaceAddrs()
	for _, addr := range addrs {
		if p, err := netip.ParsePrefix(addr.String()); err == nil {
			ips = append(ips, p.Addr().WithZone(""))
		}
	}
	return ips
}
