// Package web makes the book: one HTML page of each chapter, of each source file of a stage or that
// a chapter shows, of the glossary, and of the contents. What it makes are fragments, whose frame
// package fourways/shared/course puts around them: a fragment is a line that says what the page is,
// and the page's own text.
//
// A fragment depends on the files it is made of, and on nothing else: not on the time, nor on
// the order of a map. So a fragment that is out of date can be told by making it again. And a
// change in one line of a chapter is a change of one line of its fragment.
package web

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"fourways/docs/book"
)

// Fragments are the book without its frames, by the names of their files.
type Fragments map[string]string

// maker makes the pages of one project.
type maker struct {
	project  book.Project
	parts    []part
	sources  map[string]map[string][]chapter // files that have a page: by the names that chapters show
	glossary []term
}

// part is a part of the course.
type part struct {
	name     string // "I The wait"
	chapters []chapter
}

type chapter struct {
	file   string // docs/06-epoll.md
	number string // 6
	title  string
}

// page is the name of a chapter's page.
func (c chapter) page() string { return pageOf(c.file) }

func pageOf(markdown string) string { return strings.TrimSuffix(path.Base(markdown), ".md") + ".html" }

// Make makes all fragments of the book.
func Make(p book.Project) (Fragments, error) {
	m := &maker{project: p, sources: map[string]map[string][]chapter{}}
	out := Fragments{}
	if err := m.readParts(); err != nil {
		return nil, err
	}
	if err := m.readGlossary(); err != nil {
		return nil, err
	}
	docs, err := m.readChapters()
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		text, err := m.chapter(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path, err)
		}
		out[pageOf(d.Path)] = text
	}
	if err := m.readStages(); err != nil {
		return nil, err
	}
	for name := range m.sources {
		text, err := m.source(name)
		if err != nil {
			return nil, err
		}
		out[sourcePage(name)] = text
	}
	out["contents.html"] = m.contents()
	out["index.html"] = m.index()
	out["glossary.html"] = m.glossaryPage()
	out["source.html"] = m.sourceIndex()
	return out, nil
}

// headline is a fragment's first line: what kind of page it is, and its title.
func headline(kind, title string) string {
	return fmt.Sprintf("<!-- %s: %s -->\n", kind, html.EscapeString(title))
}

var (
	partRow     = regexp.MustCompile(`(?m)^\| ([IV]+ [^|]+?) \| (.*) \|$`)
	chapterLink = regexp.MustCompile(`\[(\d+) ([^\]]+)\]\((docs/[^)]+\.md)\)`)
)

// readParts reads the parts and their chapters where a reader of the project finds them, in the
// README's table.
func (m *maker) readParts() error {
	readme, err := fs.ReadFile(m.project.FS, "README.md")
	if err != nil {
		return err
	}
	for _, row := range partRow.FindAllStringSubmatch(string(readme), -1) {
		p := part{name: row[1]}
		for _, link := range chapterLink.FindAllStringSubmatch(row[2], -1) {
			p.chapters = append(p.chapters, chapter{file: link[3], number: link[1], title: link[2]})
		}
		m.parts = append(m.parts, p)
	}
	if len(m.parts) == 0 {
		return fmt.Errorf("README.md has no table of the parts")
	}
	return nil
}

// all are the chapters of all parts, in order.
func (m *maker) all() (list []chapter) {
	for _, p := range m.parts {
		list = append(list, p.chapters...)
	}
	return list
}

// readChapters reads the chapters, and notes which files they show.
func (m *maker) readChapters() ([]*book.Doc, error) {
	names, err := fs.Glob(m.project.FS, "docs/[0-9]*.md")
	if err != nil {
		return nil, err
	}
	var docs []*book.Doc
	all := m.all()
	for _, name := range names {
		at := slices.IndexFunc(all, func(c chapter) bool { return c.file == name })
		if at < 0 {
			return nil, fmt.Errorf("%s is not in the README's table of the parts", name)
		}
		d, err := m.project.Open(name)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
		for _, f := range d.Fences {
			for _, s := range shown(f.Directive) {
				m.show(s, all[at])
			}
		}
	}
	return docs, nil
}

// readStages notes the stages' files: a chapter shows what it is about, and the rest stands there.
func (m *maker) readStages() error {
	for _, pattern := range []string{"stage*/*.go", "stage*/*/*.go"} {
		names, err := fs.Glob(m.project.FS, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") && m.sources[name] == nil {
				m.sources[name] = map[string][]chapter{}
			}
		}
	}
	return nil
}

// show notes that a chapter shows a declaration.
func (m *maker) show(d declaration, c chapter) {
	if m.sources[d.file] == nil {
		m.sources[d.file] = map[string][]chapter{}
	}
	if !slices.Contains(m.sources[d.file][d.name], c) {
		m.sources[d.file][d.name] = append(m.sources[d.file][d.name], c)
	}
}

// declaration is one of a file, by the name that a directive gives it.
type declaration struct{ file, name string }

// shown reads the directive of a listing or of a difference: what is shown.
func shown(directive string) (list []declaration) {
	word, rest, _ := strings.Cut(directive, ": ")
	switch word {
	case "code":
		file, names, _ := strings.Cut(strings.TrimSpace(rest), " ")
		for name := range strings.SplitSeq(names, ";") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), "[")
			list = append(list, declaration{file, name})
		}
	case "diff":
		rest, _, _ = strings.Cut(rest, ";") // what follows are names that count as the same
		for side := range strings.SplitSeq(rest, "->") {
			file, name, _ := strings.Cut(strings.TrimSpace(side), " ")
			list = append(list, declaration{file, name})
		}
	}
	return slices.DeleteFunc(list, func(d declaration) bool { return !strings.HasSuffix(d.file, ".go") })
}

// chapter makes the page of one chapter.
func (m *maker) chapter(d *book.Doc) (string, error) {
	var b bytes.Buffer
	all := m.all()
	at := slices.IndexFunc(all, func(c chapter) bool { return c.file == d.Path })
	b.WriteString(headline("chapter", all[at].number+" "+all[at].title))
	if err := m.convert(&b, d, all[at]); err != nil {
		return "", err
	}
	b.WriteString(turn(all, at))
	return b.String(), nil
}

// turn links to the chapters before and after one.
func turn(all []chapter, at int) string {
	var b strings.Builder
	b.WriteString(`<nav class="turn" aria-label="Chapters before and after">` + "\n")
	if at > 0 {
		b.WriteString(turnTo("prev", "Before", all[at-1]))
	}
	if at+1 < len(all) {
		b.WriteString(turnTo("next", "Next", all[at+1]))
	}
	b.WriteString("</nav>\n")
	return b.String()
}

func turnTo(rel, word string, c chapter) string {
	return fmt.Sprintf(`<a rel="%s" href="%s"><small>%s</small> %s %s</a>`+"\n", rel, c.page(), word, c.number, html.EscapeString(c.title))
}
