package secure

// Requests and answers over TLS: files, streams, uploads, and how a connection ends. The rig is
// that of rig_test.go.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/secure/securetest"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// script is a Handler whose answer the path chooses: /echo/TEXT, /bytes/N, /file/N, /upload,
// /tunnel.
type script struct {
	file *os.File
	far  *far
}

func (h *script) Serve(x *session.Exchange) {
	_, rest, _ := strings.Cut(string(x.Path()[1:]), "/")
	n, _ := strconv.Atoi(rest)
	switch kind, _, _ := strings.Cut(string(x.Path()[1:]), "/"); kind {
	case "bytes":
		x.Begin(200, int64(n)).End()
		x.WriteRef(bytes.Repeat([]byte("b"), n), nil)
		x.Finish()
	case "stream":
		x.Begin(200, http1Unknown).End()
		x.Stream(&counter{left: n})
	case "file":
		x.Begin(200, int64(n)).End()
		x.WriteFile(openFile{h.file}, 0, int64(n))
		x.Finish()
	case "upload":
		x.TakeBody(&sink{})
	case "tunnel":
		h.far.x = x
		x.Wait(nil)
	default:
		x.Begin(200, int64(len(rest))).End()
		x.Write([]byte(rest))
		x.Finish()
	}
}

const http1Unknown = -1

func (h *script) Refuse(x *session.Exchange, f fault.Fault) {
	body := f.Reason.String()
	x.Begin(f.Status, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

// openFile is a file that its test closes.
type openFile struct{ *os.File }

func (f openFile) Fd() int { return int(f.File.Fd()) }
func (openFile) Release()  {}

// counter is a Source of pieces of 8 KiB.
type counter struct{ left int }

func (c *counter) More(x *session.Exchange) bool {
	n := min(c.left, 8<<10)
	x.Write(bytes.Repeat([]byte("s"), n))
	c.left -= n
	return c.left == 0
}
func (*counter) Abort() {}

// sink counts what it gets.
type sink struct{ n int }

func (s *sink) Body(_ *session.Exchange, p []byte) { s.n += len(p) }
func (s *sink) End(x *session.Exchange) {
	body := fmt.Sprint("got ", s.n)
	x.Begin(200, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}
func (s *sink) Abort() {}

// far is the other end of a tunnel.
type far struct {
	x     *session.Exchange
	got   chan string
	ended bool
}

func (f *far) FromClient(p []byte, ref chain.Ref) {
	f.got <- string(p)
	if ref != nil {
		ref.Release()
	}
}
func (f *far) ClientEnds() { f.ended = true }
func (*far) Takes() bool   { return true }
func (*far) Room()         {}
func (*far) Moved()        {}
func (*far) Gone()         {}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }

// answers reads so many answers, as "status body".
func answers(t testing.TB, r *bufio.Reader, n int) (list []string) {
	for range n {
		a, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		list = append(list, fmt.Sprint(a.StatusCode, " ", string(body)))
	}
	return list
}

func only(version uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
}

var versions = []struct {
	name    string
	version uint16
}{{"1.3", tls.VersionTLS13}, {"1.2", tls.VersionTLS12}}

func TestRequestsAreAnsweredHoweverTheBytesAreCut(t *testing.T) {
	for _, v := range versions {
		for _, piece := range []int{0, 1, 2, 3, 5, 7, 64, 1000, 1460, 4096} {
			t.Run(fmt.Sprintf("TLS %s, %d bytes at once", v.name, piece), func(t *testing.T) {
				w := newWorld(t, &script{})
				d := w.connect(func(d *driven) { d.piece = piece })
				c := d.client(only(v.version))
				r := bufio.NewReader(c)
				io.WriteString(c, get("/echo/one"))
				require.Equal(t, []string{"200 one"}, answers(t, r, 1))
				io.WriteString(c, get("/echo/two")+get("/echo/three")+get("/bytes/40000"))
				require.Equal(t, []string{"200 two", "200 three", "200 " + strings.Repeat("b", 40000)}, answers(t, r, 3))
				io.WriteString(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n"+strings.Repeat("u", 50000))
				require.Equal(t, []string{"200 got 50000"}, answers(t, r, 1))
				c.Close()
				d.over(t)
				require.Empty(t, w.ev.reasons())
				require.Equal(t, v.version, w.ev.secured[0].Version)
				require.Equal(t, "localhost", w.ev.secured[0].ServerName)
				require.EqualValues(t, 1, w.count(stats.HandshakesFull))
				require.Zero(t, w.secure.UnderWay())
				require.Zero(t, w.count(stats.Truncated))
			})
		}
	}
}

// hello is the first flight of a real client.
func hello(t testing.TB, set ...func(*tls.Config)) []byte {
	d := &driven{wire: newWire()}
	go d.client(set...).Handshake()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.toServer) == 0 {
		d.cond.Wait()
	}
	d.shut = true
	d.cond.Broadcast()
	return append([]byte(nil), d.toServer...)
}

// inRecords cuts a hello of one record into several, each with n bytes of the message.
func inRecords(b []byte, n int) (out []byte) {
	for m := b[recordHeader:]; len(m) > 0; {
		k := min(n, len(m))
		out = append(append(out, typeHandshake, 3, 1, byte(k>>8), byte(k)), m[:k]...)
		m = m[k:]
	}
	return out
}

func TestTheHandshakeBeginsWhenTheWholeHelloIsHere(t *testing.T) {
	whole := hello(t)
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"in one record", whole},
		{"in records of 1 byte", inRecords(whole, 1)},
		{"in records of 7 bytes", inRecords(whole, 7)},
		{"in records of 500 bytes", inRecords(whole, 500)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for cut := range tt.b {
				g, _, _ := greet(tt.b[:cut])
				require.Equal(t, greetingOpen, g, "after %d bytes", cut)
			}
			g, ticket, _ := greet(tt.b)
			require.Equal(t, greetingWhole, g)
			require.False(t, ticket)

			w := newWorld(t, &script{})
			d := w.open()
			feed := func(b []byte) {
				for len(b) > 0 {
					n := copy(d.m.Recv(), b)
					d.m.Received(n)
					b = b[n:]
				}
			}
			for i := range tt.b {
				require.Equal(t, machine.WantRead, d.m.Step())
				feed(tt.b[i : i+1])
			}
			require.Equal(t, machine.WantWake, d.m.Step())
			require.EqualValues(t, 1, w.secure.UnderWay())
			d.m.Work()
			require.Equal(t, machine.WantWrite, d.m.Step())
			d.m.Fail()
			require.Equal(t, machine.WantClose, d.m.Step())
			d.m.Close()
			require.Zero(t, w.secure.UnderWay())
		})
	}
}

