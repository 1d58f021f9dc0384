package web

// The words that the course explains: docs/glossary.txt has a line for each, its forms, a colon,
// and what it means.

import (
	"fmt"
	"html"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"fourways/docs/book"
)

const glossaryFile = "docs/glossary.txt"

// term is one word of the glossary.
type term struct {
	forms []string // as it is written; the first is its name
	says  string
	finds *regexp.Regexp
}

func (t term) id() string { return book.Slug(t.forms[0]) }

func (m *maker) readGlossary() error {
	text, err := fs.ReadFile(m.project.FS, glossaryFile)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		forms, says, is := strings.Cut(line, ": ")
		if !is {
			return fmt.Errorf("%s: write it as: word, other form: what it means; not %q", glossaryFile, line)
		}
		t := term{forms: strings.Split(forms, ", "), says: says}
		var quoted []string
		for _, form := range t.forms {
			quoted = append(quoted, regexp.QuoteMeta(form))
		}
		slices.SortFunc(quoted, func(a, b string) int { return len(b) - len(a) })
		t.finds = regexp.MustCompile(`(?i)\b(` + strings.Join(quoted, "|") + `)\b`)
		m.glossary = append(m.glossary, t)
	}
	return nil
}

// explain links the first mention of each word to its explanation. What a word means stands in an
// attribute, which the style shows under the pointer and the focus, without any script.
func (m *maker) explain(text string, explained map[string]bool) string {
	type place struct{ from, to, term int }
	var places []place
	for i, t := range m.glossary {
		at := t.finds.FindStringIndex(text)
		free := func(p place) bool { return at[1] <= p.from || at[0] >= p.to }
		if at == nil || explained[t.id()] || slices.ContainsFunc(places, func(p place) bool { return !free(p) }) {
			continue
		}
		explained[t.id()] = true
		places = append(places, place{at[0], at[1], i})
	}
	slices.SortFunc(places, func(a, b place) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for _, p := range places {
		t := m.glossary[p.term]
		fmt.Fprintf(&b, `%s<a class="term" href="glossary.html#%s" data-says="%s">%s</a>`,
			text[done:p.from], t.id(), html.EscapeString(t.says), text[p.from:p.to])
		done = p.to
	}
	b.WriteString(text[done:])
	return b.String()
}

// glossaryPage lists all words.
func (m *maker) glossaryPage() string {
	var b strings.Builder
	b.WriteString(headline("page", "Glossary"))
	b.WriteString("<h1>Glossary</h1>\n<p class=\"lead\">The words of the course. Where a chapter uses one for the first time, it is explained to whoever points at it or comes to it by the Tab key, and here.</p>\n<dl class=\"glossary\">\n")
	sorted := slices.Clone(m.glossary)
	slices.SortFunc(sorted, func(a, b term) int {
		return strings.Compare(strings.ToLower(a.forms[0]), strings.ToLower(b.forms[0]))
	})
	for _, t := range sorted {
		fmt.Fprintf(&b, "<dt id=\"%s\">%s</dt>\n<dd>%s</dd>\n", t.id(), html.EscapeString(t.forms[0]), html.EscapeString(t.says))
	}
	b.WriteString("</dl>\n")
	return b.String()
}
