package session

import (
	"net/netip"

	"fourways/shared/http1"
)

// know settles once what lists of addresses say of the peer: it is the same for all the
// requests of its connection.
func (s *Session) know(peer netip.Addr) {
	srv := s.loc.Server
	s.proxy = srv.trusts(peer)
	s.exempt = srv.Limiter != nil && srv.Limiter.Exempt(peer)
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

// client is the address the request came from. X-Forwarded-For grows to the right,
// each proxy appending whom it heard from; so the last address that is not a
// trusted proxy's is the client's, and what stands left of it anybody can have
// made up. Where the field makes no sense the peer itself is the client.
func (s *Session) client(x *Exchange) netip.Addr {
	peer := x.client
	if !s.proxy {
		return peer
	}
	client := peer
	for value := range x.Request().All(http1.XForwardedFor) {
		for item := range http1.ListItems(value) {
			a, err := netip.ParseAddr(string(item))
			if err != nil {
				client = peer
			} else if a = a.Unmap().WithZone(""); !s.loc.Server.trusts(a) {
				client = a
			}
		}
	}
	return client
}
