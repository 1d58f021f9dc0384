//go:build linux

package main

// Drawing a result: bars in the terminal, and the same as SVG.
//
// Both have one row for each bar and a mark where the reader's prediction lies. What is no amount
// is drawn as strips of cells: bytes, reads, gates. The SVG has no script and no outside address,
// and its colours follow the reader's choice of dark or light.

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
	svgRow    = 30
	svgTop    = 12
	svgLetter = 8.2 // of a character, on the average
	cellEdge  = 1   // characters' room at a cell's edges
)

// longest is the largest number that has to be drawn.
func (r *result) longest() float64 {
	most := 0.0
	for _, b := range r.Bars {
		most = max(most, b.To)
	}
	if r.marked() && *r.predicted < 3*most { // one that is far off would leave no room
		most = max(most, *r.predicted)
	}
	return cmp.Or(most, 1)
}

// marked reports whether the prediction is a mark beside the bars.
func (r *result) marked() bool { return r.predicted != nil && len(r.Bars) > 0 && !r.Apart }

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
	label := r.labels()
	for _, s := range r.Strips {
		fmt.Fprintf(&out, "%-*s", label, s.Label)
		for _, c := range s.Cells {
			fmt.Fprintf(&out, " %c %s", marks[c.Kind], c.Text)
		}
		out.WriteByte('\n')
	}
	out.WriteString(r.legend())
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
	if p := r.predicted; r.marked() && *p <= r.longest() {
		fmt.Fprintf(&out, "%-*s %s▲ you: %s\n", label, "", strings.Repeat(" ", max(int(*p*scale+0.5)-1, 0)), amount(*p))
	}
	return out.String()
}

// marks are the four kinds of cells in the terminal.
var marks = [kinds]rune{'□', '■', '▲', '◆'}

// legend says what the kinds of cells are, where there are any.
func (r *result) legend() string {
	var named []string
	for k, name := range r.Kinds {
		if name != "" {
			named = append(named, fmt.Sprintf("%c %s", marks[k], name))
		}
	}
	if named == nil {
		return ""
	}
	return "(" + strings.Join(named, ", ") + ")\n"
}

// labels is how many characters the longest label has.
func (r *result) labels() (n int) {
	for _, s := range r.Strips {
		n = max(n, utf8.RuneCountInString(s.Label))
	}
	for _, b := range r.Bars {
		n = max(n, utf8.RuneCountInString(b.Label))
	}
	return n
}

const svgStyle = `<style>
text{font:14px system-ui,sans-serif;fill:#1b2130}.dim{fill:#5c6473}.bar{fill:#2563eb}.open{fill:#cf3a33}.k0{fill:#e3e7ee}.k1{fill:#cfe0fd}.k2{fill:#f8d3d0}.k3{fill:#fbe3c0}.m0{fill:#9aa4b4}.m1{fill:#2563eb}.m2{fill:#cf3a33}.m3{fill:#b86a00}.grid{stroke:#d5dae3}polyline{fill:none;stroke-width:3}.c0{stroke:#cf3a33}.c1{stroke:#2563eb}.dot.c0{fill:#cf3a33}.dot.c1{fill:#2563eb}.you{stroke:#b86a00;stroke-width:2;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){text{fill:#e8ebf1}.dim{fill:#9aa4b4}.bar{fill:#6ea8ff}.open{fill:#ff7a70}.k0{fill:#2b3242}.k1{fill:#1f3a6e}.k2{fill:#6a2a27}.k3{fill:#5c4312}.m1{fill:#6ea8ff}.m2{fill:#ff7a70}.m3{fill:#ffb74d}.grid{stroke:#3a4254}.c0{stroke:#ff7a70}.c1{stroke:#6ea8ff}.dot.c0{fill:#ff7a70}.dot.c1{fill:#6ea8ff}.you{stroke:#ffb74d}}
</style>`

