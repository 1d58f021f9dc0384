// Package resolve finds where the servers are to which this one connects. A name is looked up at
// the start and every so often, apart from the threads that serve: a container that was replaced
// has another address, and one that begins later than we do has none at first. What is known goes
// on to be used while no name server answers.
//
// A [Target] may be used by all threads; its fields are set before that. What must not be done:
// nobody who serves waits for a name.
package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"fourways/shared/sysnet"
)

// FirstLook is how long a start waits for name servers. After that the server starts all the same.
const FirstLook = 2 * time.Second

const (
	lookEvery = 30 * time.Second
	lookSoon  = time.Second // while no address is known, so that nobody can be connected to
	lookTime  = 10 * time.Second
)

// Target is a server: a host and port, or a Unix socket.
type Target struct {
	Host string // a name or an address; empty for a Unix socket
	Port uint16
	Path string // of a Unix socket

	// Avoid says why an address may not be used, if it may not; nil for no reason ever.
	Avoid func(sysnet.Addr) error
	// LookUp asks for the addresses of a name; nil for the system's resolver.
	LookUp func(ctx context.Context, host string) ([]netip.Addr, error)

	addrs   atomic.Pointer[[]sysnet.Addr]
	failing atomic.Bool // the last look has failed
}

func (t *Target) String() string {
	if t.Path != "" {
		return "unix:" + t.Path
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Addrs is the target's addresses as they are known, the first to be tried first.
func (t *Target) Addrs() []sysnet.Addr {
	if p := t.addrs.Load(); p != nil {
		return *p
	}
	return nil
}

// Know notes where the target is.
func (t *Target) Know(addrs []sysnet.Addr) {
	if !slices.Equal(t.Addrs(), addrs) {
		t.addrs.Store(&addrs)
	}
}

// Named reports whether the target is named, so that it can move.
func (t *Target) Named() bool {
	_, err := netip.ParseAddr(t.Host)
	return t.Path == "" && err != nil
}

// Look finds the target's addresses. It waits for a name server, if it needs one. Where that fails,
// what is known stays.
func (t *Target) Look(ctx context.Context) error {
	addrs, err := t.find(ctx)
	if t.failing.Store(err != nil); err != nil {
		return err
	}
	t.Know(addrs)
	return nil
}

func (t *Target) find(ctx context.Context) (addrs []sysnet.Addr, err error) {
	if t.Path != "" {
		return []sysnet.Addr{{Path: t.Path}}, nil
	}
	ips, err := t.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		to := sysnet.Addr{IP: netip.AddrPortFrom(ip.Unmap(), t.Port)}
		if t.Avoid != nil {
			if err := t.Avoid(to); err != nil {
				return nil, err
			}
		}
		addrs = append(addrs, to)
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", t.Host)
	}
	return addrs, nil
}

// lookUp asks the system's resolver, or who stands in for it. An address needs no question.
func (t *Target) lookUp(ctx context.Context) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(t.Host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if t.LookUp != nil {
		return t.LookUp(ctx, t.Host)
	}
	return System(ctx, t.Host)
}

// System asks the system's resolver for the addresses of a name.
func System(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// Follow looks again and again, until the context ends. report is told of the first of several
// failures, unless Look has failed before.
func (t *Target) Follow(ctx context.Context, report func(error)) {
	for {
		wait := lookEvery
		if len(t.Addrs()) == 0 {
			wait = lookSoon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		known := t.failing.Load()
		if err := t.Look(ctx); err != nil && !known && ctx.Err() == nil {
			report(err)
		}
	}
}