// named has a client ask for a server whose name is so many bytes long.
func named(n int) func(*tls.Config) {
	return func(c *tls.Config) { c.ServerName = strings.Repeat("n", n) }
}

func TestALongServerNameIsTaken(t *testing.T) {
	g, _, _ := greet(hello(t, named(255)))
	require.Equal(t, greetingWhole, g)
}

func TestWhatIsNoHelloIsRefusedWithoutAHandshake(t *testing.T) {
	record := func(n int, p ...byte) []byte { return append([]byte{22, 3, 1, byte(n >> 8), byte(n)}, p...) }
	for _, tt := range []struct {
		name  string
		in    []byte
		alert byte
	}{
		{"a server name with a dot at its end", bytes.Replace(hello(t, named(4)), []byte("nnnn"), []byte("nnn."), 1), alertUnrecognizedName},
		{"noise", []byte{0, 1, 2}, 0},
		{"SSL 2", []byte{0x80, 0x2e, 1, 0, 2}, 0},
		{"an alert", []byte{21, 3, 1, 0, 2, 2, 40}, 0},
		{"another version's record", []byte{22, 9, 1, 0, 2, 1}, alertUnexpectedMessage},
		{"an empty record", record(0), alertUnexpectedMessage},
		{"a record that is too long", record(16<<10 + 1), alertRecordOverflow},
		{"another message", record(4, 2, 0, 0, 0), alertUnexpectedMessage},
		{"a hello that is too long", record(4, 1, 1, 0, 0), alertDecodeError},
		{"another record inside the hello", append(record(4, 1, 0, 0, 9), 23, 3, 1, 0, 5), alertUnexpectedMessage},
		{"a hello in so many records that there is no room for it", inRecords(record(60<<8, append([]byte{1, 0, 60, 0}, make([]byte, 60<<8)...)...), 1)[:maxRecord], alertDecodeError},
		{"a server name that no server can have", hello(t, named(256)), alertIllegalParameter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.connect()
			d.Write(tt.in)
			got, _ := io.ReadAll(d.wire)
			d.Close()
			d.over(t)
			want := []byte{}
			if tt.alert != 0 {
				want = alertRecord(tt.alert)
			}
			require.Equal(t, want, got)
			why := "tls-client-hello"
			if tt.alert == alertUnrecognizedName {
				why = "tls-server-name"
			}
			require.Equal(t, []string{why}, w.ev.reasons())
			require.EqualValues(t, 1, w.count(stats.HandshakesFailed))
			require.NotContains(t, d.wants, machine.WantWake)
		})
	}
}

