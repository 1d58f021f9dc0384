package book

// The claims about the code that a page makes outside of its listings: constants, transcripts,
// lengths, needs. For each there is the drift that has to be found.

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const claimed = `package stage

import (
	"os"
	"time"

	"fourways/other"
)

const (
	lingerBytes = 16 << 20
	lingerTime  = 2 * time.Second
	batch       = other.Half * 2
	ratio       = 1.5
	mode        = os.O_CREATE
	name        = "x"
)

const (
	first kind = iota
	second
)

type kind int

// wake wakes.
func (r *runner) wake() { r.n++ } // once

// wait waits.
func (l *loop) wait() {
	l.look()
	l.n++
}

// sleep waits otherwise.
func (r *runner) sleep() {
	r.n++
	r.rest()
}
`

// claimProject is a project in memory, some of whose files are given.
func claimProject(files map[string]string) Project {
	out := fstest.MapFS{
		"stage/runner.go":     {Data: []byte(claimed)},
		"stage/size_bsd.go":   {Data: []byte("package stage\nconst system = 2\n")},
		"stage/size_linux.go": {Data: []byte("package stage\nconst system = 1\n")},
		"stage/a_test.go":     {Data: []byte("package stage\nconst inTest = 1\n")},
		"other/other.go":      {Data: []byte("package other\nconst Half = 500\n")},
	}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Project{Dir: "none", FS: out}
}

func TestConstants(t *testing.T) {
	for _, c := range []struct {
		name, directive, shown string
		want                   string // "" where the page is right
	}{
		{"a size", "stage lingerBytes", "16 MiB", ""},
		{"the same in another unit", "stage lingerBytes", "16,384 KiB", ""},
		{"and without one", "stage lingerBytes", "16,777,216", ""},
		{"a time", "stage lingerTime", "2 s", ""},
		{"in other words", "stage lingerTime", "two seconds", ""},
		{"with a hyphen", "stage lingerTime", "2-second", ""},
		{"of another package", "stage batch", "1,000 connections", ""},
		{"without its comma", "stage batch", "1000", ""},
		{"with a fraction", "stage ratio", "1.5", ""},
		{"one of a list", "stage second", "1", ""},
		{"of this system", "stage system", "one", ""},
		{"drift of a size", "stage lingerBytes", "1 MiB", `the page says "1 MiB", the const is "16 MiB"`},
		{"drift of a time", "stage lingerTime", "three seconds", `the const is "two seconds"`},
		{"drift of a number", "stage batch", "24", `the const is "1,000"`},
		{"a time for a size", "stage lingerBytes", "16 s", "and not both"},
		{"a size for a time", "stage lingerTime", "2 MiB", "and not both"},
		{"gone from the code", "stage lingers", "1", "has no constant lingers"},
		{"in a test", "stage inTest", "1", "has no constant"},
		{"of a package that is not read", "stage mode", "64", "is no number, or one that only a compiler can tell"},
		{"no number", "stage name", "x", "is no number"},
		{"no such folder", "stages batch", "1", "no package in stages"},
		{"no folder", "batch", "1", "FOLDER NAME"},
		{"nothing that could be one", "stage batch", "a thousand or so", "is not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := page("At most <!-- const: " + c.directive + " -->" + c.shown + "<!-- /const --> of it.")
			found := claimProject(nil).Constants(d)
			if c.want == "" {
				wantFindings(t, found)
				return
			}
			wantFindings(t, found, c.want)
		})
	}
	t.Run("the page is mended", func(t *testing.T) {
		d := page("At most <!-- const: stage lingerBytes -->1 MiB<!-- /const -->.")
		fix := claimProject(nil).Constants(d)[0].Fix
		require.Equal(t, "At most <!-- const: stage lingerBytes -->16 MiB<!-- /const -->.", splice(d.Text, []Edit{*fix}))
	})
	t.Run("no end", func(t *testing.T) {
		wantFindings(t, claimProject(nil).Constants(page("<!-- const: stage batch -->1")), "in pairs")
	})
}

func TestRecorded(t *testing.T) {
	transcript := func(mark string) *Doc {
		return page("<!-- recorded: 2026-11-29 linux-6.12 " + mark + ": stage/runner.go (*runner).wake; (*loop).wait, other/other.go Half -->\n```console\n$ x\n```\n")
	}
	mark, err := claimProject(nil).mark("stage/runner.go (*runner).wake; (*loop).wait, other/other.go Half")
	require.NoError(t, err)
	changed := func(name, old, now string) Project {
		files := map[string]string{"stage/runner.go": claimed, "other/other.go": "package other\nconst Half = 500\n"}
		files[name] = strings.Replace(files[name], old, now, 1)
		return claimProject(maps.Clone(files))
	}
	wantFindings(t, claimProject(nil).Recorded(transcript(mark)))
	wantFindings(t, changed("stage/runner.go", "// wake wakes.", "// wake ends a wait.").Recorded(transcript(mark)))
	wantFindings(t, changed("stage/runner.go", "r.rest()", "r.idle()").Recorded(transcript(mark)))
	wantFindings(t, changed("stage/runner.go", "l.look()", "l.glance()").Recorded(transcript(mark)), "has changed")
	wantFindings(t, changed("other/other.go", "500", "501").Recorded(transcript(mark)), "has changed")
	wantFindings(t, changed("stage/runner.go", "(l *loop) wait", "(l *loop) pause").Recorded(transcript(mark)), "declares no (*loop).wait")
	wantFindings(t, claimProject(nil).Recorded(transcript("new")), "then its mark is "+mark)
	wantFindings(t, claimProject(nil).Recorded(page("<!-- recorded: some day -->\n```console\n$ x\n```\n")), "write it as")
}

