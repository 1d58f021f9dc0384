package app

// What stands between a configuration and a driver: what is opened, in which order, the regions
// that processes share, and the Server that is put together of it all.
//
// The goroutine that starts the process calls open, before anything is served. The App owns what it
// opens, and Close gives it back, also after an error halfway. The listeners are the exception: the
// driver closes them.

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"unsafe"

	"fourways/shared/auth"
	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// page is how many requests a web page may take at once, pictures and all. Where the rate
// is lowered, that many are let through all the same.
const page = 100

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
