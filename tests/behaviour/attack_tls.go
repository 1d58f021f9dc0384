package behaviour

// Attacks on TLS itself: a hello in every cut, and floods of what TLS allows now and then.
//
// What is cut must be served as if it were whole. Whoever floods is cut, for a reason that is
// logged once, and nobody else notices. What must not be done: no test may rely on how the kernel
// gathers writes; where pieces are to arrive one by one, something is asked and answered between
// them.

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/secure/securetest"
	"fourways/tests/harness"
)

// recordHeader is the bytes of a record's type, version and length.
const recordHeader = 5

// small is a client whose hello is short, for it offers one group alone.
func small() *tls.Config {
	c := anyone()
	c.CurvePreferences = []tls.CurveID{tls.X25519}
	return c
}

// cutter is a client's way to the server that sends its first flight in pieces.
type cutter struct {
	net.Conn
	pieces  func(flight []byte) [][]byte
	between func() // two pieces; nil for nothing
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.pieces == nil {
		return c.Conn.Write(p)
	}
	for i, piece := range c.pieces(p) {
		if i > 0 && c.between != nil {
			c.between()
		}
		if _, err := c.Conn.Write(piece); err != nil {
			return 0, err
		}
	}
	c.pieces = nil
	return len(p), nil
}

// inRecords has the message of a flight in records of n bytes.
func inRecords(flight []byte, n int) (records [][]byte) {
	for m := flight[recordHeader:]; len(m) > 0; {
		k := min(n, len(m))
		records = append(records, append([]byte{securetest.Handshake, 3, 1, byte(k >> 8), byte(k)}, m[:k]...))
		m = m[k:]
	}
	return records
}

func joined(pieces [][]byte) (all []byte) {
	for _, p := range pieces {
		all = append(all, p...)
	}
	return all
}

// bytewise is each byte by itself.
func bytewise(b []byte) (pieces [][]byte) {
	for i := range b {
		pieces = append(pieces, b[i:i+1])
	}
	return pieces
}

var _ = test("HelloInPieces", helloInPieces, perDriver("sockets"))

