package book

// The checks of a page's form: results, links, hosts, coverage and excuses. Pages are texts in the
// tests; no chapter is read here.

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestResults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a number as the file writes it", "<!-- result: load p99_ms -->1.840<!-- /result --> ms", nil},
		{"two in a line of a table", "| <!-- result: load requests -->12,345<!-- /result --> | <!-- result: load held -->true<!-- /result --> |", nil},
		{"another number", "<!-- result: load p99_ms -->1.84<!-- /result -->", []string{`the page says "1.84", the result is "1.840"`}},
		{"no such key", "<!-- result: load p50 -->1<!-- /result -->", []string{`has no key "p50"`}},
		{"no such file", "<!-- result: none p50 -->1<!-- /result -->", []string{"no such file"}},
		{"not a plain value", "<!-- result: load list -->1<!-- /result -->", []string{"not a number"}},
		{"no key", "<!-- result: load -->1<!-- /result -->", []string{"FILE KEY"}},
		{"no end", "<!-- result: load p99_ms -->1.840", []string{"in pairs"}},
		{"the end of another", "<!-- /result --> <!-- result: load p99_ms -->", []string{"in pairs"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, NewProject(fixture).Results(page(c.text)), c.want...) })
	}
}

func TestMeasuredNumbersAreMediansOfTheRecordedRun(t *testing.T) {
	project := Project{FS: fstest.MapFS{"docs/results/bench.json": {Data: []byte(
		`{"works": [{"work": "small", "servers": [{"server": "a", "values": {"cpu": [9, 6.38, 1]}}, {"server": "b", "values": {"cpu": [2, 4]}}]}]}`)}}}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"the median, rounded as the text is", "<!-- result: bench small a cpu -->6.4<!-- /result --> and <!-- result: bench small a cpu -->6<!-- /result -->", nil},
		{"between the two in the middle", "<!-- result: bench small b cpu -->3<!-- /result -->", nil},
		{"how many times another's", "<!-- result: bench small a cpu of b -->2.13<!-- /result -->", nil},
		{"another number", "<!-- result: bench small a cpu -->6.3<!-- /result -->", []string{`the page says "6.3", the result is "6.4"`}},
		{"no such work", "<!-- result: bench large a cpu -->6.4<!-- /result -->", []string{"has no cpu of a at large"}},
		{"no such other", "<!-- result: bench small a cpu of c -->1<!-- /result -->", []string{"has no cpu of c at small"}},
		{"a word too few", "<!-- result: bench small a cpu of -->1<!-- /result -->", []string{"write it as"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, project.Results(page(c.text)), c.want...) })
	}
}

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a file beside the page", "[x](results/load.json) and ![y](<06-stale.md> \"title\")", nil},
		{"a file above it", "[x](../stage/runner.go), [folder](../stage/)", nil},
		{"a heading of another page", "[x](06-stale.md#stale)", nil},
		{"a heading of this page", "## The `go` code, twice!\n[x](#the-go-code-twice)", nil},
		{"a heading that comes twice", "# A\n# A\n[x](#a-1)", nil},
		{"an anchor set in HTML", "<a id=\"here\"></a> <a href=\"#here\">", nil},
		{"no such file", "[x](07-none.md)", []string{"05-page.md:1: the link 07-none.md"}},
		{"no such file, by name", "[x]: none.md", []string{"none.md"}},
		{"no such heading", "[x](06-stale.md#fresh)", []string{"has no heading #fresh"}},
		{"no such heading here", "[x](#fresh)", []string{"has no heading #fresh"}},
		{"a line of a source file", "[x](../stage/runner.go#L3)", []string{"only pages"}},
		{"a link out of the project", "[x](../../secret.md)", []string{"invalid argument"}},
		{"in a fence and in a code span it is an example", "`[x](none.md)`\n```md\n[x](none.md)\n```\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, NewProject(fixture).Links(page(c.text)), c.want...) })
	}
}

func TestOutside(t *testing.T) {
	for _, inside := range []string{
		"http://127.0.0.1:8080/", "telnet://127.0.0.1:$port", "http://[::1]:8080", "http://localhost/x", "http://HOST:PORT", "https://shop.example/a",
		"http://www.example.com", "http://192.0.2.7/", "http://10.0.0.1", "unix:/run/x.sock", "a sentence.With no host",
	} {
		t.Run(inside+" is inside", func(t *testing.T) { require.Empty(t, Outside(page(inside))) })
	}
	for _, outside := range []string{"https://golang.org/doc", "[x](http://user@8.8.8.8:1/)", "www.nginx.org", "`ws://a.b`", "```sh\ncurl http://a.io\n```"} {
		t.Run(outside+" is outside", func(t *testing.T) { wantFindings(t, Outside(page(outside)), "a host outside") })
	}
}

