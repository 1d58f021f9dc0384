package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/tests/conformance"
	"fourways/tests/harness"
)

const (
	// atOnce is how many mutants are looked at together: most of a check's time is
	// spent waiting, above all for what a faulty server never sends.
	atOnce = 12
	// busyAtOnce is how many go commands run together. Each of them would use all
	// processors by itself.
	busyAtOnce = 2
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// testTimeout bounds a Go test that hangs on a mutant.
const testTimeout = "-test.timeout=1m"

// noDebugger leaves out what only a debugger reads. Linking is then half the work.
const noDebugger = "-ldflags=-w"

var busy = make(chan struct{}, busyAtOnce)

// processor bounds what is run at once by busyAtOnce.
func processor(do func()) {
	busy <- struct{}{}
	defer func() { <-busy }()
	do()
}

func TestTheTable(t *testing.T) {
	root := projectRoot(t)
	cases := map[string]bool{}
	for _, c := range conformance.Cases() {
		cases[c.ID] = true
	}
	seen := map[string]bool{}
	for _, m := range All() {
		t.Run(m.Name, func(t *testing.T) {
			require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, m.Name)
			require.False(t, seen[m.Name], "the name is there twice")
			seen[m.Name] = true
			require.NotEqual(t, m.Old, m.New)
			require.DirExists(t, filepath.Join(root, m.Stage))
			require.Regexp(t, `\.$`, m.Why, "a sentence")
			if folder, test, ok := m.Check.GoTest(); ok {
				require.DirExists(t, filepath.Join(root, folder))
				require.NotEmpty(t, test)
			} else {
				require.True(t, cases[string(m.Check)], "there is no case %s", m.Check)
			}
			diff, err := m.Diff(root)
			require.NoError(t, err)
			require.Regexp(t, `(?m)^[-+][^-+]`, diff)
		})
	}
}

func TestAStaleMutantIsAnError(t *testing.T) {
	m := Mutant{Name: "stale", File: "x.go", Old: "a", New: "b"}
	for _, text := range []string{"", "c", "aa"} {
		_, err := m.Apply(text)
		require.ErrorContains(t, err, "stale")
	}
	_, err := m.Apply("xax")
	require.NoError(t, err)
}

// Every check passes on the server as it is: what it finds in a mutant is the edit's.
func TestEveryCheckPassesWithoutAMutant(t *testing.T) {
	t.Parallel()
	root := projectRoot(t)
	cases, tests := map[string][]Check{}, map[string][]string{}
	for _, m := range All() {
		if folder, test, ok := m.Check.GoTest(); ok {
			tests[folder] = append(tests[folder], test)
		} else if !slices.Contains(cases[m.Stage], m.Check) {
			cases[m.Stage] = append(cases[m.Stage], m.Check)
		}
	}
	for stage, checks := range cases {
		t.Run("suite on "+stage, func(t *testing.T) {
			t.Parallel()
			suite := suiteOf(t, buildStage(t, root, stage))
			for _, check := range checks {
				t.Run(string(check), func(t *testing.T) {
					t.Parallel()
					result := suite.Play(caseOf(t, check))
					require.Empty(t, result.Skipped)
					require.Empty(t, result.Failed, result.Explain())
				})
			}
		})
	}
	for folder, names := range tests {
		t.Run("go test "+folder, func(t *testing.T) {
			t.Parallel()
			ended, output := goTest(t, root, folder, names, "")
			for _, name := range names {
				require.Equal(t, "pass", ended[name], "%s\n%s", name, output)
			}
		})
	}
}

func TestEachMutantIsCaughtByItsCheck(t *testing.T) {
	t.Parallel()
	root := projectRoot(t)
	site := filepath.Join(t.TempDir(), "site")
	require.NoError(t, conformance.MakeSite(site))
	for _, m := range All() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			overlay, err := m.Overlay(root, t.TempDir())
			require.NoError(t, err)
			binary := buildStage(t, root, m.Stage, "-overlay", overlay)
			answersAPlainRequest(t, binary, site)
			if folder, name, ok := m.Check.GoTest(); ok {
				ended, output := goTest(t, root, folder, []string{name}, overlay)
				require.Equal(t, "fail", ended[name], "%s does not catch it\n%s", m.Check, output)
				return
			}
			result := suiteOf(t, binary).Play(caseOf(t, m.Check))
			require.Empty(t, result.Skipped)
			require.NotEmpty(t, result.Failed, "%s does not catch it", m.Check)
			t.Log(result.Explain())
		})
	}
}

// answersAPlainRequest starts a mutant and asks it for a page: one that does not even get
// that far teaches nothing, and its check would fail for another reason.
func answersAPlainRequest(t *testing.T, binary, site string) {
	t.Helper()
	s := harness.StartCommand(t, exec.Command(binary, "-listen", "127.0.0.1:0", "-root", site))
	status, _ := s.Get(t, "/about.html")
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGKILL)
	s.Wait(t)
}

// buildStage builds a stage into a folder of the test's.
func buildStage(t *testing.T, root, stage string, flags ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), stage)
	flags = append(flags, noDebugger)
	processor(func() { require.NoError(t, build(root, stage, binary, flags...)) })
	return binary
}

// suiteOf is the conformance suite for a program.
func suiteOf(t *testing.T, binary string) *conformance.Suite {
	t.Helper()
	suite, err := conformance.New(conformance.Target{
		Cmd:  []string{binary, "--port", "{port}", "--root", "{root}"},
		Args: conformance.FourWays,
	})
	require.NoError(t, err)
	t.Cleanup(suite.Close)
	return suite
}

func caseOf(t *testing.T, check Check) *conformance.Case {
	t.Helper()
	for _, c := range conformance.Cases() {
		if c.ID == string(check) {
			return &c
		}
	}
	require.Fail(t, "no such case", check)
	return nil
}

// goTest runs tests of one package and says how each of them ended: "pass" or "fail". One
// that did not come to its end is not there. The overlay, if there is one, is for the
// package and for what its tests build themselves.
func goTest(t *testing.T, root, folder string, names []string, overlay string) (ended map[string]string, output []byte) {
	t.Helper()
	binary, env := filepath.Join(t.TempDir(), "test"), os.Environ()
	if overlay != "" {
		env = append(env, "GOFLAGS=-buildvcs=false "+noDebugger+" -overlay="+overlay)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = filepath.Join(root, folder), env
		return cmd
	}
	processor(func() {
		text, err := command("test", "-c", noDebugger, "-o", binary, ".").CombinedOutput()
		require.NoError(t, err, "%s", text)
	})
	output, err := command("tool", "test2json", binary, "-test.v=test2json", testTimeout, "-test.run", pattern(names)).Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	ended = map[string]string{}
	for events := json.NewDecoder(bytes.NewReader(output)); events.More(); {
		var event struct{ Action, Test string }
		require.NoError(t, events.Decode(&event), "%s", output)
		if event.Action == "pass" || event.Action == "fail" {
			ended[event.Test] = event.Action
		}
	}
	return ended, output
}

// pattern is -run's for tests by their full names. Its parts between the slashes each
// match one level of subtests.
func pattern(names []string) string {
	var levels [][]string
	for _, name := range names {
		for i, part := range strings.Split(name, "/") {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			levels[i] = append(levels[i], regexp.QuoteMeta(part))
		}
	}
	var parts []string
	for _, level := range levels {
		parts = append(parts, "^("+strings.Join(level, "|")+")$")
	}
	return strings.Join(parts, "/")
}

func projectRoot(t *testing.T) string {
	t.Helper()
	root, err := Root()
	require.NoError(t, err)
	return root
}
