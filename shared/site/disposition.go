package site

// What a file is sent as: its type, the name of a download, and the field lines that all of its
// answers have in common.
//
// describe runs once for each entry, before any other thread can see it. What must not be done: a
// file's name must not reach a field line without being quoted or encoded.

import (
	"strings"

	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
)

var htmlFields = []byte("Content-Type: " + htmlType + "\r\n" + noSniff)

// describe sets, once for all answers, how a file is sent: a page under its own type, and anything
// else as a download (RFC 6266), unless it is to be shown.
func (s *Site) describe(e *filecache.Entry) {
	kind := kindOf(e.Path())
	var b []byte
	switch {
	case kind == htmlType:
		b = append(b, noSniff...)
	case guard.WellKnown([]byte(e.Path())):
		kind = typeOf["txt"]
		b = append(b, noSniff...)
	case s.shows(e.Path()):
		b = append(b, noSniff...)
	default:
		kind = anyType
		b = appendDisposition(append(b, "Content-Disposition: "...), e.Path()[strings.LastIndexByte(e.Path(), '/')+1:])
		b = append(b, "\r\n"...)
	}
	e.Type = []byte(kind)
	if e.Coding != filecache.Identity {
		b = append(b, "Content-Encoding: "+e.Coding.String()+"\r\n"...)
	}
	e.Fields = append(b, "Accept-Ranges: bytes\r\n"...)

	v := append(append([]byte("ETag: "), e.ETag...), "\r\n"...)
	if e.LastModified != nil {
		v = append(append(append(v, "Last-Modified: "...), e.LastModified...), "\r\n"...)
	}
	if value := s.cacheControl(e.Path()); value != "" {
		v = append(v, "Cache-Control: "+value+"\r\n"...)
	}
	if e.Varies {
		v = append(v, varyCoding...)
	}
	if e.Path() == string(s.app) { // elsewhere than under its own name it is for some only
		v = append(v, varyAccept...)
	}
	e.Validators = v
	whole := http1.Prepare(200, e.Size, s.cors.always, []byte("Content-Type: "+kind+"\r\n"), e.Fields, e.Validators)
	e.Whole = &whole
}

// cacheControl is a file's value of Cache-Control, empty for none.
func (s *Site) cacheControl(path string) string {
	for _, r := range s.cfg.CacheRules {
		if matches(r.Pattern, "/"+path) {
			return r.Value
		}
	}
	return s.cfg.CacheControl
}

// matches reports whether a path is like a pattern, in which * stands for any text, slashes
// included. A pattern without a slash in front is for the last segment, the file's name.
func matches(pattern, path string) bool {
	if !strings.HasPrefix(pattern, "/") {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return path == pattern
	}
	rest, ok := strings.CutPrefix(path, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part) // the earliest leaves most for the others
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, last)
}

// shows reports whether a file is shown under its own type, and is no download.
func (s *Site) shows(path string) bool {
	return s.cfg.Inline || s.shown.Allows(guard.Extension([]byte(path)))
}

// appendDisposition names a download. The name is a quoted string; one that is not
// plain ASCII, or has a percent sign, which some clients would decode, is also there in
// the extended form (RFC 8187), and clients prefer that. The name has no control
// characters.
func appendDisposition(b []byte, name string) []byte {
	b = append(b, `attachment; filename="`...)
	plain := true
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r > '~' || r == '%':
			b = append(b, '_')
			plain = false
		default:
			b = append(b, byte(r))
		}
	}
	b = append(b, '"')
	if plain {
		return b
	}
	b = append(b, "; filename*=UTF-8''"...)
	return appendEscaped(b, name, attrChar)
}

// Characters that need no percent-encoding, in addition to letters and digits.
const (
	attrChar = "!#$&+-.^_`|~"       // of an extended parameter (RFC 8187 3.2.1)
	pathChar = "-._~!$&'()*+,;=:@/" // of a path (RFC 3986 3.3)

	unreserved = "-._~" // of any part of a URI (RFC 3986 2.3)
)

// appendPath appends a decoded path in the form of a URI.
func appendPath(b, path []byte) []byte { return appendEscaped(b, string(path), pathChar) }

func appendEscaped(b []byte, text, plain string) []byte {
	for i := range len(text) {
		c := text[i]
		if '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(plain, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

const upperHex = "0123456789ABCDEF"
