package main

// Hunts, from a copy with a fault to the mark. What must not be done: the project's own
// .progress.json must not be touched, so each test has one in a folder of its own.

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/course"
	"fourways/tests/mutants"
	kept "fourways/tests/progress"
)

// newHunt is a hunt that has not begun, and what it says.
func newHunt(t *testing.T) (*hunt, *strings.Builder) {
	t.Helper()
	root, err := mutants.Root()
	require.NoError(t, err)
	p, err := readProgress(t.TempDir())
	require.NoError(t, err)
	var out strings.Builder
	chapters, err := course.Read(root)
	require.NoError(t, err)
	return &hunt{root: root, progress: p, out: &out, pick: picker{root: root, chapters: chapters}}, &out
}

// hunted is the mutant that the tests look for.
func hunted(t *testing.T) mutants.Mutant {
	t.Helper()
	m, ok := mutants.Find("head-has-a-body")
	require.True(t, ok)
	return m
}

func TestTheCopyHasTheFaultAndDoesNotTellIt(t *testing.T) {
	h, out := newHunt(t)
	m := hunted(t)
	dir := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, h.begin(m.Name, dir))
	assert.Contains(t, out.String(), dir)
	assert.NotContains(t, out.String(), m.Name)
	assert.NotContains(t, out.String(), m.File)

	text, err := os.ReadFile(filepath.Join(dir, m.File))
	require.NoError(t, err)
	assert.Contains(t, string(text), m.New)
	_, err = m.Apply(string(text))
	require.Error(t, err, "what the mutant replaces is still there")
	for _, hidden := range left {
		assert.NoFileExists(t, filepath.Join(dir, hidden))
		assert.NoDirExists(t, filepath.Join(dir, hidden))
	}
	assert.FileExists(t, filepath.Join(dir, "tests/judge/main.go"))
	shown, err := filepath.Glob(filepath.Join(dir, pages, "*.html"))
	require.NoError(t, err)
	require.NotEmpty(t, shown, "the stages serve them")
	for _, page := range shown {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		assert.Equal(t, 2, strings.Count(string(text), "\n"), "%s shows the code without the fault", page)
	}
	require.Error(t, h.begin(m.Name, dir), "a folder that is not empty")
}

func TestAnAnswerIsMarked(t *testing.T) {
	m := hunted(t)
	root, err := mutants.Root()
	require.NoError(t, err)
	from, to, err := editedLines(root, m)
	require.NoError(t, err)
	at := func(file string, line int) string { return file + ":" + strconv.Itoa(line) }
	for _, row := range []struct {
		name   string
		hints  int
		check  string
		at     string
		status int
		points int
	}{
		{"the line", 0, "", at(m.File, from), right, fullMark},
		{"the last line, and a little after it", 0, "", at(m.File, to+near), right, fullMark},
		{"the line in the copy", 0, "", at("{tree}/"+m.File, from), right, fullMark},
		{"the line, after two hints", 2, "", at(m.File, from), right, fullMark - 2*hintCosts},
		{"another line", 0, "", at(m.File, to+near+1), wrong, 0},
		{"another file", 0, "", at("shared/http1/conn.go", from), wrong, 0},
		{"the check, and another line", 0, string(m.Check), at(m.File, to+near+1), wrong, halfMark},
		{"the check, and then the line", 0, string(m.Check), at(m.File, from), right, fullMark},
		{"the check that a hint has told, and another line", 2, string(m.Check), at(m.File, to+near+1), wrong, 0},
		{"no check of the suite", 0, "files/nothing", at(m.File, to+near+1), wrong, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, out := newHunt(t)
			h.progress.Hunting, h.progress.Tree = m.Name, "/tree"
			for range row.hints {
				require.NoError(t, h.hint())
			}
			if row.check != "" {
				_, err := h.symptom(row.check)
				require.NoError(t, err)
			}
			status, err := h.answer(strings.Replace(row.at, "{tree}", "/tree", 1))
			require.NoError(t, err)
			assert.Equal(t, row.status, status, out.String())
			assert.Equal(t, row.points, h.progress.of(m.Name).Points)
			assert.Equal(t, row.status == right, h.progress.of(m.Name).Found)
			assert.Equal(t, row.status == right, h.progress.Hunting == "")
		})
	}
}

// A fault may fail several cases, of which the judge tells any first.
func TestAnyCaseThatFailsIsTheFaultsCheck(t *testing.T) {
	h, out := newHunt(t)
	m, ok := mutants.Find("two-lengths-one-body")
	require.True(t, ok)
	require.NoError(t, h.begin(m.Name, filepath.Join(t.TempDir(), "copy")))
	for check, want := range map[string]int{"content-length/twice-different-reversed": right, "files/text": wrong} {
		require.NotEqual(t, string(m.Check), check)
		status, err := h.symptom(check)
		require.NoError(t, err)
		assert.Equal(t, want, status, "%s: %s", check, out)
	}
	assert.Equal(t, halfMark, h.progress.of(m.Name).Points)
}