// What a client still goes by that it has heard of another server under this name, or of this one
// at a bad moment, is no garbage: it is not to be banned for that.
func TestWhoOffersWhatWeDoNotIsNotToBlame(t *testing.T) {
	old := hello(t, func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	})
	for name, in := range map[string][]byte{
		"early data (RFC 8446 4.2.10)":    bytes.Replace(hello(t), []byte{0, 18, 0, 0}, []byte{0, 42, 0, 0}, 1), // in place of the offer to take timestamps
		"an older version, after a break": bytes.Replace(old, []byte{0, 4, 0xc0, 0x2b, 0xc0, 0x2c}, []byte{0, 4, 0xc0, 0x2b, 0x56, 0}, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.connect()
			d.Write(in)
			io.ReadAll(d.wire)
			d.Close()
			d.over(t)
			require.Equal(t, []string{"tls-version"}, w.ev.reasons())
		})
	}
}

func TestEachRefusalHasItsReason(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(*tls.Config)
		client func(*tls.Config)
		want   string
	}{
		{"a client that speaks HTTP/2 alone", nil, func(c *tls.Config) { c.NextProtos = []string{"h2"} }, "tls-no-protocol"},
		{"a client that is too old", nil, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "tls-version"},
		{"a client with other groups", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, "tls-no-cipher"},
		{"a client that does not trust us", nil, func(c *tls.Config) { c.RootCAs = nil }, "tls-certificate-refused"},
		{"a client of 1.2 that does not trust us", nil, func(c *tls.Config) { c.RootCAs = nil; c.MaxVersion = tls.VersionTLS12 }, "tls-certificate-refused"},
		{"no certificate", func(c *tls.Config) { c.Certificates = nil }, nil, "server-fault"},
		{"a certificate that cannot be had", func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.ErrClosedPipe }
			c.Certificates = nil
		}, nil, "server-fault"},
		{"a panic", func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("on purpose") }
			c.Certificates = nil
		}, nil, "server-fault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			if tt.server != nil {
				tt.server(w.config)
			}
			d := w.connect()
			var set []func(*tls.Config)
			if tt.client != nil {
				set = append(set, tt.client)
			}
			require.Error(t, d.client(set...).Handshake())
			d.Close()
			d.over(t)
			require.Equal(t, []string{tt.want}, w.ev.reasons())
			require.EqualValues(t, 1, w.count(stats.HandshakesFailed))
			require.Zero(t, w.secure.UnderWay())
		})
	}
}

func TestAClientWithoutALPNIsServed(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	c := d.client(func(c *tls.Config) { c.NextProtos = nil })
	io.WriteString(c, get("/echo/x"))
	require.Equal(t, []string{"200 x"}, answers(t, bufio.NewReader(c), 1))
	c.Close()
	d.over(t)
}

func TestSessionsResumeByTicket(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.limited(100)
			cache := tls.NewLRUClientSessionCache(1)
			for i := range 2 {
				d := w.connect()
				c := d.client(only(v.version), func(c *tls.Config) { c.ClientSessionCache = cache })
				io.WriteString(c, get("/echo/x"))
				answers(t, bufio.NewReader(c), 1)
				c.Close()
				d.over(t)
				require.Equal(t, i == 1, w.ev.secured[i].Resumed)
			}
			require.EqualValues(t, 1, w.count(stats.HandshakesFull))
			require.EqualValues(t, 1, w.count(stats.HandshakesResumed))
		})
	}
}

