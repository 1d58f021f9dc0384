package conformance

// Connections by TLS, as the suite makes them.
//
// Each test owns a listener of its own. What must not be done: an end that was not announced must
// not count as one.

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A client of TLS can only trust an end that was announced (RFC 9112 9.8).
func TestAnEndOfTLSMustBeAnnounced(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nDate: Fri, 15 Mar 2024 10:30:00 GMT\r\nConnection: close\r\n"
	for _, row := range []struct {
		name, answer string
		end          func(*tls.Conn) error
		complaint    string
	}{
		{"with close_notify", answer + "Content-Length: 1\r\n\r\n1", (*tls.Conn).Close, ""},
		{"without it", answer + "Content-Length: 1\r\n\r\n1", closeBeneath, "the connection is closed without close_notify"},
		{"in a body that it ends", answer + "\r\n1", closeBeneath, "the connection was closed in a body that the close should end (RFC 9112 8) (status 200)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr := serveTLS(t, func(c *tls.Conn) {
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(c, row.answer)
				_ = row.end(c)
			})
			s := newServer(Default, addr, "")
			s.secure = true
			c := must("x", closureAlerts, "x", get("/one.txt"), refused("200"))
			x := play(s, &c, Whole)
			var texts []string
			for _, f := range x.faults {
				if !f.Wide {
					texts = append(texts, f.Text)
				}
			}
			if row.complaint == "" {
				assert.Empty(t, texts)
			} else {
				assert.Equal(t, []string{row.complaint}, texts)
			}
		})
	}
}

func closeBeneath(c *tls.Conn) error { return c.NetConn().Close() }

// serveTLS has each connection by TLS done by do, and returns the address.
func serveTLS(t *testing.T, do func(*tls.Conn)) (addr string) {
	t.Helper()
	key := httptest.NewTLSServer(nil)
	t.Cleanup(key.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go do(tls.Server(conn, key.TLS))
		}
	}()
	return l.Addr().String()
}
