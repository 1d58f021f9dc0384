package proxy

// Which fields pass, in both directions, and what is added (RFC 9110 7.6).
//
// These are pure functions of a parsed message: what is written is made from what was understood.
// Nothing is allocated, and nothing kept. A message's own field lines keep their order and their
// spelling.
//
// What must not be done: no field that frames a message or speaks of one connection may pass, in no
// spelling that a server behind us could take for it, because framing and connection are ours on
// both sides. And what a stranger says of the client must not look like something that we say. A
// CGI program gets "_" for "-" (RFC 3875 4.1.18), and from some servers for whatever else is
// neither a letter nor a digit: "X.Real.IP" and "X_Real-IP" are the same variable. So they are one
// here, too.

import (
	"bytes"
	"net/netip"
	"strconv"

	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/syntax"
)

// Bounds that nobody needs to change.
const (
	ourName           = "fourways" // in Via (RFC 9110 7.6.3)
	maxOurs           = 3          // times that a request has passed through a server like this one
	connectionOptions = 100        // in the Connection fields of a request
	longestCount      = 9          // digits of a Max-Forwards that is read
	longestName       = 32         // bytes of a field name that are looked at; the names below are shorter
)

// Origin is where a request comes from and goes to, beside what its head says.
type Origin struct {
	Peer         netip.Addr // who has sent it, on the connection that it came on; invalid for a Unix socket's
	Unnamed      bool       // that is a proxy of connections, which does not say for whom
	Trusted      bool       // it is believed what the peer says of the client
	TLS          bool       // it came by TLS
	Host         []byte     // the authority that the request names; empty where it names none
	UpstreamHost string     // what is sent instead; empty for none
}

// CheckRequest refuses what must not be passed on. A request that keeps coming back goes in a
// circle (RFC 9110 7.6.3). One that names more connection options than it can have fields wants us
// to compare them all.
func CheckRequest(r *http1.Request) fault.Fault {
	ours := 0
	for value := range r.All(http1.Via) {
		for item := range syntax.ListItems(value) {
			if isOurs(item) {
				ours++
			}
		}
	}
	if ours > maxOurs {
		return fault.Of(fault.TooManyHops)
	}
	options := 0
	for value := range r.All(http1.Connection) {
		options += 1 + bytes.Count(value, []byte(","))
	}
	if options > connectionOptions {
		return fault.Of(fault.TooManyFields)
	}
	return fault.Fault{}
}

// isOurs reports whether an item of Via, "version SP name [ SP comment ]", names this server.
func isOurs(item []byte) bool {
	sp := bytes.IndexAny(item, " \t")
	if sp < 0 {
		return false
	}
	name := syntax.SkipOWS(item[sp:])
	if end := bytes.IndexAny(name, " \t("); end >= 0 {
		name = name[:end]
	}
	return syntax.EqualFold(name, ourName)
}

// RequestFields writes the fields of a request that is passed on, all but the one that frames it.
//
// Expect is passed on, because only the server behind us knows whether it wants the body; without a
// body it must not be (RFC 9110 10.1.1). TE is not: "trailers" would promise that we pass trailers
// on (RFC 9110 10.1.4), and we drop them.
func RequestFields(h *http1.Head, r *http1.Request, o *Origin) {
	if o.UpstreamHost != "" {
		h.Field("Host", o.UpstreamHost)
	} else {
		h.FieldBytes("Host", o.Host) // RFC 9112 3.2: an empty one where the target has no authority
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if !passesRequest(f, o.Trusted) || named(&r.Message, f.Name) {
			continue
		}
		if hops, bounded := hopsLeft(r, f); bounded {
			h.Close(strconv.AppendInt(h.Open("Max-Forwards"), max(hops-1, 0), 10))
		} else {
			pass(h, f)
		}
	}
	if r.Expects == http1.Continue100 && r.HasBody() {
		h.Field("Expect", "100-continue")
	}
	if protocol := Upgrades(r); protocol != nil {
		h.Field("Connection", "upgrade")
		h.FieldBytes("Upgrade", protocol)
	}
	via(h, r.Minor)
	forwarded(h, r, o)
}

