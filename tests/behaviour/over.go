package behaviour

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

// With runs the tests that are named, with name=value, name=value and so on in the environment of
// all servers that they start. No other test of the stage may run meanwhile.
func With(t *testing.T, settings map[string]string, named ...string) {
	for name, value := range settings {
		require.NoError(t, os.Setenv(name, value)) // and not t.Setenv: the tests run at once
		defer os.Unsetenv(name)
	}
	t.Run("together", func(t *testing.T) { // ends after all that run at once in it
		for _, test := range tests {
			i := slices.Index(named, test.name)
			if i < 0 {
				continue
			}
			named = slices.Delete(named, i, i+1)
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t)
			})
		}
		require.Empty(t, named, "there are no such tests")
	})
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
