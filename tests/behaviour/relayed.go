package behaviour

// Relays: connections that a server passes on to a target as they are. The target is the test's
// own, so both ends are seen: bytes, ends, resets, limits, times, and what is counted of all that.
//
// Every test that needs a relay is skipped in stage 1, which has none and says so.

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/proxyproto"
	"fourways/tests/harness"
)

// relayTo is a server with a relay to a target.
type relayTo struct {
	*harness.Server
	network, addr string // where it relays from
	target        net.Listener
}

var relayingOn = regexp.MustCompile(`Relaying (\S+)(?: \(PROXY protocol\))? to `)

// startRelay starts one to a target that the test is, from one address and to another one.
func startRelay(t *testing.T, network, target, from string, args ...string) *relayTo {
	t.Helper()
	ln, err := net.Listen(network, strings.TrimPrefix(target, "unix:"))
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	to := ln.Addr().String()
	if network == "unix" {
		to = target
	}
	r := startRelayTo(t, to, from, args...)
	r.target = ln
	return r
}

// startRelayTo starts one to a target that there is.
func startRelayTo(t *testing.T, to, from string, args ...string) *relayTo {
	t.Helper()
	if oneThreadEach() {
		t.Skip("stage 1 has no relays")
	}
	s := harness.Start(t, append([]string{"-listen", "127.0.0.1:0", "-relay", from + "=" + to}, args...)...)
	r := &relayTo{Server: s, network: "tcp", addr: s.Log.Await(t, relayingOn)[1]}
	if path, ok := strings.CutPrefix(r.addr, "unix:"); ok {
		r.network, r.addr = "unix", path
	}
	return r
}

// relayFrom starts one by TCP.
func relayFrom(t *testing.T, args ...string) *relayTo {
	t.Helper()
	return startRelay(t, "tcp", "127.0.0.1:0", "127.0.0.2:0", args...)
}

// end is an end of a relay: a TCP or a Unix connection.
type end interface {
	net.Conn
	CloseWrite() error
}

// client connects.
func (r *relayTo) client(t *testing.T) end {
	t.Helper()
	c, err := net.DialTimeout(r.network, r.addr, harness.Patience)
	require.NoError(t, err)
	return prepared(t, c)
}

// accept is the target's end of the next relay.
func (r *relayTo) accept(t *testing.T) end {
	t.Helper()
	r.target.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(harness.Patience))
	c, err := r.target.Accept()
	require.NoError(t, err)
	return prepared(t, c)
}

func prepared(t *testing.T, c net.Conn) end {
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
	return c.(end)
}

// pair is both ends of a relay.
func (r *relayTo) pair(t *testing.T) (client, target end) {
	t.Helper()
	client = r.client(t)
	return client, r.accept(t)
}

// ended waits until no relay is left.
func (r *relayTo) ended(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "all relays have ended", func() bool { return openConns(t, r.Server) == 1 }) // the one that asks
}

// failures is how often a target was not reached, by the reason.
func (r *relayTo) failures(t *testing.T, reason string) int {
	_, body := r.Get(t, "/stats")
	var said struct{ Errors map[string]int }
	require.NoError(t, json.Unmarshal(body, &said))
	return said.Errors[reason]
}

var _ = test("RelayPassesBytesBothWays", relayPassesBytesBothWays)

// relayPassesBytesBothWays: all of them, in order, in both directions at once, on all kinds of
// sockets; the end of each direction arrives behind its last byte.
func relayPassesBytesBothWays(t *testing.T) {
	dir := shortFolder(t)
	for _, tt := range []struct{ name, network, target, from string }{
		{"IPv4 to IPv4", "tcp", "127.0.0.1:0", "127.0.0.2:0"},
		{"IPv4 to IPv6", "tcp", "[::1]:0", "127.0.0.2:0"},
		{"IPv6 to Unix", "unix", "unix:" + filepath.Join(dir, "t"), "[::1]:0"},
		{"Unix to IPv4", "tcp", "127.0.0.1:0", "unix:" + filepath.Join(dir, "f")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startRelay(t, tt.network, tt.target, tt.from)
			client, target := r.pair(t)
			said := r.figures(t)
			require.Equal(t, 1, said.Relay.Active)
			exchangeAll(t, client, target, 4<<20)
			r.ended(t)
			said = r.figures(t)
			require.Zero(t, said.Relay.Active)
			require.Equal(t, 1, said.Relay.Connections)
			require.Equal(t, 4<<20, said.Relay.Bytes.Up)
			require.Equal(t, 4<<20, said.Relay.Bytes.Down)
		})
	}
}

