package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/http1"
)

// Reasons that say that we had no room; nobody is to be banned for them.
var noRoom = []http1.Reason{http1.TooManyConnections, http1.TooManyRefused, http1.QueueFull}

func TestTheFilterOfFail2BanKnowsEveryReason(t *testing.T) {
	text, err := os.ReadFile("../../docs/fail2ban/filter.d/fourways.conf")
	require.NoError(t, err)
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^(?:wire|checks|limits) = (.+)$`).FindAllSubmatch(text, -1) {
		listed = append(listed, strings.Split(string(m[1]), "|")...)
	}
	var want []string
	for why := range http1.NumReasons {
		if why.Refusal() {
			want = append(want, why.String())
		}
	}
	for _, why := range noRoom {
		require.Contains(t, want, why.String())
		listed = append(listed, why.String())
	}
	assert.ElementsMatch(t, want, listed)
}
