package site

import "fourways/shared/session"

// Methods that are allowed (RFC 9110 section 10.2.1).
const (
	allowFiles    = "GET, HEAD, OPTIONS"
	allowUploads  = "POST, OPTIONS"
	allowAnywhere = "GET, HEAD, POST, OPTIONS"
)

func allowed(path []byte) string {
	switch string(path) {
	case uploadRoute:
		return allowUploads
	case "*":
		return allowAnywhere
	}
	return allowFiles
}

// preflight is what a browser asks for before it lets a script of another origin send
// what a form could not (Fetch, section "CORS-preflight request").
const preflight = "Access-Control-Allow-Methods: " + allowAnywhere + "\r\n" +
	"Access-Control-Allow-Headers: Content-Type, Range, If-Match, If-None-Match, If-Modified-Since, If-Range\r\n" +
	"Access-Control-Max-Age: 600\r\n"

// options says what can be done with a path, or, for "*", with the server (RFC 9110
// section 9.3.7).
func (s *Site) options(x *session.Exchange) {
	h := s.begin(x, 204, 0)
	h.Field("Allow", allowed(x.Path()))
	if len(s.cors) > 0 {
		h.Raw([]byte(preflight))
	}
	h.End()
	x.Finish()
}
