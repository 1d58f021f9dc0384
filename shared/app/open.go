package app

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"unsafe"

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
	a.Log = logging.New(a.lines, cfg.Log.Level, cfg.Log.JSON).With(logging.WorkerKey, "main")
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

// close lets go of what open took, in the other order.
func (a *App) close() {
	for _, l := range a.Listeners {
		if l.Addr.Path != "" {
			os.Remove(l.Addr.Path)
		}
	}
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

// fitConns lowers -max-conns to what the limit of open descriptors leaves.
func (a *App) fitConns() {
	limit, err := sysnet.RaiseFileLimit()
	if err != nil {
		a.Log.Warn("Limit of open files not raised", "error", err)
	}
	files := int(min(limit, 1<<30))
	room := max(files-min(reservedFiles, files/4), 1)
	if a.Config.Limits.Conns > room {
		a.Log.Info(fmt.Sprintf("max-conns lowered from %d to %d: %d files may be open (RLIMIT_NOFILE)", a.Config.Limits.Conns, room, limit))
		a.Config.Limits.Conns = room
	}
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
		Health:       a.health,
		Trouble:      a.trouble,
	})
	if err != nil {
		return fmt.Errorf("cannot set up the site: %w; mend or leave out -error-page", err)
	}
	return nil
}

// listen opens the listening sockets, all or none.
func (a *App) listen() error {
	sockets := 1
	if a.stage.Sockets != nil {
		sockets = a.stage.Sockets(a.Config)
	}
	for _, want := range a.Config.Listen {
		addr := sysnet.Addr{IP: want.AddrPort, Path: want.Path}
		if sockets == 1 || addr.Path != "" {
			if err := a.listenOn(&addr, everybody); err != nil {
				return err
			}
			continue
		}
		for i := range sockets {
			if err := a.listenOn(&addr, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// listenOn opens one socket, and stores in addr the port it got.
func (a *App) listenOn(addr *sysnet.Addr, set int) error {
	opt := a.stage.Listen
	opt.SockBuf = a.Config.SockBuf
	opt.ReusePort = set > 0
	fd, actual, err := sysnet.Listen(*addr, opt)
	if errors.Is(err, sysnet.ErrInUse) {
		return fmt.Errorf("cannot listen on %v: the address is in use; stop what uses it or give another -listen", addr)
	}
	if err != nil {
		return fmt.Errorf("cannot listen on %v: %w; give another -listen", addr, err)
	}
	if set == 0 {
		// Only now may others join it: had it let them from the beginning, it would itself
		// have joined whatever listens there already.
		if err := sysnet.ShareAddress(fd); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w; choose -accept shared", err)
		}
	}
	a.Listeners = append(a.Listeners, Listener{FD: fd, Addr: actual, Set: set})
	*addr = actual
	return nil
}

// assemble puts the sessions' common part together.
func (a *App) assemble() (err error) {
	cfg := a.Config
	l := cfg.Limits
	a.Stats = stats.New(a.stage.Slots(cfg))
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
		Handler:  a.site,
		Observer: observer{log: a.Log, access: a.access},
		MaxConns: int64(l.Conns),
		Trusted:  cfg.Clients.TrustedProxies,
	}
	a.Server.Limiter, err = newLimiter(cfg.Clients)
	return err
}

func newLimiter(c config.Clients) (*limiter.Table, error) {
	words := make([]uint64, (limiter.Size(c.Entries)+7)/8)
	region := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
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