func TestHintsTellMoreEachTime(t *testing.T) {
	h, out := newHunt(t)
	require.ErrorIs(t, h.hint(), errNoHunt)
	h.progress.Hunting = hunted(t).Name
	for n := 1; n <= allHints; n++ {
		out.Reset()
		require.NoError(t, h.hint())
		assert.Equal(t, n, strings.Count(out.String(), "\n"))
	}
	require.NoError(t, h.hint(), "a fourth tells the same")
	assert.Equal(t, allHints, h.progress.of(h.progress.Hunting).Hints)
	assert.NotContains(t, out.String(), filepath.Base(hunted(t).File), "the file is for the reader to find")
}

// Whoever has seen the solution gets no points for it.
func TestWhoGivesUpIsShownTheSolution(t *testing.T) {
	h, out := newHunt(t)
	m := hunted(t)
	h.progress.Hunting = m.Name
	require.NoError(t, h.giveUp())
	assert.Contains(t, out.String(), "+++ b/"+m.File)
	assert.Contains(t, out.String(), m.Why)
	h.progress.Hunting = m.Name
	from, _, err := editedLines(h.root, m)
	require.NoError(t, err)
	status, err := h.answer(m.File + ":" + strconv.Itoa(from))
	require.NoError(t, err)
	assert.Equal(t, right, status)
	assert.Zero(t, h.progress.of(m.Name).Points)
}

func TestProgressIsKept(t *testing.T) {
	root := t.TempDir()
	p, err := readProgress(root)
	require.NoError(t, err)
	p.of("head-has-a-body").Found, p.of("head-has-a-body").Points = true, 8
	p.Hunting, p.Tree = "close-is-overheard", "/tree"
	require.NoError(t, p.write())
	again, err := readProgress(root)
	require.NoError(t, err)
	assert.Equal(t, p, again)
	var out strings.Builder
	again.print(&out)
	assert.Regexp(t, `hunts +1 of +\d+ +8 of`, out.String())
	assert.Contains(t, out.String(), "You are looking for the fault in /tree.")

	require.NoError(t, os.WriteFile(filepath.Join(root, kept.File), []byte("{"), 0o644))
	_, err = readProgress(root)
	require.ErrorContains(t, err, kept.File)
}

func TestWhatIsFoundIsNotGivenAgain(t *testing.T) {
	h, _ := newHunt(t)
	all := mutants.All()
	for _, m := range all[1:] {
		h.progress.of(m.Name).Found = true
	}
	done := func(m mutants.Mutant) bool {
		mark := h.progress.Hunts[m.Name]
		return mark != nil && (mark.Found || mark.Shown)
	}
	m, err := h.pick.one("", done)
	require.NoError(t, err)
	assert.Equal(t, all[0].Name, m.Name)
	h.progress.of(m.Name).Shown = true
	_, err = h.pick.one("", done)
	require.ErrorIs(t, err, errAllDone)
	_, err = h.pick.one("no-such-mutant", done)
	require.Error(t, err)
}

// Each mutant's edit can be pointed at.
func TestEveryHuntHasItsLines(t *testing.T) {
	root, err := mutants.Root()
	require.NoError(t, err)
	for _, m := range mutants.All() {
		from, to, err := editedLines(root, m)
		require.NoError(t, err)
		assert.LessOrEqual(t, from, to, m.Name)
		assert.LessOrEqual(t, to-from, 40, m.Name)
	}
}

// Each hint tells something, none tells the file, and each mutant has a chapter.
func TestEveryHuntHasItsHintsAndItsChapter(t *testing.T) {
	h, _ := newHunt(t)
	found := map[string]int{}
	for _, m := range mutants.All() {
		for _, hint := range hintsOf(m) {
			assert.Greater(t, len(strings.Fields(hint)), 3, "%s: %s", m.Name, hint)
			assert.NotContains(t, hint, filepath.Base(m.File), m.Name)
		}
		c := chapterOf(h.root, h.pick.chapters, m)
		assert.NotEmpty(t, c.Path, "%s, in %s, is of no chapter", m.Name, m.File)
		found[c.Number]++
	}
	assert.Greater(t, len(found), 9, "they are spread over the course: %v", found)
}

func TestMutantsAreChosenByChapterAndDifficulty(t *testing.T) {
	h, out := newHunt(t)
	never := func(mutants.Mutant) bool { return false }
	h.pick.chapter, h.pick.level = course.Named(h.pick.chapters, "epoll").Number, hard
	for range 20 {
		m, err := h.pick.one("", never)
		require.NoError(t, err)
		assert.Equal(t, hard, difficulty(m))
		assert.Contains(t, h.pick.where(m), "★★★")
		assert.Equal(t, h.pick.chapter, chapterOf(h.root, h.pick.chapters, m).Number)
	}
	h.pick.chapter = "no such chapter"
	_, err := h.pick.one("", never)
	require.ErrorIs(t, err, errNoneSuch)
	h.pick.list(out, never)
	rows := regexp.MustCompile(`0/(\d+)`).FindAllStringSubmatch(out.String(), -1)
	sum := 0
	for _, m := range rows {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		sum += n
	}
	assert.Equal(t, len(mutants.All()), sum, "all are in the list\n%s", out)
}