func TestPairs(t *testing.T) {
	const of = "<!-- diff: stage/runner.go (*runner).sleep -> stage/runner.go (*loop).wait; r l; runner loop; sleep wait -->\n"
	right := "```diff\n  func (l *loop) wait() {\n+ \tl.look()\n  \tl.n++\n- \tl.rest()\n  }\n```\n"
	p := claimProject(nil)
	wantFindings(t, p.Pairs(page(of+right)))
	wantFindings(t, p.Pairs(page(of+"```diff\n  func (l *loop) wait() {\n+ \tl.look()\n…\n  }\n```\n")))
	wantFindings(t, p.Pairs(page(of+strings.Replace(right, "look", "glance", 1))), "l.look()")
	wantFindings(t, p.Pairs(page(of+strings.Replace(right, "```diff", "```go", 1))), "```diff fence")
	wantFindings(t, p.Pairs(page(strings.Replace(of, " -> ", " to ", 1)+right)), "write it as")
	wantFindings(t, p.Pairs(page(strings.Replace(of, "(*loop).wait", "(*loop).rest", 1)+right)), "declares no")
	require.Equal(t, map[string]bool{"stage/runner.go (*runner).sleep": true, "stage/runner.go (*loop).wait": true}, Shown([]*Doc{page(of + right)}))
}

func TestLengths(t *testing.T) {
	long := strings.Repeat("word ", 2801)
	code := "<!-- code: x.go y -->\n```go\n" + strings.Repeat("y\n", 20) + "```\n"
	for _, c := range []struct {
		name, text, bounds string
		want               []string
		then               string // the file of the bounds
	}{
		{"within the budget", "a word", "", nil, ""},
		{"too many words", long, "", []string{"2801 words, and may have 2800"}, ""},
		{"folded ones count apart", "<details><summary>More</summary>\n" + long + "\n</details>\nword", "", []string{"2803 folded words, and may have 800"}, ""},
		{"too much code", strings.Repeat(code, 7), "", []string{"7 listings, and may have 6", "140 lines of code, and may have 110"}, ""},
		{"code that is not the project's does not count", strings.Repeat("```go\nx\n```\n", 7), "", nil, ""},
		{"over the budget, and within its own bound", long, "05-page 2900 800 6 110\n", nil, "05-page 2900 800 6 110\n"},
		{"grown beyond its own bound", long, "05-page 2800 900 6 110\n", []string{"2801 words, and may have 2800"}, "05-page 2800 800 6 110\n"},
		{"a bound becomes smaller", long, "# head\n05-page 5000 900 9 300\n", nil, "# head\n05-page 2900 800 6 110\n"},
		{"and goes", "a word", "05-page 5000 900 9 300\n", nil, ""},
		{"a bound of no chapter", "a word", "06-none 1 2 3 4\n", []string{"there is no chapter 06-none"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, then, err := claimProject(map[string]string{Budgets: c.bounds}).Lengths([]*Doc{page(c.text)})
			require.NoError(t, err)
			wantFindings(t, found, c.want...)
			require.Equal(t, c.then, then)
		})
	}
	_, _, err := claimProject(map[string]string{Budgets: "05-page many\n"}).Lengths(nil)
	require.ErrorContains(t, err, "four numbers")
}

func TestNeeds(t *testing.T) {
	const block = "<!-- not run: it needs strace -->\n```console\n$ sudo -v | strace ls\n```\n"
	const recorded = "<!-- recorded: 2026-11-29 linux-6.12 00000000: a.go b -->\n```console\n$ strace ls\n```\n"
	wantFindings(t, Needs(page("*By hand: it needs strace.*\n"+strings.Replace(block, "sudo -v | ", "", 1))))
	wantFindings(t, Needs(page("*By hand: it needs strace.*\n"+block)), "does not say that it needs sudo")
	wantFindings(t, Needs(page("*Recorded 2026-11-29 on linux-6.12; strace.*\n"+recorded)))
	wantFindings(t, Needs(page("*Recorded 2026-11-29 on linux-6.12.*\n"+recorded)), "needs strace")
	wantFindings(t, Needs(page("*Recorded 2026-11-28 on linux-6.12; strace.*\n"+recorded)), "has to be a line *Recorded 2026-11-29")
	for name, text := range map[string]string{"no line": "Text\n\n" + block, "another reason": "Text\n\n*By hand: it is slow.*\n" + block} {
		t.Run(name, func(t *testing.T) {
			d := page(text)
			found := Needs(d)
			wantFindings(t, found, "there has to be the line *By hand: it needs strace.*")
			require.Equal(t, "Text\n\n*By hand: it needs strace.*\n"+block, splice(d.Text, []Edit{*found[0].Fix}))
		})
	}
}
