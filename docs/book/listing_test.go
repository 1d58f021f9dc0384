package book

// Listings against the source: whole declarations, and excerpts with elisions. The sources are
// small files of the test's own.

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func listingPage(what, body string) *Doc {
	return page("<!-- code: stage/runner.go " + what + " -->\n```go\n" + body + "```\n")
}

func TestListings(t *testing.T) {
	const wholeConst = "// Limits.\nconst (\n\tmaxHead  = 8192 // bytes\n\tmaxConns = 10   // connections\n)\n"
	const wholeTypes = "type (\n\t// fd is a descriptor.\n\tfd int\n\t// queue holds what waits.\n\tqueue[T any] struct{ items []T }\n)\n"
	const valid = "func (f fd) valid() bool {\n\treturn f >= 0\n}\n"
	const push = "// push adds one.\nfunc (q *queue[T]) push(item T) {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\tq.items = append(q.items, item)\n}\n"
	for _, c := range []struct {
		name, what, body string
		want             []string
	}{
		{"a method on a value is named by its type", "(fd).valid", valid, nil},
		{"a method with a generic receiver is named without type parameters", "(*queue).push", push, nil},
		{"type parameters may be written and do not count", "(*queue[T]).push", push, nil},
		{"a constant in a group shows the group with its comment", "maxConns", wholeConst, nil},
		{"a variable in a group shows the group", "count", "var (\n\tmu    sync.Mutex\n\tcount int\n)\n", nil},
		{"a type in a group shows the group", "fd", wholeTypes, nil},
		{"a declaration of its own keeps the comment on its line", "alone", "var alone = 1 // one\n", nil},
		{"package is the head of the file", "package", "// Command stage waits.\n//\n// Its runner owns its queue.\npackage main\n", nil},
		{"several declarations stand in the order named, an empty line between", "(fd).valid; alone", valid + "\nvar alone = 1 // one\n", nil},
		{"an elision leaves lines out of the middle", "(*queue).push", "// push adds one.\nfunc (q *queue[T]) push(item T) {\n\t// …\n\tq.items = append(q.items, item)\n}\n", nil},
		{"an elision cuts a group down to one line", "maxConns", "// …\nconst (\n\t// …\n\tmaxConns = 10   // connections\n)\n", nil},
		{"an elision may begin and end a listing", "maxConns", "// …\n\tmaxHead  = 8192 // bytes\n\t// …\n", nil},
		{"a pointer receiver is not a value receiver", "(*fd).valid", valid, []string{"declares no (*fd).valid; it declares"}},
		{"a missing declaration is named with those that are there", "sleep", "", []string{"declares no sleep; it declares package, maxHead"}},
		{"a name declared twice cannot be shown", "init", "", []string{"declares init 2 times"}},
		{"a changed line shows as a diff under file, line and directive", "(fd).valid", "func (f fd) valid() bool {\n\treturn f > 0\n}\n",
			[]string{"docs/05-page.md:1: <!-- code: stage/runner.go (fd).valid -->: \n--- the page\n+++ what is so\n  func (f fd) valid() bool {\n- \treturn f > 0\n+ \treturn f >= 0\n  }"}},
		{"a comment left out without an elision is a change", "maxConns", "const (\n\t// …\n)\n", []string{"+ // Limits."}},
		{"a changed blank is a change", "(fd).valid", "func (f fd) valid() bool {\n    return f >= 0\n}\n", []string{"-     return"}},
		{"a missing comment is a change", "(*queue).push", push[len("// push adds one.\n"):], []string{"+ // push adds one."}},
		{"a changed line beside an elision is named", "(*queue).push", "// push adds one.\nfunc (q *queue[T]) add(item T) {\n\t// …\n}\n",
			[]string{"stand beside an elision and no longer match:\n\tfunc (q *queue[T]) add(item T) {"}},
		{"an elision that leaves out nothing is a false one", "(fd).valid", "func (f fd) valid() bool {\n\t// …\n\treturn f >= 0\n}\n", []string{"- \t// …"}},
		{"an elision alone shows nothing", "wake", "\t// …\n", []string{"shows nothing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantFindings(t, NewProject(fixture).Listings(listingPage(c.what, c.body)), c.want...)
		})
	}
}

