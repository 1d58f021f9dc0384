// Package securetest has clients of TLS that make their records themselves, and send what
// crypto/tls never would: many key updates, for example; and a certificate. It is no part of the
// server.
//
// The handshake is crypto/tls's. From its end on whoever asked for it writes records of a [Sealer]
// to the socket, and reads by the tls.Conn, which must not write any more.
package securetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// SelfSigned makes a certificate for a name, of this hour, and its key.
func SelfSigned(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	t := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, &t, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Types of records and messages (RFC 8446 5.1 and 4).
const (
	ChangeCipherSpec = 20
	Alert            = 21
	Handshake        = 22
	Data             = 23

	keyUpdate = 24
)

// Sealer makes a client's records, by AES-128-GCM.
type Sealer struct {
	version uint16
	secret  []byte // of TLS 1.3
	aead    cipher.AEAD
	iv      []byte
	seq     uint64
}

// Client makes a handshake on a connection, and then the Sealer of what its client sends next.
func Client(conn net.Conn, config *tls.Config) (*tls.Conn, *Sealer, error) {
	var keys strings.Builder
	config = config.Clone()
	config.KeyLogWriter = &keys
	config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	first := &listener{Conn: conn}
	c := tls.Client(first, config)
	if err := c.Handshake(); err != nil {
		return nil, nil, err
	}
	state := c.ConnectionState()
	for line := range strings.Lines(keys.String()) {
		f := strings.Fields(line)
		secret, err := hex.DecodeString(f[2])
		if err != nil {
			return nil, nil, err
		}
		switch {
		case f[0] == "CLIENT_RANDOM":
			random, err := hex.DecodeString(f[1])
			return c, seal12(secret, random, first.random()), err
		case f[0] == "CLIENT_TRAFFIC_SECRET_0" && state.CipherSuite == tls.TLS_AES_128_GCM_SHA256:
			s := &Sealer{version: tls.VersionTLS13}
			s.rekey(secret)
			return c, s, nil
		}
	}
	return nil, nil, fmt.Errorf("no records can be made for %s", tls.CipherSuiteName(state.CipherSuite))
}

// listener keeps what has come first.
type listener struct {
	net.Conn
	got []byte
}

func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if len(l.got) < 64 {
		l.got = append(l.got, p[:n]...)
	}
	return n, err
}

// random is that of the ServerHello (RFC 5246 7.4.1.3).
func (l *listener) random() []byte {
	const at = 5 + 4 + 2 // of the headers of the record and the message, and of the version
	return l.got[at : at+32]
}

// seal12 has the keys of TLS 1.2 (RFC 5246 6.3, RFC 5288 3). The client's Finished was number 0.
func seal12(master, client, server []byte) *Sealer {
	block := prf12(master, append(append([]byte("key expansion"), server...), client...), 2*16+4)
	return &Sealer{version: tls.VersionTLS12, aead: gcm(block[:16]), iv: block[32:36], seq: 1}
}

// prf12 is the pseudorandom function of TLS 1.2 (RFC 5246 5).
func prf12(secret, seed []byte, n int) (out []byte) {
	sum := func(parts ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(bytes.Join(parts, nil))
		return h.Sum(nil)
	}
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446 7.1).
func expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append(append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label))), label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		panic(err)
	}
	return out
}

func (s *Sealer) rekey(secret []byte) {
	s.aead = gcm(expand(secret, "key", 16))
	s.secret, s.iv, s.seq = secret, expand(secret, "iv", 12), 0
}

// Record is one record.
func (s *Sealer) Record(kind byte, p ...byte) []byte {
	number := binary.BigEndian.AppendUint64(nil, s.seq)
	s.seq++
	if s.version == tls.VersionTLS12 { // RFC 5246 6.2.3.3, RFC 5288 3
		inside := append(bytes.Clone(number), kind, 3, 3, byte(len(p)>>8), byte(len(p)))
		sealed := s.aead.Seal(bytes.Clone(number), append(bytes.Clone(s.iv), number...), p, inside)
		return append([]byte{kind, 3, 3, byte(len(sealed) >> 8), byte(len(sealed))}, sealed...)
	}
	nonce := bytes.Clone(s.iv) // RFC 8446 5.2 and 5.3
	for i, b := range number {
		nonce[4+i] ^= b
	}
	inner := append(bytes.Clone(p), kind)
	n := len(inner) + s.aead.Overhead()
	header := []byte{Data, 3, 3, byte(n >> 8), byte(n)}
	return s.aead.Seal(bytes.Clone(header), nonce, inner, header)
}

// Update goes on with new keys, and asks for them with 1 (RFC 8446 4.6.3).
func (s *Sealer) Update(asks byte) []byte {
	r := s.Record(Handshake, keyUpdate, 0, 0, 1, asks)
	s.rekey(expand(s.secret, "traffic upd", 32))
	return r
}