// helloInPieces: wherever a ClientHello is cut, into packets or into records, the handshake
// succeeds, and what follows it is answered. In one stage that is everywhere, and in the others,
// which put the same pieces together, here and there.
func helloInPieces(t *testing.T) {
	workers, step := "1", 1 // so that all pass through the same hands, one after the other
	if oneThreadEach() {
		workers = "4"
	}
	if !zeroCopy() {
		step = 7
	}
	s, addr := secured(t, "-workers", workers, "-handshake-timeout", "600", "-max-requests", "0", "-root", rootWith(t, "index.html", 1))
	witness := s.Dial(t)
	turn := func() { // after which what came before has been read
		for range 2 {
			status, err := Exchange(witness, "/")
			require.NoError(t, err)
			require.Equal(t, 200, status)
		}
	}
	ask := func(client *tls.Config, between func(), pieces func([]byte) [][]byte) error {
		raw, err := net.DialTimeout("tcp", addr, harness.Patience)
		if err != nil {
			return err
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(harness.Patience))
		c := tls.Client(&cutter{Conn: raw, pieces: pieces, between: between}, client)
		status, err := Exchange(c, "/")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
	size := 0
	require.NoError(t, ask(small(), nil, func(b []byte) [][]byte { size = len(b); return [][]byte{b} }))
	for cut := 1; cut < size; cut += step {
		require.NoError(t, ask(small(), turn, func(b []byte) [][]byte { return [][]byte{b[:cut], b[cut:]} }), "two packets, the first of %d bytes", cut)
	}
	for n := 1; n < size-recordHeader; n += step {
		require.NoError(t, ask(small(), nil, func(b []byte) [][]byte { return [][]byte{joined(inRecords(b, n))} }), "records of %d bytes", n)
	}
	for name, client := range map[string]*tls.Config{"X25519": small(), "the groups of today": anyone()} {
		require.NoError(t, ask(client, turn, bytewise), "byte by byte, with %s", name)
		require.NoError(t, ask(client, nil, func(b []byte) [][]byte { return [][]byte{joined(inRecords(b, 1))} }), "records of one byte, with %s", name)
		require.NoError(t, ask(client, turn, func(b []byte) [][]byte { return inRecords(b, 20) }), "records of 20 bytes, each in a packet of its own, with %s", name)
	}
	require.Zero(t, s.Log.Count("refused"))
}

// flood is what a client sends over and over.
type flood struct {
	name   string
	burst  func(s *securetest.Sealer) []byte
	reason string // that is logged
}

// constantly is a burst that is always the same, and not sealed.
func constantly(p ...byte) func(*securetest.Sealer) []byte {
	return func(*securetest.Sealer) []byte { return p }
}

// sealed is a record with some content.
func sealed(kind byte, p ...byte) func(*securetest.Sealer) []byte {
	return func(s *securetest.Sealer) []byte { return s.Record(kind, p...) }
}

// renegotiation is a hello where the connection is established.
var renegotiation = append([]byte{1, 0, 0, 41, 3, 3}, append(make([]byte, 32), 0, 0, 2, 0x13, 1, 1, 0)...)

// Floods by when they begin, and by version.
var (
	firstFloods = []flood{
		{"alerts", constantly(securetest.Alert, 3, 1, 0, 2, 1, 0), "tls-client-hello"},
		{"empty records", constantly(securetest.Handshake, 3, 1, 0, 0), "tls-client-hello"},
		{"changes of the cipher", constantly(securetest.ChangeCipherSpec, 3, 1, 0, 1, 1), "tls-client-hello"},
		{"data", constantly(securetest.Data, 3, 1, 0, 1, 1), "tls-client-hello"},
		{"messages that are no hello", constantly(securetest.Handshake, 3, 1, 0, 4, 0, 0, 0, 0), "tls-client-hello"},
		{"a hello without end", constantly(append([]byte{securetest.Handshake, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff}, make([]byte, 16<<10-4)...)...), "tls-client-hello"},
	}
	midFloods = []flood{
		{"empty records", constantly(securetest.Handshake, 3, 3, 0, 0), "handshake-broken"},
		{"changes of the cipher", constantly(securetest.ChangeCipherSpec, 3, 3, 0, 1, 1), "handshake-broken"},
		{"empty data", constantly(securetest.Data, 3, 3, 0, 0), "handshake-broken"},
		{"another hello", constantly(append([]byte{securetest.Handshake, 3, 3, 0, byte(len(renegotiation))}, renegotiation...)...), "handshake-broken"},
	}
	openFloods = map[uint16][]flood{
		tls.VersionTLS12: {
			{"empty records", sealed(securetest.Data), "tls-broken"},
			{"warnings", sealed(securetest.Alert, 1, 90), "tls-broken"},
			{"renegotiation asked for", sealed(securetest.Handshake, renegotiation...), "tls-broken"},
			{"changes of the cipher", sealed(securetest.ChangeCipherSpec, 1), "tls-broken"},
			{"heartbeats", sealed(24, 1, 0, 0), "tls-broken"},
		},
		tls.VersionTLS13: {
			{"empty records", sealed(securetest.Data), "tls-broken"},
			{"warnings", sealed(securetest.Alert, 1, 90), "tls-broken"},
			{"another hello", sealed(securetest.Handshake, renegotiation...), "tls-broken"},
			{"changes of the cipher", constantly(securetest.ChangeCipherSpec, 3, 3, 0, 1, 1), "tls-broken"},
			{"new keys", func(s *securetest.Sealer) []byte { return s.Update(0) }, "tls-broken"},
			{"new keys, each with a byte of data", func(s *securetest.Sealer) []byte { return append(s.Update(1), s.Record(securetest.Data, 'x')...) }, "tls-flood"},
		},
	}
)

var _ = test("FloodsOfRecords", floodsOfRecords, perDriver("sockets"))

// floodsOfRecords: whoever sends for ever what TLS allows now and then is cut, before the
// handshake, in the midst of it and afterwards.
func floodsOfRecords(t *testing.T) {
	s, addr := secured(t, append(room(8), "-root", rootWith(t, "index.html", 1), "-log-level", "debug")...)
	_, _, err := GetTLS(addr, anyone(), "/")
	require.NoError(t, err)
	before := s.Descriptors(t)
	wanted := map[string]int{}
	run := func(name string, f flood, c net.Conn, seal *securetest.Sealer) {
		t.Run(name+": "+f.name, func(t *testing.T) {
			go io.Copy(io.Discard, c) // whatever it is told
			for {
				if _, err := c.Write(f.burst(seal)); err != nil {
					require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it is never cut")
					break
				}
			}
			c.Close()
			wanted[f.reason]++
			harness.Eventually(t, "the log says "+f.reason, func() bool { return s.Log.Count("reason="+f.reason+" ") == wanted[f.reason] })
		})
	}
	for _, f := range firstFloods {
		run("first", f, dialed(t, addr), nil)
	}
	for name, version := range Versions {
		client := small()
		client.MinVersion, client.MaxVersion = version, version
		for _, f := range midFloods {
			c := dialed(t, addr)
			var hello []byte
			cut := &cutter{Conn: c, pieces: func(b []byte) [][]byte { hello = b; return nil }}
			require.Error(t, tls.Client(helloOnly{cut}, client).Handshake())
			c.Write(hello)
			_, err := io.ReadFull(c, make([]byte, 100))
			require.NoError(t, err, "the handshake is under way")
			run("in a handshake of "+name, f, c, nil)
		}
		for _, f := range openFloods[version] {
			c := dialed(t, addr)
			_, seal, err := securetest.Client(c, client)
			require.NoError(t, err)
			run("by "+name, f, c, seal)
		}
	}
	total := 0
	for _, n := range wanted {
		total += n
	}
	require.Equal(t, total, s.Log.Count(" refused "), "one line each")
	status, _, err := GetTLS(addr, anyone(), "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	harness.Eventually(t, "descriptors are as before", func() bool { return s.Descriptors(t) <= before })
}

var _ = test("NewKeysForNobody", newKeysForNobody, perDriver("sockets"))

// newKeysForNobody: a client that asks for new keys over and over and reads none of the answers is
// not read from when they do not leave, and it is cut when its time is over.
func newKeysForNobody(t *testing.T) {
	s, addr := secured(t, append(room(4), "-idle-timeout", "1", "-head-timeout", "1", "-sock-buf", "4096", "-root", rootWith(t, "index.html", 1))...)
	raw, err := connect(addr, "127.0.0.1", receiveBuffer(4<<10))
	require.NoError(t, err)
	defer raw.Close()
	client := small()
	client.MinVersion = tls.VersionTLS13
	_, seal, err := securetest.Client(raw, client)
	require.NoError(t, err)
	for {
		if _, err := raw.Write(append(seal.Update(1), seal.Record(securetest.Data, 'x')...)); err != nil {
			require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "it is never cut")
			break
		}
	}
	harness.Eventually(t, "it is gone", func() bool { return nobodyElse(t, s) })
}

var _ = test("RenegotiationByOpenSSL", renegotiationByOpenSSL, once("secure"))

// renegotiationByOpenSSL: a real client that asks for another handshake on its connection gets
// none, and the connection ends.
func renegotiationByOpenSSL(t *testing.T) {
	s, addr := secured(t, room(4)...)
	in, input, err := os.Pipe()
	require.NoError(t, err)
	defer input.Close()
	cmd := client(t, "openssl", "openssl", "s_client", "-connect", addr, "-servername", "localhost", "-tls1_2")
	cmd.Stdin = in
	out := make(chan string)
	go func() {
		text, _ := cmd.CombinedOutput()
		out <- string(text)
	}()
	io.WriteString(input, "R\n")
	require.Contains(t, <-out, "RENEGOTIATING")
	in.Close()
	s.Log.Await(t, regexp.MustCompile(`refused level=WARN client=127\.0\.0\.1 reason=tls-(broken|alert)`))
}

var _ = test("EndsWithoutAWord", endsWithoutAWord)

// endsWithoutAWord: the end of a client's sending by TCP alone is its end wherever it comes: what
// was asked for is answered, what was cut is not, and nothing stays.
func endsWithoutAWord(t *testing.T) {
	s, addr := secured(t, append(room(8), "-handshake-timeout", "3600", "-head-timeout", "3600", "-idle-timeout", "3600", "-root", rootWith(t, "index.html", 1))...)
	end := func(c net.Conn) { require.NoError(t, c.(*net.TCPConn).CloseWrite()) }
	hello := greeting(t)
	for _, cut := range []int{0, 1, recordHeader, 100, len(hello) - 1, len(hello)} {
		c := dialed(t, addr)
		c.Write(hello[:cut])
		end(c)
		_, err := io.ReadAll(c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "after %d bytes of the hello", cut)
	}
	truncated := 0
	for _, version := range Versions {
		client := anyone()
		client.MinVersion, client.MaxVersion = version, version
		for _, tt := range []struct{ request, answer string }{
			{"", ""},
			{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"},
			{"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n[1", "400"},
		} {
			raw := dialed(t, addr)
			c := tls.Client(raw, client)
			require.NoError(t, c.Handshake())
			io.WriteString(c, tt.request)
			end(raw)
			truncated++
			r := bufio.NewReader(c)
			if tt.answer != "" {
				resp, err := http.ReadResponse(r, nil)
				require.NoError(t, err)
				io.Copy(io.Discard, resp.Body)
				require.Equal(t, tt.answer, resp.Status[:3])
			}
			_, err := r.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		}
	}
	_, metrics := s.Get(t, "/metrics")
	require.Contains(t, string(metrics), fmt.Sprintf("fourways_tls_truncated_connections_total %d\n", truncated))
	require.Contains(t, string(metrics), `fourways_protocol_connections_total{protocol="https"}`)
	harness.Eventually(t, "all are gone", func() bool { return nobodyElse(t, s) })
}