func TestListingDirectivesAndFences(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a file that is not there", "<!-- code: stage/none.go wake -->\n```go\n```\n", []string{"no such file"}},
		{"a directive without a declaration", "<!-- code: stage/runner.go -->\n```go\n```\n", []string{"write it as"}},
		{"a directive without its colon", "<!-- code stage/runner.go wake -->\n```go\n```\n", []string{"write it as"}},
		{"a listing in a fence of another kind", "<!-- code: stage/runner.go alone -->\n```text\nvar alone = 1 // one\n```\n", []string{"```go fence"}},
		{"a listing in a list", "<!-- code: stage/runner.go alone -->\n  ```go\n  var alone = 1 // one\n  ```\n", []string{"at the margin"}},
		{"a directive shown in a fence is an example", "````md\n<!-- code: a.go b -->\n```go\n```\n````\n", nil},
		{"a sketch may be a file", "```go\npackage main\n\nfunc main() {}\n```\n", nil},
		{"a sketch may be declarations", "```go\nfunc f() {}\n```\n", nil},
		{"a sketch may be statements", "```go\nfor want != WantClose {\n}\n```\n", nil},
		{"a sketch that is no Go", "```go\nfor want in x {\n```\n", []string{"neither a Go file"}},
		{"other fences are not looked into", "```c\nint main(void)\n```\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantFindings(t, NewProject(fixture).Listings(page(c.text)), c.want...)
		})
	}
}

func TestDirectives(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"above its fence a directive is read", "<!-- run -->\n```console\n$ true\n```\n", nil},
		{"an empty line between directive and fence parts them", "<!-- code: a.go b -->\n\n```go\n```\n", []string{"directly above a fence"}},
		{"a directive with words before it is not one", "see <!-- run -->\n```text\n```\n", []string{"directly above a fence"}},
		{"an output must be vouched for", "```console\n$ true\n```\n", []string{"needs <!-- run -->"}},
		{"or say why it is not", "<!-- not run: it takes a day -->\n```console\n$ true\n```\n", nil},
		{"with a reason", "<!-- not run -->\n```console\n$ true\n```\n", []string{"not run: REASON"}},
		{"in a code span it is an example", "write `<!-- run -->` above\n", nil},
		{"words after a comment that begins a line are lost", "it takes\n<!-- const: a b -->3 s<!-- /const --> at most\n", []string{"no paragraph"}},
		{"as the first of a list, too", "1. <!-- const: a b -->3 s<!-- /const --> at most\n", []string{"no paragraph"}},
		{"and in a list", "1. it takes\n   <!-- result: a b -->3<!-- /result --> s\n", []string{"no paragraph"}},
		{"after a word they are not", "it takes <!-- const: a b -->3 s<!-- /const --> at most\n", nil},
		{"other comments are comments", "<!-- runners come later -->\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) { wantFindings(t, Directives(page(c.text)), c.want...) })
	}
}

func TestRefitKeepsElisionsThatStillHaveAnchors(t *testing.T) {
	for _, c := range []struct {
		name              string
		shown, text, want []string
	}{
		{"nothing was shown yet", nil, []string{"a", "b"}, []string{"a", "b"}},
		{"a line between two anchors changed", []string{"f() {", "// …", "x", "y", "z", "}"}, []string{"f() {", "1", "x", "new", "z", "}"},
			[]string{"f() {", "// …", "x", "new", "z", "}"}},
		{"what is left out grew", []string{"f() {", "// …", "}"}, []string{"f() {", "1", "}", "2", "}"}, []string{"f() {", "// …", "}"}},
		{"nothing is left to leave out", []string{"a", "// …", "b", "x"}, []string{"a", "b", "y"}, []string{"a", "b", "y"}},
		{"an anchor was only indented", []string{"a", "// …", "b c", "d"}, []string{"a", "1", "\tb  c", "e"}, []string{"a", "// …", "\tb  c", "e"}},
		{"a brace is found beside its own words", []string{"a", "// …", "for {", "old", "}", "// …", "z"}, []string{"a", "if {", "}", "for {", "new", "}", "y", "z"},
			[]string{"a", "// …", "for {", "new", "}", "// …", "z"}},
		{"two elisions in a row become one", []string{"a", "// …", "// …", "d", "e"}, []string{"a", "b", "c", "d", "x"}, []string{"a", "// …", "d", "x"}},
		{"elisions at both ends stay", []string{"// …", "b", "c", "d", "// …"}, []string{"a", "b", "C", "d", "e"}, []string{"// …", "b", "C", "d", "// …"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := listingRules.refit(c.shown, c.text)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.True(t, listingRules.matches(got, c.text), "what was refitted matches")
		})
	}
}

func TestAListingThatWouldCloseItsFenceIsNotWritten(t *testing.T) {
	d := page("```go\n```\n")
	f := d.repairable(d.Fences[0], "stale", []string{"```"})
	require.Nil(t, f.Fix)
	require.Contains(t, f.Text, "more marks")
}