func TestForm(t *testing.T) {
	full := "# Title\n## " + strings.Join(Template, "\n## ") + "\n" + strings.Repeat("word ", MinWords) + "\n"
	for _, c := range []struct {
		name, path, text string
		want             []string
	}{
		{"a whole chapter", "docs/05-pool.md", full, nil},
		{"a name that is no chapter's", "docs/5-Pool.md", full, []string{"docs/NN-name.md"}},
		{"a heading left out", "docs/05-pool.md", strings.Replace(full, "## Predict\n", "", 1), []string{`no heading "## Predict"`}},
		{"a heading of another level", "docs/05-pool.md", strings.Replace(full, "## Predict\n", "### Predict\n", 1), []string{`no heading "## Predict"`}},
		{"a heading twice", "docs/05-pool.md", full + "## Predict\n", []string{"again"}},
		{"headings out of order", "docs/05-pool.md", "## Checklist\n" + strings.Replace(full, "## Checklist\n", "", 1), []string{"too early"}},
		{"too short, as listings and directives are not words", "docs/00-use.md", "<!-- a comment -->\n```go\n" + full + "```\nonly three words", []string{"it has 3 words"}},
		{"the chapter on the course has headings of its own", "docs/00-use.md", strings.Repeat("word ", MinWords), nil},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, Form(Parse(c.path, c.text)), c.want...) })
	}
}

func TestCoverage(t *testing.T) {
	shown := "<!-- code: stage/runner.go wake; (*queue[T]).push -->\n```go\n```\n<!-- code: stage/runner.go init -->\n```go\n```\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"every function is shown or excused", shown, nil},
		{"a function that is neither", strings.Replace(shown, "wake; ", "", 1), []string{"stage/runner.go wake is shown in no chapter"}},
		{"a function that is both", shown + "<!-- code: stage/runner.go (fd).valid -->\n```go\n```\n", []string{"not-shown.txt:3: stage/runner.go (fd).valid is shown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := NewProject(fixture).Coverage("stage", []*Doc{page(c.text)})
			require.NoError(t, err)
			wantFindings(t, found, c.want...)
		})
	}
}

func TestExcuses(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       []string
	}{
		{"a function that has gone", "stage/runner.go sleep: it did nothing", []string{"not-shown.txt:4: there is no function stage/runner.go sleep"}},
		{"a file that has gone", "stage/none.go f: x", []string{"there is no function"}},
		{"what is no function", "stage/runner.go alone: a number", []string{"there is no function"}},
		{"no reason", "stage/runner.go wake:", []string{"write it as"}},
		{"the same twice", "stage/runner.go (fd).valid: again", []string{"line 3 is about"}},
		{"an empty line", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := copied(t)
			list := read(t, p, NotShown)
			require.NoError(t, replaceFile(p.Path(NotShown), list+c.line+"\n"))
			found, err := p.Excuses()
			require.NoError(t, err)
			wantFindings(t, found, c.want...)
		})
	}
}

func read(t *testing.T, p Project, name string) string {
	d, err := p.Open(name)
	require.NoError(t, err)
	return d.Text
}

func TestCommandsOfAPageAreVouchedFor(t *testing.T) {
	const test = "stage/runner_test.go notPartOfTheStage"
	for _, c := range []struct {
		name, text string
		tests      map[string]string
		want       []string
	}{
		{"a command of the script", "```sh\ngo vet ./stage  # why\n```\n", nil, nil},
		{"a command within a line of the script", "```console\n$ go test ./all\nok\n```\n", nil, nil},
		{"a command that a test runs", "```sh\ngo run \\\n    ./stage\n```\n", map[string]string{"go run ./stage": test}, nil},
		{"fences of other kinds are no commands", "```go\nvar x int\n```\n", nil, nil},
		{"a command that nobody runs", "# x\n```sh\ngo run ./none\n```\n", nil, []string{`README.md:3: "go run ./none" is neither`}},
		{"the beginning of a command is another command", "```sh\ngo vet\n```\n", nil, []string{`"go vet" is neither`}},
		{"a command in a comment of the script is not run", "```sh\ngo build ./old\n```\n", nil, []string{`"go build ./old" is neither`}},
		{"a tested command that has left the page", "", map[string]string{"go run ./stage": test}, []string{"is not on the page"}},
		{"a test that is not there", "```sh\nx\n```\n", map[string]string{"x": "stage/runner_test.go TestGone"}, []string{"declares no TestGone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := NewProject(fixture).Vouched(Parse("README.md", c.text), c.tests)
			require.NoError(t, err)
			wantFindings(t, found, c.want...)
		})
	}
}
