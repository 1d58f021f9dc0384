//go:build linux

package main

// The charts of the page and of the README: bars, points on a line, curves, and all works at a
// glance. Only their geometry is here; page.html and glance.svg draw them.
//
// Places along a row are in percent of its width, so that the page can stretch it; those of curves
// are in the units of their SVG. What must not be done: a bar must begin at nothing, or a small gap
// looks like a large one; an axis of points may be logarithmic, and says so.

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// chart is one figure of all servers as bars, the best first.
type chart struct {
	Title, Direction string
	Tied             []string // nobody is the best where they are several
	Split            bool     // bars show what the kernel used
	Bars             []bar
}

// bar is one server's. Lengths are in percent.
type bar struct {
	Server, Kind, Mark string // Kind is ours, floor or peer
	Value, Around      string // in the column's unit
	Length             float64
	Kernel             float64 // of Length, where it is known, else all of it
	Low, High          float64 // where its rounds begin and end
	Several            bool    // there are several rounds
}

func newChart(c column, rows []*result) chart {
	rows = with(rows, c.key)
	made := chart{Title: c.head, Direction: "less is better"}
	if c.better == higher {
		made.Direction = "more is better"
	} else if c.better == told {
		made.Direction = ""
	}
	if names := tied(c, rows); len(names) > 1 {
		made.Tied = names
	}
	slices.SortStableFunc(rows, func(a, b *result) int {
		order := cmp.Compare(a.Median[c.key], b.Median[c.key])
		if c.better == higher {
			return -order
		}
		return order
	})
	most := 0.0
	for _, r := range rows {
		most = max(most, r.span(c.key).High)
	}
	at := func(v float64) float64 { return percent(max(v, 0) / max(most, math.SmallestNonzeroFloat64)) }
	cost := c.key == keyCPU || c.key == keyCPUPerGB
	for _, r := range rows {
		value, s := r.Median[c.key], r.span(c.key)
		b := bar{
			Server: r.Server, Kind: kindOf(r.Server), Mark: marks[mark(c, r, rows)], Value: c.text(value), Around: c.around(r),
			Length: at(value), Low: at(s.Low), High: at(s.High), Several: len(r.Rounds) > 1,
		}
		b.Kernel = b.Length
		if user, system := r.Median[keyUser], r.Median[keySystem]; cost && user+system > 0 {
			made.Split = true
			b.Kernel = percent(b.Length / 100 * system / (user + system))
		}
		made.Bars = append(made.Bars, b)
	}
	return made
}

// percent rounds a share to what a page can show.
func percent(share float64) float64 { return math.Round(share*1000) / 10 }

// with are the rows that have a figure.
func with(rows []*result, key string) []*result {
	return slices.DeleteFunc(slices.Clone(rows), func(r *result) bool {
		v, ok := r.Median[key]
		return !ok || math.IsNaN(v) || math.IsInf(v, 0)
	})
}

// marks are the words of a table's marks.
var marks = map[string]string{markBest: "best", markTie: "tie"}

func kindOf(server string) string {
	switch {
	case isFloor(server):
		return "floor"
	case slices.Contains(ourNames, server):
		return "ours"
	}
	return "peer"
}

// spread is several figures of each server as points on a logarithmic axis.
type spread struct {
	Title, Note string
	Ticks       []tick
	Rows        []spreadRow
}

type spreadRow struct {
	Server, Kind, Text string
	Points             []point // leftmost first
	From, To           float64
}

// point is a figure on an axis.
type point struct {
	At   float64
	Kind string
	Says string
}

// tick is a mark of an axis.
type tick struct {
	At   float64
	Text string
}

