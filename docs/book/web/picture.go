package web

// Pictures: docs/pictures/NAME.svg takes the place of the drawing in letters below
// <!-- picture: NAME -->, which stays for readers of the Markdown, and for readers who do not see.
// What a recorded run of a lab has drawn, docs/results/labs/NAME.svg, does so for
// <!-- lab: NAME -->.

import (
	"fmt"
	"html"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"fourways/docs/book"
)

// ownStyle is that of a drawing that also stands alone: within a page its colours are the page's.
var ownStyle = regexp.MustCompile(`(?s)<style>.*?</style>`)

func (m *maker) picture(w io.Writer, name, drawing string) error {
	svg, err := fs.ReadFile(m.project.FS, "docs/pictures/"+name+".svg")
	if err != nil {
		return err
	}
	figure(w, "picture", string(svg), "", drawing)
	return nil
}

func (m *maker) lab(w io.Writer, name, drawing string) error {
	run, err := m.project.Lab(name)
	if err != nil {
		return err
	}
	svg, err := fs.ReadFile(m.project.FS, book.LabsDir+name+".svg")
	if err != nil {
		return err
	}
	caption := fmt.Sprintf("<figcaption><code>go run ./tests/lab %s</code>: %s</figcaption>\n", html.EscapeString(name), html.EscapeString(run.When()))
	figure(w, "picture lab", ownStyle.ReplaceAllString(string(svg), ""), caption, drawing)
	return nil
}

// figure writes a drawing, and the same in letters. The caption is HTML.
func figure(w io.Writer, class, svg, caption, drawing string) {
	fmt.Fprintf(w, "<figure class=\"%s\">\n<div class=\"scroll\">%s</div>\n%s<details><summary>The same in letters</summary>\n<pre>%s</pre>\n</details>\n</figure>\n",
		class, strings.TrimSpace(svg), caption, html.EscapeString(drawing))
}
