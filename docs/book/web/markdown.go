package web

// A chapter's Markdown as HTML. goldmark knows Markdown; what is ours are the blocks of code, whose
// comments in the Markdown say what they are, links between pages, the numbered predictions, and
// the words of the glossary.

import (
	"bytes"
	"fmt"
	"html"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	raw "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"fourways/docs/book"
)

// convert writes a chapter.
func (m *maker) convert(b *bytes.Buffer, d *book.Doc, c chapter) error {
	r := &chapterRenderer{m: m, chapter: c, explained: map[string]bool{}, slugs: map[string]int{}}
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithRendererOptions(raw.WithUnsafe(), renderer.WithNodeRenderers(util.Prioritized(r, 100))),
	)
	src := []byte(d.Text)
	if err := md.Renderer().Render(b, src, md.Parser().Parse(text.NewReader(src))); err != nil {
		return err
	}
	return r.err
}

// chapterRenderer renders the nodes that goldmark's own renderer does not know how to.
type chapterRenderer struct {
	m         *maker
	chapter   chapter
	section   string          // the heading of level two that we are in
	explained map[string]bool // words of the glossary that this page has had
	slugs     map[string]int
	err       error
}

func (r *chapterRenderer) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindHeading, r.heading)
	reg.Register(ast.KindFencedCodeBlock, r.fence)
	reg.Register(ast.KindHTMLBlock, r.block)
	reg.Register(ast.KindRawHTML, r.inline)
	reg.Register(ast.KindLink, r.link)
	reg.Register(ast.KindText, r.text)
	reg.Register(ast.KindBlockquote, r.note)
	reg.Register(ast.KindList, r.list)
	reg.Register(ast.KindListItem, r.item)
	reg.Register(extast.KindTable, r.table)
	reg.Register(extast.KindTableCell, r.cell)
}

// heading writes a heading with the name that links have for it. A chapter's parts are sections,
// which a style and a script can tell apart.
func (r *chapterRenderer) heading(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	h := n.(*ast.Heading)
	if !entering {
		if h.Level == 1 {
			w.WriteString("</span>")
		}
		fmt.Fprintf(w, "</h%d>\n", h.Level)
		return ast.WalkContinue, nil
	}
	title := plain(n, src)
	if h.Level == 1 {
		fmt.Fprintf(w, `<h1><b>%s</b> <span>`, r.chapter.number)
		return ast.WalkContinue, nil
	}
	if h.Level == 2 {
		r.section = title
	}
	id := book.Slug(title)
	r.slugs[id]++
	if n := r.slugs[id]; n > 1 {
		id = fmt.Sprintf("%s-%d", id, n-1)
	}
	fmt.Fprintf(w, `<h%d id="%s">`, h.Level, id)
	return ast.WalkContinue, nil
}

// plain is the text below a node.
func plain(n ast.Node, src []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, is := n.(*ast.Text); is && entering {
			b.Write(t.Segment.Value(src))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// fence writes a block of code by what the comment above it says that it is.
func (r *chapterRenderer) fence(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	f := n.(*ast.FencedCodeBlock)
	body := string(f.Lines().Value(src))
	directive := directiveOf(n.PreviousSibling(), src)
	picture, isPicture := strings.CutPrefix(directive, "picture: ")
	lab, isLab := strings.CutPrefix(directive, "lab: ")
	switch language := string(f.Language(src)); {
	case isPicture:
		r.err = r.m.picture(w, picture, body)
	case isLab:
		r.err = r.m.lab(w, lab, body)
	case language == "go":
		fmt.Fprintf(w, "<figure class=\"code\">%s<pre><code>%s</code></pre></figure>\n", caption(shown(directive), " "), colour(body))
	case language == "diff":
		differs(w, caption(shown(directive), "→"), body)
	case language == "console":
		console(w, body, strings.HasPrefix(directive, "run"))
	default:
		fmt.Fprintf(w, "<figure class=\"plain\"><pre>%s</pre></figure>\n", html.EscapeString(body))
	}
	return ast.WalkSkipChildren, r.err
}

// differs writes a difference: what has gone, and what has come.
func differs(w util.BufWriter, caption, body string) {
	fmt.Fprintf(w, `<figure class="code diff">%s<pre>`, caption)
	for i, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		if i > 0 {
			w.WriteString("\n")
		}
		said := html.EscapeString(line)
		switch {
		case strings.HasPrefix(line, "-"):
			said = "<del>" + said + "</del>"
		case strings.HasPrefix(line, "+"):
			said = "<ins>" + said + "</ins>"
		}
		w.WriteString(said)
	}
	w.WriteString("</pre></figure>\n")
}

// caption says what is shown, with links to where it stands. A file is named once, before what is
// shown of it.
func caption(list []declaration, between string) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<figcaption>")
	for i, d := range list {
		page := sourcePage(d.file)
		if i > 0 {
			b.WriteString(between)
		}
		if i == 0 || d.file != list[i-1].file {
			fmt.Fprintf(&b, `<a href="%s">%s</a> `, page, html.EscapeString(d.file))
		}
		if d.name != "package" {
			fmt.Fprintf(&b, `<a href="%s#%s">%s</a>`, page, html.EscapeString(d.name), html.EscapeString(d.name))
		}
	}
	b.WriteString("</figcaption>")
	return b.String()
}

