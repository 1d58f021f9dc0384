package certs

// Choosing certificates, reloading them, and what is said of those that cannot be used. Handshakes
// run in memory, with certificates that the test makes.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/certs/certstest"
)

// load makes a Store of pairs in files.
func load(t *testing.T, certificates ...*certstest.Certificate) *Store {
	t.Helper()
	dir, pairs := t.TempDir(), []Pair(nil)
	for i, c := range certificates {
		cert, key := c.Write(dir, string(rune('a'+i)))
		pairs = append(pairs, Pair{cert, key})
	}
	s, err := Load(Options{Pairs: pairs, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	return s
}

// connected is both ends of a connection of TCP. A net.Pipe would not do: it holds nothing, and in
// TLS 1.3 the server may send its tickets while the client sends the end of its handshake.
func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	return near, far
}

// handshake is what a client sees that asks for a name.
func handshake(t *testing.T, s *Store, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := connected(t)
	defer near.Close()
	go func() {
		server := tls.Server(far, s.TLSConfig())
		server.Handshake()
		far.Close()
	}()
	client.InsecureSkipVerify = true
	conn := tls.Client(near, client)
	err := conn.Handshake()
	return conn.ConnectionState(), err
}

func TestTheCertificateIsChosenByTheNameAskedFor(t *testing.T) {
	root := certstest.Root(t)
	s := load(t, root.Leaf("first.example"), root.Leaf("a.example", "b.example"), root.Leaf("*.example", "*.wild.test"),
		root.Leaf("exact.wild.test"), root.Leaf("xn--bcher-kva.test", "*.xn--bcher-kva.test"), root.Leaf("192.0.2.1"))
	cases := []struct {
		name, asked string
		want        int
	}{
		{"nobody's", "", 0},
		{"an exact name", "b.example", 1},
		{"an exact name before a wildcard", "exact.wild.test", 3},
		{"a wildcard", "x.wild.test", 2},
		{"a wildcard that is said later than an exact name", "c.example", 2},
		{"a wildcard is one label", "x.y.wild.test", 0},
		{"a wildcard is not no label", "wild.test", 0},
		{"another name", "other.test", 0},
		{"capitals", "B.eXaMple", 1},
		{"capitals under a wildcard", "X.WILD.test", 2},
		{"an international name", "xn--bcher-kva.test", 4},
		{"an international name in capitals", "XN--BCHER-KVA.test", 4},
		{"a name below an international one", "www.xn--bcher-kva.test", 4},
		{"an asterisk asks for nothing", "*.nowhere.test", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := s.now.Load().choose(&tls.ClientHelloInfo{ServerName: tc.asked})
			assert.Equal(t, s.now.Load().pairs[tc.want].facts.Names, namesOf(got.Leaf))
		})
	}
	state, err := handshake(t, s, &tls.Config{ServerName: "x.wild.test"})
	require.NoError(t, err)
	assert.Equal(t, []string{"*.example", "*.wild.test"}, state.PeerCertificates[0].DNSNames)
}

func TestOfTwoKindsOfKeysTheClientGetsTheCheaperThatItKnows(t *testing.T) {
	root := certstest.Root(t)
	s := load(t, root.LeafOf(certstest.RSA(t, 2048), certstest.Names("both.test")), root.Leaf("both.test"))
	for _, tc := range []struct {
		name   string
		client *tls.Config
		want   x509.PublicKeyAlgorithm
	}{
		{"one of today", &tls.Config{ServerName: "both.test"}, x509.ECDSA},
		{"one of today that names nobody", &tls.Config{}, x509.ECDSA},
		{"one that knows RSA alone", &tls.Config{ServerName: "both.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, x509.RSA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state, err := handshake(t, s, tc.client)
			require.NoError(t, err)
			assert.Equal(t, tc.want, state.PeerCertificates[0].PublicKeyAlgorithm)
		})
	}
}

