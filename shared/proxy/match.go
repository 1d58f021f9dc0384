package proxy

// Which rule a request falls under, and what is asked of the target.
//
// Prefixes are compared with the decoded path, which the session has checked. What must not be
// done: the target's path must not be the decoded one, since it could then mean something else
// there: it is the one that the client has sent.

import (
	"strings"

	"fourways/shared/http1"
)

// match is the rule with the longest prefix of the path, nil for none. A prefix ends where a
// segment ends: "/app" is a prefix of "/app" and "/app/x", and not of "/apple".
func (h *Handler) match(path []byte) *Rule {
	var best *Rule
	for i := range h.opt.Rules {
		r := &h.opt.Rules[i]
		if isBelow(path, r.Prefix) && (best == nil || len(r.Prefix) > len(best.Prefix)) {
			best = r
		}
	}
	return best
}

func isBelow(path []byte, prefix string) bool {
	if len(path) < len(prefix) || string(path[:len(prefix)]) != prefix {
		return false
	}
	return len(path) == len(prefix) || strings.HasSuffix(prefix, "/") || path[len(prefix)] == '/'
}

// appendTarget appends what is asked of the target: path and query as they came, without the rest
// of an absolute form (RFC 9112 3.2.1), and without strip, which is a prefix of the decoded path.
func appendTarget(b []byte, r *http1.Request, strip string) []byte {
	path := r.Path[encodedLen(r.Path, len(strip)):]
	if strip != "" && (len(path) == 0 || path[0] != '/') {
		b = append(b, '/')
	}
	b = append(b, path...)
	if len(r.Target) > 0 && hasQuery(r) {
		b = append(append(b, '?'), r.Query...)
	}
	return b
}

// hasQuery reports whether the target has a question mark, after which there may be nothing.
func hasQuery(r *http1.Request) bool {
	return len(r.Query) > 0 || r.Target[len(r.Target)-1] == '?'
}

// encodedLen is how many bytes of an encoded path stand for the first n bytes of the decoded one.
func encodedLen(path []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(path); n-- {
		if path[i] == '%' {
			i += len("%xx")
		} else {
			i++
		}
	}
	return min(i, len(path))
}
