package certs

// A certificate of the server's own making, for one's own machine: whoever wants to be sure of it
// compares its fingerprint, or gives the file to curl --cacert.
//
// It is kept in a file whose name is made of the names that it is for, so servers with other names
// do not make each other's certificate again, and the same server has the same one after a restart.
// The file appears whole, by renaming. Several processes may want it at once: whoever holds the
// lock of the folder makes it, and the others find it. The lock is the kernel's, and goes with its
// process.
//
// What must not be done: no key is taken that somebody else could have read or put there.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/sysnet"
)

const (
	// lifetime of one that we make: the longest that Apple's clients take of any.
	lifetime = 397 * 24 * time.Hour
	// renewBefore is how long before its end another one is made.
	renewBefore = 30 * 24 * time.Hour
	// backdated is for clients whose clocks are behind ours.
	backdated = time.Hour
	// lockTime is how long another process may take to make one; it takes milliseconds.
	lockTime = 5 * time.Second
	// lockPause is between two tries to get the lock.
	lockPause = 10 * time.Millisecond

	beginning  = "self-signed-" // of the name of a file with one
	unfinished = "new-" + beginning
)

// What every self-signed certificate is for, besides its own names.
var (
	localNames = []string{"localhost"}
	localAddrs = []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}
)

// read finds the one that is kept, or makes one. Where none can be kept the one that was in use
// stays, because clients may know it; at each start there is a new one, which is said.
func (o *SelfSigned) read(now time.Time, before material) (material, error) {
	dir, err := o.folder()
	var text []byte
	if err == nil {
		text, err = o.kept(dir, now)
	}
	var m material
	if err != nil {
		m.Warnings = append(m.Warnings, fmt.Sprintf("The self-signed certificate is another one at every start, because it cannot be kept: %v", err))
		if text = o.still(before, now); text != nil {
			err = nil
		} else if text, err = o.make(now); err != nil {
			return material{}, fmt.Errorf("cannot make a certificate: %w; give one with -tls-cert", err)
		}
	}
	m.Pairs = []pairMaterial{{CertPEM: text, KeyPEM: text, SelfSigned: true}}
	return m, nil
}

// still is the text of the one that was in use, if it is for the same names and can be used for
// long enough, else nil.
func (o *SelfSigned) still(before material, now time.Time) []byte {
	if len(before.Pairs) != 1 || !before.Pairs[0].SelfSigned {
		return nil
	}
	p, _, err := parse(before.Pairs[0])
	if err != nil || p.dated(now) || !slices.Equal(p.facts.Names, o.all()) {
		return nil
	}
	return before.Pairs[0].CertPEM
}

// dated reports whether the time of one that we made is over, or soon will be.
func (p *pair) dated(now time.Time) bool {
	return now.Before(p.facts.Since) || p.facts.Ends.Sub(now) < renewBefore
}

// all is whom it is for, as [Certificate] has it.
func (o *SelfSigned) all() []string {
	names, addrs := o.subjects()
	for _, ip := range addrs {
		names = append(names, ip.String())
	}
	return names
}

// folder is where it is kept: nobody else may write there.
func (o *SelfSigned) folder() (dir string, err error) {
	dir = o.Folder
	if dir == "" {
		if dir, err = os.UserCacheDir(); err != nil {
			return "", err
		}
		dir = filepath.Join(dir, "fourways")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, sysnet.OthersMayWrite(dir)
}

// kept is the text of the one that is kept for these names, made where there is none of use.
func (o *SelfSigned) kept(dir string, now time.Time) ([]byte, error) {
	path := filepath.Join(dir, beginning+o.hash()+".pem")
	if text, err := usable(path, now); err == nil {
		return text, nil
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if text, err := usable(path, now); err == nil { // another process has made it meanwhile
		return text, nil
	}
	removeUnfinished(dir)
	text, err := o.make(now)
	if err != nil {
		return nil, err
	}
	return text, write(path, text)
}

// hash is made of all names.
func (o *SelfSigned) hash() string {
	names, addrs := o.subjects()
	sum := sha256.Sum256([]byte(fmt.Sprint(names, addrs)))
	return hex.EncodeToString(sum[:8])
}

// subjects is whom it is for, each once, in one order.
func (o *SelfSigned) subjects() (names []string, addrs []net.IP) {
	names, addrs = slices.Clone(localNames), slices.Clone(localAddrs)
	for _, name := range o.Names {
		names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	for _, a := range o.Addrs {
		addrs = append(addrs, net.IP(a.Unmap().AsSlice()))
	}
	slices.Sort(names)
	slices.SortFunc(addrs, func(a, b net.IP) int { return strings.Compare(string(a), string(b)) })
	return slices.Compact(names), slices.CompactFunc(addrs, net.IP.Equal)
}

var (
	errExposed = errors.New("others may have read it")
	errDated   = errors.New("its time is over, or soon will be")
)

// usable is the text of a file of ours that can be used for long enough.
func usable(path string, now time.Time) ([]byte, error) {
	text, info, err := sysnet.ReadSmall(path, maxFile)
	if err != nil {
		return nil, err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != uint32(os.Geteuid()) || info.Mode().Perm()&0o077 != 0 {
		return nil, errExposed
	}
	p, _, err := parse(pairMaterial{CertPEM: text, KeyPEM: text})
	if err != nil {
		return nil, err
	}
	if p.dated(now) {
		return nil, errDated
	}
	return text, nil
}

var errLocked = fmt.Errorf("another process has held its folder for more than %v", lockTime)

// lock waits for the folder to be this process's own (flock(2)).
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockTime); ; time.Sleep(lockPause) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(end) {
			break
		}
	}
	f.Close()
	if err == unix.EWOULDBLOCK {
		err = errLocked
	}
	return nil, err
}

// removeUnfinished removes what a process has left that was killed while it wrote. It is for
// whoever holds the lock.
func removeUnfinished(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, unfinished+"*"))
	for _, path := range left {
		os.Remove(path)
	}
}

// write makes a file that only its owner may read, whole or not at all.
func write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*") // which has mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// make makes a certificate and its key, as the text of one file.
func (o *SelfSigned) make(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // at most 20 octets (RFC 5280 4.1.2.2)
	if err != nil {
		return nil, err
	}
	names, addrs := o.subjects()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Four Ways to Wait"}, CommonName: "self-signed " + hex.EncodeToString(serial.Bytes()[:4])},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
		IPAddresses:           addrs,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
