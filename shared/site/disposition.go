package site

import (
	"bytes"
	"strings"

	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
)

var htmlFields = []byte("Content-Type: " + htmlType + "\r\n" + noSniff)

const (
	htmlType = "text/html; charset=utf-8"
	anyType  = "application/octet-stream"
	noSniff  = "X-Content-Type-Options: nosniff\r\n"
)

// typeOf is what files are under their own type. Others are application/octet-stream.
var typeOf = map[string]string{
	"html": htmlType,
	"htm":  htmlType,
	"txt":  "text/plain; charset=utf-8",
	"css":  "text/css; charset=utf-8",
	"csv":  "text/csv; charset=utf-8",
	"md":   "text/markdown; charset=utf-8",
	"js":   "text/javascript; charset=utf-8",
	"json": "application/json",
	"xml":  "application/xml",
	"pdf":  "application/pdf",
	"wasm": "application/wasm",
	"zip":  "application/zip",
	"png":  "image/png",
	"jpg":  "image/jpeg",
	"jpeg": "image/jpeg",
	"gif":  "image/gif",
	"svg":  "image/svg+xml",
	"webp": "image/webp",
	"ico":  "image/x-icon",
	"mp3":  "audio/mpeg",
	"mp4":  "video/mp4",
}

// describe says once for all answers what a file is: a page under its own type, and,
// unless files are to be shown, anything else as a download (RFC 6266).
func (s *Site) describe(e *filecache.Entry) {
	kind := kindOf(e.Path())
	var b []byte
	switch {
	case kind == htmlType:
		b = append(b, noSniff...)
	case !s.cfg.Inline:
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
	if s.cfg.CacheControl != "" {
		v = append(v, "Cache-Control: "+s.cfg.CacheControl+"\r\n"...)
	}
	if e.Varies {
		v = append(v, varyCoding...)
	}
	e.Validators = v
	e.Whole = http1.Prepare(200, e.Size, s.cors, []byte("Content-Type: "+kind+"\r\n"), e.Fields, e.Validators)
}

// kindOf is a file's own type, by its extension.
func kindOf(path string) string {
	if kind, ok := typeOf[string(bytes.ToLower(guard.Extension([]byte(path))))]; ok {
		return kind
	}
	return anyType
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

// Characters that need no percent-encoding, beside letters and digits.
const (
	attrChar = "!#$&+-.^_`|~"       // of an extended parameter (RFC 8187 section 3.2.1)
	pathChar = "-._~!$&'()*+,;=:@/" // of a path (RFC 3986 section 3.3)
)

// appendPath appends a decoded path as a URI has it.
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