// A full handshake costs as much as five requests, one by ticket as one, and a ticket that is worth
// nothing does not make it cheaper.
func TestAHandshakeCountsForTheRate(t *testing.T) {
	requests := func(w *world) (n int) { // that are still allowed
		for w.srv.Limiter.Charge(peer.Addr(), int64(w.now), 1).Kind == 0 {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		name    string
		cache   tls.ClientSessionCache
		forgets bool // the server forgets its tickets
		twice   bool
		want    int // requests less than a hundred
	}{
		{"a full one", nil, false, false, 5},
		{"a full and a resumed one", tls.NewLRUClientSessionCache(1), false, true, 6},
		{"a full one, and one whose ticket nobody knows", tls.NewLRUClientSessionCache(1), true, true, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.limited(100)
			rounds := 1
			if tt.twice {
				rounds = 2
			}
			for range rounds {
				d := w.connect()
				c := d.client(func(c *tls.Config) { c.ClientSessionCache = tt.cache })
				shake(t, c)
				io.WriteString(c, get("/echo/x")) // with the answer the ticket is read
				answers(t, bufio.NewReader(c), 1)
				c.Close()
				d.over(t)
				if tt.forgets {
					w.config = w.config.Clone()
					w.config.SetSessionTicketKeys([][32]byte{{1}})
				}
			}
			require.Equal(t, 100-tt.want-rounds, requests(w))
		})
	}
	t.Run("a ticket of one who leaves before it is known what it is worth", func(t *testing.T) {
		w := newWorld(t, &script{})
		w.limited(100)
		cache := tls.NewLRUClientSessionCache(1)
		d := w.connect()
		c := d.client(func(c *tls.Config) { c.ClientSessionCache = cache })
		shake(t, c)
		io.WriteString(c, get("/echo/x"))
		answers(t, bufio.NewReader(c), 1)
		c.Close()
		d.over(t)
		d = w.connect()
		d.Write(hello(t, func(c *tls.Config) { c.ClientSessionCache = cache }))
		d.mu.Lock()
		for len(d.toClient) == 0 {
			d.cond.Wait()
		}
		d.mu.Unlock()
		d.Close()
		d.over(t)
		require.Equal(t, 100-5-1-5, requests(w))
	})
	t.Run("who is over it is closed with no work done", func(t *testing.T) {
		w := newWorld(t, &script{})
		w.limited(100)
		requests(w)
		d := w.connect()
		require.Error(t, d.client().Handshake())
		d.over(t)
		require.Equal(t, []string{"rate-limited"}, w.ev.reasons()[len(w.ev.reasons())-1:])
		require.NotContains(t, d.wants, machine.WantWake)
	})
	t.Run("who goes on is banned, which is reported once at a level that is seen", func(t *testing.T) {
		w := newWorld(t, &script{})
		w.limited(100)
		requests(w)
		for range 4 { // with the one before BanAfter
			d := w.connect()
			require.Error(t, d.client().Handshake())
			d.over(t)
		}
		require.Equal(t, []string{"too many handshakes"}, w.ev.details)
		require.Contains(t, w.ev.reasons(), "banned")
	})
	t.Run("a burst of less than five lets a client in all the same", func(t *testing.T) {
		w := newWorld(t, &script{})
		w.limited(2)
		d := w.connect()
		shake(t, d.client())
		d.do(func() { d.broken = true })
		d.over(t)
	})
}

// What is no TLS counts like requests that cannot be parsed: each as one, and so many in a row make
// a ban. Who cannot agree with us on how to speak, is slow or leaves is not to blame.
func TestWhatIsNoTLSCountsTowardsABan(t *testing.T) {
	cut := func(t *testing.T) []byte { return hello(t)[:50] }
	for _, tt := range []struct {
		name   string
		in     func(t *testing.T) []byte
		last   string // of the reasons
		allows int    // requests afterwards
	}{
		{"noise", func(*testing.T) []byte { return []byte{0, 1, 2} }, "banned", 0},
		{"a hello that crypto/tls cannot read", func(t *testing.T) []byte { return []byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 0} }, "banned", 0},
		{"a handshake that breaks", func(t *testing.T) []byte { return append(hello(t), 23, 3, 3, 0, 1, 9) }, "banned", 0},
		{"a client of HTTP/2 alone", func(t *testing.T) []byte {
			return hello(t, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
		}, "tls-no-protocol", 75},
		{"a name with a dot at its end", func(t *testing.T) []byte {
			return bytes.Replace(hello(t, named(4)), []byte("nnnn"), []byte("nnn."), 1)
		}, "tls-server-name", 100},
		{"one who leaves", cut, "handshake-cut-short", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			w.limited(100)
			for range 5 { // BanAfter
				d := w.connect()
				d.Write(tt.in(t))
				d.Close()
				d.over(t)
			}
			reasons := w.ev.reasons()
			require.Equal(t, tt.last, reasons[len(reasons)-1], reasons)
			left := 0
			for w.srv.Limiter.Charge(peer.Addr(), int64(w.now), 1).Kind == limiter.Allowed {
				left++
			}
			require.Equal(t, tt.allows, left)
		})
	}
	t.Run("records that are none, on a connection that was good", func(t *testing.T) {
		w := newWorld(t, &script{})
		w.limited(100)
		for range 5 {
			d := w.connect()
			_, s := raw(t, d)
			broken := s.Record(securetest.Data, 'x')
			broken[len(broken)-1]++
			d.Write(broken)
			d.Close()
			d.over(t)
		}
		require.Equal(t, []string{"tls-broken", "tls-broken", "tls-broken", "tls-broken", "banned"}, w.ev.reasons())
	})
}

func TestAHandshakeHasItsTimeAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   func(t *testing.T) []byte
		want []string
	}{
		{"who says nothing is let go without a word", func(*testing.T) []byte { return nil }, nil},
		{"who does not end its hello", func(t *testing.T) []byte { return hello(t)[:100] }, []string{"handshake-timeout"}},
		{"who says no more after it", func(t *testing.T) []byte { return hello(t) }, []string{"handshake-timeout"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.open()
			in := tt.in(t)
			for range 3 { // a byte now and then, and the rest
				d.drain(t)
				if len(in) > 0 {
					d.feed(in[:1])
					in = in[1:]
				}
				w.later(2 * clock.Second)
			}
			d.feed(in)
			d.drain(t)
			w.later(4*clock.Second - 1)
			require.Equal(t, machine.WantRead, d.drain(t))
			require.Equal(t, w.now+1, d.m.Deadline())
			w.later(1)
			for want := d.drain(t); want != machine.WantClose; want = d.drain(t) {
				w.later(clock.Second)
			}
			d.m.Close()
			require.Equal(t, tt.want, w.ev.reasons())
			require.Zero(t, w.secure.UnderWay())
			require.Zero(t, w.thread.Pool(maxRecord).Out())
		})
	}
}

// Only what a client does not take its own time for is given back to it.
func TestTheTimeThatOurOwnWorkTakesIsNotTheClients(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.open()
	d.feed(hello(t))
	require.Equal(t, machine.WantWake, d.m.Step())
	before := d.m.Deadline()
	w.later(7 * clock.Second)
	d.m.Work()
	d.m.RestartDeadline()
	require.Equal(t, before+7*clock.Second, d.m.Deadline())
	d.m.RestartDeadline()
	require.Equal(t, before+7*clock.Second, d.m.Deadline(), "once")
	d.m.Fail()
	d.m.Step()
	d.m.Close()
}

// feed gives the machine bytes, as a driver does.
func (d *driven) feed(b []byte) {
	for len(b) > 0 {
		n := copy(d.m.Recv(), b)
		d.m.Received(n)
		b = b[n:]
		if len(b) > 0 {
			d.m.Step()
		}
	}
}

// drain does what the machine wants until it waits for its client.
func (d *driven) drain(t testing.TB) machine.Want {
	for {
		switch want := d.m.Step(); want {
		case machine.WantWrite:
			d.write()
		case machine.WantWake:
			d.m.Work()
			d.m.RestartDeadline()
		case machine.WantShut:
			d.do(func() { d.shut = true })
		default:
			return want
		}
	}
}

// later lets time pass for the thread.
func (w *world) later(d clock.Time) {
	w.now += d
	w.thread.Clock.Set(w.now, 784111777e9)
}

// The socket tells nobody of what is decrypted already: none of that may be left where the client
// is waited for.
func TestWhatIsDecryptedIsHandedOnBeforeMoreIsWaitedFor(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.open()
	c := d.client(func(c *tls.Config) { c.DynamicRecordSizingDisabled = true })
	const begin, body = "POST /upload HTTP/1.1\r\nHost: localhost\r\n", 16350
	rest := fmt.Sprintf("Content-Length: %d\r\n\r\n", body) + strings.Repeat("u", body)
	require.LessOrEqual(t, len(rest), 16<<10, "one record")
	require.Greater(t, len(begin)+len(rest), 16<<10, "and more than the session has room for")
	written := make(chan struct{})
	go func() {
		io.WriteString(c, begin)
		io.WriteString(c, rest)
		close(written)
	}()
	d.step(t, func() bool {
		select {
		case <-written:
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.toServer) == 0
		default:
			return false
		}
	})
	d.drain(t)
	d.do(func() { d.shut = true }) // what is not here now does not come
	require.Equal(t, []string{fmt.Sprint("200 got ", body)}, answers(t, bufio.NewReader(c), 1))
	d.m.Fail()
	d.m.Step()
	d.m.Close()
}

func TestAFileIsSealedPieceByPiece(t *testing.T) {
	const size = 3<<20 + 17
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	f.Write(want)
	defer f.Close()
	w := newWorld(t, &script{file: f})
	d := w.connect()
	c := d.client()
	io.WriteString(c, get(fmt.Sprintf("/file/%d", size)))
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	got, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	c.Close()
	d.over(t)
	require.LessOrEqual(t, d.writes, size/sealAhead+8)
}

func TestAFileThatShrinksBreaksTheConnectionOff(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	f.Write(make([]byte, 1<<20))
	defer f.Close()
	w := newWorld(t, &script{file: f})
	d := w.connect(func(d *driven) { d.room = 100 << 10 })
	c := d.client()
	io.WriteString(c, get("/file/1048576"))
	buf := make([]byte, 1)
	c.Read(buf)
	require.NoError(t, f.Truncate(10))
	got, _ := io.ReadAll(c)
	require.Less(t, len(got), 1<<20)
	c.Close()
	d.over(t)
	require.Len(t, w.ev.broken, 1)
	require.False(t, d.m.Abortive(), "its length is known, so the client can tell")
}

