package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// How comments are written: what CONTRIBUTING says of them, as far as a program can see it. All Go
// files are read, those of tests and of the chapters' examples included.

// source is one Go file of the project.
type source struct {
	path string // below the project's folder
	text string
}

// sources is every Go file that somebody wrote, the examples of the chapters' ones included.
func sources(t *testing.T) (all []source) {
	here, err := os.Getwd()
	require.NoError(t, err)
	top := here + "/../.." // not cleaned, for the reason that the twins' lines gives
	require.NoError(t, fs.WalkDir(os.DirFS(top), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(top + "/" + path)
		if err == nil && !strings.HasPrefix(string(text), "// Code generated ") {
			all = append(all, source{path, string(text)})
		}
		return err
	}))
	require.Greater(t, len(all), 100)
	return all
}

// at is the number of the line that has the byte at that offset.
func (s source) at(offset int) int { return 1 + strings.Count(s.text[:offset], "\n") }

// parsed is the file's syntax, comments included.
func (s source) parsed(t *testing.T) (*token.FileSet, *ast.File) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, s.path, s.text, parser.ParseComments)
	require.NoError(t, err)
	return set, file
}

// otherCitation finds a citation of an RFC in any form except "RFC 9112 6.3", also where the end
// of a line, or of a piece of a string, lies within it.
var otherCitation = func() *regexp.Regexp {
	form := strings.NewReplacer(" ", `(?:\s|//|"\s*\+\s*")+`).Replace(
		`(?i:\bsections?|\bclauses?|§|\bpar\.) ?\d|\d of RFC \d|\bRFCs? \d+(?:, \d|,? \(?(?i:sec|§))|RFC[-:]?\d`)
	return regexp.MustCompile(form)
}()

func TestOtherWaysToCiteAreFound(t *testing.T) {
	for _, other := range []string{"RFC 9112 section 6.3", "RFC 9112, section 6.3", "RFC\n\t// 9110 Section\n\t// 6", "section 7.2 of RFC 9110",
		`"see RFC 9112 " +` + "\n\t\t\t" + `"section 9.6"`, "7.2 of RFC 9110", "RFC 9112, 6.3", "RFC 9112 §6.3", "RFC 9112 (Section 6)", "RFC9112 6.3", "sections 4 and 5"} {
		require.Regexp(t, otherCitation, other)
	}
	for _, right := range []string{"RFC 9112 6.3", "RFC 9110 13.1.3 and 13.1.4", "RFC 5737, RFC 3849", "its trailer section", "9110 7.2 (of the RFC)"} {
		require.NotRegexp(t, otherCitation, right)
	}
}

func TestThereIsOneWayToCite(t *testing.T) {
	for _, s := range sources(t) {
		switch s.path {
		case "tests/house/comments_test.go": // the examples above
			continue
		case "tests/conformance/sentences.go": // the RFCs' own words
			continue
		}
		for _, found := range otherCitation.FindAllStringIndex(s.text, -1) {
			t.Errorf("%s:%d: cite as RFC 9112 6.3: %q", s.path, s.at(found[0]), s.text[found[0]:found[1]])
		}
	}
}

// Columns of a comment, with tab stops of four. Code and tables, which are indented in a comment,
// may be wider, and so may comments at the end of a line of code.
const (
	commentWidth = 100
	tab          = 4
)

func TestCommentsKeepTheirWidth(t *testing.T) {
	for _, s := range sources(t) {
		set, file := s.parsed(t)
		lines := strings.Split(s.text, "\n")
		for _, group := range file.Comments {
			for _, c := range group.List {
				n := set.Position(c.Pos()).Line
				line := lines[n-1]
				text, whole := strings.CutPrefix(strings.TrimLeft(line, "\t"), "// ")
				indent := len(line) - len(strings.TrimLeft(line, "\t"))
				if columns := indent*tab + 3 + utf8.RuneCountInString(text); whole && columns > commentWidth {
					t.Errorf("%s:%d: %d columns: %s", s.path, n, columns, text)
				}
			}
		}
	}
}
