package behaviour

// Readers that are slower than the upstream whose answers they get, by TLS too: what waits for them
// is the server's, and the upstream is free.
//
// Each test has an upstream, a server and a folder for files of its own. What must not be done: no
// test may depend on how much the kernel's buffers take.

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("SlowReadersOfAnAnswerDoNotHoldTheUpstream", slowReadersOfAnswers, perDriver("queues"))

// slowReadersOfAnswers: the upstream has said all while its clients do not read; then they
// get all of it.
func slowReadersOfAnswers(t *testing.T) {
	content := numbered(8 << 20)
	said := make(chan error, 64)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		}
		_, err := w.Write(content)
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		said <- err
	}))
	defer up.Close()
	dir := t.TempDir()
	s := harness.Start(t, "-listen", "127.0.0.1:0", "-proxy", "/="+up.URL,
		"-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir)
	for _, path := range []string{"/sized", "/chunked"} {
		resp := openAnswer(t, s, path)
		require.NoError(t, <-said)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		resp.Body.Close()
	}
	require.Zero(t, s.Log.Count("takes nothing"))
}

// openAnswer asks for a path and reads the head alone.
func openAnswer(t *testing.T, s *harness.Server, path string) *http.Response {
	resp, err := (&http.Client{Transport: &http.Transport{ReadBufferSize: 4 << 10}}).Get(s.URL(path))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	return resp
}

var _ = test("ASlowReaderByTLSDoesNotHoldTheUpstream", slowReaderByTLS, perDriver("queues"))

// slowReaderByTLS: what waits for it is on the disk and not in memory, and is sealed as it is
// taken; the upstream is asked again on the same connection meanwhile. All of it arrives, and
// nothing is left. A reader who leaves takes what waits along.
func slowReaderByTLS(t *testing.T) {
	content := numbered(24 << 20)
	said := make(chan error, 8)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/large" {
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, err := w.Write(content)
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		said <- err
	}))
	defer up.Close()
	dir := t.TempDir()
	server, addr, client := startSecured(t, "-proxy", "/="+up.URL, "-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir, "-min-rate", "0")
	s := &slowServer{Server: server, dir: dir}
	ask := func() (net.Conn, *http.Response) {
		c := dialTLS(t, addr, client)
		fmt.Fprint(c, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
		require.NoError(t, err)
		require.NoError(t, <-said, "the upstream has said all")
		return c, resp
	}
	c, resp := ask()
	harness.Eventually(t, "the upstream is free", func() bool {
		_, body := s.Get(t, "/health")
		return bytes.Contains(body, []byte(`"in_flight":0`))
	})
	w := s.waiting(t)
	require.Greater(t, w.Disk, int64(len(content)/2))
	require.Less(t, w.Memory, int64(2<<20))
	require.Positive(t, s.files(t))
	s.noNames(t)
	got := sha256.New()
	for _, part := range []int64{1, 16 << 10, 1 << 20, int64(len(content))} { // now a little, now a lot
		_, err := io.CopyN(got, resp.Body, part)
		if err != io.EOF {
			require.NoError(t, err)
		}
		status, _ := s.Get(t, "/small")
		require.Equal(t, 200, status)
	}
	require.Equal(t, sha256.Sum256(content), [32]byte(got.Sum(nil)))
	s.nothingWaits(t)
	c.Close()

	c, _ = ask()
	require.Positive(t, s.waiting(t).Disk)
	c.Close()
	s.nothingWaits(t)
}

var _ = test("ASlowReaderOfATunnelDoesNotHoldTheUpstream", slowReaderOfATunnel, perDriver("queues"))

// slowReaderOfATunnel: what an upstream says through a tunnel waits for its client on the disk,
// while what the client says goes the other way at once. The upstream may end meanwhile.
func slowReaderOfATunnel(t *testing.T) {
	content := numbered(24 << 20)
	said := make(chan error, 8)
	addr := scripted(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n")
		c.Write(content)
		line, err := in.ReadString('\n')
		if line != "are you there\n" && err == nil {
			err = fmt.Errorf("the client says %q", line)
		}
		said <- err
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, in)
	})
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			dir := t.TempDir()
			c, server := throughUpstream(t, secured, "-proxy", "/="+addr, "-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir)
			s := &slowServer{Server: server, dir: dir}
			fmt.Fprint(c, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n")
			in := bufio.NewReaderSize(c, 512)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, 101, resp.StatusCode)
			io.WriteString(c, "are you there\n")
			require.NoError(t, <-said, "the upstream has said all, and hears the client")
			require.Greater(t, s.waiting(t).Disk, int64(len(content)/2))
			require.Positive(t, s.files(t))
			s.noNames(t)
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))
			c.Close()
			s.nothingWaits(t)
		})
	}
}
