package app

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fourways/shared/accesslog"
	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

const (
	// cachedFiles is how many large files stay open for the next request.
	cachedFiles = 128
	// reservedFiles is how many descriptors are kept for other things than connections that
	// are served: those that are being turned away, open files, logs, listeners, pipes.
	// Where there are few in all, it is a quarter.
	reservedFiles = session.MaxRefused + cachedFiles + 128
)

// open readies everything a driver needs. Each error says what to do about it.
func (a *App) open() (err error) {
	cfg := a.Config
	if a.logFile, err = logging.Open(cfg.Log.File); err != nil {
		return fmt.Errorf("cannot open the log: %w; give another -log-file", err)
	}
	a.lines = logging.NewQueue(a.logFile)
	a.Log = logging.New(a.lines, cfg.Log.Level, cfg.Log.JSON).With(logging.WorkerKey, a.Name())
	if cfg.Log.Access != "" {
		if a.access, err = accesslog.Open(cfg.Log.Access, cfg.Log.AccessJSON); err != nil {
			return fmt.Errorf("cannot open the access log: %w; give another -access-log", err)
		}
	}
	a.seed = randomWords()[0]
	a.fitConns()
	if cfg.LockMemory {
		if err := sysnet.LockMemory(); err != nil {
			a.Log.Warn("Memory not locked: raise RLIMIT_MEMLOCK or leave out -mlock", "error", err)
		}
	}
	if err = a.openSite(); err != nil {
		return err
	}
	if err = a.listen(); err != nil {
		return err
	}
	return a.assemble()
}

// RemoveSockets removes the names of the Unix sockets, when nobody listens there any more.
func (a *App) RemoveSockets() {
	for _, l := range a.Listeners {
		if l.Addr.Path != "" {
			os.Remove(l.Addr.Path)
		}
	}
}

// Close lets go of what Open took, in the other order, but for the listeners.
func (a *App) Close() {
	if a.site != nil {
		a.site.Close()
	}
	if a.folder != nil {
		a.folder.Close()
	}
	if a.access != nil {
		a.access.Close()
	}
	if a.logFile != nil {
		a.lines.Close()
		a.logFile.Close()
	}
}

// fitConns lowers -max-conns to what the limit of open descriptors leaves: to each
// process, where workers are processes.
func (a *App) fitConns() {
	limit, err := sysnet.RaiseFileLimit()
	if err != nil {
		a.Log.Warn("Limit of open files not raised", "error", err)
	}
	files := int(min(limit, 1<<30))
	a.room = max(files-min(reservedFiles, files/4), 1)
	all := a.room
	if a.stage.Processes > 1 {
		all *= a.Config.Workers
	}
	if a.Config.Limits.Conns > all {
		if a.stage.Process == 0 {
			a.Log.Info(fmt.Sprintf("max-conns lowered from %d to %d: %d files may be open in a process (RLIMIT_NOFILE)", a.Config.Limits.Conns, all, limit))
		}
		a.Config.Limits.Conns = all
	}
	a.descriptors = min(files, a.Config.Limits.Conns+reservedFiles)
}

func (a *App) openSite() (err error) {
	cfg := a.Config
	if a.root = cfg.Root; a.root == "" {
		if a.root, err = site.Unpack(); err != nil {
			return fmt.Errorf("cannot unpack the built-in site: %w; give a folder with -root", err)
		}
	}
	if a.folder, err = sysnet.OpenRoot(a.root); err != nil {
		return fmt.Errorf("cannot serve %q: %w; give a readable folder with -root", a.root, err)
	}
	a.site, err = site.New(site.Config{
		Root: a.folder,
		Cache: filecache.Options{
			Bytes: cfg.Limits.CacheSize,
			Item:  cfg.Limits.CacheItem,
			Open:  cachedFiles,
		},
		Types:        cfg.Types,
		Chunked:      cfg.Chunked,
		Inline:       cfg.Inline,
		CacheControl: cfg.CacheControl,
		CORS:         cfg.CORS,
		ErrorPages:   cfg.ErrorPages,
		Monitor:      cfg.Monitor,
		Reports:      site.Reports{Health: a.health, Stats: a.stats, Metrics: a.metrics},
		Trouble:      a.trouble,
	})
	if err != nil {
		return fmt.Errorf("cannot set up the site: %w; mend or leave out -error-page", err)
	}
	a.removeStale()
	return nil
}

// removeStale removes what a crash has left in the folder of uploads.
func (a *App) removeStale() {
	removed, err := a.site.RemoveStale(time.Now())
	if removed > 0 {
		a.Log.Info("Removed what a crash had left of uploads", "files", removed)
	}
	if err != nil {
		a.Log.Warn("What a crash may have left of uploads was not removed", "error", err)
	}
}

