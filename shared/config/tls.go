package config

// What the server does as TLS: where, by which certificates, and how.
//
// The rows take their values one by one; what concerns several of them is judged by checkTLS, once
// all are known. What must not be done: nothing here opens a file. Whether a pair can be used is
// for package certs to say.

import (
	"crypto/tls"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// TLS says where the server speaks TLS, and how.
type TLS struct {
	Listen           []Address
	Pairs            []Pair        // in the order in which they were given; the first is for whoever names no other
	SelfSigned       bool          // one of its own making in their place
	MinVersion       uint16        // tls.VersionTLS12 or tls.VersionTLS13
	Groups           []tls.CurveID // allowed for the key exchange; nil for the library's choice
	TicketKeys       string        // file of the keys of session tickets; empty for keys of the server's own
	HandshakeTimeout time.Duration // from the first byte of a handshake to its end
	Handshakes       int           // under way at once, in one process
	Days             string        // file of the days by which the calendar is ahead, for tests; empty for none
	Redirect         bool          // plain listeners send everybody to the first of Listen
	Port             int           // of https, where clients find it at another than that of Listen; 0 for the same

	certs, keys []string // as they were given, until all of them are known
}

// Pair is the files of a certificate with its chain, and of its key. They may be the same file.
type Pair struct{ Cert, Key string }

func tlsRows(t *TLS) []Flag {
	return []Flag{
		{Group: groupTLS, Name: flagTLSListen, Fixed: true, Unit: "ADDRESS", Repeat: true,
			Help: "where to listen for TLS, as -listen; -listen has no default then, except with -https-redirect", Set: addresses(&t.Listen)},
		{Group: groupTLS, Name: "tls-cert", Unit: "FILE", Repeat: true,
			Help: "a certificate with its chain, PEM; of several, the one for the name that a client asks for, else the first", Set: paths(&t.certs)},
		{Group: groupTLS, Name: "tls-key", Unit: "FILE", Repeat: true,
			Help: "the key of the certificate, PEM; of several, in the order of -tls-cert", Set: paths(&t.keys)},
		{Group: groupTLS, Name: "tls-self-signed",
			Help: "a certificate of the server's own making, kept in the cache folder: for one's own machine", Set: Switch(&t.SelfSigned)},
		{Group: groupTLS, Name: "tls-min", Unit: "VERSION", Default: "1.2",
			Help: "the oldest version of TLS: 1.2 or 1.3", Set: tlsVersion(&t.MinVersion)},
		{Group: groupTLS, Name: "tls-groups", Unit: "GROUPS", Repeat: true,
			Help: "the key exchanges that are allowed, with commas, as X25519MLKEM768,X25519; the library orders them, and without it has its own", Set: groups(&t.Groups)},
		{Group: groupTLS, Name: "tls-ticket-keys", Unit: "FILE",
			Help: "keys of session tickets that several servers share, one a line, 64 or 96 hex digits or their base64; the first encrypts", Set: path(&t.TicketKeys)},
		{Group: groupTLS, Name: "handshake-timeout", Fixed: true, Unit: "SECONDS", Default: "10",
			Help: "for a handshake, from its first byte", Set: Seconds(&t.HandshakeTimeout, shortest, longest)},
		{Group: groupTLS, Name: "tls-handshakes", Fixed: true, Unit: "N", Default: "1024",
			Help: "handshakes under way at once, per process; beyond that the listener waits, and whoever lets us wait for 1 s in all makes way", Set: Int(&t.Handshakes, 1, maxHandshakes)},
		{Group: groupTLS, Name: "inject-days", Fixed: true, Unit: "FILE", Hidden: true,
			Help: "a file of the days by which the calendar is ahead, for certificates and session tickets", Set: text(&t.Days)},
		{Group: groupTLS, Name: flagRedirect, Fixed: true,
			Help: "answer on plain listeners with 308, to the same place on the first -tls-listen; not where a -trusted-proxy says X-Forwarded-Proto: https, or proto=https in Forwarded, or by its PROXY header that it was TLS", Set: Switch(&t.Redirect)},
		{Group: groupTLS, Name: "https-port", Fixed: true, Unit: "PORT",
			Help: "the port of https that clients are sent to, where one is mapped to that of -tls-listen: 443, for a container's 8443", Set: Int(&t.Port, 1, math.MaxUint16)},
	}
}

// checkTLS makes pairs of the certificates and keys, and says what is missing.
func checkTLS(c *Config) error {
	t := &c.TLS
	switch certs, keys := len(t.certs), len(t.keys); {
	case certs > keys:
		return usage("-tls-cert: %q has no key; give one -tls-key for each -tls-cert, in the same order", t.certs[keys])
	case keys > certs:
		return usage("-tls-key: %q has no certificate; give one -tls-cert for each -tls-key, in the same order", t.keys[certs])
	case certs > 0 && t.SelfSigned:
		return usage("-tls-self-signed: there is a -tls-cert; leave out one of them")
	case len(t.Listen) > 0 && certs == 0 && !t.SelfSigned:
		return usage("-tls-listen: there is no certificate; give -tls-cert and -tls-key, or -tls-self-signed on your own machine")
	case t.Redirect && !slices.ContainsFunc(t.Listen, func(a Address) bool { return a.Network == TCP }):
		return usage("-https-redirect: there is no port of TLS to send anybody to; give -tls-listen")
	}
	for i, cert := range t.certs {
		t.Pairs = append(t.Pairs, Pair{Cert: cert, Key: t.keys[i]})
	}
	t.certs, t.keys = nil, nil
	for _, a := range t.Listen {
		if free := a.Network == TCP && a.AddrPort.Port() == 0; !free && a.among(c.Listen) {
			return usage("-tls-listen: %v is in -listen too; an address speaks either TLS or plain HTTP", a)
		}
	}
	return nil
}

// doubtsOfTLS is the doubts about it.
func doubtsOfTLS(t *TLS) (doubts []string) {
	if len(t.Listen) == 0 && (len(t.Pairs) > 0 || t.SelfSigned) {
		doubts = append(doubts, "There is a certificate and no -tls-listen: nothing is served by TLS")
	}
	if len(t.Listen) > 0 && t.MinVersion < tls.VersionTLS13 && t.Groups != nil && !slices.ContainsFunc(t.Groups, classic) {
		doubts = append(doubts, "-tls-groups has only groups of TLS 1.3: clients that speak no more than TLS 1.2 are refused")
	}
	return doubts
}

// paths adds a file's path.
func paths(dst *[]string) func(string) error {
	return func(value string) error {
		if err := path(&value)(value); err != nil {
			return err
		}
		*dst = append(*dst, value)
		return nil
	}
}

func tlsVersion(dst *uint16) func(string) error {
	return func(value string) error {
		switch value {
		case "1.2":
			*dst = tls.VersionTLS12
		case "1.3":
			*dst = tls.VersionTLS13
		default:
			return fmt.Errorf("%q is not known; give 1.2 or 1.3", value)
		}
		return nil
	}
}

// groupNames is the groups that crypto/tls has, by their names in IANA's registry of TLS Supported
// Groups; P-256 and its like are how crypto/tls calls the curves of NIST.
var groupNames = []struct {
	id    tls.CurveID
	names []string
}{
	{tls.X25519MLKEM768, []string{"X25519MLKEM768"}},
	{tls.SecP256r1MLKEM768, []string{"SecP256r1MLKEM768"}},
	{tls.SecP384r1MLKEM1024, []string{"SecP384r1MLKEM1024"}},
	{tls.X25519, []string{"X25519"}},
	{tls.CurveP256, []string{"P-256", "secp256r1"}},
	{tls.CurveP384, []string{"P-384", "secp384r1"}},
	{tls.CurveP521, []string{"P-521", "secp521r1"}},
}

// classic reports whether TLS 1.2 has a group.
func classic(id tls.CurveID) bool {
	return id == tls.X25519 || id == tls.CurveP256 || id == tls.CurveP384 || id == tls.CurveP521
}

func groups(dst *[]tls.CurveID) func(string) error {
	return each(func(value string) error {
		known := make([]string, 0, len(groupNames))
		for _, g := range groupNames {
			if slices.ContainsFunc(g.names, func(name string) bool { return strings.EqualFold(name, value) }) {
				*dst = append(*dst, g.id)
				return nil
			}
			known = append(known, g.names[0])
		}
		return fmt.Errorf("%q is not known; give some of %s", value, strings.Join(known, ", "))
	})
}