func TestHowTLSIsSpoken(t *testing.T) {
	s := load(t, certstest.Root(t).Leaf("a.test"))
	only13, err := Load(Options{Material: s.Material(), MinVersion: tls.VersionTLS13, Groups: []tls.CurveID{tls.X25519}})
	require.NoError(t, err)
	cases := []struct {
		name   string
		store  *Store
		client *tls.Config
		want   string // part of the client's error, empty for none
		check  func(*testing.T, tls.ConnectionState)
	}{
		{"HTTP/1.1 is agreed on", s, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, "", func(t *testing.T, c tls.ConnectionState) {
			assert.Equal(t, "http/1.1", c.NegotiatedProtocol)
			assert.Equal(t, tls.X25519MLKEM768, c.CurveID)
		}},
		{"who names no protocol is served", s, &tls.Config{}, "", func(t *testing.T, c tls.ConnectionState) {
			assert.Empty(t, c.NegotiatedProtocol)
		}},
		{"who wants HTTP/2 alone is not", s, &tls.Config{NextProtos: []string{"h2"}}, "no application protocol", nil},
		{"TLS 1.2 is spoken", s, &tls.Config{MaxVersion: tls.VersionTLS12}, "", func(t *testing.T, c tls.ConnectionState) {
			assert.EqualValues(t, tls.VersionTLS12, c.Version)
		}},
		{"TLS 1.1 is not", s, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version", nil},
		{"nor 1.2 where 1.3 is the least", only13, &tls.Config{MaxVersion: tls.VersionTLS12}, "protocol version", nil},
		{"a group that is allowed", only13, &tls.Config{}, "", func(t *testing.T, c tls.ConnectionState) {
			assert.Equal(t, tls.X25519, c.CurveID)
		}},
		{"groups that are not", only13, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, "handshake failure", nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			state, err := handshake(t, tc.store, tc.client)
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			tc.check(t, state)
		})
	}
}

func TestAPairThatCannotBeUsedIsSaidInOneLine(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	issuer, leaf := root.Issuer(), root.Issuer().Leaf("a.test")
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	block := func(kind string, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte("x")})
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	odd := root.LeafOf(p224, certstest.Names("odd.test"))
	cert, key := leaf.Write(dir, "good")
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	cases := []struct{ name, cert, key, want string }{
		{"a certificate that is not there", dir + "/none", key, "cannot read the certificate: open " + dir + "/none: no such file"},
		{"a key that is not there", cert, dir + "/none", "cannot read the key: open"},
		{"a FIFO that nobody writes to", fifo, key, "not a regular file"},
		{"a FIFO for a key", cert, fifo, "not a regular file"},
		{"a folder", dir, key, "not a regular file"},
		{"a device without an end", "/dev/zero", key, "not a regular file"},
		{"a file that is too large", file("large", make([]byte, maxFile+1)), key, "too large"},
		{"an empty certificate", file("empty", nil), key, "is not PEM (-----BEGIN CERTIFICATE-----)"},
		{"an empty key", cert, file("empty", nil), "is not PEM (-----BEGIN PRIVATE KEY-----)"},
		{"DER", file("der", leaf.Cert.Raw), key, "is not PEM"},
		{"exchanged files", key, cert, "holds a key and no certificate: are -tls-cert and -tls-key exchanged?"},
		{"a certificate for a key", cert, cert, "holds certificates and no key"},
		{"a block of something else", file("request", block("CERTIFICATE REQUEST", nil)), key, "holds no block CERTIFICATE"},
		{"a broken certificate", file("broken", block("CERTIFICATE", nil)), key, "cannot be understood (block 1)"},
		{"a broken key", cert, file("broken.key", block("PRIVATE KEY", nil)), "cannot be understood"},
		{"an encrypted key", cert, file("enc", block("ENCRYPTED PRIVATE KEY", nil)), "is encrypted, and there is nobody to ask"},
		{"an encrypted key of the old form", cert, file("enc1", block("RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"})), "is encrypted"},
		{"a key of OpenSSH", cert, file("ssh", block("OPENSSH PRIVATE KEY", nil)), "ssh-keygen"},
		{"somebody else's key", cert, file("other", root.Leaf("b.test").KeyPEM()), "does not belong to the certificate"},
		{"a key of another kind", cert, file("rsa", root.LeafOf(certstest.RSA(t, 2048)).KeyPEM()), "does not belong to the certificate"},
		{"the issuer before the certificate", file("order", issuer.CertPEM(leaf)), key, "is number 2 in the file, and must be the first"},
		{"a curve that TLS has not", file("p224", odd.CertPEM()), file("p224.key", odd.KeyPEM()), "has a key on the curve P-224"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(Options{Pairs: []Pair{{cert, key}, {tc.cert, tc.key}}})
			require.ErrorContains(t, err, tc.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// Such a key cannot even be made any more.
func TestAKeyThatSignsNothingIsRefused(t *testing.T) {
	for bits, want := range map[uint]string{1023: "", 1024: "RSA 1024"} {
		kind, err := kindOf(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537})
		assert.Equal(t, want, kind)
		assert.Equal(t, want == "", err != nil)
	}
}

func TestWhatIsDoubtfulAboutAPairIsSaid(t *testing.T) {
	root := certstest.Root(t)
	issuer := root.Issuer()
	aia := func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://example.org/issuer"} }
	named := certstest.Names("a.test")
	cases := []struct {
		name  string
		cert  *certstest.Certificate
		chain []*certstest.Certificate
		want  []string // parts, one for each warning
	}{
		{"nothing", root.Leaf("a.test"), nil, nil},
		{"nothing about a whole chain", issuer.LeafOf(certstest.P256(t), named, aia), []*certstest.Certificate{issuer, root}, nil},
		{"the chain is missing", issuer.LeafOf(certstest.P256(t), named, aia), nil, []string{`stands alone: without that of "Issuer of a test"`}},
		{"the chain is in the wrong order", issuer.Leaf("a.test"), []*certstest.Certificate{root, issuer}, []string{"number 2 in the file did not sign"}},
		{"a link is missing", issuer.Leaf("a.test"), []*certstest.Certificate{root}, []string{"a chain that breaks"}},
		{"it is for clients", root.LeafOf(certstest.P256(t), named, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil, []string{"is not for servers"}},
		{"nothing about one for both sides", root.LeafOf(certstest.P256(t), named, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		}), nil, nil},
		{"a name of the old kind", root.LeafOf(certstest.P256(t)), nil, []string{"has no subjectAltName"}},
		{"RSA", root.LeafOf(certstest.RSA(t, 2048), named), nil, []string{"four times"}},
		{"short RSA", root.LeafOf(certstest.RSA(t, 1024), named), nil, []string{"of 1024 bits: browsers refuse", "four times"}},
		{"Ed25519", root.LeafOf(certstest.Ed25519(t), named), nil, []string{"browsers do not know"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			cert, key := tc.cert.Write(t.TempDir(), "pair", tc.chain...)
			s, err := Load(Options{Pairs: []Pair{{cert, key}}})
			require.NoError(t, err)
			require.Len(t, s.Warnings(), len(tc.want), "%q", s.Warnings())
			for i, part := range tc.want {
				assert.Contains(t, s.Warnings()[i], part)
			}
		})
	}
	rsa := root.LeafOf(certstest.RSA(t, 2048), named)
	assert.Len(t, load(t, rsa, rsa).Warnings(), 1, "what RSA costs is said once")
}

func TestAKeyThatOthersCanReadIsSaid(t *testing.T) {
	cert, key := certstest.Root(t).Leaf("a.test").Write(t.TempDir(), "pair")
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true} {
		require.NoError(t, os.Chmod(key, mode))
		s, err := Load(Options{Pairs: []Pair{{cert, key}}})
		require.NoError(t, err)
		assert.Equal(t, warned, len(s.Warnings()) == 1, "%o: %q", mode, s.Warnings())
	}
}

