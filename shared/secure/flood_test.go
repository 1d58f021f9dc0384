package secure

// Clients that make their TLS records themselves, and send what crypto/tls never would. The rig is
// that of rig_test.go.

import (
	"bufio"
	"crypto/tls"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine"
	"fourways/shared/secure/securetest"
	"fourways/shared/stats"
)

// raw is a client whose handshake crypto/tls has made, and whose records it makes itself.
func raw(t testing.TB, d *driven) (*tls.Conn, *securetest.Sealer) {
	c, s, err := securetest.Client(d.wire, clientOf(only(tls.VersionTLS13)))
	require.NoError(t, err)
	return c, s
}

func TestNewKeysAreTakenAndAnswered(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	c, s := raw(t, d)
	r := bufio.NewReader(c)
	for _, answer := range []byte{0, 1, 1} {
		d.Write(append(s.Update(answer), s.Record(securetest.Data, []byte(get("/echo/x"))...)...))
		require.Equal(t, []string{"200 x"}, answers(t, r, 1))
	}
	d.Close()
	d.over(t)
	require.Empty(t, w.ev.reasons())
}

// A client that asks for new keys over and over, and reads nothing, makes us write: as long as that
// does not leave, nothing more is read.
func TestAFloodOfNewKeysFillsNoMemory(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	_, s := raw(t, d)
	var flood []byte
	for range 900 {
		flood = append(append(flood, s.Update(1)...), s.Record(securetest.Data, 'x')...)
	}
	d.do(func() { d.room = len(d.toClient) + 10 })
	d.Write(flood)
	d.do(func() { d.held = false })
	d.mu.Lock()
	for len(d.toClient) < d.room {
		d.cond.Wait()
	}
	require.NotEmpty(t, d.toServer, "more is here than is read")
	require.Less(t, d.m.out.Len(), int64(maxRecord))
	d.broken = true
	d.cond.Broadcast()
	d.mu.Unlock()
	d.over(t)
}

// Each costs more to take than to send, whether an answer is asked for or not; the library allows
// some before each record with data.
func TestWhoTakesNewKeysWithoutEndIsCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer byte
		each   int // before some data
	}{
		{"and asks for ours", 1, 1},
		{"and asks for none", 0, 1},
		{"many at once", 0, 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flood := func(n int) []string {
				w := newWorld(t, &script{})
				d := w.connect()
				_, s := raw(t, d)
				var flood []byte
				for i := range n {
					flood = append(flood, s.Update(tt.answer)...)
					if (i+1)%tt.each == 0 {
						flood = append(flood, s.Record(securetest.Data, 'x')...)
					}
				}
				d.Write(flood)
				d.Close()
				d.over(t)
				return w.ev.reasons()
			}
			require.NotContains(t, flood(maxIdle), "tls-flood")
			require.Equal(t, []string{"tls-flood"}, flood(maxIdle+1))
		})
	}
}

func TestAFloodOfEmptyRecordsIsCut(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	c, s := raw(t, d)
	for range 1000 {
		d.Write(s.Record(securetest.Data))
	}
	_, err := io.ReadAll(c)
	require.ErrorContains(t, err, "unexpected message")
	d.Close()
	d.over(t)
	require.Equal(t, []string{"tls-broken"}, w.ev.reasons())
}

// A few of them are allowed (RFC 8446 5.1: some send them against traffic analysis).
func TestAFewEmptyRecordsHarmNobody(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect(func(d *driven) { d.piece = 3 })
	c, s := raw(t, d)
	for range 5 {
		d.Write(s.Record(securetest.Data))
	}
	d.Write(s.Record(securetest.Data, []byte(get("/echo/x"))...))
	require.Equal(t, []string{"200 x"}, answers(t, bufio.NewReader(c), 1))
	d.Close()
	d.over(t)
}

func TestAClientsAlertEndsTheConnection(t *testing.T) {
	w := newWorld(t, &script{})
	d := w.connect()
	_, s := raw(t, d)
	d.Write(s.Record(securetest.Alert, 2, 80))
	d.Close()
	d.over(t)
	require.Equal(t, []string{"tls-alert"}, w.ev.reasons())
	require.Zero(t, w.count(stats.HandshakesFailed))
	require.Equal(t, machine.WantClose, d.wants[len(d.wants)-1])
}
