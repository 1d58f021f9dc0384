package web

// Steppers: docs/steppers/NAME.json, a recorded trace, stands where <!-- stepper: NAME --> is. All
// of its frames are in the page, one under the other. The script shows one at a time.

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"reflect"
	"strings"

	"fourways/docs/book/trace"
)

// owners are those to whom places belong, in the order in which they are shown.
var owners = []struct{ of, title string }{{"program", "The program"}, {"kernel", "The kernel"}}

func (m *maker) stepper(w io.Writer, name string) error {
	text, err := fs.ReadFile(m.project.FS, "docs/steppers/"+name+".json")
	if err != nil {
		return err
	}
	var t trace.Trace
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("the stepper %s: %w", name, err)
	}
	fmt.Fprintf(w, "<section class=\"stepper\" aria-labelledby=\"step-%s\">\n<h3 id=\"step-%s\">%s</h3>\n<ol>\n", name, name, html.EscapeString(t.Title))
	before := map[string]trace.Place{}
	for i, f := range t.Frames {
		fmt.Fprintf(w, "<li class=\"frame\"><p><b>%d</b> %s</p>\n", i+1, html.EscapeString(f.Says))
		if f.Call != "" {
			fmt.Fprintf(w, "<code class=\"call\">%s</code>\n", html.EscapeString(f.Call))
		}
		fmt.Fprint(w, "<div class=\"state\">\n")
		for _, o := range owners {
			writePlaces(w, o.title, o.of, f.Places, before, i > 0)
		}
		fmt.Fprint(w, "</div></li>\n")
		for _, p := range f.Places {
			before[p.Name] = p
		}
	}
	fmt.Fprint(w, "</ol>\n</section>\n")
	return nil
}

// writePlaces writes what one of the two has; what has changed since the last frame is marked.
func writePlaces(w io.Writer, title, of string, places []trace.Place, before map[string]trace.Place, later bool) {
	var b strings.Builder
	for _, p := range places {
		if p.Of != of {
			continue
		}
		class := "slot"
		if later && !reflect.DeepEqual(before[p.Name], p) {
			class += " new"
		}
		fmt.Fprintf(&b, "<div class=\"%s\"><span>%s</span> <span>%s</span></div>\n", class, html.EscapeString(p.Name), cells(p))
	}
	if b.Len() > 0 {
		fmt.Fprintf(w, "<div><b>%s</b>\n%s</div>\n", title, b.String())
	}
}

// signs are bytes that have no look of their own. Not every font has the signs for them.
var signs = strings.NewReplacer("␍", "CR", "␊", "LF", "␠", "&nbsp;")

// cells draws what lies in a place: a cell for each byte, words as they are, and hatched who waits.
func cells(p trace.Place) string {
	var b strings.Builder
	for _, c := range p.Bytes {
		fmt.Fprintf(&b, `<span class="byte">%s</span>`, signs.Replace(html.EscapeString(string(c))))
	}
	words := html.EscapeString(strings.Join(p.Words, ", "))
	switch {
	case p.Waits:
		fmt.Fprintf(&b, `<span class="hush">%s</span>`, words)
	case words == "" && p.Bytes == "":
		b.WriteString("<small>nothing</small>")
	default:
		b.WriteString(words)
	}
	return b.String()
}
