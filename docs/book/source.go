package book

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
)

// Names of declarations, as a directive writes them:
//
//	wake             a function, or the type, const or var declaration that declares the name
//	(*runner).wake   a method with a pointer receiver
//	(runner).wake    a method with a value receiver
//	package          the head of the file: from its first byte to the package clause
//
// A name in a group, const ( … ), names the whole group: one line of it, alone, would not be Go. An
// elision cuts the group down to the lines of interest. Type parameters are left out: (*queue).push
// is func (q *queue[T]) push.

// headName names the head of a file.
const headName = "package"

// decl is one declaration of a Go file under one of its names.
type decl struct {
	name  string
	code  bool     // a function or method
	lines []string // with its doc comment
}

// declarations gives those of a Go file in source order.
func declarations(path string, src []byte) ([]decl, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	text := lines(string(src))
	cut := func(from, to token.Pos) []string {
		return text[fset.PositionFor(from, false).Line-1 : fset.PositionFor(to, false).Line]
	}
	out := []decl{{name: headName, lines: text[:fset.PositionFor(file.Name.End(), false).Line]}}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			out = append(out, decl{name: funcName(d), code: true, lines: cut(begin(d.Doc, d), d.End())})
		case *ast.GenDecl:
			for _, name := range specNames(d) {
				out = append(out, decl{name: name, lines: cut(begin(d.Doc, d), d.End())})
			}
		}
	}
	return out, nil
}

// begin gives the place where a declaration starts for its reader.
func begin(doc *ast.CommentGroup, n ast.Node) token.Pos {
	if doc != nil {
		return doc.Pos()
	}
	return n.Pos()
}

func specNames(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	return "(" + receiver(d.Recv.List[0].Type) + ")." + d.Name.Name
}

// receiver writes a receiver's type without its type parameters.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "*" + receiver(e.X)
	case *ast.ParenExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// find gives the one declaration of that name in a file of the project.
func (p Project) find(path, name string) (decl, error) {
	src, err := fs.ReadFile(p.FS, path)
	if err != nil {
		return decl{}, err
	}
	all, err := declarations(path, src)
	if err != nil {
		return decl{}, err
	}
	var found []decl
	var names []string
	for _, d := range all {
		names = append(names, d.name)
		if d.name == name {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return decl{}, fmt.Errorf("%s declares no %s; it declares %s", path, name, strings.Join(names, ", "))
	}
	return decl{}, fmt.Errorf("%s declares %s %d times, so it cannot be shown by name", path, name, len(found))
}
