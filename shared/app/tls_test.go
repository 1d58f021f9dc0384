package app

// Certificates and ticket keys as an App opens, reloads and inherits them. Each test has a folder
// of its own, with certificates that it makes.

import (
	"bytes"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs"
	"fourways/shared/certs/certstest"
	"fourways/shared/config"
	"fourways/shared/fault"
	"fourways/shared/figures"
	"fourways/shared/secure"
	"fourways/shared/stats"
	"fourways/shared/tickets"
)

// withTLS is an App with certificates, and what it logs.
func withTLS(t *testing.T, c config.TLS, in Inherited) (*App, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c.Listen = []config.Address{{Network: config.TCP, AddrPort: netip.MustParseAddrPort("127.0.0.1:0")}}
	a := &App{Config: &config.Config{TLS: c}, Log: slog.New(slog.NewTextHandler(&log, nil)), stage: Stage{Inherited: in}}
	require.NoError(t, a.openTLS())
	return a, &log
}

// files is a pair and ticket keys in a folder.
func files(t *testing.T, dir string, root *certstest.Certificate) config.TLS {
	cert, key := root.Leaf("a.test").Write(dir, "a")
	path := filepath.Join(dir, "tickets")
	require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(make([]byte, 32))), 0o600))
	return config.TLS{Pairs: []config.Pair{{Cert: cert, Key: key}}, TicketKeys: path}
}

func TestCertificatesAndTicketKeysAreReloadedTogetherOrNotAtAll(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	c := files(t, dir, root)
	a, log := withTLS(t, c, Inherited{})
	before, keys := a.tls.certs.Certificates(), a.tls.inUse
	require.Equal(t, []tickets.Key{{}}, keys)

	other := bytes.Repeat([]byte("ab"), 32)
	root.Leaf("b.test").Write(dir, "a")
	require.NoError(t, os.WriteFile(c.TicketKeys, []byte("nonsense"), 0o600))
	a.reloadTLS()
	require.Equal(t, before, a.tls.certs.Certificates())
	require.Contains(t, log.String(), "Certificates not reloaded, the old ones stay in use: the file of ticket keys")

	require.NoError(t, os.WriteFile(c.TicketKeys, other, 0o600))
	require.NoError(t, os.WriteFile(c.Pairs[0].Key, nil, 0o600))
	a.reloadTLS()
	require.Equal(t, before, a.tls.certs.Certificates())
	require.Equal(t, keys, a.tls.inUse)

	root.Leaf("b.test").Write(dir, "a")
	log.Reset()
	a.reloadTLS()
	require.Equal(t, []string{"b.test"}, a.tls.certs.Certificates()[0].Names)
	require.NotEqual(t, keys, a.tls.inUse)
	require.Contains(t, log.String(), "Certificates reloaded")
	require.Contains(t, log.String(), "Certificate of b.test")
}

func TestAProcessThatInheritsSecretsReadsNoFile(t *testing.T) {
	dir := t.TempDir()
	c := files(t, dir, certstest.Root(t))
	first, _ := withTLS(t, c, Inherited{})
	require.NoError(t, os.RemoveAll(dir))
	second, _ := withTLS(t, c, Inherited{Process: 1, Secrets: first.Secrets()})
	require.Equal(t, first.tls.certs.Certificates(), second.tls.certs.Certificates())
	require.Equal(t, first.tls.inUse, second.tls.inUse)
}

// A worker makes no keys of its own: the next to look would not know them for as long.
func TestOneProcessMakesTheTicketKeysThatAllUse(t *testing.T) {
	c := files(t, t.TempDir(), certstest.Root(t))
	c.TicketKeys = ""
	in := Inherited{Memory: &Memory{}, Process: 1}
	t.Cleanup(in.Memory.Close)
	early, _ := withTLS(t, c, in)
	require.Empty(t, early.tls.inUse)
	in.Process = 0
	master, _ := withTLS(t, c, in)
	in.Process = 2
	worker, _ := withTLS(t, c, in)
	require.Len(t, master.tls.inUse, 1)
	require.Equal(t, master.tls.inUse, worker.tls.inUse)
}