// connectionSchemes are those by which a client proves who it is once, and a server believes it of
// all that comes on the same connection (RFC 4559 6).
var connectionSchemes = [...]string{"ntlm", "negotiate", "nego2"}

// provesToConnection reports whether by a request the connection that it goes on may become its
// client's: what others ask on it would be asked in that one's name.
func provesToConnection(r *http1.Request) bool {
	if !r.Has(http1.Authorization) {
		return false
	}
	for value := range r.All(http1.Authorization) {
		scheme := value
		if end := bytes.IndexAny(value, " \t"); end >= 0 {
			scheme = value[:end]
		}
		for _, name := range connectionSchemes {
			if syntax.EqualFold(scheme, name) {
				return true
			}
		}
	}
	return false
}

// hopsLeft is how many more servers a request may pass through, where a field says so that can be
// read. It is one of OPTIONS, and of TRACE, which is refused (RFC 9110 7.6.2).
func hopsLeft(r *http1.Request, f *http1.Field) (n int64, bounded bool) {
	if r.Method != http1.OPTIONS || !syntax.EqualFold(f.Name, "max-forwards") || len(f.Value) > longestCount {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f.Value), 10, 64)
	return n, err == nil && n >= 0 && f.Value[0] != '+' && f.Value[0] != '-'
}

// endsHere reports whether a request is to be passed on to nobody, and answered by whom it has
// reached.
func endsHere(r *http1.Request) bool {
	for i := range r.Fields {
		if hops, bounded := hopsLeft(r, &r.Fields[i]); bounded && hops == 0 {
			return true
		}
	}
	return false
}

// Added is a field that each answer gets which does not have it. What a server behind us says of
// its own answer stands: a second field of the same name would contradict it, or say it twice.
type Added struct {
	Name string // in lower case
	Line []byte // with its CR LF
}

// ResponseFields writes the fields of an answer that is passed on, all but those that frame it and
// speak of the connection, and those that are added. date is the time now: an answer without a Date
// gets it from whoever receives it first (RFC 9110 6.6.1).
func ResponseFields(h *http1.Head, r *http1.Response, added []Added, date []byte) {
	dated := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if passesResponse(f) && !named(&r.Message, f.Name) {
			pass(h, f)
			dated = dated || syntax.EqualFold(f.Name, "date")
		}
	}
	if !dated {
		h.FieldBytes("Date", date)
	}
	for i := range added {
		if !says(&r.Message, added[i].Name) {
			h.Raw(added[i].Line)
		}
	}
	if protocol := find(&r.Message, "upgrade"); protocol != nil && r.Status == 426 { // RFC 9110 15.5.22
		h.Field("Connection", "upgrade")
		h.FieldBytes("Upgrade", protocol)
	}
	via(h, r.Minor)
}

// says reports whether a message has a field of that name that is passed on.
func says(m *http1.Message, name string) bool {
	for i := range m.Fields {
		if f := &m.Fields[i]; syntax.EqualFold(f.Name, name) && passesResponse(f) && !named(m, f.Name) {
			return true
		}
	}
	return false
}

// InterimLines appends the fields of an interim answer that is passed on, as whole lines.
func InterimLines(b []byte, m *http1.Message) []byte {
	for i := range m.Fields {
		f := &m.Fields[i]
		if passesResponse(f) && !named(m, f.Name) {
			b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
		}
	}
	return b
}

// SwitchLines appends the fields of a 101, as whole lines. It is false where the server has
// switched to something else than what was asked for: what follows could be anything.
func SwitchLines(b []byte, m *http1.Message, asked []byte) (lines []byte, ok bool) {
	protocol := find(m, "upgrade")
	if asked == nil || !sameName(protocol, asked) {
		return b, false
	}
	b = append(b, "Connection: upgrade\r\nUpgrade: "...)
	b = append(append(b, protocol...), "\r\n"...)
	return InterimLines(b, m), true
}

