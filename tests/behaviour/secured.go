package behaviour

// Connections by TLS, as a process serves them: large files, clients that stall in their handshake,
// the stop, and TLS where none is spoken.

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// stalled is how many clients stall in their handshake at a time.
const stalled = 500

// startSecured is StartTLS with a certificate for localhost, and the client that trusts it.
func startSecured(t *testing.T, args ...string) (s *harness.Server, addr string, client *tls.Config) {
	t.Helper()
	root := certstest.Root(t)
	s, addr = StartTLS(t, append(Pair(t.TempDir(), "pair", root.Leaf("localhost")), args...)...)
	return s, addr, Client(root, "localhost")
}

// dialTLS connects, with a deadline for all that follows.
func dialTLS(t *testing.T, addr string, client *tls.Config) *tls.Conn {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: harness.Patience}, "tcp", addr, client)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
	return c
}

var _ = test("LargeFileOverTLS", largeFileOverTLS)

// largeFileOverTLS: a client that has said goodbye already still gets every byte, and close_notify.
func largeFileOverTLS(t *testing.T) {
	const size = 64 << 20
	root := rootWithUploads(t)
	f, err := os.Create(filepath.Join(root, "large.txt"))
	require.NoError(t, err)
	want, got := sha256.New(), sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, want), rand.NewChaCha8([32]byte{1}), size)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, addr, client := startSecured(t, "-root", root)
	c := dialTLS(t, addr, client)
	fmt.Fprintf(c, "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, c.CloseWrite())
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	n, err := io.Copy(got, resp.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Equal(t, want.Sum(nil), got.Sum(nil))
	_, err = in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

var _ = test("IdleTLSDoesNotHoldUpTheStop", idleTLSDoesNotHoldUpTheStop)

// idleTLSDoesNotHoldUpTheStop: who waits for nothing is told goodbye, long before the drain ends.
func idleTLSDoesNotHoldUpTheStop(t *testing.T) {
	s, addr, client := startSecured(t, "-root", rootWith(t, "index.html", 1), "-drain-timeout", "3600", "-idle-timeout", "3600")
	c := dialTLS(t, addr, client)
	status, err := Exchange(c, "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGTERM)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	c.Close()
	require.Zero(t, s.Wait(t))
}

var _ = test("TLSOnAPlainPort", tlsOnAPlainPort)

// tlsOnAPlainPort: it is closed, and not answered in words that its client cannot read.
func tlsOnAPlainPort(t *testing.T) {
	s := harness.Start(t, "-root", rootWith(t, "index.html", 1))
	c := &firstRead{Conn: s.Dial(t)}
	require.Error(t, tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake())
	require.Empty(t, c.got)
}

// firstRead keeps what comes first.
type firstRead struct {
	net.Conn
	got []byte
}

func (c *firstRead) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got = append(c.got, p[:n]...)
	return n, err
}

var _ = test("StalledHandshakes", stalledHandshakes)

// stalledHandshakes: while many clients stay silent in the midst of their handshakes, others are
// served, and when their time is over all places are free again.
func stalledHandshakes(t *testing.T) {
	s, addr, client := startSecured(t, append(room(stalled+8), "-root", rootWith(t, "index.html", 1), "-handshake-timeout", "3", "-tls-handshakes", "600")...)
	for range 2 { // more than there is place for, if the first ones kept theirs
		silent := make([]net.Conn, 0, stalled)
		for range stalled {
			c, err := net.DialTimeout("tcp", addr, harness.Patience)
			require.NoError(t, err)
			t.Cleanup(func() { c.Close() })
			require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
			require.Error(t, tls.Client(helloOnly{c}, client.Clone()).Handshake())
			silent = append(silent, c)
		}
		for range 20 {
			status, _, err := GetTLS(addr, client, "/")
			require.NoError(t, err)
			require.Equal(t, 200, status)
		}
		for _, c := range silent {
			_, err := io.Copy(io.Discard, c)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is closed when its time is over")
			c.Close()
		}
		harness.Eventually(t, "all are gone", func() bool { return nobodyElse(t, s) })
	}
}

// helloOnly is a client's way to the server that takes nothing more after the ClientHello, and
// brings nothing.
type helloOnly struct{ net.Conn }

func (helloOnly) Read([]byte) (int, error) { return 0, io.EOF }
func (helloOnly) Close() error             { return nil }