// relaySaid is what /stats says of relays.
type relaySaid struct {
	Relay struct {
		Active, Connections int
		Bytes               struct{ Up, Down int }
	}
}

func (r *relayTo) figures(t *testing.T) (said relaySaid) {
	t.Helper()
	_, body := r.Get(t, "/stats")
	require.NoError(t, json.Unmarshal(body, &said))
	return said
}

// exchangeAll sends so many bytes each way at once, and the ends of both, and requires that all
// arrive.
func exchangeAll(t *testing.T, one, other end, size int) {
	t.Helper()
	errs := make(chan error, 4)
	for _, way := range [][2]end{{one, other}, {other, one}} {
		sent := make([]byte, size)
		rand.Read(sent)
		go func() {
			_, err := way[0].Write(sent)
			errs <- errors.Join(err, way[0].CloseWrite())
		}()
		go func() {
			sum := sha256.New()
			_, err := io.Copy(sum, way[1])
			if want := sha256.Sum256(sent); err == nil && !bytes.Equal(want[:], sum.Sum(nil)) {
				err = io.ErrUnexpectedEOF
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

var _ = test("RelayPassesEndsOn", relayPassesEndsOn)

// relayPassesEndsOn: one side says all and ends its direction, and only then the other one speaks;
// also where that one closes at once behind what it has said, and what it has said is far more than
// the first side has taken by then.
func relayPassesEndsOn(t *testing.T) {
	const size = 8 << 20
	dir := shortFolder(t)
	for _, network := range []string{"tcp", "unix"} {
		at := map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + filepath.Join(dir, "t")}[network]
		r := startRelay(t, network, at, "127.0.0.2:0", "-proxy-buffer", "64", "-proxy-spill", "0")
		for name, order := range map[string]func(client, target end) (first, second end){
			"the client first": func(client, target end) (first, second end) { return client, target },
			"the target first": func(client, target end) (first, second end) { return target, client },
		} {
			t.Run(network+", "+name, func(t *testing.T) {
				client, target := r.pair(t)
				first, second := order(client, target)
				_, err := io.WriteString(first, "all")
				require.NoError(t, err)
				require.NoError(t, first.CloseWrite())
				got, err := io.ReadAll(second)
				require.NoError(t, err)
				require.Equal(t, "all", string(got))
				saysAllAndGoes(t, second, first, size)
				first.Close()
			})
		}
		r.ended(t)
	}
}

// saysAllAndGoes has one side write and close, and the other get all of it. Nothing is read until
// the writer has no more room, or is done and gone.
func saysAllAndGoes(t *testing.T, from, to net.Conn, size int) {
	t.Helper()
	wrote := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, size))
		wrote <- errors.Join(err, from.Close())
	}()
	select {
	case err := <-wrote:
		wrote <- err
	case <-time.After(100 * time.Millisecond):
	}
	n, err := io.Copy(io.Discard, to)
	require.NoError(t, err, "%v: %d of %d", to.LocalAddr(), n, size)
	require.EqualValues(t, size, n)
	require.NoError(t, <-wrote)
}

var _ = test("RelayOfOneThatSaysAllAndGoes", relayOfOneThatGoes)

