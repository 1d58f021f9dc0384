//go:build linux

package main

// The page of -html: what the tables say, as charts, in one file that needs nothing from elsewhere.
//
// A chart is a column of a work's table in which there is a better and a worse. What must not be
// done: an axis must begin at nothing, or a small gap looks like a large one.

import (
	_ "embed"
	"html/template"
	"math"
	"os"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"join": strings.Join, "plain": plain}).Parse(pageText))

// axis is the width of a chart in the units of its SVG. The page stretches it.
const axis = 1000

// page is what the template shows.
type page struct {
	Machine *machine
	Works   []pageWork
	Goals   []judged
}

type pageWork struct {
	*workReport
	Charts  []chart
	Table   [][]string // its head first
	Lacking []string   // who has no figures, and why
}

// chart is one figure of all servers, the best first.
type chart struct {
	Title, Direction string
	Tied             []string // nobody is the best where they are several
	Bars             []bar
}

// bar is one server's.
type bar struct {
	Server, Kind, Mark string // Kind is ours, floor or peer
	Value, Around      string // in the column's unit
	Length             int    // of axis
	Low, High          int    // where its rounds begin and end
	Several            bool   // there are several rounds
}

// writePage writes the page to a file if one was asked for.
func (p *report) writePage(file string) error {
	if file == "" {
		return nil
	}
	shown := page{Machine: &p.machine, Goals: p.judge()}
	for _, now := range p.works {
		shown.Works = append(shown.Works, now.page())
	}
	var b strings.Builder
	if err := pageTemplate.Execute(&b, shown); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func (now *workReport) page() pageWork {
	i := slices.IndexFunc(works, func(w *work) bool { return w.name == now.Work })
	w := works[i]
	shown := pageWork{workReport: now, Table: cells(w.columns, w.floorName(), now.Servers)}
	for _, c := range w.columns {
		if c.better != told && interesting(c, now.Servers) {
			shown.Charts = append(shown.Charts, newChart(c, now.Servers))
		}
	}
	for _, r := range now.Servers {
		switch {
		case r.Failed != "":
			shown.Lacking = append(shown.Lacking, r.Server+" failed: "+r.Failed)
		case r.Skipped != "":
			shown.Lacking = append(shown.Lacking, r.Server+": "+r.Skipped)
		}
	}
	return shown
}

func newChart(c column, rows []*result) chart {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *result) bool {
		_, ok := r.Median[c.key]
		return !ok
	})
	made := chart{Title: c.head, Direction: "less is better"}
	if c.better == higher {
		made.Direction = "more is better"
	}
	if names := tied(c, rows); len(names) > 1 {
		made.Tied = names
	}
	slices.SortStableFunc(rows, func(a, b *result) int {
		less := a.Median[c.key] < b.Median[c.key]
		if less == (c.better == fewer) {
			return -1
		}
		return 1
	})
	most := 0.0
	for _, r := range rows {
		most = max(most, r.span(c.key).High)
	}
	at := func(v float64) int {
		if most <= 0 {
			return 0
		}
		return int(math.Round(axis * max(v, 0) / most))
	}
	for _, r := range rows {
		value, s := r.Median[c.key], r.span(c.key)
		made.Bars = append(made.Bars, bar{
			Server: r.Server, Kind: kindOf(r.Server), Mark: marks[mark(c, r, rows)], Value: c.text(value), Around: c.around(r),
			Length: at(value), Low: at(s.Low), High: at(s.High), Several: len(r.Rounds) > 1,
		})
	}
	return made
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
