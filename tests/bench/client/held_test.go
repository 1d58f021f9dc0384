//go:build linux

package client

// How long an upstream is held, by proxies of the test's own: one that takes all at once, and one
// that takes no more than its client does. And messages there and back.

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// heldSize is more than the sockets between an upstream and its client hold, in bytes.
const heldSize = 32 << 20

// between passes connections on, each as it is told.
func between(t *testing.T, upstream string, pass func(client, server net.Conn)) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", upstream)
				if err != nil {
					return
				}
				defer server.Close()
				pass(client, server)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// greedy takes all that the server says at once.
func greedy(client, server net.Conn) {
	go func() {
		io.Copy(server, client)
		server.(*net.TCPConn).CloseWrite()
	}()
	all := make(chan []byte, heldSize/(16<<10)*4)
	go func() {
		defer close(all)
		for {
			p := make([]byte, 32<<10)
			n, err := server.Read(p)
			if err != nil {
				return
			}
			all <- p[:n]
		}
	}()
	for p := range all {
		if _, err := client.Write(p); err != nil {
			return
		}
	}
}

// lazy takes what the client takes.
func lazy(client, server net.Conn) {
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	io.Copy(client, server)
}

func freeAddr(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func TestHowLongAnAnswerHoldsItsUpstream(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(file, make([]byte, heldSize), 0o644))
	for _, tt := range []struct {
		says     string
		pass     func(client, server net.Conn)
		patience time.Duration
		freed    bool
	}{
		{"a proxy that takes all frees it", greedy, patience, true},
		{"one that waits for its client does not", lazy, 300 * time.Millisecond, false},
	} {
		t.Run(tt.says, func(t *testing.T) {
			upstream := freeAddr(t)
			l := Loan{Proxy: between(t, upstream.String(), tt.pass), Upstream: upstream, Path: "/body", File: file, Patience: tt.patience}
			var said bytes.Buffer
			h, err := l.Run(&said, &bytes.Buffer{})
			require.NoError(t, err)
			assert.Equal(t, Ready+"\n", said.String())
			assert.Equal(t, tt.freed, h.Freed)
			assert.Positive(t, h.Fast)
			if tt.freed {
				assert.EqualValues(t, heldSize, h.Taken)
			} else {
				assert.Equal(t, tt.patience, h.Slow)
				assert.Less(t, h.Taken, int64(heldSize))
			}
			_, err = json.Marshal(h)
			require.NoError(t, err)
		})
	}
}

func TestMessagesMustComeBackAsTheyWere(t *testing.T) {
	for _, tt := range []struct {
		says   string
		change func([]byte)
		fault  string
	}{
		{"unchanged they are counted", func([]byte) {}, ""},
		{"a byte that is another is an error", func(p []byte) { p[0] ^= 1 }, "another message"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						p := make([]byte, 10) // messages come back in parts
						for {
							n, err := c.Read(p)
							if err != nil {
								return
							}
							tt.change(p[:n])
							c.Write(p[:n])
						}
					}()
				}
			}()
			var d Drained
			for duration := 50 * time.Millisecond; d.Whole == 0 && err == nil; duration *= 2 { // busy machines take longer
				d, err = PingPong(netip.MustParseAddrPort(l.Addr().String()), 3, duration)
			}
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				return
			}
			require.NoError(t, err)
			assert.EqualValues(t, d.Whole*MessageSize, d.Bytes)
		})
	}
}
