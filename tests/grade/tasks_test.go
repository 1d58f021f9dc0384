package main

// Fixes, builds and the table, as readers go through them. What must not be done: the project's own
// .progress.json must not be touched.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/course"
	"fourways/tests/grade/exercises"
	"fourways/tests/mutants"
	kept "fourways/tests/progress"
)

// newFix is a fix that has not begun, and what it says. It plays one case of the suite.
func newFix(t *testing.T) (*fix, *strings.Builder) {
	t.Helper()
	root, err := mutants.Root()
	require.NoError(t, err)
	var out strings.Builder
	return &fix{root: root, kept: &fixes{Done: map[string]*task{}}, out: &out, pick: picker{root: root}, only: "^files/text$"}, &out
}

func TestAFixIsJudgedByItsCheckAndTheSuite(t *testing.T) {
	f, out := newFix(t)
	m, ok := mutants.Find("drip-outlives-its-timeout")
	require.True(t, ok)
	dir := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, f.begin(m.Name, dir))
	assert.Contains(t, out.String(), string(m.Check), "what fails is told")
	assert.NotContains(t, out.String(), m.File)

	judged := func(want int, says string) {
		t.Helper()
		out.Reset()
		status, err := f.check()
		require.NoError(t, err)
		require.Equal(t, want, status, out.String())
		require.Contains(t, out.String(), says)
	}
	judged(wrong, "Its check still fails: "+string(m.Check))

	// It is mended, and something else is broken.
	original, err := os.ReadFile(filepath.Join(f.root, m.File))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, m.File), original, 0o644))
	main := filepath.Join(dir, m.Stage, "main.go")
	sound, err := os.ReadFile(main)
	require.NoError(t, err)
	broken := strings.Replace(string(sound), "func main() {", "func main() {\n\tpanic(1)\n", 1)
	require.NotEqual(t, string(sound), broken)
	require.NoError(t, os.WriteFile(main, []byte(broken), 0o644))
	judged(wrong, "1 case fails: files/text")

	require.NoError(t, os.WriteFile(main, []byte("package main\n\nfunc main( {"), 0o644))
	judged(wrong, "It does not build.")

	require.NoError(t, os.WriteFile(main, sound, 0o644))
	judged(right, "Mended: 10 of 10 points.")
	require.Equal(t, &task{Done: true, Points: fixMark}, f.kept.Done[m.Name])
	require.Empty(t, f.kept.Fixing)
	_, err = f.check()
	require.ErrorIs(t, err, errNoFix)
}

func TestWhoIsShownTheEditHasNoPointsForMendingIt(t *testing.T) {
	f, out := newFix(t)
	require.ErrorIs(t, f.giveUp(), errNoFix)
	m := hunted(t)
	f.kept.Fixing = m.Name
	require.NoError(t, f.giveUp())
	assert.Contains(t, out.String(), "+++ b/"+m.File)
	f.kept.Done[m.Name].finish(fixMark)
	assert.Equal(t, &task{Done: true, Shown: true}, f.kept.Done[m.Name])
}