// relayOfOneThatGoes: a side that closes behind its last byte loses none of them, while the other
// one, which has not ended anything, reads late.
func relayOfOneThatGoes(t *testing.T) {
	dir := shortFolder(t)
	for _, network := range []string{"tcp", "unix"} {
		at := map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + filepath.Join(dir, "t")}[network]
		r := startRelay(t, network, at, "127.0.0.2:0", "-proxy-buffer", "64", "-proxy-spill", "0")
		for _, size := range []int{0, 1, 100 << 10, 1 << 20, 3 << 20} {
			client, target := r.pair(t)
			require.NoError(t, client.(*net.TCPConn).SetReadBuffer(128<<10)) // what it has not read must wait in the relay
			saysAllAndGoes(t, target, client, size)
			client.Close()
		}
		r.ended(t)
	}
}

var _ = test("RelayOfOneThatGoesBeforeItsTargetIsThere", relayOfOneThatGoesEarly)

// relayOfOneThatGoesEarly: a client at a Unix socket closes behind its last byte, while the target
// is still being connected to. The target gets all of them.
func relayOfOneThatGoesEarly(t *testing.T) {
	addr, fd := fullListener(t)
	r := startRelayTo(t, addr, "unix:"+filepath.Join(shortFolder(t), "s"), "-connect-timeout", "3600")
	c := r.client(t)
	_, err := io.WriteString(c, "all of it")
	require.NoError(t, err)
	c.Close()
	r.ended(t)
	own, err := unix.Dup(fd)
	require.NoError(t, err)
	f := os.NewFile(uintptr(own), addr)
	ln, err := net.FileListener(f)
	require.NoError(t, err)
	f.Close()
	t.Cleanup(func() { ln.Close() })
	got := make(chan string, 16)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // those that fill the queue say nothing
				if text, _ := io.ReadAll(c); len(text) > 0 {
					got <- string(text)
				}
			}()
		}
	}()
	select {
	case text := <-got:
		require.Equal(t, "all of it", text)
	case <-time.After(harness.Patience):
		require.Fail(t, "nothing has reached the target")
	}
}

var _ = test("RelayHoldsTheFasterSideUp", relayHoldsTheFasterSideUp)

// relayHoldsTheFasterSideUp: what waits for who does not read is bounded, and nothing is lost.
func relayHoldsTheFasterSideUp(t *testing.T) {
	r := relayFrom(t, "-proxy-spill", "0")
	client, target := r.pair(t)
	for _, way := range [][2]end{{client, target}, {target, client}} {
		require.NoError(t, way[0].SetWriteDeadline(time.Now().Add(time.Second)))
		sent, err := io.Copy(way[0], io.LimitReader(zeros{}, 256<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "%d bytes were taken", sent)
		require.NoError(t, way[0].CloseWrite())
		got, err := io.Copy(io.Discard, way[1])
		require.NoError(t, err)
		require.Equal(t, sent, got)
	}
	r.ended(t)
}

// endedBefore is the case in which an end was read before the reset: it stays one.
const endedBefore = "after its end"

var _ = test("RelayPassesResetsOn", relayPassesResetsOn)

// relayPassesResetsOn: a reset of one side is one for the other, at whatever point.
func relayPassesResetsOn(t *testing.T) {
	r := relayFrom(t)
	for name, before := range map[string]func(one, other end){
		"at once":                   func(_, _ end) {},
		endedBefore:                 func(one, other end) { one.CloseWrite(); io.ReadAll(other) },
		"after the other's end":     func(one, other end) { other.CloseWrite(); io.ReadAll(one) },
		"with bytes that wait":      func(one, _ end) { fill(one.(*net.TCPConn)) },
		"with bytes for it waiting": func(_, other end) { fill(other.(*net.TCPConn)) },
	} {
		for _, side := range []string{"client", "target"} {
			t.Run(side+" "+name, func(t *testing.T) {
				one, other := r.pair(t)
				if side == "target" {
					one, other = other, one
				}
				before(one, other)
				require.NoError(t, one.(*net.TCPConn).SetLinger(0))
				one.Close()
				if _, err := io.Copy(io.Discard, other); err != nil || name != endedBefore {
					require.ErrorIs(t, err, syscall.ECONNRESET)
				}
				harness.Eventually(t, "the other side is told", func() bool {
					_, err := other.Write([]byte("x"))
					return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
				})
				other.Close()
			})
		}
	}
	r.ended(t)
}

var _ = test("RelayTargetRefuses", relayTargetRefuses)

// relayTargetRefuses: its client is closed at once, each is counted, and the server goes on; a name
// with several addresses is where one of them answers.
func relayTargetRefuses(t *testing.T) {
	r := startRelayTo(t, refusingAddress(t), "127.0.0.2:0", "-connect-timeout", "3600")
	for range 50 {
		if c, err := net.Dial("tcp", r.addr); err == nil { // its reset may be as quick as that
			c.SetDeadline(time.Now().Add(harness.Patience))
			cutWithoutAWord(t, c)
			c.Close()
		}
	}
	harness.Eventually(t, "all are counted", func() bool { return r.failures(t, "relay-refused") == 50 })
	r.ended(t)
	told := r.Log.Count("of a relay cannot be reached: connection refused")
	require.True(t, 0 < told && told < 10, "each process says why, and not each time: %d", told)

	r = startRelayTo(t, "unix:"+filepath.Join(t.TempDir(), "nobody"), "127.0.0.2:0")
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.SetDeadline(time.Now().Add(harness.Patience))
		cutWithoutAWord(t, c)
		c.Close()
	}
	harness.Eventually(t, "it is counted", func() bool { return r.failures(t, "relay-refused") == 1 })

	ln, err := net.Listen("tcp", "127.0.0.1:0") // localhost may be ::1 first
	require.NoError(t, err)
	defer ln.Close()
	r = startRelayTo(t, fmt.Sprintf("localhost:%d", ln.Addr().(*net.TCPAddr).Port), "127.0.0.2:0")
	r.target = ln
	client, target := r.pair(t)
	exchangeAll(t, client, target, 1000)
}

