//go:build linux

package main

// What was measured: medians, spreads, marks, tables, and the JSON.
//
// The report belongs to the goroutine that measures. What must not be done: a server that failed in
// one round must not show the median of the others, figures of two runs must not be put into one
// table, and nobody may be called the best whose rounds overlap another's.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Two figures are the same where their rounds overlap. Where there are too few rounds for that,
// they are below a gap that is a share of the best: runs on one machine differ by as much.
const (
	tie          = 0.08
	enoughRounds = 3
)

// busyShare is the share of the server's processor that others may use: above it, the machine was
// busy. busyLeast is what processor time is not known better than.
const (
	busyShare = 0.10
	busyLeast = 50 * time.Millisecond
)

// Marks after a figure.
const (
	markBest = "*"
	markTie  = "="
	markNone = " "
)

// report gathers what was measured. It belongs to the goroutine that measures.
type report struct {
	machine  machine
	works    []*workReport
	configs  []*configText
	failures int
	seconds  float64 // of each measurement of the work under way
}

// configText is a configuration of another server's, with the words in capitals not yet filled in.
type configText struct {
	Server string   `json:"server"`
	Works  []string `json:"works"`
	Text   string   `json:"text"`
}

// workReport is one table.
type workReport struct {
	Work    string    `json:"work"`
	Title   string    `json:"title"`
	Note    string    `json:"note,omitempty"`
	Seconds float64   `json:"seconds_per_measurement"`
	Busy    string    `json:"warning,omitempty"`
	Uneven  string    `json:"uneven_rounds,omitempty"`
	Remarks []string  `json:"remarks,omitempty"`
	Servers []*result `json:"servers"` // in the order in which they were measured

	worst float64 // share of the server's processor that others have used, in percent
}

// result is one row.
type result struct {
	Server  string    `json:"server"`
	Median  figures   `json:"median,omitempty"`
	Spread  spans     `json:"spread,omitempty"`
	Rounds  []figures `json:"rounds,omitempty"`
	Skipped string    `json:"skipped,omitempty"`
	Failed  string    `json:"failed,omitempty"`
	Values  values    `json:"values,omitempty"`        // of the rounds; in a recorded file alone
	Config  string    `json:"configuration,omitempty"` // the variant that was chosen, and what the others cost
}

// span is from the lowest round to the highest.
type span struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// spans are those of figures, by their keys.
type spans map[string]span

func (s span) overlaps(other span) bool { return s.Low <= other.High && other.Low <= s.High }

// half is how far the rounds are from their middle.
func (s span) half() float64 { return (s.High - s.Low) / 2 }

// span is that of one figure. Without rounds it is the median alone.
func (r *result) span(key string) span {
	if s, ok := r.Spread[key]; ok {
		return s
	}
	return span{r.Median[key], r.Median[key]}
}

func newReport(o *options, b *bench, notes []string) *report {
	return &report{machine: describe(o, b, notes)}
}

// row finds or makes the row of a server at a work.
func (p *report) row(w *work, s *server) *result {
	if len(p.works) == 0 || p.works[len(p.works)-1].Work != w.name {
		p.works = append(p.works, &workReport{Work: w.name, Title: w.title, Note: w.note(), Seconds: p.seconds})
	}
	now := p.works[len(p.works)-1]
	for _, r := range now.Servers {
		if r.Server == s.name {
			return r
		}
	}
	r := &result{Server: s.name}
	now.Servers = append(now.Servers, r)
	return r
}

func (p *report) skip(w *work, s *server, why string) { p.row(w, s).Skipped = why }

func (p *report) failed(w *work, s *server) bool { return p.row(w, s).Failed != "" }

// fail gives a server up at this work: a median of fewer rounds than asked for would
// pass for a figure.
func (p *report) fail(w *work, s *server, err error) {
	r := p.row(w, s)
	r.Failed, r.Median, r.Spread = err.Error(), nil, nil
	p.failures++
}

func (p *report) add(w *work, s *server, f figures) {
	r := p.row(w, s)
	r.Rounds = append(r.Rounds, f)
	r.Median, r.Spread = medians(r.Rounds), spreads(r.Rounds)
}

// configured keeps what a server was told.
func (p *report) configured(w *work, s *server, c choice) {
	if s.config == nil {
		return
	}
	p.row(w, s).Config = c.says
	text := s.config(w, c.variant)
	for _, known := range p.configs {
		if known.Server == s.name && known.Text == text {
			if !slices.Contains(known.Works, w.name) {
				known.Works = append(known.Works, w.name)
			}
			return
		}
	}
	p.configs = append(p.configs, &configText{s.name, []string{w.name}, text})
}

