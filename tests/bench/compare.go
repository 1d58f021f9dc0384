//go:build linux

package main

// Comparing a run with an earlier one, in the manner of benchstat: a difference is told only where
// the rounds of both runs say that it is more than noise (Mann and Whitney's test).
//
// Absolute figures drift between machines and days, so runs are compared that were made one after
// the other on one machine, before and after a change.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/perf/benchmath"
)

// certainRounds is how many rounds each run must have, or no difference of theirs is certain.
const certainRounds = 4

// document is the JSON of a run.
type document struct {
	Machine machine       `json:"machine"`
	Works   []*workReport `json:"works"`
	Goals   []judged      `json:"goals,omitempty"`
	Configs []*configText `json:"configurations,omitempty"`
}

func readDocument(file string) (*document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(d.Works) == 0 {
		return nil, fmt.Errorf("%s has no works of a run", file)
	}
	d.expand()
	return d, nil
}

// driftAt is by how many times a ratio grows before a loose check fails: more than machines differ
// by from day to day, and less than what a mistake on the way of each request costs.
const driftAt = 1.5

// drifted tells the figures with a goal whose ratio, to the floor or to another server of the same
// run, has grown by half and more since the earlier run. Figures themselves say nothing, since
// the two may be of different machines.
func drifted(old, now *document) (all []string) {
	key := func(j judged) string { return j.Work + " " + j.Figure + " " + j.Server + " " + j.Rule }
	before := map[string]float64{}
	for _, j := range (&report{works: old.Works}).judge() {
		before[key(j)] = j.Value / j.AtMost
	}
	for _, j := range (&report{works: now.Works}).judge() {
		was, ok := before[key(j)]
		if is := j.Value / j.AtMost; ok && j.Rule != "" && is >= driftAt*was {
			all = append(all, fmt.Sprintf("%s, %s of %s: %.2f × %s, and %.2f × then", j.Work, headOf(j.Work, j.Figure), j.Server,
				is, shortRule(j), was))
		}
	}
	return all
}

// compared is one line of the comparison.
type compared struct {
	server, figure, old, now, delta string
}

// compare prints what has changed, and what both runs have.
func compare(out io.Writer, name string, old, now *document) error {
	fmt.Fprintf(out, "\ncompared with %s of %s; ~ is no difference that is more than noise\n", filepath.Base(name), old.Machine.Date)
	for _, d := range []struct{ what, old, now string }{
		{"kernel", old.Machine.Kernel, now.Machine.Kernel}, {"processor", old.Machine.Processor, now.Machine.Processor},
		{"generator", old.Machine.Generator, now.Machine.Generator},
	} {
		if d.old != d.now {
			fmt.Fprintf(out, "warning: another %s: %q then, %q now\n", d.what, d.old, d.now)
		}
	}
	few, any := false, false
	for _, w := range now.Works {
		lines, tooFew := w.compare(old)
		few, any = few || tooFew, any || len(lines) > 0
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", w.Work)
		table := [][]string{{"server", "figure", "old", "new", "new against old"}}
		for _, l := range lines {
			table = append(table, []string{l.server, l.figure, l.old, l.now, l.delta})
		}
		printCells(out, table)
	}
	if !any {
		return errors.New("the two runs have no figure in common")
	}
	if few {
		fmt.Fprintln(out, "\nwarning: with fewer than four rounds in each run no difference is certain; use -rounds 6 for both")
	}
	return nil
}

// compare compares a work with the same one of another run, server by server.
func (w *workReport) compare(old *document) (lines []compared, few bool) {
	columns := columnsOf(w.Work)
	for _, before := range old.Works {
		if before.Work != w.Work {
			continue
		}
		for _, c := range columns {
			if c.better == told {
				continue
			}
			for _, r := range w.Servers {
				for _, s := range before.Servers {
					if s.Server != r.Server {
						continue
					}
					line, tooFew, ok := c.compare(s, r)
					if ok {
						lines, few = append(lines, line), few || tooFew
					}
				}
			}
		}
	}
	return lines, few
}

// compare compares one figure of a server. few says that there are too few rounds.
func (c column) compare(old, now *result) (line compared, few, ok bool) {
	was, is := old.values(c.key), now.values(c.key)
	if len(was) == 0 || len(is) == 0 {
		return line, false, false
	}
	a, b := benchmath.NewSample(was, &benchmath.DefaultThresholds), benchmath.NewSample(is, &benchmath.DefaultThresholds)
	judged := benchmath.AssumeNothing.Compare(a, b)
	from, to := median(was), median(is)
	line = compared{
		server: now.Server, figure: c.head, old: c.text(from) + spreadOf(was), now: c.text(to) + spreadOf(is),
		delta: judged.FormatDelta(from, to) + " (" + judged.String() + ")",
	}
	return line, min(len(was), len(is)) < certainRounds, true
}

// spreadOf is how far values are from their median.
func spreadOf(values []float64) string {
	m := median(values)
	most := 0.0
	for _, v := range values {
		most = max(most, v-m, m-v)
	}
	if len(values) < 2 || m <= 0 {
		return ""
	}
	return fmt.Sprintf(" ±%.0f%%", 100*most/m)
}

// values are those of the rounds.
func (r *result) values(key string) (all []float64) {
	for _, f := range r.Rounds {
		if v, ok := f[key]; ok {
			all = append(all, v)
		}
	}
	return all
}

// floorOf is the name of the floor of a work, by the work's name.
func floorOf(name string) string {
	for _, w := range works {
		if w.name == name {
			return w.floorName()
		}
	}
	return limitName
}

// columnsOf are the columns of a work by its name, nil where there is none of that name any more.
func columnsOf(name string) []column {
	for _, w := range works {
		if w.name == name {
			return w.columns
		}
	}
	return nil
}
