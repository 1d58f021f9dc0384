package web

// Go in colours, and a source file as a page of two columns. Go's own scanner reads both, so what
// is taken for a comment or a keyword is one.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"html"
	"io/fs"
	"slices"
	"strings"
)

// colour writes Go as HTML. The elements are short, because there are many: b is a keyword, i a
// comment, u a literal.
func colour(src string) string {
	var b strings.Builder
	done := 0
	for _, t := range tokens(src) {
		element := ""
		switch {
		case t.kind == token.COMMENT:
			element = "i"
		case t.kind.IsKeyword():
			element = "b"
		case t.kind.IsLiteral() && t.kind != token.IDENT:
			element = "u"
		default:
			continue
		}
		b.WriteString(html.EscapeString(src[done:t.from]))
		fmt.Fprintf(&b, "<%s>%s</%s>", element, html.EscapeString(src[t.from:t.to]), element)
		done = t.to
	}
	b.WriteString(html.EscapeString(src[done:]))
	return b.String()
}

// tok is one token of a text, from byte to byte.
type tok struct {
	kind     token.Token
	from, to int
}

// tokens scans a text that need not be a whole file: a listing is a declaration, or a part of one.
func tokens(src string) (list []tok) {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(src))
	var s scanner.Scanner
	s.Init(file, []byte(src), func(token.Position, string) {}, scanner.ScanComments)
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return list
		}
		if kind == token.SEMICOLON && text != ";" { // put in by the scanner
			continue
		}
		if text == "" {
			text = kind.String()
		}
		from := file.Offset(pos)
		if kind == token.COMMENT || kind == token.STRING { // their text has no carriage returns, and nor has ours
			text = src[from:min(from+len(text), len(src))]
		}
		list = append(list, tok{kind, from, from + len(text)})
	}
}

// row is one row of an annotated file: what the comment says, and the code that follows it.
type row struct {
	comment []string // lines, without the marks
	code    []string
	names   []string // of the declarations that begin here
}

// sourcePage is the name of a file's page.
func sourcePage(file string) string {
	return "source-" + strings.ReplaceAll(strings.TrimSuffix(file, ".go"), "/", "-") + ".html"
}

// source makes the page of one file.
func (m *maker) source(name string) (string, error) {
	src, err := fs.ReadFile(m.project.FS, name)
	if err != nil {
		return "", err
	}
	named, err := declared(name, src)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(headline("source", name))
	fmt.Fprintf(&b, "<h1><code>%s</code></h1>\n<div class=\"rows\">\n", html.EscapeString(name))
	for _, r := range rows(string(src), named) {
		b.WriteString(r.html(m.sources[name]))
	}
	b.WriteString("</div>\n")
	return b.String(), nil
}

// declared gives the names of declarations by the line, from 0, on which each begins for its
// reader, in the form of a listing's directive.
func declared(name string, src []byte) (map[int][]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	out := map[int][]string{}
	add := func(doc *ast.CommentGroup, n ast.Node, names ...string) {
		pos := n.Pos()
		if doc != nil {
			pos = doc.Pos()
		}
		line := files.PositionFor(pos, false).Line - 1
		out[line] = append(out[line], names...)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d.Doc, d, funcName(d))
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				add(d.Doc, d, specNames(d)...)
			}
		}
	}
	return out, nil
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	of := d.Recv.List[0].Type
	star := ""
	if s, is := of.(*ast.StarExpr); is {
		star, of = "*", s.X
	}
	switch e := of.(type) {
	case *ast.IndexExpr:
		of = e.X
	case *ast.IndexListExpr:
		of = e.X
	}
	return fmt.Sprintf("(%s%s).%s", star, of, d.Name.Name)
}

func specNames(d *ast.GenDecl) (names []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// rows divides a file: each run of lines that are comments begins a row, and so does each
// declaration.
func rows(src string, named map[int][]string) (out []row) {
	said := commentLines(src)
	above := false // the line before was a comment
	for i, line := range strings.Split(strings.TrimSuffix(src, "\n"), "\n") {
		names := named[i]
		if len(out) == 0 || len(names) > 0 || said[i] && !above {
			out = append(out, row{})
		}
		r := &out[len(out)-1]
		r.names = append(r.names, names...)
		if above = said[i]; above {
			text := strings.TrimPrefix(strings.TrimSpace(line), "//")
			r.comment = append(r.comment, strings.TrimPrefix(text, " "))
		} else {
			r.code = append(r.code, line)
		}
	}
	return out
}

// commentLines tells which lines, from 0, are nothing but a comment for a reader. Those for the
// compiler, such as //go:embed, are code.
func commentLines(src string) map[int]bool {
	out := map[int]bool{}
	for _, t := range tokens(src) {
		start := strings.LastIndexByte(src[:t.from], '\n') + 1
		text := src[t.from:t.to]
		if t.kind == token.COMMENT && strings.TrimSpace(src[start:t.from]) == "" &&
			strings.HasPrefix(text, "//") && !strings.HasPrefix(text, "//go:") {
			out[strings.Count(src[:start], "\n")] = true
		}
	}
	return out
}

// html writes a row; shows says which chapters show its declarations.
func (r row) html(shows map[string][]chapter) string {
	var b strings.Builder
	b.WriteString("<div class=\"row\">\n<div>")
	for _, name := range r.names {
		fmt.Fprintf(&b, `<a id="%s"></a>`, html.EscapeString(name))
	}
	b.WriteString(remarks(r.comment))
	var said []chapter
	for _, name := range r.names {
		for _, c := range shows[name] {
			if !slices.Contains(said, c) {
				said = append(said, c)
				fmt.Fprintf(&b, `<p class="shown"><a href="%s">Chapter %s: %s</a></p>`, c.page(), c.number, html.EscapeString(c.title))
			}
		}
	}
	b.WriteString("</div>\n")
	code := strings.Trim(strings.Join(r.code, "\n"), "\n")
	if code != "" {
		fmt.Fprintf(&b, "<pre>%s</pre>\n", colour(code))
	}
	b.WriteString("</div>\n")
	return b.String()
}

// remarks writes a comment as paragraphs. Lines that are indented keep their form.
func remarks(lines []string) string {
	var b strings.Builder
	open := ""
	turn := func(element string) {
		if open == element {
			return
		}
		if open != "" {
			b.WriteString("</" + open + ">")
		}
		if element == "pre" {
			b.WriteString("<pre>")
		} else if element != "" {
			b.WriteString("<" + element + ">")
		}
		open = element
	}
	for _, line := range lines {
		switch {
		case strings.TrimSpace(line) == "":
			turn("")
			continue
		case strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  "):
			turn("pre")
		default:
			turn("p")
		}
		b.WriteString(html.EscapeString(line) + "\n")
	}
	turn("")
	return b.String()
}
