// Package docs has no code: its folder holds the chapters, and these tests hold the chapters to
// what is so.
//
//	go test ./docs/...           fails where a page says what is not so
//	go test ./docs/... -update   rewrites listings, outputs and numbers that are out of date, and fails on the rest
//
// How a page marks what is to be checked is told in package book.
package docs

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/docs/book"
	"fourways/docs/book/update"
)

// stages lists those whose functions must all be shown, each from the moment that the chapter which
// tells it is there.
var stages = []struct{ folder, chapter string }{
	{"stage1-threadpool", "02"},
	{"stage2-poll", "04"},
	{"stage3-epoll", "06"},
	{"stage4-prefork", "15"},
}

// served is the stage that answers the commands of the chapters.
const served = "stage1-threadpool"

// testedElsewhere says, of each command of the README that .ci/run does not run, which test does:
// command → "folder/file_test.go TestName".
var testedElsewhere = map[string]string{
	"go run ./tests/demo": "tests/demo/demo_test.go TestTheDemoShowsAllFour", // and .ci/run for two seconds
	"go run ./tests/demo -picture docs/pictures/demo.svg": "tests/demo/demo_test.go TestTheDemoShowsAllFour",
}

const readme = "README.md"

// guides are no chapters: they are for who runs the server. tests/deploy runs the commands of
// operating.md.
var guides = []string{"docs/manual.md", "docs/operating.md"}

// project opens the project by a path that runs through this folder, and is not cleaned: the go
// command repeats a test that passed only when a file changed that it opened below its own module,
// and goes by the path's letters.
func project(t *testing.T) book.Project {
	wd, err := os.Getwd()
	require.NoError(t, err)
	return book.NewProject(wd + "/..")
}

// open parses the pages that are there, in the order of their names.
func open(t *testing.T, p book.Project, names ...string) []*book.Doc {
	var out []*book.Doc
	for _, name := range names {
		d, err := p.Open(name)
		require.NoError(t, err)
		out = append(out, d)
	}
	return out
}

// chapters gives every Markdown file of this folder except the guides.
func chapters(t *testing.T, p book.Project) []*book.Doc {
	names, err := fs.Glob(p.FS, "docs/*.md")
	require.NoError(t, err)
	return open(t, p, slices.DeleteFunc(names, func(name string) bool { return slices.Contains(guides, name) })...)
}

// pages gives the chapters, the guides, the README, and what stands beside it.
func pages(t *testing.T, p book.Project) []*book.Doc {
	names, err := fs.Glob(p.FS, "*.md")
	require.NoError(t, err)
	names = append(names, guides...)
	return append(open(t, p, names...), chapters(t, p)...)
}

// hold runs one check over pages, a subtest each.
func hold(t *testing.T, docs []*book.Doc, check func(*testing.T, *book.Doc) []book.Finding) {
	for _, d := range docs {
		t.Run(path.Base(d.Path), func(t *testing.T) { report(t, check(t, d)) })
	}
}

func report(t *testing.T, findings []book.Finding) {
	for _, f := range findings {
		t.Errorf("%v", f)
	}
}

// repair writes what can be written, when the run is to, and gives the findings that remain.
func repair(t *testing.T, p book.Project, d *book.Doc, found []book.Finding) []book.Finding {
	if !*update.Wanted {
		return found
	}
	left, err := p.Repair(d, found)
	require.NoError(t, err)
	return left
}

func TestListingsAreTheSourcesOwnBytes(t *testing.T) {
	p := project(t)
	hold(t, pages(t, p), func(t *testing.T, d *book.Doc) []book.Finding {
		return repair(t, p, d, append(p.Listings(d), p.Pairs(d)...))
	})
}

func TestNumbersAreThoseOfTheResults(t *testing.T) {
	p := project(t)
	hold(t, pages(t, p), func(t *testing.T, d *book.Doc) []book.Finding {
		return repair(t, p, d, append(p.Results(d), p.Labs(d)...))
	})
}

func TestNumbersAreThoseOfTheCode(t *testing.T) {
	p := project(t)
	hold(t, pages(t, p), func(t *testing.T, d *book.Doc) []book.Finding { return repair(t, p, d, p.Constants(d)) })
}

func TestTranscriptsTellOfTheCodeAsItIs(t *testing.T) {
	p := project(t)
	hold(t, pages(t, p), func(t *testing.T, d *book.Doc) []book.Finding { return p.Recorded(d) })
}

func TestCommandsSayWhatTheyNeed(t *testing.T) {
	p := project(t)
	hold(t, chapters(t, p), func(t *testing.T, d *book.Doc) []book.Finding { return repair(t, p, d, book.Needs(d)) })
}