// Only so much is sealed as the socket takes at once: a client that does not read costs no more.
func TestNoMoreIsSealedThanLeaves(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.open(func(d *driven) { d.room = 1 << 20 })
	go d.client().Write([]byte(get("/bytes/10000000")))
	d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.sealed > 0 })
	require.LessOrEqual(t, d.m.out.Len(), int64(sealAhead+sealAhead/100))
	d.m.Stalled()
	for range 10 {
		require.Equal(t, machine.WantWrite, d.m.Step())
		require.LessOrEqual(t, d.m.out.Len(), int64(sealAhead+sealAhead/100))
	}
	d.m.Fail()
	d.m.Step()
	d.m.Close()
	d.do(func() { d.closed = true })
}

// step drives the machine until ready, and waits for nothing on the way.
func (d *driven) step(t testing.TB, ready func() bool) {
	d.polls = true
	for !ready() {
		require.True(t, d.turn())
		runtime.Gosched()
	}
}

// The minimum rate is that of the records that the client takes.
func TestASlowReaderIsCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate int // bytes a second
		cut  bool
	}{{"at 100 bytes a second", 100, true}, {"at 1,000 bytes a second", 1000, false}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.open()
			go d.client().Write([]byte(get("/bytes/10000000")))
			d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.sealed > 0 })
			var want machine.Want
			for range 200 { // it has taken 64 KiB at once, which count for a minute
				if want = d.m.Step(); want != machine.WantWrite {
					break
				}
				d.m.Out().Ack(min(int64(tt.rate), d.m.Out().Len()))
				if !d.m.out.Empty() {
					d.m.Stalled()
				}
				w.later(clock.Second)
			}
			require.Equal(t, tt.cut, want == machine.WantClose)
			require.Equal(t, tt.cut, d.m.Abortive())
			d.m.Close()
			d.do(func() { d.closed = true })
		})
	}
}

// A record of 16 KiB takes its time on a slow line: its bytes count as they come.
func TestASlowUploadIsJudgedByWhatHasCome(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate int // bytes a second
		want string
	}{{"at 100 bytes a second", 100, "body-too-slow"}, {"at 500 bytes a second", 500, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.open()
			c := d.client()
			go io.WriteString(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000\r\n\r\n")
			d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.session.Deadline() < 7*clock.Second })
			go c.Write(make([]byte, 16000))
			d.mu.Lock()
			for len(d.toServer) < 16000 {
				d.cond.Wait()
			}
			d.mu.Unlock()
			for range 30 {
				if d.m.Step() != machine.WantRead {
					break
				}
				n := copy(d.m.Recv()[:tt.rate], d.toServer)
				d.toServer = d.toServer[n:]
				d.m.Received(n)
				w.later(clock.Second)
			}
			require.Equal(t, tt.want, strings.Join(w.ev.reasons(), " "))
			d.m.Fail()
			d.m.Step()
			d.m.Close()
			d.do(func() { d.closed = true })
		})
	}
}

