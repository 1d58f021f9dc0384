package mutants

// Every mutant's row is in order, and each mutant is caught by its check. Builds go to a folder of
// the test, by overlays; the sources stay as they are.

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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

// shared is a folder for what is built once, for all tests of the package.
var shared string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "fourways-mutants-*")
	if err != nil {
		panic(err)
	}
	shared = dir
	if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

const (
	// testTimeout bounds a Go test that hangs on a mutant.
	testTimeout = "-test.timeout=5m"
	// patience is that of the tests that are to fail.
	patience = harness.PatienceVariable + "=5s"
)

// noDebugger leaves out what only a debugger reads. Linking is then half the work.
const noDebugger = "-ldflags=-w"

var busy = make(chan struct{}, busyAtOnce)

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
			require.FileExists(t, filepath.Join(root, m.Stage, "main.go"), "Stage is the program to build")
			require.Regexp(t, `\.$`, m.Why, "a sentence")
			if folder, test, ok := m.Check.GoTest(); ok {
				name, _, _ := strings.Cut(test, "/")
				require.Contains(t, testsOf(t, filepath.Join(root, folder)), "func "+name+"(", "there is no test %s in %s", name, folder)
			} else {
				require.True(t, cases[string(m.Check)], "there is no case %s", m.Check)
			}
			diff, err := m.Diff(root)
			require.NoError(t, err)
			require.Regexp(t, `(?m)^[-+][^-+]`, diff)
		})
	}
}

// testsOf is the text of a folder's tests.
func testsOf(t *testing.T, folder string) (text string) {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		text += string(b)
	}
	return text
}

// A mutant whose text has moved on spoils no other one.
func TestAStaleMutantIsBuiltAlone(t *testing.T) {
	const text = "package p\n\nfunc f() int { return 1 }\n"
	_, inside, err := join(text, []Mutant{{Name: "stale", Old: "return 2", New: "return 3"}, {Name: "sound", Old: "return 1", New: "return 3"}})
	require.NoError(t, err)
	require.Equal(t, []string{"sound"}, inside)
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

// Every check passes on the server as it is, that is with no mutant in force: what it finds in
// one is the edit's. Tests of a whole stage take long, and pass as they are in the stage's own
// folder: that edits which are not in force change nothing is seen by the others.
func TestEveryCheckPassesWithoutAMutant(t *testing.T) {
	t.Parallel()
	root := projectRoot(t)
	cases, tests := map[string][]Check{}, map[string][]string{}
	for _, m := range All() {
		folder, test, ok := m.Check.GoTest()
		if ok && folder != m.Stage {
			tests[folder] = append(tests[folder], test)
		} else if !ok && !slices.Contains(cases[m.Stage], m.Check) {
			cases[m.Stage] = append(cases[m.Stage], m.Check)
		}
	}
	for stage, checks := range cases {
		t.Run("suite on "+stage, func(t *testing.T) {
			t.Parallel()
			suite := suiteOf(t, together(t).server(t, stage))
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
			ended, output := runTests(t, root, folder, together(t).tests(t, folder), names)
			for _, name := range names {
				if !lacksItsTool(ended[name], output) {
					require.Equal(t, "pass", ended[name], "%s\n%s", name, output)
				}
			}
		})
	}
}

func TestEachMutantIsCaughtByItsCheck(t *testing.T) {
	t.Parallel()
	root := projectRoot(t)
	site := filepath.Join(t.TempDir(), "site")
	require.NoError(t, conformance.MakeSite(site))
	for _, m := range longestFirst(All()) {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			programs := together(t)
			if !programs.has[m.Name] {
				overlay, err := m.Overlay(root, t.TempDir())
				require.NoError(t, err)
				programs = &builds{root: root, overlay: overlay, dir: t.TempDir()}
			}
			server, inForce := programs.server(t, m.Stage), InForce+"="+m.Name
			answersAPlainRequest(t, server, site, inForce)
			if folder, name, ok := m.Check.GoTest(); ok {
				ended, output := runTests(t, root, folder, programs.tests(t, folder), []string{name}, inForce, patience, harness.ServerVariable+"="+server)
				if lacksItsTool(ended[name], output) {
					t.Skipf("its check is skipped here\n%s", output)
				}
				require.Equal(t, "fail", ended[name], "%s does not catch it\n%s", m.Check, output)
				return
			}
			result := suiteOf(t, "env", inForce, server).Play(caseOf(t, m.Check))
			require.Empty(t, result.Skipped)
			require.NotEmpty(t, result.Failed, "%s does not catch it", m.Check)
			t.Log(result.Explain())
		})
	}
}

