package conformance

// The suite and the processes that it starts. A process here may be one that does not start, or
// ends too soon.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSuiteLooksAtTheProcess(t *testing.T) {
	bin := Build(t, "internal/nethttp")
	for _, row := range []struct{ name, fault, id, complaint string }{
		{"a sound server is not complained of", "", "files/text", ""},
		{"a server that leaks connections is told", "leak", "files/text", "descriptors leak"},
		{"a server that dies is told", "exit", "files/page", "the server ended"},
		{"a server that ends with a status of its own is told", "status", "files/text", "exit status 3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			suite, err := New(Target{Cmd: []string{bin, "-listen", "127.0.0.1:{port}", "-root", "{root}", "-fault", row.fault}, RFCOnly: true})
			require.NoError(t, err)
			defer suite.Close()
			suite.Play(caseByID(t, row.id))
			errs := suite.Finish()
			if row.complaint == "" {
				assert.Empty(t, errs)
				return
			}
			require.NotEmpty(t, errs)
			assert.ErrorContains(t, errs[0], row.complaint)
		})
	}
}

func TestSuiteSaysWhyAServerDoesNotStart(t *testing.T) {
	suite, err := New(Target{Cmd: []string{"sh", "-c", "echo no such port; exit 1"}})
	require.NoError(t, err)
	defer suite.Close()
	r := suite.Play(caseByID(t, "files/text"))
	assert.Equal(t, MUST, r.Level())
	assert.Contains(t, r.Explain(), "no such port")
}

func TestCasesThatDoNotApplyAreSkippedWithAReason(t *testing.T) {
	suite, err := New(Target{Addr: "127.0.0.1:1", RFCOnly: true})
	require.NoError(t, err)
	defer suite.Close()
	for _, row := range []struct{ id, reason string }{
		{"host/foreign", "our policy"},
		{"files/large", "beyond the sample site"},
		{"path/fifo-not-held", "beyond the sample site"},
		{"files/chunked-range", `started for "chunked"`},
	} {
		assert.Contains(t, suite.Play(caseByID(t, row.id)).Skipped, row.reason, row.id)
	}
}

func TestEachCaseIsComplete(t *testing.T) {
	cases := Cases()
	assert.GreaterOrEqual(t, len(cases), 300)
	for _, c := range cases {
		assert.NotEmpty(t, c.Says, c.ID)
		assert.NotEmpty(t, c.Name(), c.ID)
		assert.True(t, c.RFC != "" || c.Level == HOUSE, "%s has no RFC and is not of our policy", c.ID)
		assert.True(t, c.script != nil || c.bytes != "" && len(c.wants) > 0, "%s sends or wants nothing", c.ID)
		assert.Contains(t, FourWays, c.variant, c.ID)
	}
}
