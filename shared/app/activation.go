package app

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

// ActivationEnv is the environment that a service manager announces sockets in (sd_listen_fds(3)).
// It is meant for one process.
var ActivationEnv = []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// firstActivated is the number of the first socket (SD_LISTEN_FDS_START).
const firstActivated = 3

// Activate has the stage listen at the sockets that the process was started with, if there are any.
// They take the place of those that the configuration names.
func (s *Stage) Activate() (err error) {
	s.Listeners, err = activatedListeners()
	s.Activated = len(s.Listeners) > 0
	return err
}

func activatedListeners() (listeners []Listener, err error) {
	defer func() {
		for _, name := range ActivationEnv {
			os.Unsetenv(name)
		}
	}()
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number; see sd_listen_fds(3)", os.Getenv("LISTEN_FDS"))
	}
	for i := range n { // whatever is said: the first that is no socket ends it
		fd := firstActivated + i
		unix.CloseOnExec(fd)
		addr, err := sysnet.Adopt(fd)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d of LISTEN_FDS: %w", fd, err)
		}
		listeners = append(listeners, Listener{FD: fd, Want: addr, Addr: addr, Set: Everybody})
	}
	return listeners, nil
}

// useActivated makes the configuration want just the sockets that a service manager has opened,
// which are the stage's Listeners. At which of them it wants TLS, or PROXY headers, is found by
// their ports or paths.
func (s *Stage) useActivated(cfg *config.Config) error {
	s.Sockets = nil
	listeners := s.Listeners
	for i := range listeners {
		listeners[i].TLS, listeners[i].Proxied, listeners[i].Relay = false, false, nil
	}
	for _, want := range cfg.TLS.Listen {
		if err := activated(listeners, "tls-listen", want, func(l *Listener) { l.TLS = true }); err != nil {
			return err
		}
	}
	for i, want := range cfg.Relays {
		if err := activated(listeners, "relay", want.Listen, func(l *Listener) { l.Relay = &cfg.Relays[i] }); err != nil {
			return err
		}
	}
	for _, want := range cfg.Proxied {
		if err := activated(listeners, "proxy-protocol", want, func(l *Listener) { l.Proxied = true }); err != nil {
			return err
		}
	}
	wantOnly(cfg, listeners)
	return nil
}

// activated does something with each of the sockets that a flag names by an address. That is the
// one with just this address. Where there is none, or the address stands for all of the machine, it
// is all of the same port: one for IPv4 and one for IPv6, perhaps.
func activated(listeners []Listener, flag string, want config.Address, do func(*Listener)) error {
	named := func(l Listener) bool { return l.Addr.Path == want.Path && l.Addr.IP.Port() == want.AddrPort.Port() }
	same := func(l Listener) bool { return l.Addr.Path == want.Path && l.Addr.IP == want.AddrPort }
	if slices.ContainsFunc(listeners, same) && !want.AddrPort.Addr().IsUnspecified() {
		named = same
	}
	if !slices.ContainsFunc(listeners, named) {
		return fmt.Errorf("-%s: %v is none of the sockets that systemd has opened; add it to the socket unit, or leave it out", flag, want)
	}
	for i := range listeners {
		if named(listeners[i]) {
			do(&listeners[i])
		}
	}
	return nil
}

// wantOnly makes the configuration want just these sockets, for plain HTTP, TLS or relays, with
// PROXY headers or without.
func wantOnly(cfg *config.Config, listeners []Listener) {
	cfg.Listen, cfg.TLS.Listen, cfg.Proxied, cfg.Relays = nil, nil, nil, nil
	for _, l := range listeners {
		want := config.Address{AddrPort: l.Want.IP, Path: l.Want.Path}
		switch {
		case l.Relay != nil:
			to := *l.Relay
			to.Listen = want
			cfg.Relays = append(cfg.Relays, to)
		case l.TLS:
			cfg.TLS.Listen = append(cfg.TLS.Listen, want)
		default:
			cfg.Listen = append(cfg.Listen, want)
		}
		if l.Proxied {
			cfg.Proxied = append(cfg.Proxied, want)
		}
	}
}