// newSpread shows figures of microseconds, in the order of the columns. The rows are ordered by
// the first.
func newSpread(title, note string, columns []column, rows []*result) spread {
	made := spread{Title: title, Note: note}
	for _, c := range columns {
		rows = with(rows, c.key)
	}
	slices.SortStableFunc(rows, func(a, b *result) int { return cmp.Compare(a.Median[columns[0].key], b.Median[columns[0].key]) })
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		for _, c := range columns {
			low, high = min(low, r.Median[c.key]), max(high, r.Median[c.key])
		}
	}
	if len(rows) == 0 || low <= 0 {
		return made
	}
	axis := newLogAxis(low, high, 0, 100)
	for _, v := range axis.tens() {
		made.Ticks = append(made.Ticks, tick{axis.at(v), microText(v)})
	}
	for _, r := range rows {
		row := spreadRow{Server: r.Server, Kind: kindOf(r.Server)}
		var texts []string
		for _, c := range columns {
			v := r.Median[c.key]
			row.Points = append(row.Points, point{axis.at(v), kindOf(r.Server), c.head + " " + microText(v)})
			texts = append(texts, microText(v))
		}
		row.Text = strings.Join([]string{texts[0], texts[len(texts)-1]}, " to ")
		row.From, row.To = row.Points[0].At, row.Points[0].At
		for _, p := range row.Points {
			row.From, row.To = min(row.From, p.At), max(row.To, p.At)
		}
		made.Rows = append(made.Rows, row)
	}
	return made
}

// microText writes microseconds as people say them.
func microText(v float64) string {
	switch {
	case v >= 1e6:
		return trimmed(v/1e6) + " s"
	case v >= 1e3:
		return trimmed(v/1e3) + " ms"
	}
	return trimmed(v) + " µs"
}

// trimmed writes two digits or so.
func trimmed(v float64) string {
	switch {
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), "0")
}

// logAxis places figures between two ends by their logarithm.
type logAxis struct{ low, high, from, to float64 }

// newLogAxis leaves a little room on both sides.
func newLogAxis(low, high, from, to float64) logAxis {
	if high <= low*1.5 {
		high, low = high*1.5, low/1.5
	}
	return logAxis{low / 1.1, high * 1.1, from, to}
}

func (a logAxis) at(v float64) float64 {
	share := math.Log(max(v, a.low)/a.low) / math.Log(a.high/a.low)
	return math.Round(10*(a.from+(a.to-a.from)*share)) / 10
}

// tens are the marks: powers of ten, and where there are few of them, what is between.
func (a logAxis) tens() (all []float64) {
	steps := []float64{1, 2, 5}
	switch ratio := a.high / a.low; {
	case ratio > 1000:
		steps = []float64{1}
	case ratio > 20:
		steps = []float64{1, 3}
	}
	for ten := math.Pow(10, math.Floor(math.Log10(a.low))); ten <= a.high; ten *= 10 {
		for _, s := range steps {
			if v := ten * s; v >= a.low && v <= a.high {
				all = append(all, v)
			}
		}
	}
	return all
}

// The size of a curve's SVG, and where its axes end.
const (
	curveWidth, curveHeight = 420, 270
	curveLeft, curveRight   = 38, 300
	curveTop, curveBottom   = 12, 236
	labelHeight             = 12
)

// curves is a figure over a number of connections, a line for each server.
type curves struct {
	Title, Under string
	Y            []tick
	X            []tick
	Lines        []curve
}

// curve is one server's line, with its name at the end.
type curve struct {
	Server, Kind, Points string
	Dots                 []dot
	EndX, EndY           float64 // of the line
	LabelY               float64
}

type dot struct {
	X, Y float64
	Says string
}

