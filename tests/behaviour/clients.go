package behaviour

// Clients of TLS that others have written, each with its own idea of the protocol: what they ask
// for they get, whole and without a complaint, by both versions.
//
// A client is a row. One that is not installed is skipped, and says what to install.

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// errand is what a client of another maker is to do, and by which version.
type errand struct {
	version    string // "1.2" or "1.3"
	host, port string // of the server, which the certificate is for
	root       string // the file of its issuer
	upload     string // the file of a body
}

// askAndEnd is a request for those that send what they are given.
const askAndEnd = "GET /sample.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

// otherClients are programs that ask by TLS.
var otherClients = []struct {
	name, program, install string
	args                   func(e errand) []string
	input                  string
	says                   []string // patterns that its output has
	complaint              string   // a pattern that it must not have
}{
	{"curl", "curl", "curl", func(e errand) []string {
		url := "https://localhost:" + e.port
		one := []string{"-sS", "--fail", "--noproxy", "*", "--resolve", "localhost:" + e.port + ":" + e.host, "--cacert", e.root, "--tlsv" + e.version, "--tls-max", e.version}
		args := append(one, "-w", "%{http_code} %{num_connects}\n", url+"/sample.txt", "-o", os.DevNull, url+"/", "-o", os.DevNull, "--next")
		args = append(args, one...)
		return append(args, "-w", "%{http_code}\n", "-H", "Content-Type: application/json", "--data-binary", "@"+e.upload, "-o", os.DevNull, url+"/upload")
	}, "", []string{`^200 1\n200 0\n201\n$`}, ""},
	{"openssl s_client", "openssl", "openssl", func(e errand) []string {
		return []string{"s_client", "-connect", net.JoinHostPort(e.host, e.port), "-servername", "localhost", "-verify_hostname", "localhost", "-tls" + strings.ReplaceAll(e.version, ".", "_"),
			"-CAfile", e.root, "-verify_return_error", "-alpn", "http/1.1", "-ign_eof"}
	}, askAndEnd, []string{`HTTP/1\.1 200 OK`, `ALPN protocol: http/1\.1`, `Verify return code: 0 \(ok\)|Verification: OK`, `(?m)^closed$`}, `(?i)error|alert`},
	{"gnutls-cli", "gnutls-cli", "gnutls-bin", func(e errand) []string {
		return []string{"--x509cafile", e.root, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS" + e.version, "--alpn", "http/1.1",
			"--sni-hostname", "localhost", "--verify-hostname", "localhost", "-p", e.port, e.host}
	}, askAndEnd, []string{`HTTP/1\.1 200 OK`, `Application protocol: http/1\.1`, `The certificate is trusted`, `Peer has closed the GnuTLS connection`}, `(?i)error|fatal|alert|premature`},
	{"Python", "python3", "python3", func(e errand) []string {
		return []string{"-c", pythonClient, e.version, e.host, e.port, e.root, e.upload}
	}, "", []string{`^fine\n$`}, ""},
}

// pythonClient asks by http.client, by urllib and by ssl itself. It wants its session resumed, and
// the goodbye of TLS.
const pythonClient = `
import http.client, socket, ssl, sys, urllib.request
version, host, port, root, upload = sys.argv[1:]
context = ssl.create_default_context(cafile=root)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
dial = lambda *_, **__: socket.create_connection((host, int(port)), 60)

client = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=60)
client._create_connection = dial
for _ in range(3):
    client.request("GET", "/sample.txt")
    answer = client.getresponse()
    assert answer.status == 200 and len(answer.read()) == int(answer.headers["Content-Length"])
with open(upload, "rb") as body:
    client.request("POST", "/upload", body, {"Content-Type": "application/json"})
    answer = client.getresponse()
    answer.read()
    assert answer.status == 201, answer.status
client.close()

socket.getaddrinfo = lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port)))]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
with opener.open("https://localhost:" + port + "/", timeout=60) as answer:
    assert answer.status == 200 and answer.read()

session = None
for turn in range(2):
    with context.wrap_socket(dial(), server_hostname="localhost", session=session) as c:
        c.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while c.recv(65536):
            pass
        assert c.session_reused == (turn == 1)
        session = c.session
        c.unwrap()
print("fine")
`

