package site

// Pages by other names than their files': clean URLs, and the one page of an application that finds
// its way by itself (a single-page application).
//
// What must not be done: the page of the application must not stand for everything that is missing.
// A script or an interface that gets a page with status 200 instead of a 404 fails somewhere else,
// and nobody sees why.

import (
	"bytes"
	"fmt"

	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/syntax"
	"fourways/shared/sysnet"
)

// htmlExtension is what a clean URL leaves out.
const htmlExtension = ".html"

// varyAccept says that who asks for something else than a page may get another answer.
const varyAccept = "Vary: Accept\r\n"

// clean reports whether a path may be that of a page without its extension. What looks like one may
// be part of the name, as in /v1.2, if it is not that of a file that is served.
func (s *Site) clean(path []byte) bool {
	return s.cfg.CleanURLs && path[len(path)-1] != '/' && !s.types.Allows(guard.Extension(path)) && !guard.WellKnown(path)
}

// missing answers for a path that leads to nothing: with the application's page where somebody goes
// there, and with the fault otherwise.
func (s *Site) missing(x *session.Exchange, f fault.Fault) {
	if f.Reason != fault.NotFound || !s.goesToApp(x) {
		x.Fail(f)
		return
	}
	now := x.Clock().Now()
	if e, ok := s.cache.Lookup(s.app, now); ok {
		s.negotiate(x, e)
		return
	}
	var e *filecache.Entry
	var err error
	a := acceptanceOf(x.Request())
	x.Park(offload.Lookup, func() { e, err = s.load(string(s.app), a, now) }, func() {
		if err != nil {
			s.fail(x, err)
			return
		}
		s.send(x, e)
	})
}

// goesToApp reports whether a request for what is not there is for the application: it is that of a
// browser whose user goes somewhere, and its path has no extension, as a missing script's has.
// What is well known is asked for in order to know whether it is there (RFC 8615).
func (s *Site) goesToApp(x *session.Exchange) bool {
	path := x.Path()
	return s.app != nil && len(guard.Extension(path)) == 0 && !guard.WellKnown(path) && namesHTML(x.Request())
}

// namesHTML reports whether Accept names HTML, as it does where a browser goes to a page. Scripts
// and pictures take everything, or name what they want.
func namesHTML(r *http1.Request) bool {
	for value := range r.All(http1.Accept) {
		for item := range syntax.ListItems(value) {
			name, params, _ := bytes.Cut(item, []byte(";"))
			if syntax.EqualFold(syntax.TrimOWS(name), "text/html") && weight(params) > 0 {
				return true
			}
		}
	}
	return false
}

// findApp looks whether the application's page is there.
func (s *Site) findApp() error {
	if s.app == nil {
		return nil
	}
	var st sysnet.Stat
	fd, err := s.cfg.Root.Open(s.app, &st)
	if err == nil {
		sysnet.CloseFile(fd)
		if st.Folder {
			err = filecache.ErrFolder
		}
	}
	if err != nil {
		return fmt.Errorf("-spa %q: %w", s.cfg.App, err)
	}
	return nil
}