func TestHowAConnectionEnds(t *testing.T) {
	const last = "GET /echo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	t.Run("the answer, close_notify, the end of sending, and then the client has time", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client(only(tls.VersionTLS12)) // where the type of a record can be seen
		io.WriteString(c, last)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(got), "200 OK")
		io.ReadAll(d.wire) // the library reads no further than to close_notify
		types := d.types()
		require.Equal(t, []byte{23, typeAlert}, types[len(types)-2:])
		d.mu.Lock()
		for !d.shut {
			d.cond.Wait()
		}
		require.False(t, d.closed)
		d.mu.Unlock()
		d.Close()
		d.over(t)
		require.Equal(t, []machine.Want{machine.WantWrite, machine.WantShut, machine.WantRead, machine.WantClose}, d.wants[len(d.wants)-4:])
		require.False(t, d.m.Abortive())
	})
	t.Run("the same after a refusal, while the client is still sending", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client(only(tls.VersionTLS12))
		io.WriteString(c, "G(T / HTTP/1.1\r\n\r\n")
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(got), "bad-request-line")
		io.ReadAll(d.wire)
		types := d.types()
		require.Equal(t, []byte{23, typeAlert}, types[len(types)-2:])
		io.WriteString(c, "more")
		d.Close()
		d.over(t)
		require.Equal(t, []machine.Want{machine.WantWrite, machine.WantShut, machine.WantRead, machine.WantClose}, d.wants[len(d.wants)-4:])
	})
	t.Run("a client that has said goodbye still gets its answers", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		io.WriteString(c, get("/echo/one")+get("/bytes/200000"))
		require.NoError(t, c.CloseWrite())
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(got), "one")
		require.Contains(t, string(got), strings.Repeat("b", 200000))
		d.Close()
		d.over(t)
		require.Zero(t, w.count(stats.Truncated))
	})
	t.Run("one that ends without a word too, and that is noted", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		io.WriteString(c, get("/echo/one"))
		d.Close()
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(got), "one")
		d.over(t)
		require.EqualValues(t, 1, w.count(stats.Truncated))
	})
	t.Run("a request that is cut short is answered 400", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		io.WriteString(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
		d.Close()
		require.Equal(t, []string{"400 cut-short"}, answers(t, bufio.NewReader(c), 1))
		d.over(t)
	})
	t.Run("an idle one is told so and closed at once", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		r := bufio.NewReader(c)
		io.WriteString(c, get("/echo/one"))
		answers(t, r, 1)
		d.pass(31 * clock.Second)
		_, err := r.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		d.over(t)
		require.Empty(t, w.ev.reasons())
	})
	t.Run("one that is reset while the goodbye leaves is let go", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.open()
		go d.client().Handshake()
		d.step(t, func() bool { return d.m.phase == phaseOpen && d.m.Idle() })
		w.later(31 * clock.Second)
		require.Equal(t, machine.WantWrite, d.m.Step())
		require.Equal(t, phaseParting, d.m.phase, "the session is over")
		d.m.Fail()
		require.Equal(t, machine.WantClose, d.m.Step())
		d.m.Close()
		d.do(func() { d.closed = true })
	})
	for _, row := range []struct {
		name   string
		record []byte
		told   string
	}{
		{"a client whose records make no sense is told so",
			[]byte{23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, "bad record MAC"},
		{"a record that is too long is refused by its header", []byte{23, 3, 3, 0xff, 0xff}, "record overflow"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.connect()
			c := d.client()
			shake(t, c)
			d.Write(row.record)
			_, err := c.Read(make([]byte, 1))
			require.ErrorContains(t, err, row.told)
			d.Close()
			d.over(t)
			require.Equal(t, []string{"tls-broken"}, w.ev.reasons())
		})
	}
	t.Run("the answers to a batch leave in one write", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		r := bufio.NewReader(c)
		io.WriteString(c, get("/echo/one"))
		answers(t, r, 1)
		before := d.writes
		d.do(func() { d.held = true })
		for _, name := range []string{"a", "b", "c"} {
			io.WriteString(c, get("/echo/"+name))
		}
		d.do(func() { d.held = false })
		require.Equal(t, []string{"200 a", "200 b", "200 c"}, answers(t, r, 3))
		c.Close()
		d.over(t)
		require.Equal(t, before+2, d.writes, "one for the answers, one for the goodbye")
	})
	for name, sent := range map[string][2]string{
		"between two requests": {"", get("/echo/two")},
		"in a head":            {get("/echo/two")[:9], get("/echo/two")[9:]},
	} {
		t.Run("what came in time is answered, however late we look: "+name, func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.connect()
			c := d.client()
			r := bufio.NewReader(c)
			io.WriteString(c, get("/echo/one")+sent[0])
			answers(t, r, 1)
			d.do(func() { d.held = true })
			io.WriteString(c, sent[1])
			d.do(func() { w.now += 3600 * clock.Second; d.held = false })
			require.Equal(t, []string{"200 two"}, answers(t, r, 1))
			c.Close()
			d.over(t)
		})
	}
	t.Run("a drain lets an idle one go after its last call", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		c := d.client()
		r := bufio.NewReader(c)
		io.WriteString(c, get("/echo/one"))
		answers(t, r, 1)
		w.srv.Drain()
		d.pass(2 * clock.Second)
		_, err := r.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		d.over(t)
	})
}

// A tunnel whose other end has said all ends our direction as soon as the client has taken nearly
// all, and not before close_notify has left. What the client still sends goes through.
func TestOneDirectionOfATunnelEndsWithAGoodbye(t *testing.T) {
	h := &script{far: &far{got: make(chan string, 1)}}
	w := newWorld(t, h)
	var unsent atomic.Int64
	unsent.Store(1 << 20)
	w.thread.Unsent = func(int) int64 { return unsent.Load() }
	w.thread.Host = host{func(int) {}}
	d := w.connect(func(d *driven) {
		d.other = func() {
			h.far.x.Tunnel([]byte("Upgrade: x\r\n"), h.far)
			h.far.x.Write(make([]byte, 10000))
			h.far.x.EndTunnel()
		}
	})
	c := d.client(only(tls.VersionTLS12))
	shake(t, c)
	io.WriteString(c, get("/tunnel"))
	r := bufio.NewReader(c)
	_, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 10000))
	require.NoError(t, err)
	unsent.Store(0)
	d.pass(clock.Second) // it is looked again, and later than it was to be
	_, err = r.Peek(1)
	require.Equal(t, io.EOF, err)
	types := d.types()
	require.EqualValues(t, typeAlert, types[len(types)-1])
	io.WriteString(c, "more")
	select {
	case got := <-h.far.got:
		require.Equal(t, "more", got)
	case <-d.done:
		t.Fatal("both directions have ended")
	}
	c.CloseWrite()
	d.over(t)
	require.True(t, h.far.ended)
	require.False(t, d.m.Abortive())
}