var _ = test("RealClients", realClients, perDriver("sockets"))

// realClients: each of them is served, and finds nothing to complain of.
func realClients(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	s, addr := StartTLS(t, append(Pair(dir, "pair", root.Leaf("localhost")), "-workers", "4")...)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	e := errand{host: host, port: port, root: Root(t, dir, root), upload: filepath.Join(dir, "upload.json")}
	require.NoError(t, os.WriteFile(e.upload, []byte("["+strings.Repeat("1,", 100_000)+"1]"), 0o644))
	t.Run("clients", func(t *testing.T) {
		for _, c := range otherClients {
			for _, version := range []string{"1.2", "1.3"} {
				t.Run(c.name+" by TLS "+version, func(t *testing.T) {
					t.Parallel()
					e := e
					e.version = version
					out := runClient(t, c.program, c.install, c.input, c.args(e)...)
					for _, says := range c.says {
						require.Regexp(t, says, out)
					}
					if c.complaint != "" {
						require.NotRegexp(t, c.complaint, out)
					}
				})
			}
		}
		for name, version := range Versions {
			t.Run("Go's net/http by "+name, func(t *testing.T) {
				t.Parallel()
				goClient(t, addr, e.upload, Client(root, "localhost"), version)
			})
		}
	})
	require.NotRegexp(t, "refused|error", s.Log.String())
}

// client is a program that asks by TLS. The test is skipped where it is not installed.
func client(t *testing.T, program, install string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("no %s: install Debian's package %s", program, install)
	}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, path, args...)
}

// runClient runs a program that must succeed, and returns what it has written.
func runClient(t *testing.T, program, install, input string, args ...string) string {
	t.Helper()
	cmd := client(t, program, install, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// goClient asks for a page and uploads a file, on one connection and then on one that resumes. It
// would speak HTTP/2 if it could.
func goClient(t *testing.T, addr, upload string, client *tls.Config, version uint16) {
	client.MinVersion, client.MaxVersion = version, version
	body, err := os.ReadFile(upload)
	require.NoError(t, err)
	for turn := range 2 {
		transport := &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true}
		c := http.Client{Transport: transport, Timeout: harness.Patience}
		answer, err := c.Get("https://" + addr + "/sample.txt")
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 200 OK", answer.Proto+" "+answer.Status)
		require.EqualValues(t, answer.ContentLength, len(text))
		require.Equal(t, turn == 1, answer.TLS.DidResume)
		answer, err = c.Post("https://"+addr+"/upload", "application/json", bytes.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 201, answer.StatusCode)
		transport.CloseIdleConnections()
	}
}

var _ = test("SSLScan", sslScan, once("secure"))

// sslScan: a scanner finds the versions that are meant to be there, no other, and none of the holes
// that it knows.
func sslScan(t *testing.T) {
	_, addr := secured(t)
	out := runClient(t, "sslscan", "sslscan", "", "--no-colour", "--sni-name=localhost", addr)
	for _, says := range []string{
		`SSLv2\s+disabled`, `SSLv3\s+disabled`, `TLSv1.0\s+disabled`, `TLSv1.1\s+disabled`, `TLSv1.2\s+enabled`, `TLSv1.3\s+enabled`,
		`Server supports TLS Fallback SCSV`, `Session renegotiation not supported`,
		`TLSv1.3 not vulnerable to heartbleed`, `TLSv1.2 not vulnerable to heartbleed`,
	} {
		require.Regexp(t, says, out)
	}
	offered := regexp.MustCompile(`(?m)^(Preferred|Accepted)\s.*$`).FindAllString(out, -1)
	require.NotEmpty(t, offered)
	for _, line := range offered {
		require.Regexp(t, `TLS_AES|TLS_CHACHA20|ECDHE-`, line, "each has forward secrecy")
		require.NotRegexp(t, `RC4|3DES|NULL|EXP|MD5|anon`, line)
	}
}
