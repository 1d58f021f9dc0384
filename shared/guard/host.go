package guard

// Which Host fields this server answers to.
//
// The set is made at the start and does not change, so all threads use it without a lock. What must
// not be done: a host must not match by its end or by a pattern, since a foreign name could be made
// to match. Every name is brought to one spelling and then looked up whole.

import (
	"net/netip"
	"strconv"

	"fourways/shared/fault"
	"fourways/shared/syntax"
)

// Hosts is the set of names under which this server answers (RFC 9110 7.2). If the name of another
// site is made to resolve to this machine, its pages send that name as Host. Refusing such names
// stops DNS rebinding.
type Hosts struct {
	any   bool
	known map[string]struct{} // "name" and "name:port", in lower case
}

// maxHost is the length of the longest Host that is looked up, in bytes: a domain name has at most
// 253 (RFC 1035 2.3.4), a port six more with its colon.
const maxHost = 260

// AnyHost, among the names given to NewHosts, lets any well-formed Host pass.
const AnyHost = "*"

// NewHosts makes the set from further names and from the addresses listened on. localhost,
// 127.0.0.1, [::1] and the listening addresses are always in it. A name with a port is known with
// that port only; one without is known with each listening port, and with none.
func NewHosts(names []string, local []netip.AddrPort) *Hosts {
	h := &Hosts{known: make(map[string]struct{})}
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		h.add(name, local)
	}
	for _, addr := range local {
		if addr.IsValid() {
			h.add(hostOf(addr.Addr()), local)
		}
	}
	for _, name := range names {
		if name == AnyHost {
			h.any = true
			continue
		}
		h.add(name, local)
	}
	return h
}

func (h *Hosts) add(name string, local []netip.AddrPort) {
	host, port, ok := syntax.SplitHost([]byte(name))
	if !ok {
		return // it can match no well-formed Host
	}
	if port != syntax.NoPort {
		h.known[string(appendHost(nil, host, port))] = struct{}{}
		return
	}
	h.known[string(appendHost(nil, host, syntax.NoPort))] = struct{}{}
	for _, addr := range local {
		h.known[string(appendHost(nil, host, int(addr.Port())))] = struct{}{}
	}
}

// hostOf is an address as a Host field has it: an IPv6 one in brackets, without
// its zone, and an IPv4 one that came mapped into IPv6 as itself.
func hostOf(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return "[" + addr.String() + "]"
}

// Addressee is the server that a request is addressed to, as its head names it.
type Addressee struct {
	Host      []byte // the value of the last Host field
	Hosts     int    // Host fields
	Absolute  bool   // the target is in absolute-form (RFC 9112 3.2.2)
	Authority []byte // of such a target
	Minor     uint8  // of the HTTP version
}

// Check refuses a request that is not addressed to this server, or not properly (RFC 9112 3.2). The
// Host field must be there, once and well formed, even where an absolute-form target overrides it;
// only HTTP/1.0 may leave it out.
func (h *Hosts) Check(to Addressee) fault.Fault {
	host := to.Host
	switch {
	case to.Hosts > 1:
		return fault.Of(fault.RepeatedHost)
	case to.Hosts == 0 && to.Minor >= 1:
		return fault.Of(fault.MissingHost)
	}
	if to.Absolute {
		if to.Hosts == 1 {
			if _, _, ok := syntax.SplitHost(host); !ok {
				return fault.Of(fault.BadHost)
			}
		}
		host = to.Authority
	} else if to.Hosts == 0 {
		return fault.Fault{}
	}
	return h.lookup(host)
}

func (h *Hosts) lookup(host []byte) fault.Fault {
	if _, ok := h.known[string(host)]; ok { // as nearly every client writes it
		return fault.Fault{}
	}
	name, port, ok := syntax.SplitHost(host)
	if !ok {
		return fault.Of(fault.BadHost)
	}
	if h.any {
		return fault.Fault{}
	}
	var buf [maxHost]byte
	if len(host) <= len(buf) {
		if _, ok := h.known[string(appendHost(buf[:0], name, port))]; ok {
			return fault.Fault{}
		}
	}
	return fault.Of(fault.ForeignHost)
}

// Reached reports whether the request is addressed to the very address that its connection came in
// on. A listener at 0.0.0.0 or [::] also serves addresses that an interface got after the start
// (DHCP, a VPN), and a foreign name cannot be equal to one.
func (h *Hosts) Reached(to Addressee, local netip.AddrPort) bool {
	host := to.Host
	if to.Absolute {
		host = to.Authority
	}
	name, port, ok := syntax.SplitHost(host)
	if !ok || !local.IsValid() || port != syntax.NoPort && port != int(local.Port()) {
		return false
	}
	var buf [maxHost]byte
	return len(host) <= len(buf) && string(appendHost(buf[:0], name, syntax.NoPort)) == hostOf(local.Addr())
}

// appendHost appends a host in the one spelling that the set is kept in: in lower case, and
// without the dot at its end, which only says that the name is whole (RFC 1034 3.1).
func appendHost(b, name []byte, port int) []byte {
	if name[0] == '[' {
		addr, _ := netip.ParseAddr(string(name[1 : len(name)-1]))
		b = append(b, '[')
		b = addr.AppendTo(b)
		b = append(b, ']')
	} else {
		if last := len(name) - 1; last > 0 && name[last] == '.' && name[last-1] != '.' {
			name = name[:last]
		}
		for _, c := range name {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
	}
	if port == syntax.NoPort {
		return b
	}
	return strconv.AppendInt(append(b, ':'), int64(port), 10)
}
