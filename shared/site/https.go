package site

// Sending clients of plain HTTP to the same place by https.
//
// It runs on the thread that serves, and reads nothing but the request. What must not be done: the
// host goes into Location only after it has passed the checks, or a client could be sent to any
// server.

import (
	"strconv"

	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// httpsPort is the usual one of https, which is left out (RFC 9110 4.2.2).
const httpsPort = 443

var httpsPage = []byte("<!doctype html><title>Moved</title><p>This server is to be asked by https.\n")

// elsewhere reports whether a client of plain HTTP is to be sent to the same place by https. One
// that has asked a proxy by https is not: it would come back by the same way, for ever. OPTIONS *
// is about the server, and not about a place. Probes do not come here: whoever supervises the
// server asks by plain HTTP, and is answered.
func (s *Site) elsewhere(x *session.Exchange) bool {
	return s.cfg.HTTPS != nil && x.Security().Version == 0 && string(x.Path()) != "*" && !x.CameByHTTPS()
}

// redirectToHTTPS answers with 308 (RFC 9110 15.4.9): the client is to send the same request there,
// its method and body included. The host has passed the checks; path and query are as they came,
// and have no byte that could end the field.
func (s *Site) redirectToHTTPS(x *session.Exchange) {
	r := x.Request()
	h := s.begin(x, 308, int64(len(httpsPage)))
	b := appendHost(append(h.Open("Location"), "https://"...), x)
	if port := s.cfg.HTTPS(); port != httpsPort {
		b = strconv.AppendUint(append(b, ':'), uint64(port), 10)
	}
	b = append(b, r.Path...)
	if len(r.Query) > 0 {
		b = append(append(b, '?'), r.Query...)
	}
	h.Close(b)
	h.Raw(htmlFields)
	h.End()
	x.Write(httpsPage)
	x.Finish()
}

// refuseWrongPort answers a request by plain HTTP that came to a port of TLS: as text, which a
// person at a terminal can read as well, and says where to ask.
func (s *Site) refuseWrongPort(x *session.Exchange) {
	b := appendHost([]byte("This port speaks HTTPS, and the request came by plain HTTP. Ask here: https://"), x)
	port := s.cfg.HTTPSPort
	if port == 0 {
		port = x.Local().Port()
	}
	if port != httpsPort && port != 0 {
		b = strconv.AppendUint(append(b, ':'), uint64(port), 10)
	}
	b = append(b, "/\n"...)
	h := s.begin(x, 400, int64(len(b)))
	h.Field("Content-Type", "text/plain; charset=utf-8")
	h.Raw([]byte(noSniff))
	h.End()
	x.Write(b)
	x.Finish()
}

// appendHost appends the host that the client has asked for; for one of HTTP/1.0 that names none,
// the address that it has connected to.
func appendHost(b []byte, x *session.Exchange) []byte {
	r := x.Request()
	authority := r.Authority
	if r.Form != http1.AbsoluteForm {
		authority = r.Get(http1.Host)
	}
	if host, _, ok := syntax.SplitHost(authority); ok {
		return append(b, host...)
	}
	switch ip := x.Local().Addr().Unmap().WithZone(""); {
	case !ip.IsValid(): // it came by a Unix socket
		return append(b, "localhost"...)
	case ip.Is4():
		return ip.AppendTo(b)
	default:
		return append(ip.AppendTo(append(b, '[')), ']')
	}
}
