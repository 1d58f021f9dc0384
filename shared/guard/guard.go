// Package guard decides whether one well-formed request may be answered at all: whether it is
// addressed to this server, whether its path could lead out of the served folder, and whether the
// file that it names, or its body, is of a type that this server serves or takes.
//
// The checks are pure functions of the request's bytes. They keep nothing, take
// no lock and do not allocate, so every thread may use the same [Hosts] and
// [Types]; both are made once and do not change.
//
// What must not be done: a path that [Path] accepted must not be trusted further, because it is
// harmless only as text. A symbolic link can still lead anywhere, so files must be opened beneath
// their root by the kernel (openat2(2) with RESOLVE_BENEATH), never by joining this path to the
// root's name.
package guard

import (
	"bytes"

	"fourways/shared/syntax"
)

// maxRequestID is the length of the longest request id taken over from a proxy,
// in bytes. It holds a UUID, a trace id and most home-made ones.
const maxRequestID = 64

// RequestID reports whether a request id that a proxy sent can be taken over: it
// goes into log lines, pages and fields, so it is short and of letters, digits,
// and - _ . only.
func RequestID(id []byte) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for _, c := range id {
		if !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// JSONType reports whether a Content-Type is JSON: application/json in any case, with or without
// parameters (RFC 9110 8.3.1). RFC 8259 11 defines none, so they are ignored. A list is no media
// type, although what is in quotation marks may hold a comma.
func JSONType(contentType []byte) bool {
	kind, parameters, _ := bytes.Cut(contentType, []byte(";"))
	quoted := false
	for i := 0; i < len(parameters); i++ {
		switch c := parameters[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return false
		}
	}
	return syntax.EqualFold(syntax.TrimOWS(kind), "application/json")
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
