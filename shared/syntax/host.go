package syntax

// The one reading of a host and port, for Host fields and for targets.
//
// The name that is returned is a slice of the argument, in the spelling in which it came. What must
// not be done: no other code may parse a Host field or a target's authority, or two checks would
// judge two different hosts; and nothing may pass about which two readers could disagree.

import "net/netip"

// NoPort is the port of a host that names none.
const NoPort = -1

// SplitHost takes "uri-host [ ":" port ]" apart (RFC 9110 7.2). Of what RFC 3986 3.2.2 allows in a
// registered name only the characters of domain names are let through, and the underscore: the
// others, the comma first of all, are where two readers of one Host disagree.
func SplitHost(b []byte) (name []byte, port int, ok bool) {
	end := 0
	if len(b) > 0 && b[0] == '[' {
		for end < len(b) && b[end] != ']' {
			end++
		}
		if end == len(b) || !isIPv6(b[1:end]) {
			return nil, 0, false
		}
		end++
	} else {
		for end < len(b) && (CharClass[b[end]]&Alphanumeric != 0 || b[end] == '-' || b[end] == '.' || b[end] == '_') {
			end++
		}
	}
	if end == 0 {
		return nil, 0, false // the http scheme has no empty host (RFC 9110 4.2.1)
	}
	if end == len(b) {
		return b, NoPort, true
	}
	port, ok = parsePort(b[end:])
	return b[:end], port, ok
}

// parsePort reads ":" *DIGIT. No digits mean the scheme's own port, as if the colon were not there
// (RFC 3986 3.2.3).
func parsePort(b []byte) (port int, ok bool) {
	if b[0] != ':' {
		return 0, false
	}
	if len(b) == 1 {
		return NoPort, true
	}
	if len(b) > len(":65535") {
		return 0, false
	}
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		port = 10*port + int(c-'0')
	}
	return port, port >= 1 && port <= 65535
}

// isIPv6 reports whether b is an IPv6 address without a zone. A zone means
// something on the sender's machine only.
func isIPv6(b []byte) bool {
	if len(b) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return false
	}
	addr, err := netip.ParseAddr(string(b))
	return err == nil && addr.Is6() && addr.Zone() == ""
}
