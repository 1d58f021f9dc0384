package behaviour

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// With runs the tests that are named, with these settings, each a name=value, in the environment of
// all servers that they start. Of -run TestBehaviour/Name, which the names of tests that call this
// match as well, it runs that one test, if it is named.
func With(t *testing.T, settings []string, named ...string) {
	if _, part, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		part, _, _ = strings.Cut(part, "/")
		asked, err := regexp.Compile(part)
		require.NoError(t, err)
		named = slices.DeleteFunc(named, func(name string) bool { return !asked.MatchString(name) })
		if len(named) == 0 {
			t.Skip("-run asks for none of its tests")
		}
	}
	t.Parallel()
	failed, said := apart(t, "TestBehaviour", named, settings...)
	require.Empty(t, failed, said)
}

// apart runs some parts of a test in a process of their own, with more in its environment, and
// returns the names of those that failed, and what it has said.
func apart(t *testing.T, test string, names []string, env ...string) (failed []string, said string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+test+"$/^("+strings.Join(names, "|")+")$", "-test.v", "-test.parallel=6", "-test.timeout=8m")
	cmd.Env = append(append(os.Environ(), harness.ServerVariable+"="+harness.Binary()), env...)
	out, err := cmd.CombinedOutput()
	for _, match := range regexp.MustCompile(`(?m)^ +--- FAIL: `+test+`/(\w+) `).FindAllStringSubmatch(string(out), -1) {
		if !slices.Contains(failed, match[1]) {
			failed = append(failed, match[1])
		}
	}
	if err != nil && len(failed) == 0 {
		failed = []string{err.Error()}
	}
	for _, name := range names {
		require.Contains(t, string(out), "\n=== RUN   "+test+"/"+name+"\n", "there is no such test\n%s", out)
	}
	return failed, string(out)
}

// ConformanceOnce plays the suite with one more flag: plain, and each case whole.
func ConformanceOnce(t *testing.T, flag, value string) {
	conformance.BePatient()
	conformance.Run(t, conformance.Target{
		Name:      stage() + " " + flag + " " + value,
		Cmd:       []string{harness.Binary(), "--port", "{port}", "--root", "{root}", flag, value},
		Args:      conformance.FourWays,
		ZeroCopy:  zeroCopy(),
		WholeOnly: true,
		LeftOut:   slowOverTLS,
	})
}
