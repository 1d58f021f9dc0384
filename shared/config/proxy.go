package config

// Servers behind this one, to which requests are passed on.
//
// What must not be done: no name is looked up here. A server behind this one may start after it.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Proxy says which requests are passed on, and how.
type Proxy struct {
	Rules      []ProxyRule
	Strip      bool          // the prefix is taken away
	TargetHost bool          // a server gets its own name as Host, and not what the client has asked for
	Timeout    time.Duration // that a server may be silent
	Conns      int64         // requests under way at one server; 0 for no limit
	Idle       int           // connections to it that a thread keeps
	Check      string        // path that each is asked for now and then; empty for none
}

// ProxyRule is where the requests below a prefix go.
type ProxyRule struct {
	Prefix    string
	Upstreams []Upstream
}

// Upstream is one server behind this one.
type Upstream struct {
	Name string // as it was given
	Host string // name or address, without brackets; empty for a Unix socket
	Port uint16
	Path string // of a Unix socket
}

// maxUpstreams is how many servers a rule may have.
const maxUpstreams = 64

func proxyRows(p *Proxy) []Flag {
	return []Flag{
		{Group: groupProxy, Name: flagProxy, Unit: "/PREFIX=UPSTREAM", Repeat: true,
			Help: "pass on what is below the prefix; the longest prefix wins; UPSTREAM is http://HOST:PORT or unix:/PATH, or several with commas", Set: proxyRule(&p.Rules)},
		{Group: groupProxy, Name: "proxy-strip",
			Help: "take the prefix away from what is passed on; what is answered (Location, paths of cookies) stays as it is", Set: Switch(&p.Strip)},
		{Group: groupProxy, Name: "proxy-host", Unit: "WHICH", Default: "received",
			Help: "which Host an upstream gets: received, or its own name with upstream", Set: choice(&p.TargetHost, "received", "upstream")},
		{Group: groupProxy, Name: "proxy-timeout", Unit: "SECONDS", Default: "30",
			Help: "that an upstream may be silent; over it is 504, or the answer is cut", Set: Seconds(&p.Timeout, shortest, longest)},
		{Group: groupProxy, Name: "proxy-conns", Unit: "N", Default: "1024",
			Help: "requests under way at one upstream, WebSockets among them; with as many at all of them it is 503; 0 for no limit", Set: Int(&p.Conns, 0, maxConns)},
		{Group: groupProxy, Name: "proxy-idle", Unit: "N", Default: "32",
			Help: "connections to an upstream that a thread keeps for the next requests, for 4 seconds", Set: Int(&p.Idle, 0, maxConns)},
		{Group: groupProxy, Name: "proxy-check", Unit: "/PATH",
			Help: "what each upstream is asked for every 5 seconds; it rests while it does not answer with 2xx or 3xx", Set: checkPath(&p.Check)},
	}
}

var (
	errNoUpstream = errors.New("give a prefix and where what is below it goes, as /app=http://127.0.0.1:9000")
	errManyTimes  = errors.New("the prefix stands in another -proxy already; give its upstreams together, with commas")
)

// proxyRule takes /PREFIX=UPSTREAM[,UPSTREAM].
func proxyRule(dst *[]ProxyRule) func(string) error {
	return func(value string) error {
		prefix, list, ok := strings.Cut(value, "=")
		if !ok || prefix == "" || list == "" {
			return errNoUpstream
		}
		if !plainPath(prefix) {
			return fmt.Errorf("%q is no prefix; give one as /app, decoded, without empty segments and segments of dots", prefix)
		}
		if slices.ContainsFunc(*dst, func(r ProxyRule) bool { return r.Prefix == prefix }) {
			return errManyTimes
		}
		rule := ProxyRule{Prefix: prefix}
		err := each(func(text string) error {
			u, err := parseUpstream(text)
			if err == nil && slices.Contains(rule.Upstreams, u) {
				err = fmt.Errorf("%q stands there twice", text)
			}
			rule.Upstreams = append(rule.Upstreams, u)
			return err
		})(list)
		if err == nil && len(rule.Upstreams) > maxUpstreams {
			err = fmt.Errorf("%d upstreams are too many; give at most %d", len(rule.Upstreams), maxUpstreams)
		}
		*dst = append(*dst, rule)
		return err
	}
}

// plainPath reports whether a path can be the beginning of a decoded one that the server has found
// harmless (package guard): in another spelling it would never be.
func plainPath(path string) bool {
	if path[0] != '/' || !visible(path) || strings.ContainsAny(path, `%?#\`) {
		return false
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if last := i == len(segments)-1; strings.Trim(s, ".") == "" && !(last && s == "") {
			return false
		}
	}
	return true
}

// parseUpstream takes http://HOST:PORT or unix:/PATH.
func parseUpstream(text string) (u Upstream, err error) {
	u.Name = text
	if strings.HasPrefix(text, unixPrefix) {
		a, err := parseAddress(text)
		u.Path = a.Path // who may connect is for that server to say, and a comma begins another one
		return u, err
	}
	rest, ok := strings.CutPrefix(text, "http://")
	if !ok {
		if strings.HasPrefix(text, "https://") {
			return u, fmt.Errorf("%q: upstreams are spoken to by plain HTTP; give http://HOST:PORT", text)
		}
		return u, fmt.Errorf("%q is no upstream; give http://HOST:PORT or unix:/PATH", text)
	}
	rest = strings.TrimSuffix(rest, "/")
	if !host(rest) {
		return u, fmt.Errorf("%q does not fit; give host and port alone, as http://127.0.0.1:9000 or http://[::1]:9000", text)
	}
	u.Port = 80
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, ']') {
		if u.Port, err = parsePort(rest[colon+1:]); err != nil {
			return u, err
		}
		rest = rest[:colon]
	}
	u.Host = strings.Trim(strings.ToLower(rest), "[]")
	return u, nil
}

// checkPath takes a path with or without a query.
func checkPath(dst *string) func(string) error {
	return func(value string) error {
		if !strings.HasPrefix(value, "/") || !visible(value) || strings.Contains(value, "#") {
			return fmt.Errorf("%q is no path; give one as /healthz", value)
		}
		*dst = value
		return nil
	}
}

// doubtsOfProxy is the doubts about it.
func doubtsOfProxy(p *Proxy) (doubts []string) {
	if len(p.Rules) == 0 && (p.Check != "" || p.Strip || p.TargetHost) {
		doubts = append(doubts, "There is no -proxy: what the other -proxy- flags say concerns nothing")
	}
	return doubts
}