// svg is the result as a picture.
func (r *result) svg(title string) string {
	if r.Chart != nil {
		return r.svgChart(title)
	}
	strips := len(r.Strips)
	if r.legend() != "" {
		strips++
	}
	rows := strips + len(r.Bars)
	if r.predicted != nil {
		rows++
	}
	height := svgTop + rows*svgRow + svgTop
	svgLabels, svgValues := r.margins()
	scale := (svgWidth - svgLabels - svgValues) / r.longest()
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">%s`+"\n",
		svgWidth, height, html.EscapeString(title+" "+r.inWords()), svgStyle)
	r.svgStrips(&out)
	for i, b := range r.Bars {
		y := svgTop + (strips+i)*svgRow
		class := "bar"
		if b.Open {
			class = "open"
		}
		from, to := svgLabels+b.From*scale, svgLabels+b.To*scale
		fmt.Fprintf(&out, `<text x="%.0f" y="%d" text-anchor="end">%s</text>`, svgLabels-10, y+19, html.EscapeString(b.Label))
		fmt.Fprintf(&out, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="3"/>`, class, from, y+4, max(to-from, 1), svgRow-8)
		fmt.Fprintf(&out, `<text class="dim" x="%.1f" y="%d">%s</text>`+"\n", to+8, y+19, html.EscapeString(b.says(r.Unit)))
	}
	switch p := r.predicted; {
	case r.marked() && *p <= r.longest():
		x := svgLabels + *p*scale
		fmt.Fprintf(&out, `<line class="you" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="dim" x="%.1f" y="%d">you: %s</text>`+"\n",
			x, x, svgTop+strips*svgRow, height-svgRow, x+6, height-svgTop, amount(*p))
	case p != nil:
		fmt.Fprintf(&out, `<text class="dim" x="%.1f" y="%d">you: %s, measured: %s</text>`+"\n", svgLabels, height-svgTop, amount(*p), amount(r.Answer))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// Measures of a chart, in pixels.
const (
	chartTop    = 30
	chartHeight = 240
	chartLeft   = 60
	chartRight  = 540 // the curves' names stand beyond it
)

// svgChart is the result's curves as a picture. Steps stand evenly apart.
func (r *result) svgChart(title string) string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">%s`+"\n",
		svgWidth, chartTop+chartHeight+50, html.EscapeString(title+" "+r.inWords()), svgStyle)
	top := r.longest()
	y := func(v float64) float64 { return chartTop + chartHeight*(1-v/top) }
	x := func(step int) float64 {
		return chartLeft + float64(step)*(chartRight-chartLeft)/float64(max(len(r.Chart.Steps)-1, 1))
	}
	fmt.Fprintf(&out, `<text class="dim" x="%d" y="18">%s</text>`+"\n", chartLeft, html.EscapeString(r.Unit))
	for _, v := range []float64{0, top / 2, top} {
		fmt.Fprintf(&out, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="dim" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			chartLeft, chartRight, y(v), y(v), chartLeft-8, y(v)+5, amount(v))
	}
	for i, step := range r.Chart.Steps {
		fmt.Fprintf(&out, `<text class="dim" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(i), chartTop+chartHeight+20, html.EscapeString(step))
	}
	fmt.Fprintf(&out, `<text class="dim" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (chartLeft+chartRight)/2, chartTop+chartHeight+42, html.EscapeString(r.Chart.Over))
	for n, c := range r.Chart.Curves {
		var points, dots strings.Builder
		for i, v := range c.At {
			fmt.Fprintf(&points, "%.1f,%.1f ", x(i), y(v))
			fmt.Fprintf(&dots, `<circle class="dot c%d" cx="%.1f" cy="%.1f" r="4"/>`, n%2, x(i), y(v))
		}
		last := c.At[len(c.At)-1]
		fmt.Fprintf(&out, `<polyline class="c%d" points="%s"/>%s<text x="%d" y="%.1f">%s: %s</text>`+"\n",
			n%2, strings.TrimSpace(points.String()), dots.String(), chartRight+12, y(last)+5, html.EscapeString(c.Label), amount(last))
	}
	if p := r.predicted; r.marked() && *p <= top {
		fmt.Fprintf(&out, `<line class="you" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="dim" x="%d" y="%.1f">you: %s</text>`+"\n",
			chartLeft, chartRight, y(*p), y(*p), chartLeft+8, y(*p)-6, amount(*p))
	} else if p != nil {
		fmt.Fprintf(&out, `<text class="dim" x="%d" y="18" text-anchor="end">you: %s, measured: %s</text>`+"\n", svgWidth-svgTop, amount(*p), amount(r.Answer))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// margins is where bars begin, and how much room the figures after them take, in pixels.
func (r *result) margins() (labels, values float64) {
	figure := 0
	for _, b := range r.Bars {
		figure = max(figure, utf8.RuneCountInString(b.says(r.Unit)))
	}
	return svgLetter*float64(r.labels()) + 2*svgTop, svgLetter*float64(figure) + 2*svgTop
}

// svgStrips draws the strips, and what their colours are. A cell is as wide as its text, or as its
// share where there is no room for all.
func (r *result) svgStrips(out *strings.Builder) {
	y := svgTop
	left, _ := r.margins()
	for _, s := range r.Strips {
		fmt.Fprintf(out, `<text x="%.0f" y="%d" text-anchor="end">%s</text>`, left-10, y+19, html.EscapeString(s.Label))
		all := 0
		for _, c := range s.Cells {
			all += utf8.RuneCountInString(c.Text) + 2*cellEdge
		}
		letter, x := min((svgWidth-left-svgTop)/float64(all), svgLetter), left
		for _, c := range s.Cells {
			wide := letter * float64(utf8.RuneCountInString(c.Text)+2*cellEdge)
			squeeze := ""
			if letter < svgLetter {
				squeeze = fmt.Sprintf(` textLength="%.1f" lengthAdjust="spacingAndGlyphs"`, wide-2*cellEdge*letter)
			}
			fmt.Fprintf(out, `<rect class="k%d" x="%.1f" y="%d" width="%.1f" height="%d" rx="3"/><text x="%.1f" y="%d"%s>%s</text>`,
				c.Kind, x, y+4, wide-2, svgRow-8, x+cellEdge*letter-1, y+19, squeeze, html.EscapeString(c.Text))
			x += wide
		}
		out.WriteByte('\n')
		y += svgRow
	}
	if r.legend() == "" {
		return
	}
	fmt.Fprintf(out, `<text class="dim" x="%d" y="%d" text-anchor="end">`, svgWidth-svgTop, y+19)
	for k, name := range r.Kinds {
		if name != "" {
			fmt.Fprintf(out, `<tspan class="m%d"> ■</tspan> %s`, k, html.EscapeString(name))
		}
	}
	out.WriteString("</text>\n")
}

// inWords is what is drawn, for those who cannot see it.
func (r *result) inWords() string {
	var rows []string
	for _, s := range r.Strips {
		var cells []string
		for _, c := range s.Cells {
			cells = append(cells, strings.TrimSpace(r.Kinds[c.Kind]+" "+c.Text))
		}
		rows = append(rows, s.Label+": "+strings.Join(cells, ", "))
	}
	for b := range slices.Values(r.Bars) {
		rows = append(rows, b.Label+": "+b.says(r.Unit))
	}
	return strings.Join(rows, "; ")
}
