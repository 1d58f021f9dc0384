package guard

// The client that a proxy names in X-Forwarded-For or in Forwarded (RFC 7239), and how that asked.
//
// Nothing here decides whether a proxy is believed. A malformed item must be reported as no
// address, and never be skipped: the list grows to the right, so to skip the last item would be to
// believe the one before it, which the client may have written itself.

import (
	"bytes"
	"iter"
	"net/netip"

	"fourways/shared/syntax"
)

// maxNode is the length of the longest node that is looked at, in bytes: an IPv6 address in
// full with a zone, brackets, a port and quotes.
const maxNode = 80

// Node is the address in an item of X-Forwarded-For or a node of Forwarded: with a port or without,
// an IPv6 address in brackets if a port follows, in quotes or not. ok is false where there is none:
// "unknown", a name that the proxy made up ("_hidden"), or a malformed item (RFC 7239 6).
func Node(b []byte) (addr netip.Addr, ok bool) {
	if len(b) > maxNode {
		return addr, false
	}
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	host := b
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || end+1 < len(b) && !nodePort(b[end+1:]) {
			return addr, false
		}
		host = b[1:end]
	} else if colon := bytes.IndexByte(b, ':'); colon >= 0 && colon == bytes.LastIndexByte(b, ':') {
		if !nodePort(b[colon:]) { // with two or more colons it is IPv6, without a port
			return addr, false
		}
		host = b[:colon]
	}
	addr, err := netip.ParseAddr(string(host))
	if err != nil || b[0] == '[' && !addr.Is6() {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// nodePort reports whether b is a colon and a port, or a name for one that the proxy made up.
func nodePort(b []byte) bool {
	if len(b) < 2 || b[0] != ':' {
		return false
	}
	obscured := b[1] == '_' && len(b) > 2
	if !obscured && len(b) > len(":65535") {
		return false
	}
	for _, c := range b[1:] {
		if ('0' > c || c > '9') && (!obscured || !isAlphanumeric(c) && c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// ForwardedFor yields, for each element of a Forwarded field, the node that the request came from,
// for [Node] to parse; nil where the element names none.
func ForwardedFor(value []byte) iter.Seq[[]byte] { return parameters(value, "for") }

// ForwardedProto yields, for each element of a Forwarded field, by which protocol the request came
// to the proxy; nil where the element does not say.
func ForwardedProto(value []byte) iter.Seq[[]byte] { return parameters(value, "proto") }

// parameters yields, for each element of a Forwarded field, the value of a parameter.
func parameters(value []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for quotes := true; len(value) > 0; {
			element, rest, open := cutOutsideQuotes(value, ',', quotes)
			if open { // by the client, before what the proxies have appended: that must not be hidden
				quotes = false
				continue
			}
			value = rest
			if len(syntax.TrimOWS(element)) > 0 && !yield(parameter(element, name)) {
				return
			}
		}
	}
}

// parameter is the value of an element's parameter, nil where it has none of that name or several.
func parameter(element []byte, name string) (value []byte) {
	for found := false; len(element) > 0; {
		var pair []byte
		pair, element, _ = cutOutsideQuotes(element, ';', true)
		key, is, ok := bytes.Cut(syntax.TrimOWS(pair), []byte("="))
		if !ok || !syntax.EqualFold(key, name) {
			continue
		}
		if found {
			return nil
		}
		value, found = is, true
	}
	return value
}

// cutOutsideQuotes cuts b at the first separator that is not in a quoted string, if there may be
// any. open reports that there is none, and a string that does not end.
func cutOutsideQuotes(b []byte, sep byte, quotes bool) (before, after []byte, open bool) {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"' && quotes:
			quoted = !quoted
		case b[i] == '\\' && quoted:
			i++
		case b[i] == sep && !quoted:
			return b[:i], b[i+1:], false
		}
	}
	return b, nil, quoted
}