// listen finds the listening sockets among those that are open already, or opens them.
func (a *App) listen() error {
	sockets := 0
	if a.stage.Sockets != nil {
		sockets = a.stage.Sockets(a.Config)
	}
	for _, want := range a.Config.Listen {
		addr := sysnet.Addr{IP: want.AddrPort, Path: want.Path}
		l := Listener{Want: addr, Addr: addr, Set: Everybody}
		if a.inherit(&l) {
			a.Listeners = append(a.Listeners, l)
			continue
		}
		if sockets == 0 || addr.Path != "" {
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
	return nil
}

// Resize makes the server one of so many workers, where each may have a socket of its own.
// It returns the sockets that nobody wants any more, for the caller to close. Where it
// fails nothing has changed.
func (a *App) Resize(workers int) (dropped []Listener, err error) {
	before, cfg := a.Listeners, *a.Config
	cfg.Workers = workers
	next := &App{Config: &cfg, stage: a.stage}
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

// CloseAll closes listeners.
func CloseAll(list []Listener) {
	for _, l := range list {
		unix.Close(l.FD)
	}
}

// listenOn adds one socket. It stores in l the port it got, which is that of the next
// socket of the same address.
func (a *App) listenOn(l *Listener) error {
	if a.inherit(l) {
		a.Listeners = append(a.Listeners, *l)
		return nil
	}
	opt := a.stage.Listen
	opt.SockBuf = a.Config.SockBuf
	opt.ReusePort = l.Set > 0
	fd, actual, err := sysnet.Listen(l.Addr, opt)
	if errors.Is(err, sysnet.ErrInUse) {
		return fmt.Errorf("cannot listen on %v: the address is in use; stop what uses it or give another -listen", l.Addr)
	}
	if err != nil {
		return fmt.Errorf("cannot listen on %v: %w; give another -listen", l.Addr, err)
	}
	if l.Set == 0 {
		// Only now may others join it: had it let them from the beginning, it would itself
		// have joined whatever listens there already.
		if err := sysnet.ShareAddress(fd); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w; choose -accept shared", err)
		}
	}
	l.FD, l.Addr = fd, actual
	a.Listeners = append(a.Listeners, *l)
	return nil
}

// inherit finds a socket that is open already, each once.
func (a *App) inherit(l *Listener) bool {
	for _, have := range Without(a.stage.Listeners, a.Listeners) {
		if have.Want == l.Want && have.Set == l.Set {
			l.FD, l.Addr = have.FD, have.Addr
			return true
		}
	}
	return false
}

// assemble puts the sessions' common part together.
func (a *App) assemble() (err error) {
	cfg := a.Config
	l := cfg.Limits
	if a.Stats, err = a.openStats(); err != nil {
		return err
	}
	a.beginStats()
	a.Server = &session.Server{
		HTTP: http1.Config{
			Limits:    http1.Limits{RequestLine: l.RequestLine, Head: l.Head, Fields: l.Fields, Body: l.Body, Requests: l.Requests},
			KeepAlive: int(l.IdleTimeout.Seconds()),
			Extra:     fieldLines(cfg.Headers),
		},
		Timing: session.Timing{
			Head:    clock.Time(l.HeadTimeout),
			Idle:    clock.Time(l.IdleTimeout),
			MinRate: l.MinRate,
		},
		Hosts:    guard.NewHosts(cfg.Hosts, localAddrs(a.Listeners)),
		Stats:    a.Stats,
		Process:  a.stage.Process,
		Handler:  a.site,
		Observer: observer{log: a.Log, access: a.access},
		MaxConns: int64(l.Conns),
		Trusted:  cfg.Clients.TrustedProxies,

		TrustUnix: cfg.Clients.TrustUnix,
	}
	a.Server.Limiter, err = a.openLimiter(cfg.Clients)
	return err
}

// Names of the regions that the processes of a server share.
const (
	StatsMemory   = "stats"
	ClientsMemory = "clients"
)

// memory is a region that is shared, or this process's own.
func (a *App) memory(name string, size int) ([]byte, error) {
	if a.stage.Memory != nil {
		return a.stage.Memory(name, size)
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

func (a *App) openLimiter(c config.Clients) (*limiter.Table, error) {
	region, err := a.memory(ClientsMemory, limiter.Size(c.Entries))
	if err != nil {
		return nil, err
	}
	return limiter.New(region, limiter.Config{
		Key:        randomWords(),
		IPv6Prefix: c.IPv6Prefix,
		MaxConns:   c.MaxConns,
		Rate:       c.Rate,
		Burst:      c.Burst,
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
