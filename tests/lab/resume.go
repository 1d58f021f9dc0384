//go:build linux

package main

// What a ticket spares: the signature, in whichever process the client lands.
//
// The certificate has an RSA key, whose signatures are dear, and is made for this run. The time is
// that of the server's processors. What must not be done: a handshake that was to resume and did
// not must not count as one that did.

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"fourways/tests/bench/proc"
)

var resume = lab{
	name:    "resume",
	seconds: 10,
	asks: "A full handshake takes a signature, here with an RSA key of 2,048 bits, and a client that has a ticket spares it. " +
		"How much of a full handshake's processor time does one take that resumes?",
	unit: "%",
	run:  runResume,
}

func runResume(r *rig) (res result, err error) {
	full, resumed := either(r, 150, 1000), either(r, 150, 2000)
	res = result{Unit: "µs of the server's processor", Apart: true, Learnt: "The signature is most of a full handshake. A ticket holds what both ends knew, sealed with a key that all workers have, so it\n" +
		"is worth as much at another worker as at the one that gave it. Where they do not share the key, most clients pay again, and no log says so."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	cert, key, err := r.certificate()
	if err != nil {
		return res, err
	}
	s, err := r.start("stage4-prefork", "-root", root, "-workers", "4", "-adaptive", "off", "-tls-listen", "127.0.0.1:0", "-tls-cert", cert, "-tls-key", key)
	if err != nil {
		return res, err
	}
	r.say("%d full handshakes", full)
	dear, _, err := shakes(s, full, nil)
	if err != nil {
		return res, err
	}
	r.say("%d handshakes with a ticket, at 4 workers", resumed)
	tickets := tls.NewLRUClientSessionCache(1)
	if _, _, err := shakes(s, 1, tickets); err != nil { // the first one gets a ticket
		return res, err
	}
	cheap, spared, err := shakes(s, resumed, tickets)
	if err != nil {
		return res, err
	}
	res.add("full", dear)
	res.add("resumed", cheap)
	res.Answer = 100 * cheap / dear
	res.claims(spared == resumed, "%d of %d resumed, at whichever worker they came", spared, resumed)
	res.claims(cheap < dear, "one that resumes takes less of the processor")
	return res, nil
}

// certificate makes a certificate for localhost that nobody has signed but itself.
func (r *rig) certificate() (cert, key string, err error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	shape := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	cert, key = filepath.Join(r.dir, "cert.pem"), filepath.Join(r.dir, "key.pem")
	return cert, key, errors.Join(err,
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// shakes makes so many connections, one after the other, and returns what each has cost the server,
// in µs, and how many of them have resumed.
func shakes(s *server, n int, tickets tls.ClientSessionCache) (each float64, resumed int, err error) {
	before, err := proc.CPU(s.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tickets, CurvePreferences: []tls.CurveID{tls.X25519}}
	for range n {
		did, err := shake(s.tls, cfg)
		if err != nil {
			return 0, 0, err
		}
		if did {
			resumed++
		}
	}
	after, err := proc.CPU(s.cmd.Process.Pid)
	return float64((after - before).Microseconds()) / float64(n), resumed, err
}

// shake makes a connection, asks for a page, and reports whether it resumed a session. A ticket
// comes after the handshake, so it has to read.
func shake(addr string, cfg *tls.Config) (resumed bool, err error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(answerTime))
	c := tls.Client(raw, cfg)
	if _, err := io.WriteString(c, request("/page.txt")); err != nil {
		return false, err
	}
	answer, err := io.ReadAll(c)
	if err == nil && len(answer) == 0 {
		err = fmt.Errorf("no answer from %s", addr)
	}
	return c.ConnectionState().DidResume, err
}