func TestWhomASelfSignedCertificateIsFor(t *testing.T) {
	at := func(text string) config.Address {
		return config.Address{Network: config.TCP, AddrPort: netip.MustParseAddrPort(text)}
	}
	got := selfSigned(&config.Config{
		Hosts: []string{"*", "box1", "example.org:443", "[2001:db8::1]", "[2001:db8::2]:443", "192.0.2.1", "192.0.2.2:80"},
		TLS:   config.TLS{Listen: []config.Address{at("192.0.2.3:443"), {Network: config.Unix, Path: "/x"}, at("[::1]:443")}},
	})
	want := &certs.SelfSigned{Names: []string{"box1", "example.org"}}
	for _, text := range []string{"2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", "192.0.2.3", "::1"} {
		want.Addrs = append(want.Addrs, netip.MustParseAddr(text))
	}
	require.Equal(t, want, got)

	for _, ip := range selfSigned(&config.Config{TLS: config.TLS{Listen: []config.Address{at("[::]:443")}}}).Addrs {
		require.False(t, ip.IsUnspecified() || ip.IsLinkLocalUnicast(), "%v", ip)
	}
}

func TestCertificatesAreTold(t *testing.T) {
	a, _ := withTLS(t, files(t, t.TempDir(), certstest.Root(t)), Inherited{})
	list := figures.Of(a.ofCertificates)
	require.Contains(t, string(list.AppendHealth(nil)), `{"certificates":[{"names":["a.test"],"expires":"20`)
	require.Contains(t, string(list.AppendPrometheus(nil)), "\nfourways_certificate_expiry_time_seconds{pair=\"1\",name=\"a.test\"} ")
	require.Empty(t, string(figures.Of((&App{}).ofCertificates).AppendPrometheus(nil)))
}

// What is counted of handshakes is told, in the words of the registry.
func TestHandshakesAreTold(t *testing.T) {
	a := &App{Stats: stats.New(2), secure: &secure.Server{}}
	for i, c := range []stats.Counter{stats.Opened, stats.TLSConns, stats.HandshakesFull, stats.HandshakesResumed, stats.HandshakesFailed, stats.TLS12, stats.TLS13,
		stats.GroupHybrid, stats.GroupX25519, stats.GroupP256, stats.GroupP384, stats.GroupP521, stats.GroupOther, stats.Truncated} {
		a.Stats.Slot(i%2).Add(c, uint64(100-i))
	}
	a.Stats.Slot(1).Refuse(fault.NoALPN)
	a.Stats.Slot(1).ShookHands(3e6)
	list := figures.Of(a.ofTLS)
	text := string(list.AppendPrometheus(nil))
	for _, line := range []string{
		`fourways_protocol_connections_total{protocol="https"} 99`, `fourways_protocol_connections_total{protocol="http"} 1`,
		`fourways_tls_handshakes_total{result="full"} 98`, `fourways_tls_handshakes_total{result="resumed"} 97`, `fourways_tls_handshakes_total{result="failed"} 96`,
		`fourways_tls_versions_total{version="1.2"} 95`, `fourways_tls_versions_total{version="1.3"} 94`,
		`fourways_tls_groups_total{group="X25519MLKEM768"} 93`, `fourways_tls_groups_total{group="other"} 88`,
		`fourways_tls_truncated_connections_total 87`, `fourways_tls_handshake_duration_seconds_count 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Equal(t, `{"tls":{"handshakes":{"full":98,"resumed":97,"failed":96}}}`, strings.TrimSpace(string(list.AppendHealth(nil))))
	require.Contains(t, string(list.AppendStats(nil)), `"failed":{"tls-no-protocol":1}`)
	require.Empty(t, string(figures.Of((&App{}).ofTLS).AppendPrometheus(nil)))
}
