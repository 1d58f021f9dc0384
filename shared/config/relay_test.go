package config

// Relays as they are written, for a stage that has them. A case of what cannot be used is a row
// with a part of what is said of it.

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// later is a stage that has relays.
func later() Stage {
	var queue int
	stage := sample(&queue)
	stage.Number = firstWithRelays
	return stage
}

func parseLater(t *testing.T, args ...string) *Config {
	c, err := Parse(later(), args, nil)
	require.NoError(t, err)
	return c
}

func TestRelaysAreTaken(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		want        Relay
	}{
		{"an address", "127.0.0.1:5000=10.0.0.1:5432", Relay{Host: "10.0.0.1", Port: 5432}},
		{"a name", ":5000=db.internal:5432", Relay{Host: "db.internal", Port: 5432}},
		{"IPv6", "[::1]:5000=[2001:db8::1]:5432", Relay{Host: "2001:db8::1", Port: 5432}},
		{"a Unix socket", ":5000=unix:/run/a=b.sock", Relay{Path: "/run/a=b.sock"}},
		{"from a Unix socket", "unix:/run/x.sock=db:5432", Relay{Host: "db", Port: 5432}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := parseLater(t, "-relay", tc.value).Relays
			assert.Len(t, got, 1)
			tc.want.Listen = got[0].Listen
			assert.Equal(t, tc.want, got[0])
		})
	}
	c := parseLater(t, "-relay", ":5000=a:1", "-relay", ":5001=b:2", "-relay-proxy-protocol", "-relay-rate", "1000", "-connect-timeout", "1.5", "-tunnel-timeout", "60")
	assert.Equal(t, Relaying{Announce: true, Rate: 1000, ConnectTimeout: 1500 * time.Millisecond, TunnelTimeout: time.Minute}, c.Relay)
	assert.Equal(t, "[127.0.0.1:8080]", fmt.Sprint(c.Listen), "and HTTP is served beside them")
	assert.Len(t, c.Relays, 2)
}

func TestWhatOfRelaysCannotBeUsedIsSaidInOneLine(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no target", []string{"-relay", ":5000"}, "there is no target"},
		{"an empty target", []string{"-relay", ":5000="}, "there is no target"},
		{"no port", []string{"-relay", ":5000=db"}, "the target does not fit"},
		{"a port of zero", []string{"-relay", ":5000=db:0"}, "the target does not fit"},
		{"a port too high", []string{"-relay", ":5000=db:70000"}, "is not a port"},
		{"no host", []string{"-relay", ":5000=:5432"}, "the target does not fit"},
		{"IPv6 without brackets", []string{"-relay", ":5000=::1:5432"}, "the target does not fit"},
		{"a URL", []string{"-relay", ":5000=http://db:5432"}, "the target does not fit"},
		{"a space", []string{"-relay", ":5000=a b:5432"}, "the target does not fit"},
		{"a Unix socket without a path", []string{"-relay", ":5000=unix:"}, "give a path"},
		{"nowhere to listen", []string{"-relay", "5000=db:5432"}, "has no port"},
		{"the default's address", []string{"-relay", "127.0.0.1:8080=db:5432"}, "-relay: 127.0.0.1:8080 is listened on for something else too"},
		{"an address of TLS", []string{"-tls-listen", ":443", "-tls-self-signed", "-relay", ":443=db:5432"}, "[::]:443 is listened on for something else too"},
		{"twice the same", []string{"-relay", ":5000=a:1", "-relay", ":5000=b:2"}, "[::]:5000 is listened on for something else too"},
		{"a negative rate", []string{"-relay-rate", "-1"}, "from 0 to"},
		{"no time", []string{"-connect-timeout", "0"}, "from 1ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(later(), tc.args, nil)
			var usage *UsageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), tc.want)
		})
	}
	usageError(t, []string{"-relay", ":5000=db:5432"}, "a thread of stage 1 waits for one connection alone")
}
