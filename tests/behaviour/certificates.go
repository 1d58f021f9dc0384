package behaviour

// Certificates, as clients see them, and the keys of session tickets: which certificate who gets,
// and what becomes of both on HUP.

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

var securedOn = regexp.MustCompile(`https://([^,\s"]+)`)

// StartTLS starts the stage with a plain listener beside one for TLS, whose address it returns.
func StartTLS(t testing.TB, args ...string) (s *harness.Server, addr string) {
	t.Helper()
	s = harness.Start(t, append([]string{"-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0"}, args...)...)
	return s, SecuredOn(t, s)
}

// SecuredOn is where a server listens for TLS.
func SecuredOn(t testing.TB, s *harness.Server) string { return s.Log.Await(t, securedOn)[1] }

// Client is one of TLS that trusts a root, checks the name that it asks for, and keeps the tickets
// that it gets.
func Client(root *certstest.Certificate, name string) *tls.Config {
	c := &tls.Config{ServerName: name, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if root != nil {
		c.RootCAs = root.Pool()
	}
	return c
}

// GetTLS asks for a path on a connection of its own, and reads the answer.
func GetTLS(addr string, client *tls.Config, path string) (status int, state tls.ConnectionState, err error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: harness.Patience}, "tcp", addr, client)
	if err != nil {
		return 0, state, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(harness.Patience))
	status, err = Exchange(c, path)
	return status, c.ConnectionState(), err
}

// served is the certificate that a client is shown.
func served(t testing.TB, addr string, client *tls.Config) *x509.Certificate {
	t.Helper()
	client = client.Clone()
	client.ClientSessionCache = nil // of a session that is resumed it would be the one from before
	status, state, err := GetTLS(addr, client, "/")
	require.NoError(t, err)
	require.Contains(t, []int{200, 421}, status, "localhost, for which it asks, may have another one")
	return state.PeerCertificates[0]
}

// Pair puts a certificate for some names into a folder, and gives the flags that name it.
func Pair(dir, name string, c *certstest.Certificate) []string {
	cert, key := c.Write(dir, name)
	return []string{"-tls-cert", cert, "-tls-key", key}
}

