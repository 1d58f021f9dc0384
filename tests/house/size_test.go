package house

// How long files and functions may be before they owe their reader an explanation. A table of cases
// does not count towards its function.

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// How long things may be, in lines.
const (
	needsContract = 60  // a file of so many says what it is for
	leastContract = 2   // and takes so many to say it
	oneScreen     = 60  // a function
	longestSource = 500 // a file of what the stages share; theirs are shorter still (sizes_test.go)
)

// hasContract reports whether a comment stands before the package clause, or directly after it,
// before any declaration but imports.
func hasContract(set *token.FileSet, file *ast.File) bool {
	first := file.End()
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		first = d.Pos()
		break
	}
	for _, c := range file.Comments {
		text := strings.TrimSpace(c.Text()) // without directives
		if c.Pos() > first {
			return false
		}
		if strings.Count(text, "\n")+1 >= leastContract {
			return true
		}
	}
	return false
}

func TestALongFileOpensWithItsContract(t *testing.T) {
	for _, s := range sources(t) {
		if strings.Count(s.text, "\n") < needsContract || strings.Contains(s.path, "/testdata/") {
			continue
		}
		if set, file := s.parsed(t); !hasContract(set, file) {
			t.Errorf("%s goes straight into code: say what it is for, who owns what, and what must not be done", s.path)
		}
	}
}

func TestAFunctionFitsOneScreen(t *testing.T) {
	for _, s := range sources(t) {
		set, file := s.parsed(t)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && linesOf(set, f) > oneScreen {
				t.Errorf("%s: %s has %d lines", s.path, f.Name.Name, linesOf(set, f))
			}
		}
	}
}

func TestAFileIsReadAtOneSitting(t *testing.T) {
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); strings.HasPrefix(s.path, "shared/") && !strings.HasSuffix(s.path, "_test.go") && n > longestSource {
			t.Errorf("%s has %d lines: which of its topics can stand in a file of their own?", s.path, n)
		}
	}
}

// linesOf is how many lines a function has, without those of the tables and the subtests in it.
func linesOf(set *token.FileSet, f *ast.FuncDecl) int {
	n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CompositeLit:
		case *ast.FuncLit:
			if !isSubtest(node) {
				return true
			}
		default:
			return true
		}
		n -= set.Position(node.End()).Line - set.Position(node.Pos()).Line
		return false
	})
	return n
}

// isSubtest reports whether a function is one that t.Run calls.
func isSubtest(f *ast.FuncLit) bool {
	if len(f.Type.Params.List) != 1 {
		return false
	}
	pointer, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	t, ok := pointer.X.(*ast.SelectorExpr)
	return ok && (t.Sel.Name == "T" || t.Sel.Name == "B")
}
