package certs

// Which certificate a client is shown (RFC 6066 3): that of the name that it asks for, else one
// whose wildcard covers the name, else the first. Whoever asks for no name gets the first, too.
//
// Names are compared as bytes in lower case. That is all there is to internationalized ones: on the
// wire and in certificates they are in their ASCII form (RFC 5890 2.3.2.1; RFC 5280 7.2).

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// set is the pairs that are in use at one time. It does not change.
type set struct {
	material material
	pairs    []*pair
	warnings []string
	exact    map[string][]*pair // by name
	wild     map[string][]*pair // by what follows the asterisk: ".example.org"
	first    []*pair            // for whoever names none of them
}

// newSet makes pairs of what the files hold.
func newSet(m material) (*set, error) {
	s := &set{material: m, warnings: slices.Clone(m.Warnings), exact: map[string][]*pair{}, wild: map[string][]*pair{}}
	for _, part := range m.Pairs {
		p, doubts, err := parse(part)
		if err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
		s.warnings = append(s.warnings, doubts...)
	}
	if len(s.pairs) == 0 {
		return nil, errNone
	}
	if slices.ContainsFunc(s.pairs, (*pair).costly) {
		s.warnings = append(s.warnings, costOfRSA)
	}
	s.index()
	return s, nil
}

var errNone = errors.New("there is no certificate; give -tls-cert and -tls-key")

// index finds the pairs of each name, those first that cost less.
func (s *set) index() {
	cheapFirst := slices.Clone(s.pairs)
	slices.SortStableFunc(cheapFirst, func(a, b *pair) int { return cmp.Compare(cost(a), cost(b)) })
	for _, p := range cheapFirst {
		for _, name := range p.facts.Names {
			if rest, ok := strings.CutPrefix(name, "*"); ok && strings.HasPrefix(rest, ".") {
				s.wild[rest] = append(s.wild[rest], p)
			} else {
				s.exact[name] = append(s.exact[name], p)
			}
		}
		if slices.Equal(p.facts.Names, s.pairs[0].facts.Names) { // of another kind of key, perhaps
			s.first = append(s.first, p)
		}
	}
}

// costly reports whether a pair is one of those that costOfRSA is about.
func (p *pair) costly() bool {
	_, ok := p.cert.Leaf.PublicKey.(*rsa.PublicKey)
	return ok
}

func cost(p *pair) int {
	if p.costly() {
		return 1
	}
	return 0
}

// costOfRSA is measured with RSA-2048 and X25519MLKEM768, in processor time of the server.
const costOfRSA = "An RSA key makes a full handshake cost about four times what it does with ECDSA P-256 (1.3 ms instead of 0.3): " +
	"give a second pair with ECDSA for the same names, and clients that can will use that"

// choose is the pair for a client. Of several that fit equally well it is the first that the client
// can use, with its versions and signatures.
func (s *set) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	fit := s.named(hello.ServerName)
	if len(fit) > 1 {
		for _, p := range fit {
			if hello.SupportsCertificate(p.cert) == nil {
				return p.cert
			}
		}
	}
	return fit[0].cert
}

// named is the pairs for a name, never none.
func (s *set) named(name string) []*pair {
	if fit := s.find(normal(name)); fit != nil {
		return fit
	}
	return s.first
}

// find is the pairs that have a name, nil for none.
func (s *set) find(name string) []*pair {
	if fit := s.exact[name]; fit != nil {
		return fit
	}
	return s.wild[domain(name)]
}

func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// domain is what follows a name's first label, which an asterisk stands for whole (RFC 9525 6.3).
func domain(name string) string {
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		return name[dot:]
	}
	return ""
}

// misdirected reports whether a certificate is for a host, and none of those that a client is shown
// who has asked for a name. An address cannot be asked for (RFC 6066 3), so whoever has only that
// could have done no better.
func (s *set) misdirected(asked, host string) bool {
	host = normal(host)
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	isFor := func(p *pair) bool {
		return slices.ContainsFunc(p.facts.Names, func(name string) bool { return name == host || name == "*"+domain(host) })
	}
	return s.find(host) != nil && !slices.ContainsFunc(s.named(asked), isFor)
}