// HUP has a server reload, and waits until it says for the n-th time that it has, or has not.
func HUP(t testing.TB, s *harness.Server, n int) {
	t.Helper()
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)((Certificates reloaded|Reloaded: all|[Nn]ot reloaded).*){%d}`, n)))
}

var _ = test("CertificateByName", certificateByName, once("certs"))

// certificateByName: the client gets the certificate of the name that it asks for.
func certificateByName(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	args := append(Pair(dir, "first", root.Leaf("first.test", "localhost")), Pair(dir, "second", root.Leaf("*.second.test", "exact.test"))...)
	_, addr := StartTLS(t, append(args, Pair(dir, "rsa", root.LeafOf(certstest.RSA(t, 2048), certstest.Names("exact.test")))...)...)
	for name, want := range map[string]string{
		"first.test": "first.test", "localhost": "first.test", "a.second.test": "*.second.test", "A.SECOND.test": "*.second.test", "exact.test": "*.second.test",
	} {
		require.Equal(t, want, served(t, addr, Client(root, name)).DNSNames[0], name)
	}
	for _, name := range []string{"", "other.test", "a.b.second.test"} {
		anyone := &tls.Config{ServerName: name, InsecureSkipVerify: true}
		require.Equal(t, "first.test", served(t, addr, anyone).DNSNames[0], "%q", name)
	}
	only := Client(root, "exact.test")
	only.MaxVersion, only.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	require.Equal(t, x509.RSA, served(t, addr, only).PublicKeyAlgorithm, "who knows RSA alone gets that")

	out, err := curl(t, addr, "localhost", "--cacert", Root(t, dir, root))
	require.NoError(t, err, out)
}

var _ = test("MisdirectedRequests", misdirectedRequests, once("session"))

// misdirectedRequests: a request gets 421 over a connection that cannot speak for its place (RFC
// 9110 7.4): one of https over a plain connection, and one over TLS that shows the certificate for
// another of our names, although there is one for that. A trusted proxy's speaks for all places.
func misdirectedRequests(t *testing.T) {
	root := certstest.Root(t)
	pairs := append(Pair(t.TempDir(), "one", root.Leaf("one.test", "*.one.test")), Pair(t.TempDir(), "two", root.Leaf("two.test", "b.one.test", "127.0.0.1"))...)
	s, addr := StartTLS(t, append(pairs, "-host", "*")...)
	behind, behindTLS := StartTLS(t, append(pairs, "-host", "*", "-trusted-proxy", "127.0.0.0/8")...)
	plain := func(s *harness.Server) func() net.Conn { return func() net.Conn { return s.Dial(t) } }
	by := func(addr, name string) func() net.Conn {
		return func() net.Conn {
			return tls.Client(dialed(t, addr), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		}
	}
	over := func(name string) func() net.Conn { return by(addr, name) }
	for _, tt := range []struct {
		name         string
		dial         func() net.Conn
		target, host string
		status       int
	}{
		{"of http", plain(s), "http://localhost/", "localhost", 200},
		{"of https without TLS", plain(s), "https://localhost/", "localhost", 421},
		{"of https in capitals", plain(s), "HTTPS://localhost", "localhost", 421},
		{"of https through a trusted proxy", plain(behind), "https://localhost/", "localhost", 200},
		{"of https by TLS", over("one.test"), "https://one.test/", "one.test", 200},
		{"of the name asked for", over("one.test"), "/", "one.test", 200},
		{"of it in another spelling", over("one.test"), "/", "ONE.test.:443", 200},
		{"of another name of the certificate", over("one.test"), "/", "a.one.test", 200},
		{"of a name that is another's too", over("one.test"), "/", "b.one.test", 200},
		{"of another's name", over("one.test"), "/", "two.test", 421},
		{"of another's name in the target", over("one.test"), "https://Two.test:443/", "one.test", 421},
		{"of another's name under a wildcard", over("two.test"), "/", "a.one.test", 421},
		{"of nobody's name", over("one.test"), "/", "elsewhere.test", 200},
		{"by who asked for nobody's name", over("elsewhere.test"), "/", "elsewhere.test", 200},
		{"by who asked for no name", over(""), "/", "two.test", 421},
		{"by a trusted proxy that asked for no name", by(behindTLS, ""), "/", "two.test", 200},
		{"of an address, which cannot be asked for", over(""), "/", "127.0.0.1", 200},
		{"a probe", over("one.test"), "/livez", "two.test", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.dial()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", tt.target, tt.host)
			status, err := readAll(c)
			require.NoError(t, err)
			require.Equal(t, tt.status, status)
		})
	}
	s.Log.Await(t, regexp.MustCompile(`reason=misdirected status=421 .* host=two\.test asked=one\.test\n`))
}

// Root puts a root certificate into a folder.
func Root(t testing.TB, dir string, root *certstest.Certificate) (path string) {
	path = filepath.Join(dir, "root.pem")
	certstest.Replace(t, path, root.CertPEM(), 0o644)
	return path
}

// curl asks for a page by a name that stands for the server's address.
func curl(t *testing.T, addr, name string, args ...string) (out string, err error) {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl: install Debian's package of that name")
	}
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	args = append([]string{"-sS", "--noproxy", "*", "--max-time", "20", "--resolve", name + ":" + port + ":" + host, "https://" + name + ":" + port + "/"}, args...)
	text, err := exec.Command(program, args...).CombinedOutput()
	return string(text), err
}

var _ = test("RenewedCertificate", renewedCertificate, perProcess("certs"))

// renewedCertificate: while clients connect all the time, certificates are renewed, and not one
// handshake fails.
func renewedCertificate(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	s, addr := StartTLS(t, Pair(dir, "pair", root.Leaf("a.test", "localhost"))...)
	var stop atomic.Bool
	var done atomic.Int64
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for !stop.Load() {
				client := Client(root, "a.test")
				status, _, err := GetTLS(addr, client, "/")
				if err != nil || status != 200 {
					t.Errorf("status %d, error %v", status, err)
					return
				}
				done.Add(1)
				time.Sleep(harness.CallPause)
			}
		})
	}
	for i := range 3 {
		next := root.Leaf("a.test", "localhost")
		next.Write(dir, "pair")
		HUP(t, s, i+1)
		awaitCertificate(t, addr, Client(root, "a.test"), next)
		before := done.Load()
		harness.Eventually(t, "clients go on", func() bool { return done.Load() > before+5 || t.Failed() })
	}
	stop.Store(true)
	all.Wait()
}

// awaitCertificate waits until everybody is shown a certificate: workers that are replaced may
// still show another to those who had begun to connect.
func awaitCertificate(t testing.TB, addr string, client *tls.Config, want *certstest.Certificate) {
	t.Helper()
	harness.Eventually(t, "everybody gets the new certificate", func() bool {
		for range 10 {
			if !served(t, addr, client).Equal(want.Cert) {
				return false
			}
		}
		return true
	})
}

var _ = test("BrokenPair", brokenPair, perProcess("certs"))

// brokenPair: at the start it ends the program with one line, and on HUP the old one stays.
func brokenPair(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	leaf := root.Leaf("a.test", "localhost")
	args := Pair(dir, "pair", leaf)
	cert, key := args[1], args[3]
	spoils := []struct {
		name  string
		spoil func()
		says  string
	}{
		{"another key", func() { certstest.Replace(t, key, root.Leaf("b.test").KeyPEM(), 0o600) }, "does not belong to the certificate"},
		{"half a certificate", func() { require.NoError(t, os.Truncate(cert, 100)) }, "is not PEM"},
		{"a FIFO", func() { require.NoError(t, os.Remove(key)); require.NoError(t, syscall.Mkfifo(key, 0o600)) }, "not a regular file"},
		{"no file", func() { require.NoError(t, os.Remove(cert)) }, "no such file"},
	}
	s, addr := StartTLS(t, args...)
	for i, tt := range spoils {
		t.Run(tt.name, func(t *testing.T) {
			tt.spoil()
			code, stdout, stderr := harness.Run(t, append([]string{"-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0"}, args...)...)
			require.Equal(t, 1, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.says)
			HUP(t, s, i+1)
			require.Regexp(t, `[Nn]ot reloaded.*`+tt.says, s.Log.Tail(10))
			for range 8 {
				require.True(t, served(t, addr, Client(root, "a.test")).Equal(leaf.Cert))
			}
			require.NoError(t, os.RemoveAll(key))
			leaf.Write(dir, "pair")
		})
	}
	next := root.Leaf("a.test", "localhost")
	next.Write(dir, "pair")
	HUP(t, s, len(spoils)+1)
	awaitCertificate(t, addr, Client(root, "a.test"), next)
}

var _ = test("CertificateWarnings", certificateWarnings, perProcess("certs"))

// certificateWarnings: what is doubtful about a pair is in the log, and until when it is valid can
// be looked up.
func certificateWarnings(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	ends := time.Now().Add(5*24*time.Hour + time.Hour).Truncate(time.Second)
	leaf := root.LeafOf(certstest.RSA(t, 2048), certstest.Names("a.test", "localhost"), certstest.Dates(time.Now().Add(-time.Hour), ends))
	args := Pair(dir, "pair", leaf)
	require.NoError(t, os.Chmod(args[3], 0o644))
	s, _ := StartTLS(t, args...)
	s.Log.Await(t, regexp.MustCompile("Press Ctrl"))
	harness.Eventually(t, "all warnings", func() bool { return s.Log.Count("in 5 days: renew it, and send HUP") == 1 })
	require.Equal(t, 1, s.Log.Count("An RSA key makes"))
	require.Equal(t, 1, s.Log.Count("can be read by others than its owner (mode 0644): chmod 600"))
	require.Equal(t, 1, s.Log.Count("Certificate of a.test, localhost (RSA 2048), expires on "+ends.UTC().Format("2006-01-02 15:04 UTC")))

	_, body := s.Get(t, "/health")
	var health struct{ Certificates []struct{ Expires time.Time } }
	require.NoError(t, json.Unmarshal(body, &health))
	require.Len(t, health.Certificates, 1)
	require.True(t, health.Certificates[0].Expires.Equal(ends), "%s", body)
	_, body = s.Get(t, "/metrics")
	require.Contains(t, string(body), fmt.Sprintf("fourways_certificate_expiry_time_seconds{pair=\"1\",name=\"a.test\"} %d\n", ends.Unix()))
}

var _ = test("SelfSigned", selfSigned, perProcess("certs"))

// selfSigned: the fingerprint of the banner is that of the certificate, which stays the same.
func selfSigned(t *testing.T) {
	cache := t.TempDir()
	start := func() (addr, fingerprint string) {
		cmd := exec.Command(harness.Binary(), "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-host", "box.test", "-root", rootWith(t, "index.html", 1))
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
		s := harness.StartCommand(t, cmd)
		fingerprint = s.Log.Await(t, regexp.MustCompile(`Self-signed certificate of .*fingerprint ([0-9A-F:]+)`))[1]
		return SecuredOn(t, s), fingerprint
	}
	addr, fingerprint := start()
	shown := served(t, addr, &tls.Config{InsecureSkipVerify: true})
	sum := sha256.Sum256(shown.Raw)
	require.Equal(t, strings.ToUpper(hex.EncodeToString(sum[:])), strings.ReplaceAll(fingerprint, ":", ""))
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]", "box.test"} {
		require.NoError(t, shown.VerifyHostname(name))
	}
	files, err := filepath.Glob(filepath.Join(cache, "fourways", "self-signed-*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	_, again := start()
	require.Equal(t, fingerprint, again)
	out, err := curl(t, addr, "box.test", "--cacert", files[0])
	require.NoError(t, err, out)
}

var _ = test("SelfSignedThatCannotBeKept", selfSignedUnkept, perProcess("certs"))

// selfSignedUnkept: where there is no folder to keep it in, HUP does not change the certificate.
func selfSignedUnkept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cmd := exec.Command(harness.Binary(), "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-root", rootWith(t, "index.html", 1))
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+file)
	s := harness.StartCommand(t, cmd)
	SecuredOn(t, s)
	for n := range 3 {
		if n > 0 {
			s.Signal(t, syscall.SIGHUP)
		}
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(cannot be kept.*){%d}`, n+1)))
	}
	told := regexp.MustCompile(`Self-signed .* fingerprint (\S+)`).FindAllStringSubmatch(s.Log.String(), -1)
	require.Len(t, told, 3)
	require.Equal(t, []string{told[0][1], told[0][1]}, []string{told[1][1], told[2][1]})
	shown := sha256.Sum256(served(t, SecuredOn(t, s), &tls.Config{InsecureSkipVerify: true}).Raw)
	require.Equal(t, told[0][1], strings.ReplaceAll(fmt.Sprintf("% X", shown[:]), " ", ":"))
}