// A client that reads nothing must not be able to leave an answer to the kernel by breaking off
// TLS: the kernel would keep it for minutes, and for nobody.
func TestWhatNobodyReadsDoesNotOutliveABrokenConnection(t *testing.T) {
	for name, spoil := range map[string]func(d *driven){
		"a record that cannot be read": func(d *driven) {
			d.wire.Write(append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...))
		},
		"the same and the end": func(d *driven) {
			d.wire.Write(append([]byte{23, 3, 3, 0, 32}, make([]byte, 32)...))
			d.wire.Close()
		},
	} {
		for _, unsent := range []int64{0, 1 << 20} {
			t.Run(fmt.Sprintf("%s, %d bytes unread", name, unsent), func(t *testing.T) {
				w := newWorld(t, &script{})
				w.thread.Unsent = func(int) int64 { return unsent }
				d := w.connect()
				c := d.client()
				io.WriteString(c, get("/echo/x"))
				answers(t, bufio.NewReader(c), 1)
				spoil(d)
				io.Copy(io.Discard, c) // the alert, and the end
				d.pass(lingerTime)
				d.over(t)
				require.Equal(t, unsent > 0, d.m.Abortive())
			})
		}
	}
}

// heard is a client's end that keeps what has come.
type heard struct {
	*wire
	all []byte
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.wire.Read(p)
	h.all = append(h.all, p[:n]...)
	return n, err
}

// The library's own client takes an end without a word between two records for a good one, so that
// it has succeeded says nothing. In TLS 1.2 the type of a record can be seen.
func TestTheLastRecordIsTheGoodbye(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	h := &heard{wire: d.wire}
	c := tls.Client(h, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	io.WriteString(c, "GET /echo/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	_, err := io.ReadAll(c)
	require.NoError(t, err)
	var types []byte
	for b := h.all; len(b) > 0; b = b[recordHeader+int(binary.BigEndian.Uint16(b[3:])):] {
		types = append(types, b[0])
	}
	const data = 23
	require.Equal(t, []byte{data, typeAlert}, types[len(types)-2:])
	d.Close()
	d.over(t)
}

func TestPlainHTTPIsToldThatItIsInTheWrongPlace(t *testing.T) {
	for _, piece := range []int{0, 1, 7} {
		t.Run(fmt.Sprint(piece, " bytes at once"), func(t *testing.T) {
			w := newWorld(t, &script{})
			d := w.connect(func(d *driven) { d.piece = piece })
			io.WriteString(d.wire, get("/echo/x")+get("/echo/y"))
			r := bufio.NewReader(d.wire)
			require.Equal(t, []string{"400 plain-on-tls-port"}, answers(t, r, 1))
			_, err := r.ReadByte()
			require.ErrorIs(t, err, io.EOF, "and no more than one is answered")
			d.Close()
			d.over(t)
			require.Equal(t, []string{"plain-on-tls-port"}, w.ev.reasons())
			require.NotContains(t, d.wants, machine.WantWake)
			require.Zero(t, w.thread.Pool(maxRecord).Out())
		})
	}
	t.Run("what is no HTTP either is answered as ever", func(t *testing.T) {
		w := newWorld(t, &script{})
		d := w.connect()
		io.WriteString(d.wire, "SSH-2.0-OpenSSH\r\n\r\n")
		require.Equal(t, []string{"400 bad-request-line"}, answers(t, bufio.NewReader(d.wire), 1))
		d.Close()
		d.over(t)
	})
}

// A client whose key is for another group is asked for one of ours: then it says hello twice.
func TestAClientThatHasToSayHelloTwice(t *testing.T) {
	for _, piece := range []int{0, 1, 100} {
		w := newWorld(t, &script{})
		w.config.CurvePreferences = []tls.CurveID{tls.CurveP384}
		d := w.connect(func(d *driven) { d.piece = piece })
		c := d.client(func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384} })
		io.WriteString(c, get("/echo/x"))
		require.Equal(t, []string{"200 x"}, answers(t, bufio.NewReader(c), 1))
		require.True(t, c.ConnectionState().HelloRetryRequest)
		require.EqualValues(t, 1, w.count(stats.GroupP384))
		c.Close()
		d.over(t)
	}
}
