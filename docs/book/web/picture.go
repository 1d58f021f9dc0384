package web

// Pictures: docs/pictures/NAME.svg takes the place of the drawing in letters below
// <!-- picture: NAME -->, which stays for readers of the Markdown, and for readers who do not see.

import (
	"fmt"
	"html"
	"io"
	"io/fs"
	"strings"
)

func (m *maker) picture(w io.Writer, name, drawing string) error {
	svg, err := fs.ReadFile(m.project.FS, "docs/pictures/"+name+".svg")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "<figure class=\"picture\">\n<div class=\"scroll\">%s</div>\n<details><summary>The same in letters</summary>\n<pre>%s</pre>\n</details>\n</figure>\n",
		strings.TrimSpace(string(svg)), html.EscapeString(drawing))
	return nil
}
