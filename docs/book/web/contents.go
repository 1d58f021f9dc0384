package web

// The contents by parts: beside each page, and as a page. A chapter's link has the attribute by
// which the book's script marks what has been read.

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// contents is the list of all pages that stands beside each of them.
func (m *maker) contents() string {
	var b strings.Builder
	for _, p := range m.parts {
		fmt.Fprintf(&b, "<p>%s</p>\n<ol>\n", numbered(p.name))
		for _, c := range p.chapters {
			fmt.Fprintf(&b, `<li><a href="%s" data-chapter><i>%s</i> <span>%s</span></a></li>`+"\n", c.page(), c.number, html.EscapeString(c.title))
		}
		b.WriteString("</ol>\n")
	}
	b.WriteString(`<p>Beside the chapters</p>
<ul>
<li><a href="source.html">The annotated source</a></li>
<li><a href="glossary.html">Glossary</a></li>
<li><a href="search.html">Search</a></li>
</ul>
`)
	return b.String()
}

// numbered sets the number of a part apart from its name.
func numbered(part string) string {
	number, name, _ := strings.Cut(part, " ")
	return fmt.Sprintf("<b>%s</b> %s", number, html.EscapeString(name))
}

// says is what each part is about, in a sentence, by its number.
var says = map[string]string{
	"I":   "Who waits, and on what: a thread, a list, a ready list. HTTP is a black box meanwhile.",
	"II":  "The black box, opened: where a request ends, and which file is meant. Any time after chapter 1.",
	"III": "How bytes get from a file to a socket, and which of them one may keep.",
	"IV":  "Clients who are slow on purpose, and clients who are too many.",
	"V":   "Processes that die, hang, and are replaced, while nobody notices.",
	"VI":  "Servers before servers, secrets on a loop, honest figures, many machines, and yours.",
}

// index is the page of the contents.
func (m *maker) index() string {
	var b strings.Builder
	b.WriteString(headline("page", "The course"))
	b.WriteString(`<h1>The course</h1>
<p class="lead">One HTTP/1.1 server, built four times. At the end you can say of any server who waits on what, what it costs, and how it breaks. You have measured it, too.</p>
<p>Begin with <a href="00-start.html">the start</a>. Or take <a href="00-start.html#the-one-hour-path">the path of one hour</a>, which has the heart of it.</p>
<p class="go" data-continue hidden><a href="00-start.html">Go on</a></p>
<div class="parts">
`)
	for _, p := range m.parts {
		number, name, _ := strings.Cut(p.name, " ")
		fmt.Fprintf(&b, "<section class=\"part part-%s\">\n<h2><b>%s</b> %s</h2>\n<p>%s</p>\n<ol>\n", number, number, html.EscapeString(name), says[number])
		for _, c := range p.chapters {
			fmt.Fprintf(&b, `<li><a href="%s" data-chapter><i>%s</i> <span>%s</span></a></li>`+"\n", c.page(), c.number, html.EscapeString(c.title))
		}
		b.WriteString("</ol>\n</section>\n")
	}
	b.WriteString(`</div>
<h2>Beside the chapters</h2>
<ul>
<li><a href="source.html">The annotated source</a>: the comments on the left, the code on the right.</li>
<li><a href="glossary.html">The glossary</a>: the words that the chapters explain, on one page.</li>
<li><a href="search.html">Search</a> the headings and the text.</li>
</ul>
<p class="soft">What you have read, and what you predicted, is kept in this browser and goes nowhere.</p>
`)
	return b.String()
}

// sourceIndex lists the pages of the source by folder.
func (m *maker) sourceIndex() string {
	var b strings.Builder
	b.WriteString(headline("page", "The annotated source"))
	b.WriteString(`<h1>The annotated source</h1>
<p class="lead">Each file that a chapter shows, whole: what its comments say on the left, its code on the right. A file begins with what it is for, who owns what, and what must not be done.</p>
`)
	folder := ""
	for _, name := range m.sourceNames() {
		at := strings.LastIndexByte(name, '/')
		if name[:at] != folder {
			if folder != "" {
				b.WriteString("</ul>\n")
			}
			folder = name[:at]
			fmt.Fprintf(&b, "<h2>%s</h2>\n<ul class=\"files\">\n", folder)
		}
		fmt.Fprintf(&b, `<li><a href="%s">%s</a></li>`+"\n", sourcePage(name), name[at+1:])
	}
	b.WriteString("</ul>\n")
	return b.String()
}

// sourceNames are the files that have pages: the stages first, in order, then what they share, then
// the tests.
func (m *maker) sourceNames() []string {
	var names []string
	for name := range m.sources {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(rank(a)+a, rank(b)+b) })
	return names
}

func rank(name string) string {
	switch {
	case strings.HasPrefix(name, "stage"):
		return "0"
	case strings.HasPrefix(name, "shared"):
		return "1"
	}
	return "2"
}
