// Package certstest makes certificates for tests: of a root of their own, of any kind of key,
// broken in one way or another. It is no part of the server.
package certstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Certificate is one with its key.
type Certificate struct {
	t    testing.TB
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Change is what is unusual about a certificate.
type Change func(*x509.Certificate)

var serials atomic.Int64

// P256, RSA and others make keys.
func P256(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// RSA makes a key of so many bits.
func RSA(t testing.TB, bits int) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

// Ed25519 makes such a key.
func Ed25519(t testing.TB) crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// Root makes a certificate that signs itself and others.
func Root(t testing.TB) *Certificate {
	return (*Certificate)(nil).sign(t, P256(t), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Root of a test"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
}

// Issuer makes one that signs others, and is signed by this.
func (r *Certificate) Issuer() *Certificate {
	return r.sign(r.t, P256(r.t), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Issuer of a test"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
}

// Leaf makes one for some names, that of P-256 and of today.
func (r *Certificate) Leaf(names ...string) *Certificate { return r.LeafOf(P256(r.t), Names(names...)) }

// LeafOf makes one of a key that is there, with changes.
func (r *Certificate) LeafOf(key crypto.Signer, changes ...Change) *Certificate {
	return r.sign(r.t, key, changes...)
}

// Names has it be for these names, of which some may be addresses.
func Names(names ...string) Change {
	return func(c *x509.Certificate) {
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	}
}

// Dates has it be valid from and until then.
func Dates(from, until time.Time) Change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }
}

func (r *Certificate) sign(t testing.TB, key crypto.Signer, changes ...Change) *Certificate {
	n := serials.Add(1)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(n),
		Subject:      pkix.Name{CommonName: "certificate " + strconv.FormatInt(n, 10)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
	}
	for _, change := range changes {
		change(template)
	}
	parent, signer := template, key
	if r != nil {
		parent, signer = r.Cert, r.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &Certificate{t: t, Cert: cert, Key: key}
}

// CertPEM is it as text, with those that follow.
func (c *Certificate) CertPEM(chain ...*Certificate) (text []byte) {
	for _, one := range append([]*Certificate{c}, chain...) {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Cert.Raw})...)
	}
	return text
}

// KeyPEM is its key as text (PKCS #8).
func (c *Certificate) KeyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	require.NoError(c.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Pool is for clients that trust it.
func (c *Certificate) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Cert)
	return pool
}

// Write puts it, with a chain, and its key into a folder, as NAME.pem and NAME.key. What is there
// is replaced by renaming: first the certificate, then the key.
func (c *Certificate) Write(dir, name string, chain ...*Certificate) (cert, key string) {
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	Replace(c.t, cert, c.CertPEM(chain...), 0o644)
	Replace(c.t, key, c.KeyPEM(), 0o600)
	return cert, key
}

// Replace puts a file in the place of another.
func Replace(t testing.TB, path string, text []byte, mode os.FileMode) {
	require.NoError(t, os.WriteFile(path+".new", text, mode))
	require.NoError(t, os.Rename(path+".new", path))
}
