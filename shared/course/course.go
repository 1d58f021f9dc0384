// Package course is the course as a built-in site: the pages that docs/book/render has made of the
// chapters, and the frame around each of them.
//
// What is kept here are fragments, without the frame: the text of each page once, the style and the
// script once for all. Whole makes pages of them that need nothing else, so that each can be read
// alone, from a folder as well as from a server. It takes some time, and must not be called on a
// thread that serves.
//
// The fragments are made, never written: a test in docs fails where one is not what its chapter
// makes, and with -update writes it again.
package course

import (
	"embed"
	"fmt"
	"html"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

//go:generate go run fourways/docs/book/render -fragments pages

// Fragments is what the renderer has made: index.html, one page of each chapter and source, and
// contents.html, which stands beside all of them.
//
//go:embed pages
var fragments embed.FS

//go:embed shell
var shell embed.FS

// Fragments is the folder of the pages without their frames.
func Fragments() fs.FS {
	return sub(fragments, "pages")
}

// Shell is the folder of what stands around each page.
func Shell() fs.FS { return sub(shell, "shell") }

func sub(of embed.FS, folder string) fs.FS {
	f, err := fs.Sub(of, folder)
	if err != nil {
		panic(err) // it is compiled in
	}
	return f
}

// Where is the place that the pages are for.
type Where struct {
	Server bool // one of our servers, with its front page and its live page above the course
}

// contentsFile is the fragment that is part of all pages.
const contentsFile = "contents.html"

// kinds of pages: what stands in a fragment's first line.
var head = regexp.MustCompile(`^<!-- (chapter|source|page): (.*) -->\n`)

// Page is one whole page.
type Page struct {
	Name string // without a folder
	HTML string
}

// Whole makes the pages of fragments, in the order of their names, and the page for searching them.
func Whole(pages fs.FS, at Where) ([]Page, error) {
	names, err := fs.Glob(pages, "*.html")
	if err != nil {
		return nil, err
	}
	f, err := readFrame(pages, at)
	if err != nil {
		return nil, err
	}
	var out []Page
	var found []section
	for _, name := range names {
		if name == contentsFile {
			continue
		}
		text, err := fs.ReadFile(pages, name)
		if err != nil {
			return nil, err
		}
		m := head.FindSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("%s does not say what it is", name)
		}
		kind, title, body := string(m[1]), string(m[2]), string(text[len(m[0]):])
		out = append(out, Page{name, f.around(name, kind, title, body)})
		if kind == "chapter" {
			found = append(found, sections(name, title, body)...)
		}
	}
	search := Page{searchName, f.around(searchName, "page", "Search", searchBody(found))}
	out = append(out, search)
	slices.SortFunc(out, func(a, b Page) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// frame is what all pages have in common.
type frame struct {
	page, style, script, contents, server string
}

func readFrame(pages fs.FS, at Where) (f frame, err error) {
	for _, part := range []struct {
		of   fs.FS
		name string
		to   *string
	}{
		{Shell(), "page.html", &f.page}, {Shell(), "style.css", &f.style}, {Shell(), "script.js", &f.script},
		{pages, contentsFile, &f.contents},
	} {
		text, err := fs.ReadFile(part.of, part.name)
		if err != nil {
			return f, err
		}
		*part.to = string(text)
	}
	if at.Server {
		f.server = `<a href="/">This server</a><a href="/stats.html">Live</a>`
	}
	return f, nil
}

// around puts the frame around a page's text. The title is HTML already.
func (f frame) around(name, kind, title, body string) string {
	own := fmt.Sprintf(`href="%s"`, name)
	return strings.NewReplacer(
		"{{title}}", title,
		"{{kind}}", kind,
		"{{style}}", f.style,
		"{{script}}", f.script,
		"{{server}}", f.server,
		"{{contents}}", strings.Replace(f.contents, own, own+` aria-current="page"`, 1),
		"{{body}}", body,
	).Replace(f.page)
}

const searchName = "search.html"

// section is what is found by searching: a part of a chapter.
type section struct {
	page, anchor, title, heading, text string
}

var headings = regexp.MustCompile(`<h[23] id="([^"]*)">(.*)</h[23]>`)

// words is the text of some HTML, still escaped, with one blank for each white space.
// It is a loop, because the text of a whole course goes through it when the site is unpacked.
func words(html string) string {
	b := make([]byte, 0, len(html)/2)
	blank := true
	for at := 0; at < len(html); at++ {
		switch c := html[at]; {
		case c == '<':
			if !blank && !within(html[at+1:]) {
				b, blank = append(b, ' '), true
			}
			end := ">"
			if strings.HasPrefix(html[at:], "<svg") {
				end = "</svg>" // a drawing is told by the text that it stands for
			}
			n := strings.Index(html[at:], end)
			if n < 0 {
				n = len(html) - at
			}
			at += n + len(end) - 1
		case c == ' ' || c == '\n' || c == '\t':
			if !blank {
				b, blank = append(b, ' '), true
			}
		default:
			b, blank = append(b, c), false
		}
	}
	return strings.TrimSpace(string(b))
}

// within reports whether a tag, without its "<", stands within words. Any other is the end of some.
func within(tag string) bool {
	tag = strings.TrimPrefix(tag, "/")
	n := 0
	for n < len(tag) && 'a' <= tag[n] && tag[n] <= 'z' {
		n++
	}
	switch tag[:n] {
	case "a", "b", "code", "del", "em", "i", "ins", "kbd", "q", "span", "strong", "sub", "sup", "u":
		return true
	}
	return false
}

// sections divides a chapter at its headings.
func sections(page, title, body string) (list []section) {
	places := headings.FindAllStringSubmatchIndex(body, -1)
	for i, p := range places {
		end := len(body)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		list = append(list, section{page, body[p[2]:p[3]], title, words(body[p[4]:p[5]]), words(body[p[1]:end])})
	}
	return list
}

// searchBody lists all headings. The text of each is there too, for the script; without it, one
// searches the headings by eye.
func searchBody(list []section) string {
	var b strings.Builder
	b.WriteString(`<h1>Search</h1>
<form class="find" role="search" aria-label="Search the chapters" action="search.html"><label for="q">Words of the chapters</label><input id="q" name="q" type="search" autocomplete="off"></form>
<noscript><p>Words are found by a script, which this browser does not run. What you can search here are the headings, by the browser's own search.</p></noscript>
<p class="soft" id="found" aria-live="polite">These are all headings of all chapters.</p>
<ul class="index" id="index">
`)
	for _, s := range list {
		fmt.Fprintf(&b, "<li><a href=\"%s#%s\"><small>%s</small> %s</a><p hidden>%s</p></li>\n",
			s.page, html.EscapeString(s.anchor), s.title, s.heading, s.text)
	}
	b.WriteString("</ul>\n")
	return b.String()
}
