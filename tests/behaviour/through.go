package behaviour

// What every stage must do as a process, done by one that passes its requests on: the tests of this
// package are run once more in a process of their own, in which each server that they start has
// another one behind it. Tests that are about answers, clients, limits and the stop are run; those
// of the command line, the logs' files, certificates, relays and the proxy itself would show the
// same as without it.
//
// What a proxy must do otherwise stands in a table, test by test. One of the table that passes
// fails here: its reason has gone.

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// sameThroughAProxy is the tests that pass through a proxy as they do without.
var sameThroughAProxy = []string{
	"StopUnderLoad", "StopCutsWhatIsLeft", "StopEndsIdleConnections", "StopAnswersTheBacklog", "StopFinishesDownloads", "StopLosesNobodyWhoHasConnected",
	"ASuccessorKeepsItsSocket", "DrainDelay", "HAProxyDrains", "Probes", "ProxiesDoNotLookInside",
	"RudeClientsLeakNothing", "OutOfDescriptors", "ConnectionLimit", "KeptConnectionsEndAtOnce", "NonsenseIsLimited", "TrustedProxy", "WhomAProxyNames",
	"AnAnswerInTheKernelIsNotRead", "PausedReader", "AbsentReader", "SteadyReadersAreNotCut", "RefusalWhileSending", "ColdFiles",
	"FilesOfTheSameSizeAndTime", "UploadsFolder",
	"LargeFileOverTLS", "IdleTLSDoesNotHoldUpTheStop", "TLSOnAPlainPort", "HalfClosedTLS", "EndsWithoutAWord", "WrongPort", "HTTPSRedirect", "HTTPSRedirectBehindAProxy",
	"RefusalsAreLogged", "LostLinesAreTold", "CountersOnlyGrow",
}

// otherThroughAProxy is the tests that must fail through one, and why.
var otherThroughAProxy = map[string]string{
	"Banner":                          "the banner says where requests go",
	"AccessLog":                       "a line of the access log names the upstream, and tells its times",
	"LogRotation":                     "a line of the access log names the upstream, and tells its times",
	"Figures":                         "/stats and /metrics are the proxy's: what the upstream refuses is no refusal of the proxy",
	"Fail2Ban":                        "what the upstream refuses is in its own log",
	"AbsoluteLinks":                   "what is wrong with a file is in the log of the server that has it",
	"OldCompressedFiles":              "what is wrong with a file is in the log of the server that has it",
	"FilesThatChangeWhileTheyAreSent": "why a download was broken off is in the log of the server that has the file",
	"RootThatChanges":                 "HUP goes to the proxy, and the root is another server's",
	"UploadsOfARootThatChanges":       "HUP goes to the proxy, and the root is another server's",
	"UploadsLimit":                    "what is left for uploads is in /stats of the server that takes them",
}

// impatience is how long a test that must fail waits for what will not come.
const impatience = "5s"

// Through runs them.
func Through(t *testing.T) {
	for _, name := range append(slices.Sorted(maps.Keys(otherThroughAProxy)), sameThroughAProxy...) {
		require.True(t, slices.ContainsFunc(tests, func(r registered) bool { return r.name == name }), "no test is called %s", name)
	}
	t.Run("the same", func(t *testing.T) {
		t.Parallel()
		failed, said := runThrough(t, sameThroughAProxy, "")
		require.Empty(t, failed, said)
	})
	t.Run("other", func(t *testing.T) {
		if oneThreadEach() {
			t.Skip("they do not depend on who waits, and mostly wait for what does not come")
		}
		t.Parallel()
		names := slices.Sorted(maps.Keys(otherThroughAProxy))
		failed, said := runThrough(t, names, impatience)
		for _, name := range names {
			if strings.Contains(said, "--- SKIP: TestBehaviour/"+name) {
				continue // something that it needs is missing here
			}
			require.Contains(t, failed, name, "it does not differ any more, although %s\n%s", otherThroughAProxy[name], said)
		}
	})
}

var failedTest = regexp.MustCompile(`(?m)^ +--- FAIL: TestBehaviour/(\w+) `)

// runThrough runs some tests in a process of their own, and returns the names of those that failed,
// and what it has said.
func runThrough(t *testing.T, names []string, patience string) (failed []string, said string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestBehaviour$/^("+strings.Join(names, "|")+")$", "-test.v", "-test.parallel=4", "-test.timeout=8m")
	cmd.Env = append(os.Environ(), harness.ThroughVariable+"=1", harness.ServerVariable+"="+harness.Binary())
	if patience != "" {
		cmd.Env = append(cmd.Env, harness.PatienceVariable+"="+patience)
	}
	out, err := cmd.CombinedOutput()
	for _, match := range failedTest.FindAllStringSubmatch(string(out), -1) {
		if !slices.Contains(failed, match[1]) {
			failed = append(failed, match[1])
		}
	}
	ran := strings.Count(string(out), "\n=== RUN   TestBehaviour/")
	require.GreaterOrEqual(t, ran, len(names), string(out))
	if err != nil && len(failed) == 0 {
		failed = []string{err.Error()}
	}
	return failed, string(out)
}
