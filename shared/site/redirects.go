package site

// Redirects of the administrator's (-redirects): where what has moved is now.
//
// The file has a line for each: FROM TO [STATUS]. FROM is a path, decoded, or one with /* at its
// end for all that is below it; TO is a path or an http or https URL, as it goes into Location, and
// may end with /:splat, which stands for what * has stood for. STATUS is 301 if it is left out.
//
// What was read does not change, and all threads use it without a lock. What must not be done: no
// part of a request may get into the host of a Location, or anybody could be sent anywhere by a
// link to this site. So :splat stands at the end, after a slash, and what is put there is a path
// that has passed the guard.

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"fourways/shared/guard"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	maxRedirects    = 1 << 20   // bytes of the file
	permanently     = "301"     // where a line has no status
	below           = "/*"      // at the end of FROM
	splat           = "/:splat" // at the end of TO
	splatWord       = ":splat"
	commentSign     = "#"
	redirectedWords = 3 // of a line at most
)

var redirectPage = []byte("<!doctype html><title>Moved</title><p>This page is elsewhere.\n")

// redirects is what a file of them says.
type redirects struct {
	text  []byte // the file
	exact map[string]redirect
	below map[string]redirect // by the folder's path without its slash; "" for all
}

type redirect struct {
	status int
	target string
	splat  bool // what is below the folder goes behind the target
	query  bool // the query is kept, as the target has none
}

// readRedirects reads the file, if one is named.
func (s *Site) readRedirects() error {
	if s.cfg.Redirects == "" {
		return nil
	}
	text, _, err := sysnet.ReadSmall(s.cfg.Redirects, maxRedirects)
	if err != nil {
		return fmt.Errorf("-redirects: %w", err)
	}
	r, err := parseRedirects(text)
	if err != nil {
		return fmt.Errorf("-redirects %q%w", s.cfg.Redirects, err)
	}
	s.redirects.Store(r)
	return nil
}

// RedirectsText is what was in the file when it was read last; it reports false where none was.
func (s *Site) RedirectsText() ([]byte, bool) {
	if r := s.redirects.Load(); r != nil {
		return r.text, true
	}
	return nil, false
}

// parseRedirects reads lines. Its errors begin with the line's number.
func parseRedirects(text []byte) (*redirects, error) {
	r := &redirects{text: text, exact: map[string]redirect{}, below: map[string]redirect{}}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		words := strings.Fields(string(line))
		if len(words) == 0 || strings.HasPrefix(words[0], commentSign) {
			continue
		}
		if err := r.add(words); err != nil {
			return nil, fmt.Errorf(":%d: %w", number, err)
		}
	}
	return r, nil
}

var (
	errRedirectWords  = errors.New("give FROM TO, or FROM TO STATUS")
	errRedirectStatus = errors.New("give a status of 301, 302, 303, 307 or 308")
	errRedirectFrom   = errors.New("FROM is no path that a request can have; give one as /old, or /old/* for all below it, decoded and without a query")
	errRedirectTo     = errors.New("TO is neither a path nor a URL; give one as /new or https://example.org/new, with /:splat at its end for what * has stood for")
	errRedirectLoop   = errors.New("TO leads to FROM again")
	errRedirectTwice  = errors.New("FROM stands there twice")
)

func (r *redirects) add(words []string) error {
	if len(words) < 2 || len(words) > redirectedWords {
		return errRedirectWords
	}
	from, to, status := words[0], redirect{target: words[1]}, permanently
	if len(words) == redirectedWords {
		status = words[2]
	}
	switch status {
	case "301", "302", "303", "307", "308":
		to.status, _ = strconv.Atoi(status)
	default:
		return errRedirectStatus
	}
	folder, all := strings.CutSuffix(from, below)
	if !possible(folder, all) || pattern(folder) {
		return errRedirectFrom
	}
	if to.target, to.splat = strings.CutSuffix(to.target, splat); to.splat {
		to.target += "/"
	}
	to.query = !strings.ContainsAny(to.target, "?#")
	if !goodTarget(to.target) || to.splat && (!all || !to.query) || strings.Contains(to.target, splatWord) {
		return errRedirectTo
	}
	place := r.exact
	if all {
		place = r.below
	}
	if _, twice := place[folder]; twice {
		return errRedirectTwice
	}
	if at := here(to.target); at == folder || all && strings.HasPrefix(at, folder+"/") {
		return errRedirectLoop
	}
	place[folder] = to
	return nil
}

// pattern reports whether what is meant as a path looks like more than one, or like one that is
// still encoded. Taken as it is it would fit nothing, and nobody would see why.
func pattern(path string) bool {
	for i := range len(path) {
		if path[i] == '*' || path[i] == '?' || path[i] == '%' && len(path)-i > 2 && isHex(path[i+1]) && isHex(path[i+2]) {
			return true
		}
	}
	return false
}

// here is the path of this site that a target leads to, as a browser asks for it and we decode it;
// empty where it leads elsewhere.
func here(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host != "" {
		return ""
	}
	at := path.Clean(u.Path)
	if strings.HasSuffix(u.Path, "/") && at != "/" {
		at += "/"
	}
	return at
}

// possible reports whether a path can be that of a request once it is decoded; that of a folder has
// no slash at its end.
func possible(path string, folder bool) bool {
	if folder {
		path += "/"
	}
	if path == "" || !utf8.ValidString(path) {
		return false
	}
	got, f := guard.Path(nil, appendPath(nil, []byte(path)))
	return f.OK() && string(got) == path
}

// goodTarget reports whether a text can be the value of Location: a path of this site, or a URL.
// With two slashes in front it would be another host's name.
func goodTarget(to string) bool {
	if strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^`+"`{|}", r) }) {
		return false
	}
	u, err := url.Parse(to)
	if err != nil {
		return false
	}
	if strings.HasPrefix(to, "/") {
		return !strings.HasPrefix(to, "//")
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(to) > len(u.Scheme+"://"+u.Host)
}

// find looks a path up: itself, and then the folders that it is in, the deepest first. rest is
// what is behind the folder and its slash.
func (r *redirects) find(path []byte) (to redirect, rest []byte, ok bool) {
	if to, ok = r.exact[string(path)]; ok {
		return to, nil, true
	}
	if len(r.below) == 0 {
		return to, nil, false
	}
	for end := bytes.LastIndexByte(path, '/'); end >= 0; end = bytes.LastIndexByte(path[:end], '/') {
		if to, ok = r.below[string(path[:end])]; ok {
			return to, path[end+1:], true
		}
	}
	return to, nil, false
}

// redirected answers a request for what has moved. It reports whether it has.
func (s *Site) redirected(x *session.Exchange) bool {
	r := s.redirects.Load()
	if r == nil {
		return false
	}
	to, rest, ok := r.find(x.Path())
	if !ok {
		return false
	}
	h := s.begin(x, to.status, int64(len(redirectPage)))
	b := append(h.Open("Location"), to.target...)
	if to.splat {
		b = appendPath(b, rest)
	}
	if query := x.Request().Query; to.query && len(query) > 0 {
		b = append(append(b, '?'), query...)
	}
	h.Close(b)
	h.Raw(htmlFields)
	h.End()
	x.Write(redirectPage)
	x.Finish()
	return true
}