// Upgrades is the protocol that a request asks to switch to (RFC 9110 7.8), nil for none. It is
// passed on if it is one protocol, if no body comes before it, and if it is not HTTP or TLS again:
// a tunnel that speaks HTTP carries requests past everything that is checked here.
func Upgrades(r *http1.Request) []byte {
	protocol := find(&r.Message, "upgrade")
	if protocol == nil || r.Minor == 0 || r.HasBody() || !r.HasOption("upgrade") {
		return nil
	}
	name, version, versioned := bytes.Cut(protocol, []byte("/"))
	switch {
	case len(name) == 0 || !syntax.IsAll(name, syntax.TokenChar),
		versioned && (len(version) == 0 || !syntax.IsAll(version, syntax.TokenChar)),
		syntax.EqualFold(name, "http"), syntax.EqualFold(name, "tls"),
		syntax.EqualFold(name, "h2c"), syntax.EqualFold(name, "h2"):
		return nil
	}
	return protocol
}

// find is the value of the only field of that name, nil where there is none, an empty one, or more.
func find(m *http1.Message, name string) (value []byte) {
	for i := range m.Fields {
		if f := &m.Fields[i]; syntax.EqualFold(f.Name, name) {
			if value != nil || len(f.Value) == 0 {
				return nil
			}
			value = f.Value
		}
	}
	return value
}

func pass(h *http1.Head, f *http1.Field) {
	h.Raw(f.Name)
	h.Raw(colon)
	h.Raw(f.Value)
	h.Raw(lineEnd)
}

var colon, lineEnd = []byte(": "), []byte("\r\n")

// via says that we have passed a message on, and by which version it came (RFC 9110 7.6.3).
func via(h *http1.Head, minor uint8) {
	if minor == 0 {
		h.Field("Via", "1.0 "+ourName)
	} else {
		h.Field("Via", "1.1 "+ourName)
	}
}

// forwarded says who asks, and how. A trusted peer has said it already, and the peer's own address
// is appended; what others say was dropped.
func forwarded(h *http1.Head, r *http1.Request, o *Origin) {
	forwardedFor(h, r, o)
	if !o.Trusted || !passed(&r.Message, "x-forwarded-proto") {
		if o.TLS {
			h.Field("X-Forwarded-Proto", "https")
		} else {
			h.Field("X-Forwarded-Proto", "http")
		}
	}
	if len(o.Host) > 0 && (!o.Trusted || !passed(&r.Message, "x-forwarded-host")) {
		h.FieldBytes("X-Forwarded-Host", o.Host)
	}
}

// passed reports whether a trusted peer's field of that name has passed.
func passed(m *http1.Message, name string) bool {
	for i := range m.Fields {
		if f := &m.Fields[i]; syntax.EqualFold(f.Name, name) && !named(m, f.Name) {
			return true
		}
	}
	return false
}

