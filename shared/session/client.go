package session

// Who the client is: the peer, or the client that a trusted proxy names. The peer is judged once
// for each connection, and again where the settings have changed; the client for each request.
//
// What must not be done: X-Forwarded-For and Forwarded count only if the peer is a trusted proxy,
// since anybody can write them. Where such a proxy names nobody, its own address must not stand in:
// the proxy would answer for all its clients, and they would have its rights.

import (
	"bytes"
	"net/netip"

	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/syntax"
)

// lookUpPeer looks the peer up in the lists of addresses: the result is the same for all requests
// of its connection by the same settings.
func (s *Session) lookUpPeer(peer netip.Addr) {
	srv := s.thread.Server
	s.proxy = s.marks&Unnamed == 0 && srv.trusts(peer)
	s.marks &^= exempt
	if srv.Limiter != nil && srv.Limiter.Exempt(peer) {
		s.marks |= exempt
	}
}

// addressee is the server that a request is addressed to.
func addressee(r *http1.Request) guard.Addressee {
	to := guard.Addressee{Absolute: r.Form == http1.AbsoluteForm, Authority: r.Authority, Minor: r.Minor}
	for i := range r.Fields {
		if r.Fields[i].ID == http1.Host {
			to.Host = r.Fields[i].Value
			to.Hosts++
		}
	}
	return to
}

// reached reports whether a Host that is not a configured name is the address that the peer has
// connected to: an interface may have got that address after the start.
func (s *Session) reached(f fault.Fault, to guard.Addressee) bool {
	ask := s.thread.Reached
	return f.Reason == fault.ForeignHost && ask != nil && s.thread.Server.Hosts.Reached(to, ask(int(s.handle)))
}

// misdirected reports whether the connection cannot speak for the place that the request is for
// (RFC 9110 7.4): one of https is asked for by a connection that nobody has secured, or by one that
// was secured for another name. What comes through a trusted proxy has come to that one first, and
// many a proxy asks for no name, or sends on one connection what is for several.
func (s *Session) misdirected(x *Exchange, to guard.Addressee) bool {
	r, asked := x.Request(), s.thread.Server.Misdirected
	if x.Security().Version == 0 {
		return r.ForHTTPS() && !s.proxy && s.marks&ByTLS == 0
	}
	if asked == nil || s.proxy {
		return false
	}
	host := to.Host
	if to.Absolute {
		host = to.Authority
	}
	name, _, ok := syntax.SplitHost(host)
	return ok && asked(s.layer.Security.ServerName, name)
}

// Local is the address that the peer has connected to; invalid for a Unix socket's. The kernel is
// asked for it.
func (x *Exchange) Local() netip.AddrPort {
	if x.thread.Reached == nil {
		return netip.AddrPort{}
	}
	return x.thread.Reached(int(x.s.handle))
}

// trusts reports whether a is a proxy's address; the invalid one is a Unix socket's peer.
func (srv *Server) trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return srv.TrustUnix
	}
	a = a.Unmap()
	for _, p := range srv.Trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// identifyClient finds out who the client is. X-Forwarded-For grows to the right: each proxy
// appends the address of its own peer. So the last address that is not a trusted proxy's is the
// client's, and anybody can have made up what stands left of it. Where all are proxies' the first
// is the client. Where there is no address in that place, the client is unknown. It is not the
// proxy: then all clients of the proxy would share its rate and have its rights.
//
// Forwarded (RFC 7239) is read where there is no X-Forwarded-For: a proxy that writes one of the
// two passes the other on as the client sent it.
func (s *Session) identifyClient(x *Exchange) {
	if !s.proxy {
		return
	}
	r, n := x.Request(), naming{x: x, srv: s.thread.Server}
	if r.Has(http1.XForwardedFor) {
		for value := range r.All(http1.XForwardedFor) {
			for item := range syntax.ListItems(value) {
				n.add(item)
			}
		}
	} else if r.Has(http1.Forwarded) {
		for value := range r.All(http1.Forwarded) {
			for node := range guard.ForwardedFor(value) {
				n.add(node)
			}
		}
	} else if !passedOn(r) {
		return // the proxy asks for itself
	}
	if !n.any {
		x.setUnknown()
	}
}

// naming is the state while a list of proxies is read.
type naming struct {
	x   *Exchange
	srv *Server
	any bool
}

func (n *naming) add(node []byte) {
	addr, ok := guard.Node(node)
	switch {
	case !ok:
		n.x.setUnknown()
	case !n.any || !n.srv.trusts(addr):
		n.x.client, n.x.unknown = addr, false
	case n.x.client.IsLoopback() && !addr.IsLoopback(): // of another proxy's machine
		n.x.setUnknown()
	}
	n.any = true
}

// IsHere reports whether an asker is on this machine: at a loopback address, or at a Unix socket. A
// loopback address that a proxy on another machine names is that machine's.
func (x *Exchange) IsHere(who netip.Addr) bool {
	if !who.IsValid() {
		return true
	}
	near := !x.s.addr.IsValid() || x.s.addr.Unmap().IsLoopback()
	return who.IsLoopback() && near && x.s.marks&Elsewhere == 0
}

// setUnknown makes the client unknown.
func (x *Exchange) setUnknown() { x.client, x.unknown = netip.Addr{}, true }

// Secured reports whether the client has come by https: to this server, or to a trusted proxy.
func (x *Exchange) Secured() bool { return x.Security().Version != 0 || x.CameByHTTPS() }

// CameByHTTPS reports whether a trusted proxy says that the client has asked it by https: one of
// connections by its header (the PROXY protocol), one of requests by a field, and then the first
// of the proxies where there are several, since that is the client's own. As with
// [Session.identifyClient] Forwarded counts only where there is no X-Forwarded-Proto.
func (x *Exchange) CameByHTTPS() bool {
	r := x.Request()
	switch {
	case x.s.marks&ByTLS != 0:
		return true
	case !x.s.proxy:
	case r.Has(http1.XForwardedProto):
		for proto := range syntax.ListItems(r.Get(http1.XForwardedProto)) {
			return syntax.EqualFold(proto, "https")
		}
	case r.Has(http1.Forwarded):
		for proto := range guard.ForwardedProto(r.Get(http1.Forwarded)) {
			return syntax.EqualFold(bytes.Trim(proto, `"`), "https")
		}
	}
	return false
}

// Asker is the address that decides whether a request may use a restricted route: the peer's, if
// the request was not forwarded, or that of the client that a trusted proxy names. It is unknown
// where a proxy that is not trusted forwards the request, or where a trusted one does not name the
// client, be it by a field or by its PROXY header. A known address that is not valid is that of a
// peer on a Unix socket.
func (x *Exchange) Asker() (who netip.Addr, known bool) {
	if !x.s.proxy && passedOn(x.Request()) {
		return netip.Addr{}, false
	}
	return x.client, !x.unknown && !x.Unnamed()
}

// passedOn reports whether a request has come through a proxy. One that names no client leaves
// other traces (RFC 9110 7.6.3; X-Real-IP is nginx's custom). A client that forges them only loses
// rights by it.
func passedOn(r *http1.Request) bool {
	return r.Has(http1.XForwardedFor) || r.Has(http1.Forwarded) || r.Has(http1.Via) || r.Has(http1.XRealIP)
}

// Unnamed reports whether a trusted proxy of connections speaks for somebody whom it does not name.
func (x *Exchange) Unnamed() bool { return x.s.marks&Unnamed != 0 }

// Trusts reports whether an address is that of a proxy that is trusted.
func (x *Exchange) Trusts(a netip.Addr) bool { return x.thread.Server.trusts(a) }
