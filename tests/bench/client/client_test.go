//go:build linux

package client

// The bench's clients, against servers of the test's own. A server here counts what it sends and
// what it hears.

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bodySize is a body that does not fit one recv.
const bodySize = 1 << 20

func serve(t *testing.T) (*httptest.Server, netip.AddrPort) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/body" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", "1048576")
		io.WriteString(w, strings.Repeat("x", bodySize))
	}))
	t.Cleanup(server.Close)
	return server, netip.MustParseAddrPort(server.Listener.Addr().String())
}

// drainLongEnough drains until some bodies have come whole, which takes longer on a busy machine.
func drainLongEnough(t *testing.T, addr netip.AddrPort, path string, n int) (d Drained) {
	for duration := 50 * time.Millisecond; d.Whole < 2; duration *= 2 {
		var err error
		d, err = Drain(addr, path, n, duration)
		require.NoError(t, err)
	}
	return d
}

func TestDrainCountsWhatItThrowsAway(t *testing.T) {
	_, addr := serve(t)
	d := drainLongEnough(t, addr, "/body", 2)
	assert.GreaterOrEqual(t, d.Bytes, int64(d.Whole)*bodySize)
	assert.Less(t, d.Bytes, int64(d.Whole+2)*bodySize, "at most two bodies are under way at the end")
	assert.LessOrEqual(t, d.P50, d.P99)

	_, err := Drain(addr, "/none", 1, time.Minute)
	assert.ErrorContains(t, err, "404")
}

// Servers may end a connection after so many answers, and say so.
func TestDrainGoesOnWhereAServerClosesItsConnections(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "body") }))
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	defer server.Close()
	drainLongEnough(t, netip.MustParseAddrPort(server.Listener.Addr().String()), "/", 1)
}

// helper runs Hold or Dribble, and returns the lines it says and what ends it.
func helper(t *testing.T, run func(says io.Writer, done io.Reader) error) (lines *bufio.Scanner, end func()) {
	said, says := io.Pipe()
	done, ends := io.Pipe()
	result := make(chan error, 1)
	go func() {
		result <- run(says, done)
		says.Close()
	}()
	t.Cleanup(func() {
		ends.Close()
		said.Close()
		assert.NoError(t, <-result)
	})
	return bufio.NewScanner(said), func() { ends.Close() }
}

func TestHoldTellsHowManyConnectionsTheServerClosed(t *testing.T) {
	for _, tt := range []struct {
		says   string
		closes bool
		want   string
	}{
		{"none when the server keeps them", false, "0"},
		{"all when the server closes them", true, "5"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			server, addr := serve(t)
			lines, end := helper(t, func(says io.Writer, done io.Reader) error {
				return Hold(addr, "/body", 5, true, says, done)
			})
			require.True(t, lines.Scan())
			require.Equal(t, Ready, lines.Text())
			if tt.closes {
				server.CloseClientConnections()
			}
			end()
			require.True(t, lines.Scan())
			assert.Equal(t, tt.want, lines.Text())
		})
	}
}

func TestDribbleNeverEndsAHead(t *testing.T) {
	answered := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { answered <- struct{}{} }))
	defer server.Close()
	lines, end := helper(t, func(says io.Writer, done io.Reader) error {
		return Dribble(netip.MustParseAddrPort(server.Listener.Addr().String()), "/", 3, says, done)
	})
	require.True(t, lines.Scan())
	require.Equal(t, Ready, lines.Text())
	end()
	require.True(t, lines.Scan())
	assert.Equal(t, "0", lines.Text())
	assert.Empty(t, answered)
}

func TestASlowHeadRepeatsAFieldAndHasNoEmptyLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := dial(netip.MustParseAddrPort(l.Addr().String()))
	require.NoError(t, err)
	defer c.close()
	server, err := l.Accept()
	require.NoError(t, err)
	s := slow{conn: c}
	start := []byte("GET / HTTP/1.1\r\n")
	for range len(start) + 3*len(slowLine) {
		require.True(t, s.next(start), "after %d bytes", s.sent)
	}
	server.Close()
	assert.Eventually(t, func() bool { return !s.next(start) }, 10*time.Second, time.Millisecond, "a closed connection is noticed")
}