// forwardedFor writes one line, because there are servers that read only the first or the last.
func forwardedFor(h *http1.Head, r *http1.Request, o *Origin) {
	peer := o.Peer.Unmap().WithZone("")
	b := h.Open("X-Forwarded-For")
	start := len(b)
	if o.Trusted && !named(&r.Message, forwardedForName) {
		for value := range r.All(http1.XForwardedFor) {
			b = appendItem(b, start, value)
		}
	}
	if o.Unnamed {
		b = append(b, "unknown"...) // as in Forwarded (RFC 7239 6.2): whoever it is has not the proxy's rights
	} else if peer.IsValid() {
		var buf [len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")]byte
		b = appendItem(b, start, peer.AppendTo(buf[:0]))
	}
	if len(b) > start {
		h.Close(b)
	}
}

var forwardedForName = []byte("X-Forwarded-For")

func appendItem(b []byte, start int, item []byte) []byte {
	if len(item) == 0 {
		return b
	}
	if len(b) > start {
		b = append(b, ", "...)
	}
	return append(b, item...)
}

// named reports whether the Connection field says that a field is meant for this connection alone
// (RFC 9110 7.6.1).
func named(m *http1.Message, name []byte) bool {
	for value := range m.All(http1.Connection) {
		for option := range syntax.ListItems(value) {
			if sameName(option, name) {
				return true
			}
		}
	}
	return false
}

// sameName reports whether two names are the same but for the case of ASCII letters.
func sameName(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// passesRequest reports whether a field of a request passes unchanged.
func passesRequest(f *http1.Field, trusted bool) bool {
	var buf [longestName]byte
	name, exact := fold(&buf, f.Name)
	switch string(name) {
	case "host", "expect", // written from what was understood
		"proxy": // to a CGI program it is HTTP_PROXY, the setting of its own proxy
		return false
	case "x-forwarded-for": // joined by forwardedFor
		return false
	}
	if ofClient(name) {
		return trusted && exact
	}
	return !ofConnection(name)
}

func passesResponse(f *http1.Field) bool {
	var buf [longestName]byte
	name, _ := fold(&buf, f.Name)
	return !ofConnection(name)
}

// fold is a name in lower case with "-" for what is neither a letter nor a digit, or the beginning
// of one that is longer than those we look for. exact reports that nothing but "-" was there.
func fold(buf *[longestName]byte, name []byte) (folded []byte, exact bool) {
	exact = true
	name = name[:min(len(name), len(buf))]
	for i, c := range name {
		if syntax.CharClass[c]&syntax.Alphanumeric == 0 {
			exact = exact && c == '-'
			c = '-'
		}
		buf[i] = lower(c)
	}
	return buf[:len(name)], exact
}

// ofConnection reports whether a field frames a message or speaks of one connection (RFC 9112 6,
// RFC 9110 7.6.1). Trailer is among them, because trailers are dropped.
func ofConnection(name []byte) bool {
	switch string(name) {
	case "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"content-length", "http2-settings",
		"proxy-authenticate", "proxy-authorization", "proxy-authentication-info":
		return true
	}
	return false
}

// ofClient reports whether a field says who the client is or what it has asked for. These are the
// names by which servers and frameworks are known to believe it, without its own beginning "http-"
// that some of them look for, too. X-HTTP-Method-Override is none of them: it asks for nothing that
// the client could not have asked for plainly.
func ofClient(name []byte) bool {
	name = bytes.TrimPrefix(name, []byte("http-"))
	switch string(name) {
	case "forwarded", "client-ip", "proxy-client-ip", "wl-proxy-client-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip",
		"cf-connecting-ip", "cf-connecting-ipv6", "cf-pseudo-ipv4", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
		"x-originating-ip", "x-proxyuser-ip", "x-envoy-external-address",
		"x-scheme", "x-url-scheme", "front-end-https", // that it came by https
		"x-original-forwarded-for", "x-original-for", "x-original-remote-addr", "x-original-proto", "x-original-host",
		"x-original-url", "x-original-uri", "x-original-method", "x-rewrite-url", // in place of what we have checked
		"x-sendfile-type", "x-accel-mapping": // which file a proxy is to send instead (CVE-2025-61780)
		return true
	}
	name = bytes.TrimPrefix(name, []byte("x-"))
	if len(name) == 0 {
		return false
	}
	for _, prefix := range clientPrefixes[name[0]] {
		if bytes.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// clientPrefixes begin the fields of a proxy that has asked who somebody is, and tells the server
// behind it: their name, their groups, their address, or the certificate that they have shown (RFC
// 9440 3, which wants them removed where nobody was asked for one). An "x-" may be before each.
// What is signed, and judged by its signature, is none of them. They are found by their first byte,
// since each field of each request is looked for.
var clientPrefixes = func() (by [256][][]byte) {
	for _, prefix := range []string{
		"forwarded", "remote-", "webauth-", "auth-request-", "authentik-", "client-cert", "ssl-client-",
		"amzn-mtls-", "amzn-oidc-identity", "tailscale-user-", "goog-authenticated-user-", "ms-client-principal",
		"cf-access-authenticated-user", "pomerium-claim-", "vouch-",
	} {
		by[prefix[0]] = append(by[prefix[0]], []byte(prefix))
	}
	return by
}()
