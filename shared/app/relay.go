package app

// The relays of a process: where they lead, whom they must not lead to, and what is told of them.
//
// Names are looked up once before anything is served, which waits a moment, and then by a goroutine
// for each target, until the App is closed. What must not be done: a target that is not found must
// not keep the server from starting. It is a dependency like any other, and may come later.

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/figures"
	"fourways/shared/relay"
	"fourways/shared/resolve"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// relays is what relayed connections share.
type relays struct {
	servers []*relay.Server // in the order of the configuration
	ctx     context.Context // of what follows names
	cancel  context.CancelFunc
	follow  sync.WaitGroup
}

func (r *relays) close() {
	r.cancel()
	r.follow.Wait()
}

// openRelays finds the targets.
func (a *App) openRelays() {
	if len(a.Config.Relays) == 0 {
		return
	}
	opt := &a.Config.Relay
	ctx, cancel := context.WithCancel(context.Background())
	a.relays = &relays{ctx: ctx, cancel: cancel}
	first, done := context.WithTimeout(ctx, resolve.FirstLook)
	defer done()
	for i := range a.Config.Relays {
		t := target(&a.Config.Relays[i])
		if err := t.Look(first); err != nil {
			t.Know(a.stage.Known[t.String()])
			a.notFound(t, err)
		}
		a.relays.servers = append(a.relays.servers, &relay.Server{
			Target: t, Announce: opt.Announce, Rate: opt.Rate,
			ConnectTimeout: clock.Time(opt.ConnectTimeout), Timeout: clock.Time(opt.TunnelTimeout),
			Log: func(format string, args ...any) { a.Log.Warn(fmt.Sprintf(format, args...)) },
		})
	}
}

// known is where the names of targets led last, for whoever takes this process's place or goes by
// other settings, perhaps while no name server answers. The names of upstreams stand in the region
// that all processes share.
func (a *App) known() map[string][]sysnet.Addr {
	if a.relays == nil {
		return nil
	}
	list := map[string][]sysnet.Addr{}
	for _, s := range a.relays.servers {
		if s.Target.Named() {
			list[s.Target.String()] = s.Target.Addrs()
		}
	}
	return list
}

// relayed is the listener of a relay.
func (a *App) relayed(i int) Listener {
	want := &a.Config.Relays[i]
	l := listenerAt(want.Listen)
	l.Relay = want
	if a.relays != nil { // who only keeps sockets for others needs no more
		l.Open = a.relays.servers[i].Opener()
	}
	return l
}

func (a *App) notFound(t *resolve.Target, err error) {
	a.Log.Warn(fmt.Sprintf("The target %v of a relay is not found: %v", t, err))
}

// checkRelays refuses a relay that leads to one of the server's own listeners: it might lead on to
// itself. A name may not come to lead there later either.
func (a *App) checkRelays() error {
	if a.relays == nil {
		return nil
	}
	for _, s := range a.relays.servers {
		t, listeners := s.Target, a.Listeners
		t.Avoid = func(to sysnet.Addr) error {
			i := slices.IndexFunc(listeners, func(l Listener) bool { return leadsTo(to, l) })
			if i < 0 {
				return nil
			}
			return fmt.Errorf("%v leads to the server itself, which listens on %v", t, listeners[i].Addr)
		}
		for _, to := range t.Addrs() {
			if err := t.Avoid(to); err != nil {
				return fmt.Errorf("-relay: %w; give another target", err)
			}
		}
		if t.Named() {
			a.relays.follow.Go(func() { t.Follow(a.relays.ctx, func(err error) { a.notFound(t, err) }) })
		}
	}
	return nil
}

// leadsTo reports whether whoever connects to an address comes to a listener.
func leadsTo(to sysnet.Addr, l Listener) bool {
	if to.Path != "" {
		return l.Addr.Path != "" && sysnet.NameOf(to.Path) == sysnet.NameOf(l.Addr.Path)
	}
	if l.Addr.Path != "" || to.IP.Port() != l.Addr.IP.Port() {
		return false
	}
	ip, at := to.IP.Addr(), l.Addr.IP.Addr()
	switch {
	case ip == at:
		return true
	case at.IsUnspecified():
		return ip.IsLoopback() || ip.IsUnspecified() || slices.Contains(interfaceAddrs(), ip)
	}
	return ip.IsUnspecified() && at.IsLoopback() // connect(2) takes it for this machine
}

// descriptors is how many a connection takes, at most.
func (a *App) descriptors() int {
	if len(a.Config.Relays) > 0 {
		return 2
	}
	return 1
}

// tellRelays says on the log what is passed on, and where to.
func (a *App) tellRelays() {
	for _, l := range a.Listeners {
		if l.Relay != nil && l.Set <= 0 {
			note := ""
			if l.Proxied {
				note = " (PROXY protocol)"
			}
			a.Log.Info(fmt.Sprintf("Relaying %v%s to %v", l.Addr, note, target(l.Relay)))
		}
	}
}

// target is where a relay leads.
func target(r *config.Relay) *resolve.Target {
	return &resolve.Target{Host: r.Host, Port: r.Port, Path: r.Path}
}

// ofRelays tells of relayed connections. How often a target was not reached is among the errors.
func (a *App) ofRelays(l *figures.List) {
	if len(a.Config.Relays) == 0 {
		return
	}
	s := a.Stats
	l.Add(
		figures.Row{JSON: "relay.active", Name: "fourways_relayed_connections", Help: "Connections that are passed on as they are.", Value: s.Relays()},
		figures.Row{JSON: "relay.connections", Name: "fourways_relayed_connections_total", Help: "Connections that are passed on to a target, or were to be.", Kind: figures.Counter, Value: s.Total(stats.Relayed)},
		figures.Row{JSON: "relay.bytes.up", Long: true, Name: "fourways_relayed_bytes_total", Help: "Bytes passed on, by who has sent them.", Kind: figures.Counter, Unit: figures.Bytes, Labels: []string{"from", "client"}, Value: s.Total(stats.RelayedUp)},
		figures.Row{JSON: "relay.bytes.down", Long: true, Name: "fourways_relayed_bytes_total", Kind: figures.Counter, Unit: figures.Bytes, Labels: []string{"from", "target"}, Value: s.Total(stats.RelayedDown)},
	)
}
