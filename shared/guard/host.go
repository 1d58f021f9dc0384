package guard

import (
	"net/netip"
	"strconv"

	"fourways/shared/http1"
)

// Hosts is the set of names under which this server answers (RFC 9110 section
// 7.2). A page elsewhere whose name was made to resolve to this machine sends its
// own name as Host: refusing that stops DNS rebinding.
type Hosts struct {
	any   bool
	known map[string]struct{} // "name" and "name:port", in lower case
}

// maxHost is the length of the longest Host that is looked up, in bytes: a domain
// name has at most 253 (RFC 1035 section 2.3.4), a port six more with its colon.
const maxHost = 260

// AnyHost, among the names given to NewHosts, lets any well-formed Host pass.
const AnyHost = "*"

// NewHosts makes the set from further names, each with a port, which is then the
// only one, or without; and from the addresses listened on. localhost, 127.0.0.1,
// [::1] and the listening addresses themselves are always in it. A name without a
// port is known with each listening port, and with none.
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
	host, port, ok := http1.SplitHost([]byte(name))
	if !ok {
		return // it can match no well-formed Host
	}
	if port != http1.NoPort {
		h.known[string(appendHost(nil, host, port))] = struct{}{}
		return
	}
	h.known[string(appendHost(nil, host, http1.NoPort))] = struct{}{}
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

// Check finds what is wrong with whom the request is addressed to (RFC 9112
// section 3.2). The Host field must be there, once and well formed, even where an
// absolute-form target overrides it; only HTTP/1.0 may leave it out.
func (h *Hosts) Check(r *http1.Request) http1.Fault {
	host, lines := hostField(r)
	switch {
	case lines > 1:
		return http1.Fault{Status: 400, Reason: http1.RepeatedHost}
	case lines == 0 && r.Minor >= 1:
		return http1.Fault{Status: 400, Reason: http1.MissingHost}
	}
	if r.Form == http1.AbsoluteForm {
		if lines == 1 {
			if _, _, ok := http1.SplitHost(host); !ok {
				return http1.Fault{Status: 400, Reason: http1.BadHost}
			}
		}
		host = r.Authority
	} else if lines == 0 {
		return http1.Fault{}
	}
	return h.lookup(host)
}

// hostField is the last Host field and how many there are.
func hostField(r *http1.Request) (host []byte, lines int) {
	for i := range r.Fields {
		if r.Fields[i].ID == http1.Host {
			host = r.Fields[i].Value
			lines++
		}
	}
	return host, lines
}

func (h *Hosts) lookup(host []byte) http1.Fault {
	if _, ok := h.known[string(host)]; ok { // as nearly every client writes it
		return http1.Fault{}
	}
	name, port, ok := http1.SplitHost(host)
	if !ok {
		return http1.Fault{Status: 400, Reason: http1.BadHost}
	}
	if h.any {
		return http1.Fault{}
	}
	var buf [maxHost]byte
	if len(host) <= len(buf) {
		if _, ok := h.known[string(appendHost(buf[:0], name, port))]; ok {
			return http1.Fault{}
		}
	}
	return http1.Fault{Status: 403, Reason: http1.ForeignHost}
}

// appendHost appends a host in the one spelling that the set is kept in.
func appendHost(b, name []byte, port int) []byte {
	if name[0] == '[' {
		addr, _ := netip.ParseAddr(string(name[1 : len(name)-1]))
		b = append(b, '[')
		b = addr.AppendTo(b)
		b = append(b, ']')
	} else {
		for _, c := range name {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
	}
	if port == http1.NoPort {
		return b
	}
	return strconv.AppendInt(append(b, ':'), int64(port), 10)
}
