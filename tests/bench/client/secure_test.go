//go:build linux

package client

// The clients by TLS, against servers that keep to the terms and servers that do not. A client that
// took what it did not ask for would measure something else.

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
)

// secureServer speaks TLS as config says, and answers with answer bytes whose head promises size.
func secureServer(t *testing.T, config *tls.Config, answer, size string) Ask {
	leaf := certstest.Root(t).Leaf("127.0.0.1")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", size)
		io.WriteString(w, answer)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that give up are what is tested
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Cert.Raw}, PrivateKey: leaf.Key}}
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return Ask{
		Addr: netip.MustParseAddrPort(server.Listener.Addr().String()), Path: "/", Size: 4, Conns: 3, For: 50 * time.Millisecond,
		Terms: Terms{Version: tls.VersionTLS13, Group: tls.X25519, Leaf: leaf.Cert.Raw},
	}
}

func TestALoadByTLSCountsWhatItDoes(t *testing.T) {
	for _, tt := range []struct {
		says    string
		version uint16
		change  func(*Ask)
		check   func(*testing.T, Asked)
	}{
		{"kept alive there is no new connection", tls.VersionTLS13, func(*Ask) {}, func(t *testing.T, a Asked) {
			assert.Zero(t, a.Connections)
		}},
		{"a new connection each resumes nothing", tls.VersionTLS13, func(a *Ask) { a.Closes = true }, func(t *testing.T, a Asked) {
			assert.Equal(t, a.Whole, a.Connections)
			assert.Zero(t, a.Resumed)
		}},
		{"sessions of TLS 1.3 are resumed, all of them", tls.VersionTLS13, func(a *Ask) { a.Closes, a.Terms.Resume = true, true }, func(t *testing.T, a Asked) {
			assert.Equal(t, a.Whole, a.Connections)
			assert.Equal(t, a.Whole, a.Resumed)
		}},
		{"and those of TLS 1.2", tls.VersionTLS12, func(a *Ask) { a.Closes, a.Terms.Resume = true, true }, func(t *testing.T, a Asked) {
			assert.Equal(t, a.Whole, a.Connections)
			assert.Equal(t, a.Whole, a.Resumed)
		}},
		{"the hybrid group", tls.VersionTLS13, func(a *Ask) { a.Terms.Group = tls.X25519MLKEM768 }, func(*testing.T, Asked) {}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			a := secureServer(t, &tls.Config{}, "body", "4")
			a.Terms.Version = tt.version
			tt.change(&a)
			got, err := a.Run(io.Discard, strings.NewReader(""))
			require.NoError(t, err)
			assert.Positive(t, got.Whole)
			assert.EqualValues(t, 4*got.Whole, got.Bytes)
			assert.LessOrEqual(t, got.P50, got.P99)
			tt.check(t, got)
		})
	}
}

func TestALoadByTLSFailsWhereAConnectionIsNotWhatWasAskedFor(t *testing.T) {
	for _, tt := range []struct {
		says         string
		config       *tls.Config
		answer, size string
		change       func(*Ask)
		want         string
	}{
		{"a session that is not resumed", &tls.Config{SessionTicketsDisabled: true}, "body", "4", func(a *Ask) { a.Closes, a.Terms.Resume = true, true }, "only 0 resumed"},
		{"another group", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, "body", "4", func(a *Ask) { a.Terms.Version, a.Terms.Group = tls.VersionTLS12, tls.CurveP384 }, "the group is CurveP256, not CurveP384"},
		{"a version that the server has not", &tls.Config{MaxVersion: tls.VersionTLS12}, "body", "4", func(*Ask) {}, "protocol version"},
		{"somebody else's certificate", &tls.Config{}, "body", "4", func(a *Ask) { a.Terms.Leaf = []byte("x") }, "another certificate"},
		{"another file", &tls.Config{}, "short", "5", func(*Ask) {}, "Content-Length is 5, not 4"},
		{"an answer that is cut", &tls.Config{}, "bod", "4", func(*Ask) {}, "after 3 of 4 bytes"},
		{"another status", &tls.Config{}, "", "0", func(a *Ask) { a.Path = "/none" }, "404"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			a := secureServer(t, tt.config, tt.answer, tt.size)
			tt.change(&a)
			_, err := a.Run(io.Discard, strings.NewReader(""))
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestTheTermsAreCheckedOneByOne(t *testing.T) {
	terms := Terms{Version: tls.VersionTLS12, Group: tls.X25519}
	good := tls.ConnectionState{Version: tls.VersionTLS12, CurveID: tls.X25519, CipherSuite: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	for want, change := range map[string]func(*tls.ConnectionState){
		"TLS 1.3 was agreed on": func(s *tls.ConnectionState) { s.Version = tls.VersionTLS13 },
		"the cipher is":         func(s *tls.ConnectionState) { s.CipherSuite = tls.TLS_AES_256_GCM_SHA384 },
		"the group is":          func(s *tls.ConnectionState) { s.CurveID = tls.CurveP256 },
		"another certificate":   func(*tls.ConnectionState) {},
	} {
		state := good
		change(&state)
		assert.ErrorContains(t, terms.Check(state), want)
	}
}

func TestHoldingByTLSTellsHowManyConnectionsTheServerClosed(t *testing.T) {
	a := secureServer(t, &tls.Config{}, "body", "4")
	lines, end := helper(t, func(says io.Writer, done io.Reader) error { return HoldSecured(a, says, done) })
	require.True(t, lines.Scan())
	require.Equal(t, Ready, lines.Text())
	end()
	require.True(t, lines.Scan())
	assert.Equal(t, "0", lines.Text())
}