// socket makes a socket as socket(2) does. No server that is started meanwhile inherits it.
func socket(family, kind int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, err = unix.Socket(family, kind, 0); err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

// refusingAddress is one that refuses all connections until the test is over: it is taken, and
// nobody listens.
func refusingAddress(t *testing.T) string {
	fd, err := socket(unix.AF_INET, unix.SOCK_STREAM)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return boundAddress(t, fd)
}

// boundAddress binds a socket to a free port of this machine.
func boundAddress(t *testing.T, fd int) string {
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	sa, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
}

// silentListener is an address whose connections are neither made nor refused.
func silentListener(t *testing.T) (addr string) {
	addr, _ = fullListener(t)
	return addr
}

// fullListener is a listener of which nobody accepts yet, and whose queue is full.
func fullListener(t *testing.T) (addr string, fd int) {
	fd, err := socket(unix.AF_INET, unix.SOCK_STREAM)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	addr = boundAddress(t, fd)
	require.NoError(t, unix.Listen(fd, 0))
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr, fd
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this system's queue has no end")
	return "", -1
}

var _ = test("RelayTargetDoesNotAnswer", relayTargetDoesNotAnswer)

// relayTargetDoesNotAnswer: nobody waits for it longer than -connect-timeout; a client that leaves
// meanwhile is gone at once; and others are served.
func relayTargetDoesNotAnswer(t *testing.T) {
	addr := silentListener(t)
	r := startRelayTo(t, addr, "127.0.0.2:0", "-connect-timeout", "1")
	late := r.client(t)
	status, _ := r.Get(t, "/")
	require.Equal(t, 200, status)
	cutWithoutAWord(t, late)
	require.Equal(t, 1, r.failures(t, "relay-timeout"))

	r = startRelayTo(t, addr, "127.0.0.2:0", "-connect-timeout", "3600")
	for range 10 {
		c := r.client(t).(*net.TCPConn)
		c.SetLinger(0)
		c.Close()
	}
	r.ended(t)
}

var _ = test("RelayIsSilentForTooLong", relayIsSilentForTooLong)

// relayIsSilentForTooLong: both sides are reset, since neither has ended anything.
func relayIsSilentForTooLong(t *testing.T) {
	r := relayFrom(t, "-tunnel-timeout", "1")
	client, target := r.pair(t)
	_, err := io.WriteString(client, "x")
	require.NoError(t, err)
	_, err = io.ReadFull(target, make([]byte, 1))
	require.NoError(t, err)
	for _, c := range []end{client, target} {
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	r.ended(t)
}

var _ = test("ARelayIsNotSilentWhileItsBuffersAreRead", aRelayIsNotSilentWhileItsBuffersAreRead)

// aRelayIsNotSilentWhileItsBuffersAreRead: what the kernel holds for the client is more than it
// reads in the time for which a relay may be silent, and so is what has to be read of it before
// there is room for more.
func aRelayIsNotSilentWhileItsBuffersAreRead(t *testing.T) {
	const size, pieces = 2 << 20, 40
	r := relayFrom(t, "-tunnel-timeout", "2", "-sock-buf", fmt.Sprint(size))
	client, target := r.pair(t)
	require.NoError(t, client.(*net.TCPConn).SetReadBuffer(size/pieces))
	_, err := io.CopyN(target, zeros{}, size)
	require.NoError(t, err)
	for range pieces {
		time.Sleep(6 * time.Second / pieces) // as slowly as it reads
		_, err = io.CopyN(io.Discard, client, size/pieces)
		require.NoError(t, err)
	}
}

var _ = test("RelayLeavesNobodysBytesToTheSystem", relayLeavesNobodysBytesToTheSystem)

// relayLeavesNobodysBytesToTheSystem: a client that has ended its direction and reads nothing
// counts until the time for silence is over, and the system does not keep what it has not read.
func relayLeavesNobodysBytesToTheSystem(t *testing.T) {
	r := relayFrom(t, "-tunnel-timeout", "1")
	client, target := r.pair(t)
	require.NoError(t, client.CloseWrite())
	_, err := io.ReadAll(target)
	require.NoError(t, err)
	_, err = io.CopyN(target, zeros{}, 1<<20)
	require.NoError(t, err)
	require.NoError(t, target.Close())
	r.ended(t)
	_, err = io.Copy(io.Discard, client)
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

var _ = test("RelayRate", relayRate)

// relayRate: what is passed on in a time is no more than the rate allows, each way and for each
// connection.
func relayRate(t *testing.T) {
	const rate, size = 200_000, 150_000
	r := relayFrom(t, "-relay-rate", fmt.Sprint(rate))
	began := time.Now()
	var all sync.WaitGroup
	for range 2 {
		client, target := r.pair(t)
		all.Go(func() { exchangeAll(t, client, target, size) })
	}
	all.Wait()
	least := time.Duration(float64(size-rate/8) / rate * float64(time.Second))
	require.GreaterOrEqual(t, time.Since(began), least)
	r.ended(t)
}

var _ = test("RelayAnnouncesTheClient", relayAnnouncesTheClient, perDriver("sockets"))

// relayAnnouncesTheClient: the target reads a PROXY header before all else: with the client's
// address, or that of whom the client's own header names. A server behind the relay believes it.
func relayAnnouncesTheClient(t *testing.T) {
	r := relayFrom(t, "-relay-proxy-protocol")
	client, target := r.pair(t)
	_, err := io.WriteString(client, "behind")
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	got, err := io.ReadAll(target)
	require.NoError(t, err)
	h, n, err := proxyproto.Parse(got)
	require.NoError(t, err)
	require.Equal(t, client.LocalAddr().String(), h.From.String())
	require.Equal(t, client.RemoteAddr().String(), h.To.String())
	require.Equal(t, "behind", string(got[n:]))

	speaksFirst, target := r.pair(t)
	head := make([]byte, n)
	_, err = io.ReadFull(target, head)
	require.NoError(t, err, "it does not wait for the client's first byte")
	h, _, err = proxyproto.Parse(head)
	require.NoError(t, err)
	require.Equal(t, speaksFirst.LocalAddr().String(), h.From.String())

	p := startProxied(t)
	r = startRelayTo(t, p.plain, "127.0.0.2:0", "-relay-proxy-protocol", "-proxy-protocol", "127.0.0.2:0", "-trusted-proxy", "127.0.0.0/8")
	c := r.client(t)
	_, err = io.WriteString(c, headerOf("192.0.2.7:1"))
	require.NoError(t, err)
	status, err := Exchange(c, "/?relayed")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, "192.0.2.7", p.logged(t, "/?relayed"))
	cutWithoutAWord(t, func() net.Conn { c := r.client(t); io.WriteString(c, "no header"); return c }())

	c = r.client(t)
	_, err = io.WriteString(c, "PROXY UNKNOWN\r\n")
	require.NoError(t, err)
	status, err = Exchange(c, "/health")
	require.NoError(t, err)
	require.Equal(t, 404, status, "whom the proxy does not name is not the proxy, behind the relay either")

	r = relayFrom(t, "-relay-proxy-protocol", "-proxy-protocol", "127.0.0.2:0", "-trusted-proxy", "127.0.0.1")
	c = r.client(t)
	byTLS := proxyproto.Append(nil, netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("192.0.2.8:443"), true)
	_, err = c.Write(byTLS)
	require.NoError(t, err)
	head = make([]byte, len(byTLS))
	_, err = io.ReadFull(r.accept(t), head)
	require.NoError(t, err)
	h, _, err = proxyproto.Parse(head)
	require.NoError(t, err)
	require.Equal(t, "192.0.2.7:1", h.From.String())
	require.True(t, h.TLS, "it has come to the proxy by TLS")
}

var _ = test("RelayLimitsClients", relayLimitsClients)

// relayLimitsClients: the connections of one client are as many as its limit says.
func relayLimitsClients(t *testing.T) {
	r := relayFrom(t, "-rate-exempt", "none", "-max-conns-per-client", "2", "-drain-timeout", "1", "-trusted-proxy", "127.0.0.1", "-proxy-protocol", "127.0.0.2:0")
	open := func(from string) (client end) {
		client = r.client(t)
		_, err := io.WriteString(client, headerOf(netip.AddrPortFrom(netip.MustParseAddr(from), 1).String()))
		require.NoError(t, err)
		return client
	}
	one, two := open("192.0.2.7"), open("192.0.2.7")
	targets := []end{r.accept(t), r.accept(t)}
	cutWithoutAWord(t, open("192.0.2.7"))
	open("192.0.2.8")
	r.accept(t)
	one.Close()
	for _, c := range targets {
		c.Close()
	}
	two.Close()
	harness.Eventually(t, "there is room again", func() bool {
		c := open("192.0.2.7")
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		defer c.Close()
		return errors.Is(err, os.ErrDeadlineExceeded)
	})
}

var _ = test("RelayToItself", relayToItself)

// relayToItself: a relay to one of the server's own listeners is refused at the start, and so is
// what does not fit together.
func relayToItself(t *testing.T) {
	if oneThreadEach() {
		code, _, stderr := harness.Run(t, "-relay", "127.0.0.1:0=127.0.0.1:1")
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "-relay: a thread of stage 1 waits for one connection alone, and a relay is two; take stage 2, 3 or 4")
		return
	}
	path := filepath.Join(shortFolder(t), "own")
	for _, form := range [][]string{ // of PORT, which is free
		{"-listen", "127.0.0.1:PORT", "-relay", "127.0.0.2:0=127.0.0.1:PORT"},
		{"-listen", "127.0.0.1:0", "-relay", "127.0.0.1:PORT=127.0.0.1:PORT"},
		{"-listen", "127.0.0.1:PORT", "-relay", "127.0.0.2:0=0.0.0.0:PORT"},
		{"-listen", "127.0.0.1:PORT", "-relay", "127.0.0.2:0=localhost:PORT"},
		{"-listen", "0.0.0.0:PORT", "-relay", "127.0.0.2:0=127.0.0.1:PORT"},
		{"-listen", "unix:" + path, "-listen", "127.0.0.1:0", "-relay", "127.0.0.2:0=unix:" + path},
	} {
		code, stderr := 0, "in use"
		for strings.Contains(stderr, "in use") { // by another test, which was given the port meanwhile
			_, port, _ := net.SplitHostPort(freeAddress(t))
			args := strings.Fields(strings.ReplaceAll(strings.Join(form, " "), "PORT", port))
			code, _, stderr = harness.Run(t, args...)
		}
		require.Equal(t, 1, code, "%v", form)
		require.Contains(t, stderr, "leads to the server itself", "%v", form)
	}
}

// echo sends back what each connection to a target sends, until the listener is closed.
func echo(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

var _ = test("RelayUnderReloads", relayUnderReloads)

// relayUnderReloads: while the logs are opened anew again and again, in stage 4 with new workers,
// and a second relay's target refuses everybody, nothing that is passed on is lost.
func relayUnderReloads(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access")
	r := relayFrom(t, "-relay", "127.0.0.3:0="+refusingAddress(t), "-access-log", log, "-drain-timeout", "600")
	refusing := regexp.MustCompile(`Relaying (127\.0\.0\.3:\d+) to `)
	other := r.Log.Await(t, refusing)[1]
	go echo(r.target)
	var over atomic.Bool
	var all sync.WaitGroup
	var exchanged atomic.Int64
	for range 4 {
		all.Go(func() {
			for !over.Load() {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Errorf("not let in: %v", err)
					return
				}
				c.SetDeadline(time.Now().Add(harness.Patience))
				fmt.Fprint(c, "hello")
				c.(*net.TCPConn).CloseWrite()
				if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
					t.Errorf("got %q, %v", got, err)
				}
				c.Close()
				exchanged.Add(1)
				time.Sleep(harness.CallPause)
			}
		})
	}
	all.Go(func() {
		for !over.Load() {
			if c, err := net.Dial("tcp", other); err == nil {
				c.SetDeadline(time.Now().Add(harness.Patience))
				io.ReadAll(c)
				c.Close()
			}
			time.Sleep(harness.CallPause)
		}
	})
	long := r.client(t) // from before the first to after the last
	for range 3 {
		n := exchanged.Load()
		r.Signal(t, syscall.SIGHUP)
		harness.Eventually(t, "it goes on", func() bool { return exchanged.Load() > n+20 })
	}
	over.Store(true)
	all.Wait()
	_, err := io.WriteString(long, "still here")
	require.NoError(t, err)
	require.NoError(t, long.CloseWrite())
	got, err := io.ReadAll(long)
	require.NoError(t, err)
	require.Equal(t, "still here", string(got))
	require.NotZero(t, r.failures(t, "relay-refused"))
}

