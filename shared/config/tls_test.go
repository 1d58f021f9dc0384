package config

// The settings of TLS: pairs, addresses, and what is refused. No certificate is opened here; that
// is for package certs.

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettingsOfTLS(t *testing.T) {
	c := parse(t, "-tls-listen", ":443", "-tls-listen", "unix:/run/tls", "-listen", ":80",
		"-tls-cert", "a.pem", "-tls-cert", "b.pem", "-tls-key", "a.key", "-tls-key", "b.key", "-tls-min", "1.3",
		"-tls-groups", "x25519mlkem768, P-256", "-tls-groups", "secp384r1", "-tls-ticket-keys", "tickets",
		"-handshake-timeout", "2.5", "-tls-handshakes", "7", "-https-redirect", "-https-port", "8443")
	assert.Equal(t, TLS{
		Listen:           []Address{parsed(t, "[::]:443"), parsed(t, "unix:/run/tls")},
		Pairs:            []Pair{{"a.pem", "a.key"}, {"b.pem", "b.key"}},
		MinVersion:       tls.VersionTLS13,
		Groups:           []tls.CurveID{tls.X25519MLKEM768, tls.CurveP256, tls.CurveP384},
		TicketKeys:       "tickets",
		HandshakeTimeout: 2500 * time.Millisecond,
		Handshakes:       7,
		Redirect:         true,
		Port:             8443,
	}, c.TLS)
	assert.Empty(t, c.Warnings)
}

func parsed(t *testing.T, text string) Address {
	a, err := parseAddress(text)
	require.NoError(t, err)
	return a
}

// A pair may come from two sources: each of its settings from the highest one that has it.
func TestAPairOfTwoSources(t *testing.T) {
	c, err := Parse(sample(new(int)), []string{"-tls-listen", ":443", "-tls-cert", "c"}, []string{"FOURWAYS_TLS_KEY=k", "FOURWAYS_TLS_CERT=other"})
	require.NoError(t, err)
	assert.Equal(t, []Pair{{"c", "k"}}, c.TLS.Pairs)
}

func TestWhetherPlainHTTPIsSpokenBesideTLS(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want []string
	}{
		{"TLS alone is TLS alone", nil, nil},
		{"-listen is beside it", []string{"-listen", ":80"}, []string{"[::]:80"}},
		{"a port is beside it", []string{"-port", "81"}, []string{"127.0.0.1:81"}},
		{"the short form is beside it", []string{"82"}, []string{"127.0.0.1:82"}},
		{"who is to be sent on needs a place to come to", []string{"-https-redirect"}, []string{"127.0.0.1:8080"}},
		{"nobody is to be sent on", []string{"-https-redirect=false"}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, a := range parse(t, append([]string{"-tls-listen", ":443", "-tls-self-signed"}, tc.args...)...).Listen {
				got = append(got, a.String())
			}
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestWhatOfTLSCannotBeUsedIsSaidInOneLine(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want string // part of the message
	}{
		{"no certificate", []string{"-tls-listen", ":443"}, "-tls-listen: there is no certificate; give"},
		{"a certificate without a key", []string{"-tls-cert", "a"}, `-tls-cert: "a" has no key`},
		{"a second one without a key", []string{"-tls-cert", "a", "-tls-key", "k", "-tls-cert", "b"}, `-tls-cert: "b" has no key`},
		{"a key without a certificate", []string{"-tls-key", "k"}, `-tls-key: "k" has no certificate`},
		{"a certificate without a name", []string{"-tls-cert", ""}, "there is no path"},
		{"a path with a NUL", []string{"-tls-key", "a\x00"}, "NUL"},
		{"two kinds of certificates", []string{"-tls-cert", "a", "-tls-key", "k", "-tls-self-signed"}, "leave out one"},
		{"a redirect to nowhere", []string{"-https-redirect"}, "-https-redirect: there is no port of TLS to send anybody to"},
		{"a redirect to a Unix socket", []string{"-tls-listen", "unix:/x", "-tls-self-signed", "-https-redirect"}, "no port of TLS"},
		{"an old version", []string{"-tls-min", "1.1"}, `-tls-min: "1.1" is not known; give 1.2 or 1.3`},
		{"an unknown group", []string{"-tls-groups", "X25519,X448"}, `-tls-groups: "X448" is not known; give some of X25519MLKEM768, `},
		{"no group", []string{"-tls-groups", ""}, `-tls-groups: "" is not known`},
		{"no time for a handshake", []string{"-handshake-timeout", "0"}, "from 1ms"},
		{"no handshakes", []string{"-tls-handshakes", "0"}, "from 1 to"},
		{"an address both ways", []string{"-listen", ":80", "-tls-listen", ":80", "-tls-self-signed"}, "-tls-listen: [::]:80 is in -listen too"},
		{"a Unix socket both ways", []string{"-listen", "unix:/x", "-tls-listen", "unix:/x", "-tls-self-signed"}, "unix:/x is in -listen too"},
		{"the default both ways", []string{"-tls-listen", "127.0.0.1:8080", "-tls-self-signed", "-https-redirect"}, "is in -listen too"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			usageError(t, tc.args, tc.want)
		})
	}
}

func TestDoubtsAboutTLS(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want []string // parts, one for each warning
	}{
		{"free ports may be both", []string{"-listen", ":0", "-tls-listen", ":0", "-tls-self-signed"}, nil},
		{"a certificate for nobody", []string{"-tls-cert", "a", "-tls-key", "k"}, []string{"no -tls-listen"}},
		{"groups that the oldest version has not", []string{"-tls-listen", ":0", "-tls-self-signed", "-tls-groups", "X25519MLKEM768"}, []string{"TLS 1.2 are refused"}},
		{"the same where that version is not spoken", []string{"-tls-listen", ":0", "-tls-self-signed", "-tls-groups", "X25519MLKEM768", "-tls-min", "1.3"}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := parse(t, tc.args...)
			require.Len(t, c.Warnings, len(tc.want))
			for i, part := range tc.want {
				assert.Contains(t, c.Warnings[i], part)
			}
		})
	}
}
