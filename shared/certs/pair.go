package certs

// From the text of two PEM files (RFC 7468) to a pair that can be shown, or to one line that says
// why not.
//
// crypto/tls has X509KeyPair for this, but its errors do not say which file is wrong, nor what to
// do about it; what it finds out is found out here in the same order. What must not be done: no
// error and no warning may quote a file's contents, which may be a key.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fourways/shared/sysnet"
)

const (
	// maxFile is how large a file of certificates or keys may be, in bytes.
	maxFile = 1 << 20
	// leastRSA is the shortest RSA key that browsers take, in bits.
	leastRSA = 2048
	// smallestRSA is the shortest that the library takes, in bits (crypto/rsa, "Minimum key size").
	smallestRSA = 1024
)

// material is what the files hold.
type material struct {
	Pairs []pairMaterial
	// Warnings is what was to be said of the files themselves.
	Warnings []string
	// Kept is why pairs were not read again, so that those from before stay: one line for each.
	Kept []string
}

// pairMaterial is a pair's part of it.
type pairMaterial struct {
	Pair            // where it came from
	CertPEM, KeyPEM []byte
	CertMark        sysnet.Mark // of the files that they were read from
	KeyMark         sysnet.Mark
	SelfSigned      bool // of our making

	openTo fs.FileMode // the key's mode if others can read it, else 0
}

// pair is a certificate that can be shown.
type pair struct {
	cert  *tls.Certificate
	facts Certificate
	from  Pair
}

func (p *pair) same(other *pair) bool { return p.facts.Fingerprint == other.facts.Fingerprint }

// readPairs reads the files. Where this process may not read one that was read before, as root
// perhaps, it goes on with what it had: who changes other settings is not to be kept from that by a
// key that is well protected. A pair whose key may be another one by now stays as it was, whole.
func readPairs(pairs []Pair, before material) (m material, err error) {
	for _, p := range pairs {
		old := before.of(p)
		part, err := readPair(p, old)
		if errors.Is(err, fs.ErrPermission) && old.KeyPEM != nil {
			m.Kept = append(m.Kept, err.Error())
			part, err = old, nil
		}
		if err != nil {
			return material{}, err
		}
		if part.openTo != 0 {
			m.Warnings = append(m.Warnings, fmt.Sprintf("The key %q can be read by others than its owner (mode %04o): chmod 600", p.Key, part.openTo))
		}
		m.Pairs = append(m.Pairs, part)
	}
	return m, nil
}

// of is what there is of a pair, the zero value for nothing.
func (m material) of(p Pair) pairMaterial {
	if i := slices.IndexFunc(m.Pairs, func(part pairMaterial) bool { return part.Pair == p }); i >= 0 {
		return m.Pairs[i]
	}
	return pairMaterial{}
}

// readPair reads the two files of a pair.
func readPair(p Pair, before pairMaterial) (part pairMaterial, err error) {
	part.Pair = p
	if part.CertPEM, part.CertMark, _, err = readFile(p.Cert, before.CertPEM, before.CertMark); err != nil {
		return part, fmt.Errorf("cannot read the certificate: %w", err)
	}
	var mode fs.FileMode
	if part.KeyPEM, part.KeyMark, mode, err = readFile(p.Key, before.KeyPEM, before.KeyMark); err != nil {
		return part, fmt.Errorf("cannot read the key: %w", err)
	}
	if mode&0o044 != 0 {
		part.openTo = mode
	}
	return part, nil
}

// readFile reads a file, or takes what it held before if it is as it was and we may not read it.
// The mode is 0 then.
func readFile(path string, before []byte, was sysnet.Mark) (text []byte, is sysnet.Mark, mode fs.FileMode, err error) {
	text, info, err := sysnet.ReadSmall(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrPermission) && before != nil && was.Unchanged(path):
		return before, was, 0, nil
	case err != nil:
		return nil, is, 0, err
	}
	return text, sysnet.MarkOf(info), info.Mode().Perm(), nil
}