func TestDatesAreWarnedOf(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	cases := []struct {
		name        string
		from, until time.Duration
		want        string // part; empty for no warning
	}{
		{"one of today", -day, 15 * day, ""},
		{"one that ends within fourteen days", -day, 13*day + time.Hour, "in 13 days: renew it, and send HUP"},
		{"one that ends within hours", -day, 5*time.Hour + time.Minute, "in 5 hours"},
		{"one that has ended", -2 * day, -day, "has expired on"},
		{"one that has not begun", day, 90 * day, "is not valid before"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := load(t, certstest.Root(t).LeafOf(certstest.P256(t), certstest.Names("a.test"), certstest.Dates(now.Add(tc.from), now.Add(tc.until))))
			got := s.WarningsOfTime(now)
			if tc.want == "" {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			assert.Contains(t, got[0], tc.want)
		})
	}
}

func TestReloadTakesAllPairsOrNone(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	a, aKey := root.Leaf("a.test").Write(dir, "a")
	b, bKey := root.Leaf("b.test").Write(dir, "b")
	s, err := Load(Options{Pairs: []Pair{{a, aKey}, {b, bKey}}})
	require.NoError(t, err)
	before, config := s.Certificates(), s.TLSConfig()

	changed, err := s.Reload()
	require.NoError(t, err)
	assert.False(t, changed, "the same files")

	root.Leaf("a.test").Write(dir, "a")
	certstest.Replace(t, bKey, []byte("nonsense"), 0o600)
	_, err = s.Reload()
	require.ErrorContains(t, err, "b.key")
	assert.Equal(t, before, s.Certificates())

	next := root.Leaf("b2.test")
	next.Write(dir, "b")
	changed, err = s.Reload()
	require.NoError(t, err)
	assert.True(t, changed)
	assert.NotEqual(t, before[0].Fingerprint, s.Certificates()[0].Fingerprint)
	assert.Equal(t, []string{"b2.test"}, s.Certificates()[1].Names)
	assert.Same(t, config, s.TLSConfig())
}