// No test of the reader's copy counts, and a file that is gone is gone.
func TestOnlyTheProgramIsTakenFromACopy(t *testing.T) {
	root, tree, dir := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(top, name, text string) {
		path := filepath.Join(top, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, top := range []string{root, tree} {
		write(top, "shared/a/same.go", "same")
		write(top, "shared/a/a_test.go", top)
		write(top, "tests/b.go", top)
		write(top, "stage9-x/changed.go", top)
	}
	write(root, "shared/gone.go", "")
	write(tree, "shared/new.go", "")
	path, err := writeOverlay(root, tree, dir)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var got struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, map[string]string{
		root + "/stage9-x/changed.go": tree + "/stage9-x/changed.go",
		root + "/shared/new.go":       tree + "/shared/new.go",
		root + "/shared/gone.go":      "",
	}, got.Replace)
}

func newBuild(t *testing.T) (*build, *strings.Builder) {
	t.Helper()
	root, err := mutants.Root()
	require.NoError(t, err)
	chapters, err := course.Read(root)
	require.NoError(t, err)
	var out strings.Builder
	return &build{root: root, kept: &builds{Done: map[string]*task{}}, out: &out, chapters: chapters}, &out
}

func TestABuildIsJudgedByTheProjectsTests(t *testing.T) {
	b, out := newBuild(t)
	dir := filepath.Join(t.TempDir(), "mine")
	_, err := b.check("keeper")
	require.ErrorContains(t, err, "not begun")
	require.NoError(t, b.begin("keeper", dir))
	require.ErrorContains(t, b.begin("keeper", dir), "not empty")

	status, err := b.check("")
	require.NoError(t, err)
	require.Equal(t, wrong, status)
	require.Contains(t, out.String(), "--- FAIL: TestWhatDiesAtOnce")

	// Tests that the reader has made easier do not count.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keeper_test.go"), []byte("package keeper\n"), 0o644))
	status, err = b.check("")
	require.NoError(t, err)
	require.Equal(t, wrong, status)

	out.Reset()
	solution, err := b.text(exercises.Exercise{Name: "keeper"}, exercises.Solution)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keeper.go"), []byte(solution), 0o644))
	status, err = b.check("")
	require.NoError(t, err)
	require.Equal(t, right, status, out.String())
	require.Equal(t, &task{Done: true, Points: buildMark}, b.kept.Done["keeper"])
}

func TestEachExerciseIsLaidOutWhole(t *testing.T) {
	b, out := newBuild(t)
	b.list()
	for _, e := range exercises.All {
		require.NotEmpty(t, course.Named(b.chapters, e.Chapter...).Path, "%s is of no chapter", e.Name)
		require.Regexp(t, regexp.MustCompile(`(?m)^  `+e.Name+` +★+ +chapter \d+, .*`+regexp.QuoteMeta(e.Asks)+`$`), out.String())
		dir := t.TempDir()
		require.NoError(t, b.begin(e.Name, dir))
		for _, file := range []string{e.Name + ".go", e.Name + "_test.go"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			require.NotContains(t, string(text), "go:build")
			require.NotContains(t, string(text), "fourways/", "it needs the standard library alone")
		}
	}
	require.NoError(t, b.solution("queue"))
	b.kept.Done["queue"].finish(buildMark)
	require.Zero(t, b.kept.Done["queue"].Points, "whoever has seen the solution has none")
	require.Error(t, b.begin("no-such", ""))
}

func TestOneTableHasAll(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, kept.Write(root, labsPart, map[string]any{
		"ten": map[string]any{"measured": 6.0, "right": true}, "idle": map[string]any{"measured": 2.0, "right": false}, "reads": map[string]any{"measured": 1.0},
	}))
	p, err := readProgress(root)
	require.NoError(t, err)
	of(p.fixes.Done, "a-mutant").finish(fixMark)
	of(p.builds.Done, "chunks").finish(buildMark)
	p.fixes.Tree, p.fixes.Fixing = "/mending", "head-has-a-body"
	p.builds.Last, p.builds.Folders = "gcra", map[string]string{"gcra": "/building"}
	require.NoError(t, p.write())
	again, err := readProgress(root)
	require.NoError(t, err)
	var out strings.Builder
	again.print(&out)
	for _, row := range []string{`predictions +1 of +2 `, `hunts +0 of +\d+`, `fixes +1 of +\d+ +10 of`, `builds +1 of +14 +20 of +280`,
		`You are mending /mending`, `You are building gcra in /building`} {
		require.Regexp(t, row, out.String())
	}
	out.Reset()
	again.predictions.print(&out)
	require.Regexp(t, `ten +measured 6 +the first prediction was near enough`, out.String())
	require.Regexp(t, `reads +measured 1 +no prediction`, out.String())
	require.Contains(t, out.String(), "1 of 2 predictions")
	var labs map[string]any
	require.NoError(t, kept.Read(root, labsPart, &labs))
	require.Len(t, labs, 3, "the labs' part is theirs")
}

func TestTheCommandLine(t *testing.T) {
	for _, row := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"build"}, right, "go run ./tests/grade build NAME gives you one."},
		{[]string{"hunt", "-list"}, right, "★★★"},
		{[]string{"hunt", "-h"}, right, "-chapter NUMBER"},
		{[]string{"predict", "-x"}, usage, "flag"},
		{[]string{"sing"}, usage, "there are hunt, fix, build and predict"},
		{[]string{"fix", "a", "b"}, usage, "one name"},
		{[]string{"hunt", "-x"}, usage, "not defined"},
	} {
		var out strings.Builder
		require.Equal(t, row.status, run(row.args, &out, &out), "%v: %s", row.args, &out)
		require.Contains(t, out.String(), row.says)
	}
}