// Resumes has a client connect n times by a session that it has, and fails where it does not
// resume.
func Resumes(t testing.TB, addr string, client *tls.Config, n int) {
	t.Helper()
	resumed := 0
	for range n {
		status, state, err := GetTLS(addr, client, "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
		if state.DidResume {
			resumed++
		}
	}
	require.Equal(t, n, resumed, "of %d connections", n)
}

// Versions is those that are spoken.
var Versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

var _ = test("ResumedSessions", resumedSessions, perProcess("tickets"))

// resumedSessions: each connection after the first resumes, and so it is after HUP and with a
// renewed certificate.
func resumedSessions(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	s, addr := StartTLS(t, Pair(dir, "pair", root.Leaf("a.test", "localhost"))...)
	clients := map[string]*tls.Config{}
	for name, version := range Versions {
		c := Client(root, "a.test")
		c.MinVersion, c.MaxVersion = version, version
		_, state, err := GetTLS(addr, c, "/")
		require.NoError(t, err)
		require.False(t, state.DidResume)
		Resumes(t, addr, c, 30)
		clients[name] = c
	}
	root.Leaf("a.test", "localhost").Write(dir, "pair")
	HUP(t, s, 1)
	for _, c := range clients {
		Resumes(t, addr, c, 30)
	}
}

var _ = test("TicketKeysOfAFile", ticketKeysOfAFile, perProcess("tickets"))

// ticketKeysOfAFile: servers with the same keys resume each other's sessions, also after a new key
// has been put before the old one.
func ticketKeysOfAFile(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	file := filepath.Join(dir, "tickets")
	key := func() string {
		b := make([]byte, 32)
		rand.Read(b)
		return hex.EncodeToString(b) + "\n"
	}
	old := key()
	certstest.Replace(t, file, []byte(old), 0o600)
	args := append(Pair(dir, "pair", root.Leaf("a.test", "localhost")), "-tls-ticket-keys", file)
	first, at := StartTLS(t, args...)
	_, other := StartTLS(t, args...)
	for name, version := range Versions {
		t.Run(name, func(t *testing.T) {
			c := Client(root, "a.test")
			c.MinVersion, c.MaxVersion = version, version
			_, _, err := GetTLS(at, c, "/")
			require.NoError(t, err)
			Resumes(t, other, c, 8)
			openSSLResumes(t, version, at, other)
		})
	}
	c := Client(root, "a.test")
	_, _, err := GetTLS(other, c, "/")
	require.NoError(t, err)
	certstest.Replace(t, file, []byte(key()+old), 0o600)
	first.Signal(t, syscall.SIGHUP)
	// A ticket of the old key is good for one connection, which gets one of the new key; the other
	// server, which has not been told, does not know that.
	harness.Eventually(t, "the new key encrypts", func() bool {
		session := Client(root, "a.test")
		session.ClientSessionCache = c.ClientSessionCache
		_, state, err := GetTLS(at, session, "/")
		require.NoError(t, err)
		require.True(t, state.DidResume, "the old key still decrypts")
		_, state, err = GetTLS(other, session, "/")
		require.NoError(t, err)
		return !state.DidResume
	})
	code, _, stderr := harness.Run(t, append([]string{"-tls-listen", "127.0.0.1:0", "-tls-ticket-keys", filepath.Join(dir, "pair.key")}, args[:4]...)...)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "has no key in line 1: give 64 or 96 hexadecimal digits")
}