// spreads are the lowest and the highest of each figure.
func spreads(rounds []figures) spans {
	all := spans{}
	for _, f := range rounds {
		for key, v := range f {
			s, ok := all[key]
			if !ok {
				s = span{v, v}
			}
			all[key] = span{min(s.Low, v), max(s.High, v)}
		}
	}
	return all
}

// medians is the median of each figure over the rounds that have it.
func medians(rounds []figures) figures {
	values := map[string][]float64{}
	for _, f := range rounds {
		for key, v := range f {
			values[key] = append(values[key], v)
		}
	}
	m := figures{}
	for key, all := range values {
		m[key] = median(all)
	}
	return m
}

// median of an even number of values is the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return math.NaN()
	}
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// mark tells the best figure of a column and those that tie with it. With a tie there is no winner.
func mark(c column, r *result, rows []*result) string {
	first := winner(c, rows)
	if first == nil || isFloor(r.Server) || r != first && !same(c.key, first, r) {
		return markNone
	}
	if len(tied(c, rows)) > 1 {
		return markTie
	}
	return markBest
}

// winner has the best median of a column, and is nil where nobody competes. The floors do not: they
// do none of the work.
func winner(c column, rows []*result) (first *result) {
	for _, r := range rows {
		value, ok := r.Median[c.key]
		if c.better == told || !ok || isFloor(r.Server) {
			continue
		}
		if first == nil || c.better == fewer && value < first.Median[c.key] || c.better == higher && value > first.Median[c.key] {
			first = r
		}
	}
	return first
}

// tied are the servers that cannot be told from the best, it among them.
func tied(c column, rows []*result) (names []string) {
	first := winner(c, rows)
	for _, r := range rows {
		if _, ok := r.Median[c.key]; ok && !isFloor(r.Server) && first != nil && same(c.key, first, r) {
			names = append(names, r.Server)
		}
	}
	return names
}

// same reports whether a figure cannot be told from the best one.
func same(key string, first, r *result) bool {
	if min(len(first.Rounds), len(r.Rounds)) >= enoughRounds {
		return first.span(key).overlaps(r.span(key))
	}
	return math.Abs(r.Median[key]-first.Median[key]) < tie*math.Abs(first.Median[key]) || r == first
}

// printHead says what the figures depend on.
func (p *report) printHead(out io.Writer) {
	m := &p.machine
	place := ""
	if m.Namespace {
		place = " in a network namespace of our own"
	}
	say(out, "%s, %d processors, Linux %s, %s, commit %s; %s", m.Processor, m.Processors, m.Kernel, m.Go, shortCommit(m.Commit), m.Date)
	say(out, "server on processor %d, %s on %d; congestion control %s%s", m.ServerCPU, m.Generator, m.ClientCPU, m.Congestion, place)
	said := fmt.Sprintf("being within %.0f %% of it (from %d rounds on: by their rounds)", tie*100, enoughRounds)
	if m.Rounds >= enoughRounds {
		said = "for their rounds overlap"
	}
	say(out, "%s is the best beside the floors; %s cannot be told from the best, %s", markBest, markTie, said)
	if m.Rounds > 1 {
		say(out, "medians of %d rounds, ± half of what lies between the lowest and the highest", m.Rounds)
	} else {
		say(out, "one round: nothing is known of the spread")
	}
	for _, note := range m.Notes {
		say(out, "note: %s", note)
	}
}

// shortCommit is the beginning of a commit's name, with what is said of it.
func shortCommit(commit string) string {
	name, rest, _ := strings.Cut(commit, " ")
	if len(name) > 10 {
		name = name[:10]
	}
	return strings.TrimSpace(name + " " + rest)
}

// printWork prints the table of the work that was measured last: figures first, then what is to be
// known about them, and why the others have none.
func (p *report) printWork(out io.Writer) {
	if len(p.works) == 0 {
		return
	}
	p.print(out, p.works[len(p.works)-1])
}