// table writes a table in a box that scrolls: one that scrolls itself is no table any more to some
// of those that read pages aloud.
func (r *chapterRenderer) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<div class=\"table\"><table>\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

func (r *chapterRenderer) cell(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	open, end := "<td>", "</td>\n"
	if n.Parent().Kind() == extast.KindTableHeader {
		open, end = `<th scope="col">`, "</th>\n"
	}
	if entering {
		end = open
	}
	w.WriteString(end)
	return ast.WalkContinue, nil
}

// directiveOf is what a comment says, or nothing for another node.
func directiveOf(n ast.Node, src []byte) string {
	block, is := n.(*ast.HTMLBlock)
	if !is {
		return ""
	}
	text := strings.TrimSpace(string(block.Lines().Value(src)))
	if block.HasClosure() {
		text += string(block.ClosureLine.Value(src))
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	text, opened := strings.CutPrefix(lines[len(lines)-1], "<!--")
	text, closed := strings.CutSuffix(strings.TrimSpace(text), "-->")
	if !opened || !closed {
		return ""
	}
	return strings.TrimSpace(text)
}

// block writes HTML that stands in the Markdown, and what comments ask for; the other comments are
// for the checks.
func (r *chapterRenderer) block(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	b := n.(*ast.HTMLBlock)
	text := string(b.Lines().Value(src))
	if b.HasClosure() {
		text += string(b.ClosureLine.Value(src))
	}
	if name, is := strings.CutPrefix(directiveOf(n, src), "stepper: "); is {
		r.err = r.m.stepper(w, name)
	} else if !strings.HasPrefix(strings.TrimSpace(text), "<!--") {
		w.WriteString(text)
	}
	return ast.WalkContinue, r.err
}

func (r *chapterRenderer) inline(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if text := string(n.(*ast.RawHTML).Segments.Value(src)); entering && !strings.HasPrefix(text, "<!--") {
		w.WriteString(text)
	}
	return ast.WalkSkipChildren, nil
}

// link leads to a page of the book; where the book has none, as to a file of the project, the words
// stand alone.
func (r *chapterRenderer) link(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	target, is := r.target(string(n.(*ast.Link).Destination))
	switch {
	case !is && entering:
		w.WriteString("<span>")
	case !is:
		w.WriteString("</span>")
	case entering:
		fmt.Fprintf(w, `<a href="%s">`, html.EscapeString(target))
	default:
		w.WriteString("</a>")
	}
	return ast.WalkContinue, nil
}

// target is where in the book a link of a chapter leads.
func (r *chapterRenderer) target(to string) (string, bool) {
	file, place, _ := strings.Cut(to, "#")
	switch {
	case strings.Contains(to, "://") || file == "":
		return to, true
	case strings.HasSuffix(file, ".go"):
		name := path.Join("docs", file)
		return sourcePage(name), r.m.sources[name] != nil
	case strings.HasSuffix(file, ".md") && !strings.Contains(file, "/"):
		if place != "" {
			place = "#" + place
		}
		return pageOf(file) + place, true
	}
	return "", false
}

// text writes text, in which each word of the glossary is explained the first time.
func (r *chapterRenderer) text(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	t := n.(*ast.Text)
	said := html.EscapeString(string(t.Segment.Value(src)))
	if _, is := n.Parent().(*ast.CodeSpan); !is {
		said = html.EscapeString(html.UnescapeString(string(util.UnescapePunctuations(t.Segment.Value(src)))))
		if explains(n) {
			said = r.m.explain(said, r.explained)
		}
	}
	w.WriteString(said)
	switch {
	case t.HardLineBreak():
		w.WriteString("<br>\n")
	case t.SoftLineBreak():
		w.WriteString("\n")
	}
	return ast.WalkContinue, nil
}

// explains reports whether words are explained in a text: it is in no heading, link or code.
func explains(n ast.Node) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		switch p.Kind() {
		case ast.KindHeading, ast.KindLink, ast.KindCodeSpan, ast.KindEmphasis:
			return false
		}
	}
	return true
}

// note writes a quotation as a note in the margin.
func (r *chapterRenderer) note(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<aside class=\"note\">\n")
	} else {
		w.WriteString("</aside>\n")
	}
	return ast.WalkContinue, nil
}

// list writes a list; the script gives the numbered predictions, and what was measured, their
// places to write.
func (r *chapterRenderer) list(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	l := n.(*ast.List)
	tag, class := "ul", ""
	if l.IsOrdered() {
		tag = "ol"
	}
	switch {
	case r.section == "Predict" && l.IsOrdered():
		class = ` class="predict"`
	case r.section == "Measured against predicted" && l.IsOrdered():
		class = ` class="measured"`
	case r.section == "Checklist":
		class = ` class="check"`
	}
	if !entering {
		fmt.Fprintf(w, "</%s>\n", tag)
		return ast.WalkContinue, nil
	}
	if l.IsOrdered() && l.Start != 1 {
		class += fmt.Sprintf(` start="%d"`, l.Start)
	}
	fmt.Fprintf(w, "<%s%s>\n", tag, class)
	return ast.WalkContinue, nil
}

func (r *chapterRenderer) item(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<li>")
	} else {
		w.WriteString("</li>\n")
	}
	return ast.WalkContinue, nil
}