func TestAnotherProcessServesByWhatTheFirstHasRead(t *testing.T) {
	dir := t.TempDir()
	cert, key := certstest.Root(t).Leaf("a.test").Write(dir, "a")
	first, err := Load(Options{Pairs: []Pair{{cert, key}}})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	second, err := Load(Options{Pairs: []Pair{{cert, key}}, Material: first.Material()})
	require.NoError(t, err)
	assert.Equal(t, first.Certificates(), second.Certificates())
}

func TestASessionIsResumedOverAReload(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	cert, key := root.Leaf("a.test").Write(dir, "a")
	s, err := Load(Options{Pairs: []Pair{{cert, key}}})
	require.NoError(t, err)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{ServerName: "a.test", RootCAs: root.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1), MinVersion: version, MaxVersion: version}
		for _, resumed := range []bool{false, true} {
			near, far := connected(t)
			go func() {
				server := tls.Server(far, s.TLSConfig())
				server.Write([]byte("x")) // after the tickets
				server.Close()
			}()
			conn := tls.Client(near, client)
			_, err := io.ReadFull(conn, make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, resumed, conn.ConnectionState().DidResume)
			near.Close()
			root.Leaf("a.test").Write(dir, "a")
			_, err = s.Reload()
			require.NoError(t, err)
		}
	}
}

func TestARequestIsMisdirectedWhereItsHostHasAnotherCertificate(t *testing.T) {
	root := certstest.Root(t)
	long := strings.Repeat("a", 60) + ".one.test"
	s := load(t, root.Leaf("one.test", "*.one.test"), root.Leaf("two.test", "x.one.test", "192.0.2.1"))
	for _, tt := range []struct {
		name, asked, host string
		want              bool
	}{
		{"the name asked for", "one.test", "one.test", false},
		{"in capitals, whole", "one.test", "ONE.test.", false},
		{"asked for in capitals", "ONE.TEST", "one.test", false},
		{"under the same certificate", "one.test", "a.one.test", false},
		{"under both", "one.test", "x.one.test", false},
		{"under another's", "two.test", "a.one.test", true},
		{"another's", "one.test", "TWO.test", true},
		{"nobody's", "one.test", "three.test", false},
		{"two labels under a wildcard are nobody's", "two.test", "a.b.one.test", false},
		{"an address of another's", "one.test", "192.0.2.1", false},
		{"without a name, under the first", "", "one.test", false},
		{"without a name, under another", "", "two.test", true},
	} {
		assert.Equal(t, tt.want, s.Misdirected(tt.asked, []byte(tt.host)), tt.name)
	}
	assert.False(t, load(t, root.Leaf("one.test")).Misdirected("x.test", []byte("one.test")), "there is one alone")
	host := []byte(long)
	assert.Zero(t, testing.AllocsPerRun(100, func() { s.Misdirected(long, host) }), "nearly every client")
}

func TestASessionIsResumedUnderItsOwnNameOnly(t *testing.T) {
	s := load(t, certstest.Root(t).Leaf("a.test", "b.test"))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		last := &oneSession{}
		for _, tt := range []struct {
			name    string
			resumed bool
		}{{"a.test", false}, {"a.test", true}, {"A.test", true}, {"b.test", false}, {"a.test", false}, {"", false}, {"", true}, {"a.test", false}} {
			near, far := connected(t)
			go func() {
				server := tls.Server(far, s.TLSConfig())
				server.Write([]byte("x")) // after the tickets
				server.Close()
			}()
			conn := tls.Client(near, &tls.Config{ServerName: tt.name, InsecureSkipVerify: true, ClientSessionCache: last, MinVersion: version, MaxVersion: version})
			_, err := io.ReadFull(conn, make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, tt.resumed, conn.ConnectionState().DidResume, "%x %s", version, tt.name)
			near.Close()
		}
	}
}

// oneSession is the last session, whatever it was for.
type oneSession struct{ session *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool)    { return o.session, o.session != nil }
func (o *oneSession) Put(_ string, session *tls.ClientSessionState) { o.session = session }

func TestTheBannerSaysWhoAndUntilWhen(t *testing.T) {
	until := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	s := load(t, certstest.Root(t).LeafOf(certstest.P256(t), certstest.Names("a.test", "*.a.test", "192.0.2.1"), certstest.Dates(time.Now(), until)))
	assert.Equal(t, "Certificate of a.test, *.a.test, 192.0.2.1 (ECDSA P-256), expires on 2031-02-03 04:05 UTC", s.Certificates()[0].String())
	assert.True(t, strings.Count(s.Certificates()[0].Fingerprint, ":") == 31)
	assert.True(t, s.Ends().Equal(until))
}