// openSSLResumes has openssl s_client get a session at one server, and resume it at another.
func openSSLResumes(t *testing.T, version uint16, from, to string) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl: install Debian's package of that name")
	}
	file := filepath.Join(t.TempDir(), "session")
	ask := func(addr, flag string) string {
		args := []string{"s_client", "-connect", addr, "-servername", "a.test", flag, file, "-ign_eof"}
		if version == tls.VersionTLS12 {
			args = append(args, "-tls1_2")
		}
		cmd := exec.Command(program, args...)
		cmd.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		out, _ := cmd.CombinedOutput()
		require.Contains(t, string(out), "HTTP/1.1 200 OK")
		return string(out)
	}
	require.Contains(t, ask(from, "-sess_out"), "\nNew, TLS")
	require.Contains(t, ask(to, "-sess_in"), "\nReused, TLS")
}

var _ = test("HTTPSRedirect", httpsRedirect)

// httpsRedirect: plain listeners send everybody to the same place by TLS, whose Host is one of
// ours.
func httpsRedirect(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	s, addr := StartTLS(t, append(Pair(dir, "pair", root.Leaf("localhost")), "-https-redirect")...)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, request string
		status        int
		location      string // what follows the port
	}{
		{"a page", "GET /about.html?a=b HTTP/1.1\r\nHost: localhost\r\n", 308, "https://localhost:" + port + "/about.html?a=b"},
		{"absolute-form", "GET http://127.0.0.1/a HTTP/1.1\r\nHost: localhost\r\n", 308, "https://127.0.0.1:" + port + "/a"},
		{"HTTP/1.0 without a Host", "GET /a HTTP/1.0\r\n", 308, "https://127.0.0.1:" + port + "/a"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 204, ""},
		{"a foreign Host", "GET / HTTP/1.1\r\nHost: evil.example\r\n", 403, ""},
		{"a probe", "GET /livez HTTP/1.1\r\nHost: localhost\r\n", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.Dial(t)
			fmt.Fprintf(c, "%sConnection: close\r\n\r\n", tt.request)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.location, resp.Header.Get("Location"))
		})
	}
	status, _, err := GetTLS(addr, Client(root, "localhost"), "/about.html")
	require.NoError(t, err)
	require.Equal(t, 200, status, "nobody is sent on who is there")
}

