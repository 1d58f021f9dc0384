package site

// The media types of files, by their extensions (IANA's registry of media types; HTML, "MIME
// type").
//
// The table does not change. What must not be done: a type must not be guessed from a file's
// contents, and whoever adds a type says whether it gets smaller by compressing: what is compressed
// already would only cost time.

import (
	"bytes"
	"strings"

	"fourways/shared/guard"
)

const (
	htmlType = "text/html; charset=utf-8"
	anyType  = "application/octet-stream"
	noSniff  = "X-Content-Type-Options: nosniff\r\n"
)

// typeOf lists the types by extension. Other files are application/octet-stream. JSON is UTF-8
// (RFC 8259 8.1), XML says its own encoding (RFC 7303 3), and neither has a charset here.
var typeOf = map[string]string{
	"html": htmlType,
	"htm":  htmlType,
	"css":  "text/css; charset=utf-8",
	"js":   "text/javascript; charset=utf-8",
	"mjs":  "text/javascript; charset=utf-8",
	"cjs":  "text/javascript; charset=utf-8",
	"txt":  "text/plain; charset=utf-8",
	"csv":  "text/csv; charset=utf-8",
	"md":   "text/markdown; charset=utf-8",
	"vtt":  "text/vtt; charset=utf-8",
	"json": "application/json",
	"map":  "application/json", // a source map (ECMA-426)
	"xml":  "application/xml",
	"rss":  "application/rss+xml",
	"atom": "application/atom+xml",
	"pdf":  "application/pdf",
	"wasm": "application/wasm",
	"zip":  "application/zip",

	"webmanifest": "application/manifest+json",

	"png":  "image/png",
	"apng": "image/apng",
	"jpg":  "image/jpeg",
	"jpeg": "image/jpeg",
	"gif":  "image/gif",
	"svg":  "image/svg+xml",
	"webp": "image/webp",
	"avif": "image/avif",
	"ico":  "image/x-icon",

	"woff2": "font/woff2",
	"woff":  "font/woff",
	"ttf":   "font/ttf",
	"otf":   "font/otf",
	"eot":   "application/vnd.ms-fontobject",

	"mp3":  "audio/mpeg",
	"m4a":  "audio/mp4",
	"wav":  "audio/wav",
	"flac": "audio/flac",
	"oga":  "audio/ogg",
	"ogg":  "audio/ogg",
	"opus": "audio/ogg",
	"mp4":  "video/mp4",
	"webm": "video/webm",
	"ogv":  "video/ogg",
}

// compressed lists the types that get smaller, in addition to those of text.
var compressed = map[string]bool{
	"application/json":              true,
	"application/manifest+json":     true,
	"application/xml":               true,
	"application/rss+xml":           true,
	"application/atom+xml":          true,
	"application/wasm":              true,
	"application/vnd.ms-fontobject": true,
	"image/svg+xml":                 true,
	"image/x-icon":                  true,
	"font/ttf":                      true,
	"font/otf":                      true,
}

// kindOf is a file's own type, by its extension.
func kindOf(path string) string {
	if kind, ok := typeOf[string(bytes.ToLower(guard.Extension([]byte(path))))]; ok {
		return kind
	}
	return anyType
}

// compresses reports whether a file's type is one that gets smaller.
func compresses(path string) bool {
	kind := kindOf(path)
	return strings.HasPrefix(kind, "text/") || compressed[kind]
}