// A bound in docs/budget.txt only ever becomes smaller.
func TestChaptersKeepToTheirLength(t *testing.T) {
	p := project(t)
	docs := chapters(t, p)
	for _, d := range docs {
		t.Logf("%-45s %+v", d.Path, d.Size())
	}
	found, bounds, err := p.Lengths(docs)
	require.NoError(t, err)
	report(t, found)
	if *update.Wanted {
		require.NoError(t, p.LowerBounds(bounds))
	}
}

func TestCommandsPrintWhatTheChaptersShow(t *testing.T) {
	p := project(t)
	docs := slices.DeleteFunc(pages(t, p), func(d *book.Doc) bool { return !book.HasRuns(d) })
	if len(docs) == 0 {
		return
	}
	dependOnEverything(t, p)
	r := book.Runner{Project: p, Server: server(t, p)}
	ctx := beforeTheDeadline(t)
	hold(t, docs, func(t *testing.T, d *book.Doc) []book.Finding {
		var skipped []book.Finding
		r.Skipped = func(f book.Finding) { skipped = append(skipped, f) }
		found := repair(t, p, d, r.Runs(ctx, d))
		if len(found) == 0 && len(skipped) > 0 {
			t.Skip(skipped)
		}
		return found
	})
}

// beforeTheDeadline ends in time for the test to name the command that hangs. No command has a time
// of its own: on a machine with much else to do, one that builds takes minutes.
func beforeTheDeadline(t *testing.T) context.Context {
	end, limited := t.Deadline()
	if !limited {
		return t.Context()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Until(end)*9/10)
	t.Cleanup(cancel)
	return ctx
}

// dependOnEverything opens each folder of the project, since a command may depend on any file: the
// go command then repeats the test after any change.
func dependOnEverything(t *testing.T, p book.Project) {
	require.NoError(t, fs.WalkDir(p.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	}))
}

// server gives the address of one server, started when it is first asked for and stopped with the
// test.
func server(t *testing.T, p book.Project) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		s, err := p.StartServer(served, t.TempDir())
		if err != nil {
			return "", err
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Errorf("stopping %s: %v", served, err)
			}
		})
		return s.Addr, nil
	})
}

func TestDirectivesStandWhereTheyAreRead(t *testing.T) {
	hold(t, chapters(t, project(t)), func(t *testing.T, d *book.Doc) []book.Finding { return book.Directives(d) })
}

func TestChaptersFollowTheTemplate(t *testing.T) {
	docs := chapters(t, project(t))
	hold(t, docs, func(t *testing.T, d *book.Doc) []book.Finding { return book.Form(d) })
	for i := 1; i < len(docs); i++ {
		require.NotEqual(t, docs[i-1].Number(), docs[i].Number(), "two chapters have one number: %s", docs[i].Path)
	}
}

func TestLinksLeadSomewhereInTheProject(t *testing.T) {
	p := project(t)
	hold(t, pages(t, p), func(t *testing.T, d *book.Doc) []book.Finding { return append(p.Links(d), book.Outside(d)...) })
}

func TestEveryFunctionOfAStageIsShownOrExcused(t *testing.T) {
	p := project(t)
	docs := chapters(t, p)
	for _, stage := range stages {
		if !slices.ContainsFunc(docs, func(d *book.Doc) bool { return d.Number() == stage.chapter }) {
			continue
		}
		t.Run(stage.folder, func(t *testing.T) {
			found, err := p.Coverage(stage.folder, docs)
			require.NoError(t, err)
			report(t, found)
		})
	}
}

func TestCommandsOfTheReadmeAreRunSomewhere(t *testing.T) {
	p := project(t)
	if _, err := fs.Stat(p.FS, readme); err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Empty(t, testedElsewhere)
		return
	}
	found, err := p.Vouched(open(t, p, readme)[0], testedElsewhere)
	require.NoError(t, err)
	report(t, found)
}

func TestExcusesAreAboutFunctionsThatExist(t *testing.T) {
	found, err := project(t).Excuses()
	require.NoError(t, err)
	report(t, found)
}

// One test binary without the flag would fail `go test ./docs/... -update` as a whole.
func TestEveryPackageHereTakesTheUpdateFlag(t *testing.T) {
	const imports = `{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`
	out, err := exec.Command("go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}"+imports+"{{end}}", "./...").Output()
	require.NoError(t, err)
	packages := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(packages), 1)
	for _, p := range packages {
		require.Contains(t, strings.Fields(p), "fourways/docs/book/update", "the tests of %s", p)
	}
}