// longestFirst puts the checks first that take the longest, so that they do not run alone
// at the end: those of processes, and of stage 4 before all.
func longestFirst(all []Mutant) []Mutant {
	rank := func(m Mutant) int {
		folder, _, goTest := m.Check.GoTest()
		switch {
		case goTest && folder == "stage4-prefork":
			return 0
		case goTest && folder == m.Stage:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b Mutant) int { return rank(a) - rank(b) })
	return all
}

// answersAPlainRequest starts a mutant and asks it for a page: one that does not even get
// that far teaches nothing, and its check would fail for another reason.
func answersAPlainRequest(t *testing.T, binary, site, inForce string) {
	t.Helper()
	cmd := exec.Command(binary, "-listen", "127.0.0.1:0", "-root", site)
	cmd.Env = append(os.Environ(), inForce)
	s := harness.StartCommand(t, cmd)
	status, _ := s.Get(t, "/about.html")
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGKILL)
	s.Wait(t)
}

// builds makes programs with an overlay, each once.
type builds struct {
	root, overlay, dir string
	has                map[string]bool // the mutants that are in them together
	once               sync.Map        // by path, a func() error that builds it
}

// together is the programs that have most of the mutants in them.
func together(t *testing.T) *builds {
	t.Helper()
	b, err := allTogether()
	require.NoError(t, err)
	return b
}

var allTogether = sync.OnceValues(func() (*builds, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	overlay, in, err := Together(root, shared, All())
	return &builds{root: root, overlay: overlay, dir: shared, has: in}, err
})

// server is a stage's program.
func (b *builds) server(t *testing.T, stage string) (path string) {
	t.Helper()
	if stage != eventLoop {
		b.compileShared(t)
	}
	path = filepath.Join(b.dir, stage)
	b.make(t, path, func() error { return build(b.root, stage, path, noDebugger, "-overlay", b.overlay) })
	return path
}

// compileShared has what the programs have in common compiled, by building one of them. Two go
// commands that begin at once would both compile it.
func (b *builds) compileShared(t *testing.T) {
	t.Helper()
	if b.has != nil {
		b.server(t, eventLoop)
	}
}

// tests is the test binary of a package.
func (b *builds) tests(t *testing.T, folder string) (path string) {
	t.Helper()
	b.compileShared(t)
	path = filepath.Join(b.dir, strings.ReplaceAll(folder, "/", "-")+".test")
	b.make(t, path, func() error {
		cmd := exec.Command("go", "test", "-c", "-vet=off", noDebugger, "-overlay", b.overlay, "-o", path, ".")
		cmd.Dir = filepath.Join(b.root, folder)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go test -c %s: %w\n%s", folder, err, text)
		}
		return nil
	})
	return path
}

func (b *builds) make(t *testing.T, path string, do func() error) {
	t.Helper()
	once, _ := b.once.LoadOrStore(path, sync.OnceValue(func() error {
		busy <- struct{}{}
		defer func() { <-busy }()
		return do()
	}))
	require.NoError(t, once.(func() error)())
}

// suiteOf is the conformance suite for a command.
func suiteOf(t *testing.T, command ...string) *conformance.Suite {
	t.Helper()
	suite, err := conformance.New(conformance.Target{
		Cmd:     append(command, "--port", "{port}", "--root", "{root}"),
		Args:    conformance.FourWays,
		Streams: true,
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

// startOfTest is the line of a test that begins, and endOfTest of one that has come to its end.
var (
	startOfTest = regexp.MustCompile(`(?m)^=== RUN +(\S+)$`)
	endOfTest   = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+) `)
)

// lacksItsTool reports whether a test was skipped for want of a program. A check that is skipped
// for another reason proves nothing.
func lacksItsTool(ended string, output []byte) bool {
	return ended == "skip" && strings.Contains(string(output), exec.ErrNotFound.Error())
}

// runTests runs tests of one package and says how each ended: "pass", "fail" or "skip". One that
// was under way when another goroutine panicked has failed. One that did not begin is not there.
func runTests(t *testing.T, root, folder, binary string, names []string, env ...string) (ended map[string]string, output []byte) {
	t.Helper()
	cmd := exec.Command(binary, "-test.v", testTimeout, "-test.run", pattern(names))
	cmd.Dir, cmd.Env = filepath.Join(root, folder), append(os.Environ(), env...)
	output, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	ended = map[string]string{}
	if err != nil {
		for _, line := range startOfTest.FindAllSubmatch(output, -1) {
			ended[string(line[1])] = "fail"
		}
	}
	for _, line := range endOfTest.FindAllSubmatch(output, -1) {
		ended[string(line[2])] = strings.ToLower(string(line[1]))
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
