package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/fault"
)

// Reasons that say that we had no room, or that a proxy or a setting of ours is wrong; nobody is to
// be banned for them.
var notTheClients = []fault.Reason{fault.TooManyConnections, fault.TooManyRefused, fault.MemoryShort, fault.QueueFull,
	fault.NoProxyHeader, fault.BadProxyHeader, fault.ProxyHeaderTimeout, fault.TooManyHops, fault.PasswordInTheOpen, fault.Misdirected, fault.TLSOnPlainPort}

func TestTheFilterOfFail2BanKnowsEveryReason(t *testing.T) {
	text, err := os.ReadFile("../../docs/deploy/fail2ban/filter.d/fourways.conf")
	require.NoError(t, err)
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^(?:wire|checks|limits) = (.+)$`).FindAllSubmatch(text, -1) {
		listed = append(listed, strings.Split(string(m[1]), "|")...)
	}
	var want []string
	for why := range fault.NumReasons {
		if why.Refusal() {
			want = append(want, why.String())
		}
	}
	for _, why := range notTheClients {
		require.Contains(t, want, why.String())
		listed = append(listed, why.String())
	}
	assert.ElementsMatch(t, want, listed)
}

func TestPasswordsInTargetsAreNotLogged(t *testing.T) {
	for target, want := range map[string]string{
		"":                                "",
		"/a@b HTTP/1.1":                   "/a@b HTTP/1.1",
		"/a://ann:secret@b":               "/a://ann:secret@b",
		"/?to=http://a@b":                 "/?to=http://a@b",
		"http://ann:secret@example.org/a": "http://...@example.org/a",
		"http://ann:secret@example.org":   "http://...@example.org",
		"http://a@b@example.org/c@d e@f":  "http://...@example.org/c@d e@f",
		"http://example.org/a@b":          "http://example.org/a@b",
		"http://example.org?a@b":          "http://example.org?a@b",
		"ann:secret@example.org:443 HTTP": "...@example.org:443 HTTP",
		"@example.org":                    "...@example.org",
	} {
		given := []byte(target)
		assert.Equal(t, want, string(discreet(given)))
		assert.Equal(t, target, string(given), "what was given stays")
	}
}