// parse makes a pair of the texts, with what is to be said of it.
func parse(m pairMaterial) (*pair, []string, error) {
	chain, err := parseChain(m.CertPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate %q %w", m.Cert, err)
	}
	key, err := parseKey(m.KeyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("the key %q %w", m.Key, err)
	}
	if err := match(chain, key); err != nil {
		return nil, nil, fmt.Errorf("the key %q does not belong to the certificate %q: %w", m.Key, m.Cert, err)
	}
	leaf := chain[0]
	kind, err := kindOf(leaf.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate %q %w", m.Cert, err)
	}
	p := &pair{from: m.Pair, cert: &tls.Certificate{PrivateKey: key, Leaf: leaf}}
	for _, c := range chain {
		p.cert.Certificate = append(p.cert.Certificate, c.Raw)
	}
	p.facts = Certificate{
		Names: namesOf(leaf), Kind: kind, Since: leaf.NotBefore, Ends: leaf.NotAfter,
		Fingerprint: fingerprint(leaf.Raw), SelfSigned: m.SelfSigned,
	}
	return p, p.doubts(chain), nil
}

// blocks calls do with each block of a PEM file, until that has an error.
func blocks(text []byte, do func(*pem.Block) error) (found bool, err error) {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return found, nil
		}
		found = true
		if err := do(b); err != nil {
			return found, err
		}
	}
}

// errNoPEM is the error of a file without any block.
func errNoPEM(what string) error {
	return fmt.Errorf("is not PEM (-----BEGIN %s-----), the form of text: openssl can convert it", what)
}

var errOnlyKey = errors.New("holds a key and no certificate: are -tls-cert and -tls-key exchanged?")

// parseChain reads the certificates of a file. A key may stand among them.
func parseChain(text []byte) (chain []*x509.Certificate, err error) {
	hasKey := false
	found, err := blocks(text, func(b *pem.Block) error {
		hasKey = hasKey || strings.HasSuffix(b.Type, "PRIVATE KEY")
		if b.Type != "CERTIFICATE" {
			return nil
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return fmt.Errorf("cannot be understood (block %d): %w", len(chain)+1, err)
		}
		chain = append(chain, c)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errNoPEM("CERTIFICATE")
	case len(chain) == 0 && hasKey:
		return nil, errOnlyKey
	case len(chain) == 0:
		return nil, errors.New("holds no block CERTIFICATE")
	}
	return chain, nil
}

var (
	errEncrypted = errors.New("is encrypted, and there is nobody to ask for the password: give one that openssl pkey has decrypted, with mode 600")
	errOpenSSH   = errors.New("is in the form of OpenSSH: ssh-keygen -p -m PKCS8 converts it")
	errOnlyCert  = errors.New("holds certificates and no key: are -tls-cert and -tls-key exchanged?")
)

// parseKey reads the first key of a file. Others, certificates and parameters may stand there too.
func parseKey(text []byte) (key crypto.Signer, err error) {
	hasCert := false
	found, err := blocks(text, func(b *pem.Block) error {
		hasCert = hasCert || b.Type == "CERTIFICATE"
		if key != nil || !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			return nil
		}
		key, err = parseKeyBlock(b)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, errNoPEM("PRIVATE KEY")
	case key == nil && hasCert:
		return nil, errOnlyCert
	case key == nil:
		return nil, errors.New("holds no block PRIVATE KEY")
	}
	return key, nil
}

func parseKeyBlock(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch {
	case b.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"): // RFC 1421 4.6.1.1
		return nil, errEncrypted
	case b.Type == "OPENSSH PRIVATE KEY":
		return nil, errOpenSSH
	case b.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case b.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot be understood: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("is of a kind that cannot sign (%T): give an ECDSA or RSA key", key)
	}
	return signer, nil
}

var errOther = errors.New("give the one that it was made with")

// match says why a key is not that of the first certificate.
func match(chain []*x509.Certificate, key crypto.Signer) error {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return errOther
	}
	for i, c := range chain {
		switch {
		case public.Equal(c.PublicKey) && i == 0:
			return nil
		case public.Equal(c.PublicKey):
			return fmt.Errorf("that of the key is number %d in the file, and must be the first", i+1)
		}
	}
	return errOther
}

// kindOf names a kind of key, or says why TLS cannot use it.
func kindOf(key any) (string, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521() {
			return "", fmt.Errorf("has a key on the curve %s, which TLS does not use: make one with P-256", k.Curve.Params().Name)
		}
		return "ECDSA " + k.Curve.Params().Name, nil
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < smallestRSA {
			return "", fmt.Errorf("has an RSA key of %d bits, by which crypto/tls signs nothing: make one with ECDSA P-256", bits)
		}
		return fmt.Sprintf("RSA %d", k.N.BitLen()), nil
	case ed25519.PublicKey:
		return "Ed25519", nil
	}
	return "", fmt.Errorf("has a key of a kind that is not known (%T): make one with ECDSA P-256", key)
}

