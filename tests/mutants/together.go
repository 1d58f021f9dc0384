package mutants

// All mutants in one program. To build each by itself takes minutes: an edit far down has
// everything above compiled again, and each program has to be linked. So a function that is
// edited gets all its bodies, and the environment says which of them is in force:
//
//	func (p *pool) put(c conn) bool {
//		switch mutantInForce {
//		case "first-come-last-served":
//			{ the body with the edit }
//		}
//		the body as it is
//	}
//
// Without the variable it is the server as it is. What must not be done: an edit outside of
// a function's body, such as that of a constant, cannot be one of several. Such a mutant is
// built alone.

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// InForce is the variable in the environment that names the mutant which a program is.
const InForce = "FOURWAYS_MUTANT"

// chooser is a file of each package that is edited.
const chooser = `package %s

import "syscall"

var mutantInForce, _ = syscall.Getenv("` + InForce + `")
`

// Together writes into dir what builds programs with many mutants in them, and returns the
// overlay's path, for the -overlay flag of go build and go test, and the names of those mutants.
func Together(root, dir string, all []Mutant) (overlay string, in map[string]bool, err error) {
	files, in := map[string][]Mutant{}, map[string]bool{}
	for _, m := range all {
		files[m.File] = append(files[m.File], m)
	}
	replace := map[string]string{}
	add := func(path, text string) error {
		if replace[path] != "" { // a chooser that is there already
			return nil
		}
		copied := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		replace[path] = copied
		return os.WriteFile(copied, []byte(text), 0o644)
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return "", nil, err
		}
		edited, inside, err := join(string(text), files[file])
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(inside) == 0 {
			continue
		}
		for _, name := range inside {
			in[name] = true
		}
		if err := add(path, edited); err != nil {
			return "", nil, err
		}
		if err := add(filepath.Join(filepath.Dir(path), "mutant_in_force.go"), fmt.Sprintf(chooser, packageOf(edited))); err != nil {
			return "", nil, err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, in, os.WriteFile(overlay, list, 0o644)
}

// join puts the bodies of a file's mutants into it, as far as they are edits of a body, and
// returns their names.
func join(text string, all []Mutant) (edited string, inside []string, err error) {
	bodies, err := bodiesOf(text)
	if err != nil {
		return "", nil, err
	}
	cases := map[int]string{} // by where the body begins
	for _, m := range all {
		after, err := m.Apply(text)
		if err != nil {
			continue // it is built alone, which says that it is stale
		}
		at := strings.Index(text, m.Old)
		i := slices.IndexFunc(bodies, func(b body) bool { return b.from <= at && at+len(m.Old) <= b.to })
		if i < 0 || bodies[i].labels {
			continue
		}
		b := bodies[i]
		as := after[b.from : b.to+len(after)-len(text)]
		if cases[b.from] += fmt.Sprintf("case %q:\n{%s\n}\n", m.Name, as); b.returnsNothing {
			cases[b.from] += "return\n"
		}
		inside = append(inside, m.Name)
	}
	for _, from := range slices.Backward(slices.Sorted(maps.Keys(cases))) {
		text = text[:from] + "\nswitch mutantInForce {\n" + cases[from] + "}\n" + text[from:]
	}
	return text, inside, nil
}

// body is where a function's body stands in its file, between its braces.
type body struct {
	from, to       int
	returnsNothing bool
	labels         bool // each may be there once only
}

func bodiesOf(text string) (list []body, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		b := body{from: offset(file, f.Body.Lbrace) + 1, to: offset(file, f.Body.Rbrace), returnsNothing: f.Type.Results == nil}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			_, label := n.(*ast.LabeledStmt)
			b.labels = b.labels || label
			return true
		})
		list = append(list, b)
	}
	return list, nil
}

// offset is where in the file's text something stands.
func offset(file *ast.File, at token.Pos) int { return int(at - file.FileStart) }

// packageOf is the package that a file, which can be parsed, belongs to.
func packageOf(text string) string {
	file, _ := parser.ParseFile(token.NewFileSet(), "", text, parser.PackageClauseOnly)
	return file.Name.Name
}