var _ = test("StrictTransportSecurity", strictTransportSecurity, once("session"))

// strictTransportSecurity: whoever has come by plain HTTP is not told that he has to come by https,
// as somebody on the way could have said so (RFC 6797 7.2); whoever has come by https is.
func strictTransportSecurity(t *testing.T) {
	upstream := startBackend(t, "tcp", func(http.ResponseWriter, *http.Request) {})
	s, addr := secured(t, "-header", "strict-transport-security: max-age=60", "-header", "X-A: b", "-trusted-proxy", "127.0.0.0/8", "-proxy", "/app="+upstream.addr)
	plain := func() net.Conn { return s.Dial(t) }
	for _, tt := range []struct {
		name, fields string
		dial         func() net.Conn
		says         []string
	}{
		{"plain HTTP", "", plain, nil},
		{"https", "", func() net.Conn { return tls.Client(dialed(t, addr), anyone()) }, []string{"max-age=60"}},
		{"https to a trusted proxy", "X-Forwarded-Proto: https\r\n", plain, []string{"max-age=60"}},
	} {
		c := tt.dial()
		r := bufio.NewReader(c)
		for _, path := range []string{"/", "/nothing.txt", "/app/", "/readyz"} {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, tt.fields)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.Equal(t, tt.says, resp.Header["Strict-Transport-Security"], "%s by %s", path, tt.name)
			require.Equal(t, []string{"b"}, resp.Header["X-A"])
		}
	}
}