var _ = test("RelayAtTheStop", relayAtTheStop)

// relayAtTheStop: what is under way goes on, and is cut when the time for it is over.
func relayAtTheStop(t *testing.T) {
	r := relayFrom(t, "-drain-timeout", "2")
	client, target := r.pair(t)
	r.Signal(t, syscall.SIGTERM)
	r.Log.Await(t, regexp.MustCompile(`Stopping on`))
	_, err := io.WriteString(client, "x")
	require.NoError(t, err)
	_, err = io.ReadFull(target, make([]byte, 1))
	require.NoError(t, err)
	for _, c := range []end{client, target} {
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	require.Zero(t, r.Wait(t))
}

var _ = test("RelaysLeaveNothingBehind", relaysLeaveNothingBehind, perDriver("sockets"))

// relaysLeaveNothingBehind: whoever leaves, at whatever point and in whatever way, ends the whole
// relay, and no descriptor stays open.
func relaysLeaveNothingBehind(t *testing.T) {
	r := relayFrom(t, "-drain-timeout", "1", "-proxy-buffer", "64", "-proxy-spill", "1")
	round := func() {
		for _, d := range departures() {
			one, other := r.pair(t)
			if !d.first {
				one, other = other, one
			}
			d.leave(one.(*net.TCPConn), other.(*net.TCPConn))
			harness.Eventually(t, d.name, func() bool { return openConns(t, r.Server) == 1 })
			other.Close()
		}
	}
	round() // what is opened once is open
	before := ownDescriptors(t, r.Server)
	round()
	harness.Eventually(t, "the descriptors are closed", func() bool { return ownDescriptors(t, r.Server) <= before })
}
