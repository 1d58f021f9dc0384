package main

// Drawing a result: bars in the terminal, and the same as SVG.
//
// Both have one row for each bar and a mark where the reader's prediction lies. The SVG has no
// script and no outside address, and its colours follow the reader's choice of dark or light.

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// width is how many characters the longest bar has in the terminal.
const width = 50

// Measures of the SVG, in pixels.
const (
	svgWidth  = 720
	svgLabels = 250 // where bars begin
	svgValues = 90  // room for the figure after the longest one
	svgRow    = 30
	svgTop    = 12
)

// longest is the largest number that has to be drawn.
func (r *result) longest() float64 {
	most := 0.0
	for _, b := range r.Bars {
		most = max(most, b.To)
	}
	if r.predicted != nil && *r.predicted < 3*most { // one that is far off would leave no room
		most = max(most, *r.predicted)
	}
	return cmp.Or(most, 1)
}

// says is a bar's figure.
func (b bar) says(unit string) string {
	text := amount(b.To-b.From) + " " + unit
	if b.Open {
		text = "more than " + text
	}
	return text
}

// drawn is the result for a terminal.
func (r *result) drawn() string {
	var out strings.Builder
	scale := width / r.longest()
	label := 0
	for _, b := range r.Bars {
		label = max(label, utf8.RuneCountInString(b.Label))
	}
	for _, b := range r.Bars {
		from := int(b.From*scale + 0.5)
		long := max(int(b.To*scale+0.5)-from, 0)
		cells := []rune(strings.Repeat(" ", from) + strings.Repeat("█", long))
		if long == 0 {
			cells = append(cells, '▏')
		}
		if b.Open {
			cells = append(cells, '▶')
		}
		fmt.Fprintf(&out, "%-*s %s %s\n", label, b.Label, string(cells), b.says(r.Unit))
	}
	if p := r.predicted; p != nil && *p <= r.longest() {
		fmt.Fprintf(&out, "%-*s %s▲ you: %s\n", label, "", strings.Repeat(" ", max(int(*p*scale+0.5)-1, 0)), amount(*p))
	}
	return out.String()
}

const svgStyle = `<style>
text{font:14px system-ui,sans-serif;fill:#1b2130}.dim{fill:#5c6473}.bar{fill:#2563eb}.open{fill:#cf3a33}.you{stroke:#b86a00;stroke-width:2;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){text{fill:#e8ebf1}.dim{fill:#9aa4b4}.bar{fill:#6ea8ff}.open{fill:#ff7a70}.you{stroke:#ffb74d}}
</style>`

// svg is the result as a picture.
func (r *result) svg(title string) string {
	rows := len(r.Bars)
	if r.predicted != nil {
		rows++
	}
	height := svgTop + rows*svgRow + svgTop
	scale := (svgWidth - svgLabels - svgValues) / r.longest()
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">%s`+"\n",
		svgWidth, height, html.EscapeString(title+" "+r.inWords()), svgStyle)
	for i, b := range r.Bars {
		y := svgTop + i*svgRow
		class := "bar"
		if b.Open {
			class = "open"
		}
		from, to := svgLabels+b.From*scale, svgLabels+b.To*scale
		fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="end">%s</text>`, svgLabels-10, y+19, html.EscapeString(b.Label))
		fmt.Fprintf(&out, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="3"/>`, class, from, y+4, max(to-from, 1), svgRow-8)
		fmt.Fprintf(&out, `<text class="dim" x="%.1f" y="%d">%s</text>`+"\n", to+8, y+19, html.EscapeString(b.says(r.Unit)))
	}
	if p := r.predicted; p != nil && *p <= r.longest() {
		x := svgLabels + *p*scale
		fmt.Fprintf(&out, `<line class="you" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="dim" x="%.1f" y="%d">you: %s</text>`+"\n",
			x, x, svgTop, height-svgRow, x+6, height-svgTop, amount(*p))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// inWords is the bars for who cannot see them.
func (r *result) inWords() string {
	var rows []string
	for b := range slices.Values(r.Bars) {
		rows = append(rows, b.Label+": "+b.says(r.Unit))
	}
	return strings.Join(rows, "; ")
}