// newCurves draws figures by the keys that key gives for each x. Both axes are logarithmic, except
// that the xs stand at equal distances.
func newCurves(title, under string, xs []int, key func(int) string, rows []*result) curves {
	made := curves{Title: title, Under: under}
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		for _, x := range xs {
			if v := r.Median[key(x)]; v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if math.IsInf(low, 1) {
		return made
	}
	axis := newLogAxis(low, high, curveBottom, curveTop)
	for _, v := range axis.tens() {
		made.Y = append(made.Y, tick{axis.at(v), figureText(v)})
	}
	place := func(i int) float64 {
		return curveLeft + 8 + float64(i)*(curveRight-curveLeft-12)/float64(max(len(xs)-1, 1))
	}
	for i, x := range xs {
		made.X = append(made.X, tick{place(i), short(x)})
	}
	for _, r := range rows {
		line := curve{Server: shortName(r.Server), Kind: kindOf(r.Server)}
		var points []string
		for i, x := range xs {
			if v := r.Median[key(x)]; v > 0 {
				line.EndX, line.EndY = place(i), axis.at(v)
				points = append(points, fmt.Sprintf("%g,%g", line.EndX, line.EndY))
				line.Dots = append(line.Dots, dot{line.EndX, line.EndY, fmt.Sprintf("%s at %s: %s", r.Server, short(x), figureText(v))})
			}
		}
		if len(points) > 0 {
			line.Points = strings.Join(points, " ")
			made.Lines = append(made.Lines, line)
		}
	}
	made.spreadLabels()
	return made
}

// figureText writes a figure of whatever size.
func figureText(v float64) string {
	switch {
	case v >= 1e6:
		return trimmed(v/1e6) + "M"
	case v >= 1e4:
		return trimmed(v/1e3) + "k"
	}
	return trimmed(v)
}

// spreadLabels sets the names beside the ends of their lines, one below the other.
func (c *curves) spreadLabels() {
	slices.SortStableFunc(c.Lines, func(a, b curve) int { return cmp.Compare(a.EndY, b.EndY) })
	next := float64(curveTop)
	for i := range c.Lines {
		c.Lines[i].LabelY = max(next, c.Lines[i].EndY)
		next = c.Lines[i].LabelY + labelHeight
	}
	room := float64(curveBottom + labelHeight)
	for i := range slices.Backward(c.Lines) {
		c.Lines[i].LabelY = min(c.Lines[i].LabelY, room)
		room = c.Lines[i].LabelY - labelHeight
	}
}

// glance is all works that have a cost, each as a row of points: how many times the cheapest
// server's each costs.
type glance struct {
	Ticks []tick
	Rows  []glanceRow
}

type glanceRow struct {
	Work, Title string
	Points      []point
	Ours, Peer  string // the cheapest of ours and of the others, with their ratios
	Y           int    // of the README's picture
}

// mostTimes ends the axis: who costs more stands there.
const mostTimes = 16.0

// newGlance compares servers in what a request, a byte or a connection costs.
func newGlance(reports []*workReport) glance {
	axis := logAxis{0.7, mostTimes, 0, 100}
	made := glance{}
	for _, v := range []float64{1, 2, 4, 8, mostTimes} {
		made.Ticks = append(made.Ticks, tick{axis.at(v), trimmed(v) + " ×"})
	}
	for _, now := range reports {
		c, ok := costOf(now.Work)
		if !ok {
			continue
		}
		rows := with(now.Servers, c.key)
		first := winner(c, rows)
		if first == nil || first.Median[c.key] <= 0 {
			continue
		}
		row := glanceRow{Work: now.Work, Title: now.Title + ": " + c.head}
		for _, kind := range []string{"floor", "peer", "ours"} { // what is drawn later is on top
			bestName, bestTimes := "", math.Inf(1)
			for _, r := range rows {
				if kindOf(r.Server) != kind {
					continue
				}
				times := r.Median[c.key] / first.Median[c.key]
				row.Points = append(row.Points, point{axis.at(min(times, mostTimes)), kind, fmt.Sprintf("%s: %.2f ×", r.Server, times)})
				if times < bestTimes {
					bestName, bestTimes = r.Server, times
				}
			}
			switch {
			case bestName == "":
			case kind == "ours":
				row.Ours = fmt.Sprintf("%s %.2f", shortName(bestName), bestTimes)
			case kind == "peer":
				row.Peer = fmt.Sprintf("%s %.2f", bestName, bestTimes)
			}
		}
		made.Rows = append(made.Rows, row)
	}
	for i := range made.Rows {
		made.Rows[i].Y = glanceTop + i*glanceStep
	}
	return made
}

// shownCosts are the figures of works that have several, of which one has to do.
var shownCosts = map[string]string{
	"curve": atConns(keyCPU, 1000), "idle-rate": atIdle(keyCPU, idleConns), "open": keyCPU,
}

// costOf is the first figure of a work of which less is better: what the work costs.
func costOf(work string) (column, bool) {
	key := shownCosts[work]
	for _, c := range columnsOf(work) {
		if c.better == fewer && (key == "" || c.key == key) {
			return c, true
		}
	}
	return column{}, false
}

// shortName is a stage's name without what it waits by.
func shortName(server string) string {
	if server == uringName {
		return "io_uring"
	}
	if name, _, ok := strings.Cut(server, "-"); ok && strings.HasPrefix(name, "stage") {
		return name[:len("stage")] + " " + name[len("stage"):]
	}
	return server
}
