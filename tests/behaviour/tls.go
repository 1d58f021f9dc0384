package behaviour

// Connections by TLS, good and bad: handshakes that are not gone on with, or are cut anywhere; the
// wrong protocol on a port; how connections end; what is counted and logged of all that.

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// anyone is a client that takes every certificate.
func anyone() *tls.Config { return &tls.Config{ServerName: "localhost", InsecureSkipVerify: true} }

// secured starts the stage with a certificate for localhost.
func secured(t *testing.T, args ...string) (*harness.Server, string) {
	return StartTLS(t, append(Pair(t.TempDir(), "pair", certstest.Root(t).Leaf("localhost")), args...)...)
}

// greeting is the first flight of a client.
func greeting(t testing.TB) []byte { return helloOf(t, anyone()) }

// helloOf is the first flight of such a client.
func helloOf(t testing.TB, client *tls.Config) []byte {
	here, there := net.Pipe()
	defer there.Close()
	go tls.Client(here, client).Handshake()
	b := make([]byte, 16<<10)
	n, err := there.Read(b)
	require.NoError(t, err)
	return b[:n]
}

// dialed is a connection to an address.
func dialed(t testing.TB, addr string) net.Conn {
	c, err := net.DialTimeout("tcp", addr, harness.Patience)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(harness.Patience))
	return c
}

// handshakesWait: as many handshakes may be under way as the flag says. Who comes beyond that
// waits and is served as soon as one of them has ended, or has been silent for a second; plain HTTP
// is not concerned.
func handshakesWait(t *testing.T) {
	workers := "1" // processes do not share the limit
	if oneThreadEach() {
		workers = "4" // each connection has a thread
	}
	s, addr := secured(t, "-workers", workers, "-tls-handshakes", "1")
	stalled := dialed(t, addr)
	began := time.Now()
	stalled.Write(greeting(t))
	_, err := io.ReadFull(stalled, make([]byte, 100))
	require.NoError(t, err, "it is under way")
	served := make(chan error, 1)
	go func() {
		_, _, err := GetTLS(addr, anyone(), "/")
		served <- err
	}()
	for range 20 {
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
	}
	select {
	case err := <-served:
		require.Greater(t, time.Since(began), time.Second, "it was served beside the one that is under way")
		served <- err
	default:
	}
	stalled.Close()
	require.NoError(t, <-served)
}

// silentHandshakesMakeWay: whoever falls silent in its handshake keeps nobody out for longer than a
// second, however much time it has where nobody waits.
func silentHandshakesMakeWay(t *testing.T) {
	workers := "1"
	if oneThreadEach() {
		workers = "4"
	}
	s, addr := secured(t, "-workers", workers, "-tls-handshakes", "1", "-handshake-timeout", "300")
	for range 2 {
		silent := dialed(t, addr)
		silent.Write(greeting(t))
		_, err := io.ReadFull(silent, make([]byte, 100))
		require.NoError(t, err, "it is under way")
	}
	status, _, err := GetTLS(addr, anyone(), "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	s.Log.Await(t, regexp.MustCompile(`reason=handshake-timeout detail="too slow while others wait for their turn"`))
}

// noTLSIsBanned: whoever sends what is no TLS, over and over, is banned as if it was no HTTP, and
// fills no log.
func noTLSIsBanned(t *testing.T) {
	s, addr := secured(t, "-rate-exempt", "none", "-ban-after", "3")
	for range 3 {
		c := dialed(t, addr)
		c.Write([]byte{22, 3, 1, 0, 1, 2}) // another message than a ClientHello
		io.Copy(io.Discard, c)
	}
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127.0.0.1 reason=banned detail="`))
	_, _, err := GetTLS(addr, anyone(), "/")
	require.Error(t, err)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t)) // each process writes its lines when it can: now all are there
	require.Equal(t, 2, s.Log.Count("reason=tls-client-hello"))
}

// cutHandshakes: whatever is cut at whatever point leaves nothing behind, and keeps nobody from
// being served.
func cutHandshakes(t *testing.T) {
	const connections = 500
	s, addr := secured(t, append(room(connections), "-tls-handshakes", "8", "-handshake-timeout", "30")...)
	_, _, err := GetTLS(addr, anyone(), "/")
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	before := s.Descriptors(t)
	first := greeting(t)
	in := append(first[:len(first):len(first)], 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 30)
	for i := range connections {
		c, err := net.DialTimeout("tcp", addr, harness.Patience)
		require.NoError(t, err)
		c.Write(in[:rand.IntN(len(in)+1)])
		if i%3 == 0 {
			c.(*net.TCPConn).SetLinger(0) // a reset
		}
		c.Close()
	}
	_, _, err = GetTLS(addr, anyone(), "/")
	require.NoError(t, err)
	harness.Eventually(t, "descriptors are as before", func() bool { return s.Descriptors(t) <= before })
}

