package site

// OPTIONS: which methods a path allows (RFC 9110 9.3.7), and what is open to everybody.
//
// Nothing here is kept, and nothing waits. What must not be done: an answer about a report must not
// be marked for other origins, for those who may see it.

import (
	"bytes"

	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/syntax"
)

// Methods that are allowed (RFC 9110 10.2.1).
const (
	allowFiles    = "GET, HEAD, OPTIONS"
	allowUploads  = "POST, OPTIONS"
	allowAnywhere = "GET, HEAD, POST, OPTIONS"
)

func (s *Site) allowed(path []byte) string {
	switch {
	case !s.store.hasUploads():
		return allowFiles
	case string(path) == uploadRoute:
		return allowUploads
	case string(path) == "*":
		return allowAnywhere
	}
	return allowFiles
}

// options answers which methods a path allows, or, for "*", the server (RFC 9110 9.3.7).
func (s *Site) options(x *session.Exchange) {
	methods := s.allowed(x.Path())
	if s.reports(string(x.Path())) && s.monitors(x) { // which no other origin may read
		h := x.Begin(204, 0)
		h.Field("Allow", methods)
		h.End()
		x.Finish()
		return
	}
	h := s.begin(x, 204, 0)
	h.Field("Allow", methods)
	s.cors.preflight(h, x.Request(), methods)
	h.End()
	x.Finish()
}

// acmeFolder is where a certificate authority looks for its token (RFC 8555 8.3), without a
// password.
var acmeFolder = []byte("/.well-known/acme-challenge/")

// Open reports whether a request needs no password where others do: it is to come by https first;
// it is the question before one of another origin, which has neither a password nor a body (Fetch,
// "CORS-preflight fetch"), and is not passed on, as many a server answers it like a GET; it asks
// for a report that its client may see; or a certificate authority looks for its token. That may be
// passed on, and becomes neither a tunnel nor another request where it arrives: by that, whoever
// has no password could ask for anything.
func (s *Site) Open(x *session.Exchange, passedOn bool) bool {
	r := x.Request()
	switch {
	case s.elsewhere(x):
		return true
	case r.Method == http1.OPTIONS:
		return !passedOn && r.Has(http1.Origin) && r.Has(http1.ACRequestMethod) && only(r)
	case r.Method == http1.GET || r.Method == http1.HEAD:
		return isToken(x.Path(), r.Query) && only(r) || s.reports(string(x.Path())) && s.monitors(x)
	}
	return false
}

// isToken reports whether a target is that of a token: one name of letters, digits, "-" and "_"
// (RFC 8555 8.3). To an upstream that decodes once more than it should, anything else could be
// another place, and to one that has a script answer for all that is no file, so could a query.
func isToken(path, query []byte) bool {
	token, below := bytes.CutPrefix(path, acmeFolder)
	for _, c := range token {
		below = below && (syntax.CharClass[c]&syntax.Alphanumeric != 0 || c == '-' || c == '_')
	}
	return below && len(token) > 0 && len(query) == 0
}

// only reports whether a request asks for no more than its method and its target say: it has no
// body, does not ask for another protocol (RFC 9110 7.8), and has no field by which frameworks take
// it for one of another method, as X-HTTP-Method-Override.
func only(r *http1.Request) bool {
	if r.HasBody() || r.HasOption("upgrade") {
		return false
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; f.ID != http1.ACRequestMethod && bytes.Contains(bytes.ToLower(f.Name), []byte("method")) {
			return false
		}
	}
	return true
}
