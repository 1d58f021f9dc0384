package app

// The listening sockets: opened, found among those that are open already, and given up.
//
// The App opens them, and the driver closes them. What must not be done: a socket that listens
// already must not be opened again, since closing the old one resets the connections in its
// backlog. It is taken over.

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/config"
	"fourways/shared/proxyproto"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Listener is a listening socket. It does not block.
type Listener struct {
	FD   int
	Want sysnet.Addr // as it was asked for
	Addr sysnet.Addr // with the port it really has
	Set  int         // which of the several sockets of its address it is
	Name sysnet.Name // a Unix socket's, by which its path is known to be still its own
	TLS  bool        // its connections begin with a handshake
	// Proxied says that they begin with a PROXY header, in front of all else.
	Proxied bool
	Relay   *config.Relay  // where its connections are passed on to; nil for ours
	Open    session.Opener `json:"-"` // what its connections begin as; nil for plain HTTP
	mode    uint32         // of a Unix socket that is made, 0 as the umask says
	group   string         // of such a one, empty for the process's

	// Waits reports that no more of its connections are to be accepted for now; nil for never.
	Waits func() bool `json:"-"`
}

// ListenersOf are the listeners of the i-th accepting thread, which closes them: one of its own for
// each address, or the one that all share. Of a shared one, all threads but the first get a
// duplicate: the socket exists until the last of them is closed.
func (a *App) ListenersOf(i int) (list []Listener, err error) {
	for _, l := range a.Listeners {
		switch {
		case l.Set == Everybody && i > 0:
			if l.FD, err = sysnet.Duplicate(l.FD); err != nil {
				return nil, fmt.Errorf("cannot duplicate a listener: %w", err)
			}
		case l.Set != Everybody && l.Set != i:
			continue
		}
		list = append(list, l)
	}
	return list, nil
}

// Everybody is the Set of a socket that is its address's only one.
const Everybody = -1

// url is the listener's address as a browser wants it. A browser cannot speak to one that is for a
// proxy.
func (l *Listener) url() (url string) {
	switch {
	case l.Addr.Path != "":
		url = l.Addr.String()
	case l.TLS:
		url = "https://" + l.Addr.IP.String()
	default:
		url = "http://" + l.Addr.IP.String()
	}
	if l.Proxied {
		url += " (PROXY protocol)"
	}
	return url
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
		return fmt.Errorf("cannot listen on %v: %w: such a port is for root (see -user) and for who has CAP_NET_BIND_SERVICE; give another -listen", at, err)
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