var _ = test("HTTPSPort", httpsPort, once("site"))

// httpsPort: where another port is mapped to ours, clients are told of that alone.
func httpsPort(t *testing.T) {
	pair := Pair(t.TempDir(), "pair", certstest.Root(t).Leaf("localhost"))
	for port, want := range map[string]string{"443": "https://localhost/", "9443": "https://localhost:9443/"} {
		s, addr := StartTLS(t, append(pair, "-https-redirect", "-https-port", port)...)
		for _, c := range []net.Conn{s.Dial(t), dialed(t, addr)} { // the second speaks plain HTTP to the port of TLS
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			answer, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Regexp(t, regexp.QuoteMeta(want)+`\r?\n`, string(answer))
		}
	}
}

var _ = test("HTTPSRedirectBehindAProxy", httpsRedirectBehindAProxy, once("session"))

// httpsRedirectBehindAProxy: whom a trusted proxy has heard by https is served, since sending it on
// would bring it back by the same way. Nobody else is believed.
func httpsRedirectBehindAProxy(t *testing.T) {
	pair := Pair(t.TempDir(), "pair", certstest.Root(t).Leaf("localhost"))
	for _, proxy := range []struct {
		address string
		trusted bool
	}{{"127.0.0.0/8", true}, {"192.0.2.0/24", false}} {
		s, _ := StartTLS(t, append(pair, "-https-redirect", "-trusted-proxy", proxy.address)...)
		for _, tt := range []struct {
			fields string
			https  bool // by what they say
		}{
			{"X-Forwarded-Proto: https", true},
			{"X-Forwarded-Proto: HTTPS", true},
			{"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https, http", true},
			{"X-Forwarded-Proto: http, https", false},
			{"X-Forwarded-Proto: http", false},
			{"X-Forwarded-Proto:", false},
			{"X-Forwarded-Proto: httpsx", false},
			{"Forwarded: for=192.0.2.1;proto=https", true},
			{"Forwarded: for=192.0.2.1;proto=\"https\", for=192.0.2.2;proto=http", true},
			{"Forwarded: for=192.0.2.1", false},
			{"X-Forwarded-Proto: http\r\nForwarded: proto=https", false},
			{"X-Forwarded-For: 192.0.2.1", false},
		} {
			want := 308
			if tt.https && proxy.trusted {
				want = 200
			}
			c := s.Dial(t)
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n", tt.fields)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, want, resp.StatusCode, "%q from a proxy, trusted: %v", tt.fields, proxy.trusted)
		}
	}
}