// silentHandshake: the time of a handshake is counted as a whole.
func silentHandshake(t *testing.T) {
	s, addr := secured(t, "-handshake-timeout", "0.5")
	c := dialed(t, addr)
	c.Write(greeting(t))
	_, err := io.ReadAll(c)
	require.NoError(t, err, "its end, and no reset")
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127.0.0.1 reason=handshake-timeout detail="`))
}

// wrongPort: plain HTTP on a port of TLS is told where to ask, and TLS on a plain port is closed
// without a word.
func wrongPort(t *testing.T) {
	s, addr := secured(t)
	c := dialed(t, addr)
	fmt.Fprintf(c, "GET /a HTTP/1.1\r\nHost: %s\r\n\r\nGET /b HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(answer), "HTTP/1.1 "))
	require.Contains(t, string(answer), "HTTP/1.1 400 ")
	require.Contains(t, string(answer), "https://"+addr+"/")

	plain := s.Dial(t)
	plain.SetDeadline(time.Now().Add(harness.Patience))
	plain.Write(greeting(t))
	answer, _ = io.ReadAll(plain)
	require.Empty(t, answer)
	s.Log.Await(t, regexp.MustCompile("reason=tls-on-plain-port"))
	_, metrics := s.Get(t, "/metrics")
	require.Contains(t, string(metrics), `fourways_refusals_total{reason="tls-on-plain-port"} 1`)
	require.Contains(t, string(metrics), `fourways_refusals_total{reason="plain-on-tls-port"} 1`)
}

// halfClosedTLS: a client that has said that it sends no more still gets its answers, whole, and
// is told that this was all.
func halfClosedTLS(t *testing.T) {
	const size = 3 << 20
	_, addr := secured(t, "-root", rootWith(t, "big.png", size))
	for name, version := range Versions {
		t.Run(name, func(t *testing.T) {
			client := anyone()
			client.MinVersion, client.MaxVersion = version, version
			c := tls.Client(dialed(t, addr), client)
			fmt.Fprint(c, "GET /big.png HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /big.png HTTP/1.1\r\nHost: localhost\r\n\r\n")
			require.NoError(t, c.CloseWrite())
			r := bufio.NewReader(c)
			a, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, a.Body)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			a, err = http.ReadResponse(r, &http.Request{Method: "HEAD"})
			require.NoError(t, err)
			require.EqualValues(t, size, a.ContentLength)
			_, err = r.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

// countedTLS: what was agreed on is in the access log and in the figures.
func countedTLS(t *testing.T) {
	access := filepath.Join(t.TempDir(), "access.log")
	s, addr := secured(t, "-access-log", access, "-access-format", "json")
	client := anyone()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		_, _, err := GetTLS(addr, client, "/")
		require.NoError(t, err)
	}
	_, metrics := s.Get(t, "/metrics")
	for _, line := range []string{
		`fourways_tls_handshakes_total{result="full"} 1`, `fourways_tls_handshakes_total{result="resumed"} 1`,
		`fourways_tls_versions_total{version="1.3"} 2`, `fourways_tls_groups_total{group="X25519MLKEM768"} 2`,
		`fourways_protocol_connections_total{protocol="https"} 2`, `fourways_tls_handshake_duration_seconds_count 2`,
	} {
		require.Contains(t, string(metrics), line+"\n")
	}
	type line struct {
		TLS, Cipher, SNI string
		Resumed          bool
	}
	var got []line
	harness.Eventually(t, "the log has two lines of TLS", func() bool {
		text, _ := os.ReadFile(access)
		got = nil
		for l := range strings.Lines(string(text)) {
			var one line
			require.NoError(t, json.Unmarshal([]byte(l), &one))
			if one.TLS != "" {
				got = append(got, one)
			}
		}
		return len(got) == 2
	})
	if got[0].Resumed { // two workers write theirs in any order
		slices.Reverse(got)
	}
	for i, one := range got {
		require.Equal(t, line{"TLSv1.3", one.Cipher, "localhost", i == 1}, one)
		require.True(t, strings.HasPrefix(one.Cipher, "TLS_"))
	}
}

var (
	_ = test("HandshakesWaitForTheirTurn", handshakesWait)
	_ = test("SilentHandshakesMakeWay", silentHandshakesMakeWay)
	_ = test("WhatIsNoTLSIsBanned", noTLSIsBanned)
	_ = test("HandshakesThatAreCut", cutHandshakes)
	_ = test("SilentHandshake", silentHandshake)
	_ = test("WrongPort", wrongPort)
	_ = test("HalfClosedTLS", halfClosedTLS)
	_ = test("CountedTLS", countedTLS)
)
