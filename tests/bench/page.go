//go:build linux

package main

// The page of -html: what the tables say, as charts, in one file that needs nothing from elsewhere.
//
// A chart is a column of a work's table in which there is a better and a worse; latencies, curves
// and memory have charts of their own. What must not be done: nothing may be shown that the JSON
// does not have, since a page can be made of that alone.

import (
	_ "embed"
	"html/template"
	"os"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"join": strings.Join, "plain": plain}).Parse(pageText))

// page is what the template shows.
type page struct {
	Machine *machine
	Glance  glance
	Works   []pageWork
	Goals   []judged
	Configs []*configText
}

type pageWork struct {
	*workReport
	Warnings []string
	Charts   []chart
	Curves   []curves
	Spreads  []spread
	Table    [][]string // its head first
	Lacking  []string   // who has no figures, and why
	Chosen   []string   // which configurations were
}

// writePage writes the page to a file if one was asked for.
func (p *report) writePage(file string) error {
	if file == "" {
		return nil
	}
	shown := page{Machine: &p.machine, Glance: newGlance(p.works), Goals: p.judge(), Configs: p.configs}
	for _, now := range p.works {
		shown.Works = append(shown.Works, now.page())
	}
	var b strings.Builder
	if err := pageTemplate.Execute(&b, shown); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// page is what is shown of a work. One that is not known any more has no charts.
func (now *workReport) page() pageWork {
	columns, floorName := columnsOf(now.Work), floorOf(now.Work)
	shown := pageWork{workReport: now, Table: cells(columns, floorName, now.Servers), Warnings: now.warnings()}
	for _, c := range columns {
		overX := strings.Contains(c.key, "_at_")
		if c.better != told && !overX && interesting(c, now.Servers) {
			shown.Charts = append(shown.Charts, newChart(c, now.Servers))
		}
	}
	shown.addCurves()
	shown.addSpreads(columns)
	for _, r := range now.Servers {
		switch {
		case r.Failed != "":
			shown.Lacking = append(shown.Lacking, r.Server+" failed: "+r.Failed)
		case r.Skipped != "":
			shown.Lacking = append(shown.Lacking, r.Server+": "+r.Skipped)
		case r.Config != "":
			shown.Chosen = append(shown.Chosen, r.Server+": "+r.Config)
		}
	}
	return shown
}

// addCurves draws what was measured over connections.
func (shown *pageWork) addCurves() {
	over, under, key := idleCurve, "idle connections", atIdle
	if shown.Work == "curve" {
		over, under, key = connsCurve, "connections", atConns
	}
	for _, c := range []struct{ key, title string }{
		{keyCPU, "CPU µs a request"}, {keyRate, "requests a second"}, {keyP99, "p99, µs"},
	} {
		made := newCurves(c.title, under, over, func(x int) string { return key(c.key, x) }, shown.Servers)
		if len(made.Lines) > 0 {
			shown.Curves = append(shown.Curves, made)
		}
	}
}

// addSpreads draws latencies, and what a closed loop omits; then memory.
func (shown *pageWork) addSpreads(columns []column) {
	add := func(s spread) {
		if len(s.Rows) > 0 {
			shown.Spreads = append(shown.Spreads, s)
		}
	}
	latency := []column{{key: keyP50, head: "p50"}, {key: keyP90, head: "p90"}, {key: keyP99, head: "p99"}, {key: keyP999, head: "p99.9"}}
	for _, key := range []string{keyP90, keyP999} { // what others generate has neither
		if len(with(shown.Servers, key)) == 0 {
			latency = slices.DeleteFunc(latency, func(c column) bool { return c.key == key })
		}
	}
	add(newSpread("Latency", latency[0].head+" to "+latency[len(latency)-1].head, latency, shown.Servers))
	add(newSpread("What a closed loop omits", "p99 while the server stands still for a moment: as a closed loop sees it, and as an open one does",
		[]column{{key: keyStoppedClosed, head: "closed loop"}, {key: keyStoppedOpen, head: "open loop"}}, shown.Servers))
	for _, c := range columns {
		if c.key == keyPSS && len(with(shown.Servers, keyPSS)) > 0 {
			shown.Charts = append(shown.Charts, newChart(column{key: keyPSS, head: "memory (PSS), MiB", scale: mib, decimals: 1}, shown.Servers))
		}
	}
}