// print prints one of the works.
func (p *report) print(out io.Writer, now *workReport) {
	columns, floorName := columnsOf(now.Work), floorOf(now.Work)
	fmt.Fprintln(out)
	length := ""
	if now.Seconds > 0 {
		length = fmt.Sprintf("; %g s each", now.Seconds)
	}
	say(out, "%s: %s%s", now.Work, now.Title, length)
	if now.Note != "" {
		say(out, "note: %s", now.Note)
	}
	printCells(out, cells(columns, floorName, now.Servers))
	if text := undecidedColumns(columns, now.Servers); text != "" {
		say(out, "no winner: %s", text)
	}
	for _, text := range now.Remarks {
		say(out, "note: %s", text)
	}
	for _, text := range now.warnings() {
		say(out, "warning: %s", text)
	}
	for _, r := range now.Servers {
		switch {
		case r.Failed != "":
			say(out, "%s FAILED: %s", r.Server, r.Failed)
		case r.Skipped != "":
			say(out, "%s skipped: %s", r.Server, r.Skipped)
		case r.Config != "":
			say(out, "%s: %s", r.Server, r.Config)
		}
	}
}

// undecidedColumns tells in which columns nobody is the best, and who cannot be told apart.
func undecidedColumns(columns []column, rows []*result) string {
	var all []string
	for _, c := range columns {
		if names := tied(c, rows); len(names) > 1 {
			all = append(all, c.head+" ("+strings.Join(names, ", ")+")")
		}
	}
	return strings.Join(all, "; ")
}

// remark looks at the figures of the work that was measured last.
func (p *report) remark(w *work) {
	if n := len(p.works); n > 0 && p.works[n-1].Work == w.name {
		p.works[n-1].remark(w.columns, w.floorName())
	}
}

// noteBusy looks at how much of the server's processor others have used.
func (p *report) noteBusy(w *work, s *server, others, elapsed time.Duration) {
	if others < busyLeast || others < time.Duration(busyShare*float64(elapsed)) {
		return
	}
	p.row(w, s) // so that the work is the last one
	now := p.works[len(p.works)-1]
	share := 100 * others.Seconds() / elapsed.Seconds()
	if now.worst < share {
		now.worst, now.Busy = share, fmt.Sprintf("the machine was busy: beside %s, others used %.0f %% of processor %d; measure again when it is quiet", s.name, share, p.machine.ServerCPU)
	}
}

// cells is the table of those that were measured, its head first. A column that nobody
// has a figure for, or that only says that there were no errors, is left out.
func cells(columns []column, floorName string, rows []*result) [][]string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *result) bool { return r.Median == nil })
	lowest := figures{}
	for _, r := range rows {
		if r.Server == floorName {
			lowest = r.Median
		}
	}
	table := make([][]string, len(rows)+1)
	table[0] = []string{"server"}
	for i, r := range rows {
		table[i+1] = []string{r.Server}
	}
	for _, c := range columns {
		if !interesting(c, rows) {
			continue
		}
		floor, known := lowest[c.key]
		ratio := c.toFloor && known && floor > 0
		table[0] = append(table[0], c.head+markNone)
		if ratio {
			table[0] = append(table[0], "× "+floorName)
		}
		for i, r := range rows {
			value, ok := r.Median[c.key]
			text, times := "-"+markNone, "-"
			if ok {
				text = c.text(value) + c.around(r) + mark(c, r, rows)
				times = strconv.FormatFloat(value/floor, 'f', 2, 64)
			}
			table[i+1] = append(table[i+1], text)
			if ratio {
				table[i+1] = append(table[i+1], times)
			}
		}
	}
	return table
}

// text is a figure in the column's unit.
func (c column) text(value float64) string {
	return strconv.FormatFloat(value/c.scale, 'f', c.decimals, 64)
}

// around is the spread of a figure, where there are several rounds of it.
func (c column) around(r *result) string {
	if len(r.Rounds) < 2 {
		return ""
	}
	return " ±" + c.text(r.span(c.key).half())
}

func interesting(c column, rows []*result) bool {
	return slices.ContainsFunc(rows, func(r *result) bool {
		v, ok := r.Median[c.key]
		return ok && (c.key != keyErrors || v > 0)
	})
}

// write writes the files that were asked for.
func (p *report) write(o *options) error {
	return errors.Join(p.writeJSON(o.json), p.writePage(o.html))
}

// writeJSON writes everything, the single rounds too, to a file if one was asked for. It is written
// anew after each work, so that what was measured is there however the run ends.
func (p *report) writeJSON(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(p.document(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// document is all of it.
func (p *report) document() *document {
	return &document{p.machine, p.works, p.judge(), p.configs}
}