// namesOf is whom a certificate is for: its subjectAltName, and without one its common name, as
// clients once did (RFC 9525 2 has put an end to it).
func namesOf(leaf *x509.Certificate) (names []string) {
	for _, name := range leaf.DNSNames {
		names = append(names, strings.ToLower(name))
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = append(names, strings.ToLower(leaf.Subject.CommonName))
	}
	return names
}

// fingerprint is the SHA-256 of a certificate: AB:CD:…
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// doubts is what is legal about a pair, and probably not meant.
func (p *pair) doubts(chain []*x509.Certificate) (list []string) {
	leaf := chain[0]
	say := func(format string, args ...any) {
		list = append(list, fmt.Sprintf("The certificate %q ", p.from.Cert)+fmt.Sprintf(format, args...))
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		say("has no subjectAltName: browsers refuse it")
	}
	if all := leaf.ExtKeyUsage; len(all)+len(leaf.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(all, x509.ExtKeyUsageServerAuth) && !slices.Contains(all, x509.ExtKeyUsageAny) {
		say("is not for servers (extendedKeyUsage without serverAuth): clients refuse it")
	}
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < leastRSA {
		say("has an RSA key of %d bits: browsers refuse less than %d", k.N.BitLen(), leastRSA)
	}
	if _, ok := leaf.PublicKey.(ed25519.PublicKey); ok {
		say("has an Ed25519 key, which browsers do not know: ECDSA P-256 is for all")
	}
	// Whoever is meant to be found by an address (RFC 5280 4.2.2.1) is not known to all clients.
	if len(chain) == 1 && len(leaf.IssuingCertificateURL) > 0 && leaf.CheckSignatureFrom(leaf) != nil {
		say("stands alone: without that of %q many clients cannot check it; give the file with the whole chain (fullchain.pem)", leaf.Issuer.CommonName)
	}
	for i, c := range chain[1:] {
		if chain[i].CheckSignatureFrom(c) != nil {
			say("has a chain that breaks: number %d in the file did not sign the one before it; each is to be followed by its issuer's", i+2)
			break
		}
	}
	return list
}

// warnOfTime says what is wrong with the dates, or soon will be. Empty for nothing.
func (p *pair) warnOfTime(now time.Time) string {
	name := p.name()
	switch left := p.facts.Ends.Sub(now); {
	case now.Before(p.facts.Since):
		return fmt.Sprintf("%s is not valid before %s: clients refuse it until then", name, day(p.facts.Since))
	case left < 0:
		return fmt.Sprintf("%s has expired on %s: clients refuse it; %s", name, day(p.facts.Ends), p.remedy())
	case left < warnBefore:
		return fmt.Sprintf("%s expires on %s, in %s: %s", name, day(p.facts.Ends), days(left), p.remedy())
	}
	return ""
}

func (p *pair) name() string {
	if p.facts.SelfSigned {
		return "The self-signed certificate"
	}
	return fmt.Sprintf("The certificate %q", p.from.Cert)
}

func (p *pair) remedy() string {
	if p.facts.SelfSigned {
		return "send HUP to have another made"
	}
	return "renew it, and send HUP"
}

// day is a moment as people write it.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// days is a time in days, or hours where there are few.
func days(d time.Duration) string {
	switch n := int(d.Hours()); {
	case n >= 48:
		return fmt.Sprintf("%d days", n/24)
	case n == 1:
		return "1 hour"
	default:
		return fmt.Sprintf("%d hours", n)
	}
}

// String is a certificate as the banner shows it.
func (c Certificate) String() string {
	names := "nobody"
	if len(c.Names) > 0 {
		names = strings.Join(c.Names, ", ")
	}
	text := fmt.Sprintf("Certificate of %s (%s), expires on %s", names, c.Kind, day(c.Ends))
	if c.SelfSigned {
		text = "Self-signed c" + text[1:] + ", SHA-256 fingerprint " + c.Fingerprint
	}
	return text
}
