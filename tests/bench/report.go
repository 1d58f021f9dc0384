//go:build linux

package main

// What was measured: medians, marks, tables, and the JSON.
//
// The report belongs to the goroutine that measures. What must not be done: a server that failed in
// one round must not show the median of the others, and figures of two runs must not be put into
// one table.

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// tie is the gap, as a share of the best, below which two figures are the same: runs on
// one machine differ by as much.
const tie = 0.08

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
	failures int
}

// machine is what the figures depend on.
type machine struct {
	Kernel     string   `json:"kernel"`
	Go         string   `json:"go"`
	ServerCPU  int      `json:"server_cpu"`
	ClientCPU  int      `json:"client_cpu"`
	Generator  string   `json:"generator"`
	Congestion string   `json:"congestion_control"`
	Namespace  bool     `json:"own_network_namespace"`
	Rounds     int      `json:"rounds"`
	Seconds    float64  `json:"seconds_per_measurement"`
	Touched    bool     `json:"idle_connections_made_a_request"`
	Notes      []string `json:"notes,omitempty"`
}

// workReport is one table.
type workReport struct {
	Work    string    `json:"work"`
	Title   string    `json:"title"`
	Note    string    `json:"note,omitempty"`
	Servers []*result `json:"servers"` // in the order in which they were measured
}

// result is one row.
type result struct {
	Server  string    `json:"server"`
	Median  figures   `json:"median,omitempty"`
	Rounds  []figures `json:"rounds,omitempty"`
	Skipped string    `json:"skipped,omitempty"`
	Failed  string    `json:"failed,omitempty"`
}

func newReport(o *options, b *bench, notes []string) *report {
	return &report{machine: machine{
		Kernel:     kernel(),
		Go:         runtime.Version(),
		ServerCPU:  b.serverCPU,
		ClientCPU:  b.clientCPU,
		Generator:  b.tool.Name,
		Congestion: congestion(),
		Namespace:  os.Getenv(insideDir) != "",
		Rounds:     o.rounds,
		Seconds:    o.duration.Seconds(),
		Touched:    o.touch,
		Notes:      notes,
	}}
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}

func congestion() string {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// row finds or makes the row of a server at a work.
func (p *report) row(w *work, s *server) *result {
	if len(p.works) == 0 || p.works[len(p.works)-1].Work != w.name {
		p.works = append(p.works, &workReport{Work: w.name, Title: w.title, Note: w.note()})
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
	r.Failed, r.Median = err.Error(), nil
	p.failures++
}

func (p *report) add(w *work, s *server, f figures) {
	r := p.row(w, s)
	r.Rounds = append(r.Rounds, f)
	r.Median = medians(r.Rounds)
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

// mark tells the best figure of a column and those that tie with it. The limit does not
// compete: it does none of the work.
func mark(c column, server string, value float64, rows []*result) string {
	if c.better == told || server == limitName {
		return markNone
	}
	best := value
	for _, r := range rows {
		other, ok := r.Median[c.key]
		if !ok || r.Server == limitName {
			continue
		}
		if c.better == fewer && other < best || c.better == higher && other > best {
			best = other
		}
	}
	switch {
	case value == best:
		return markBest
	case math.Abs(value-best) < tie*math.Abs(best):
		return markTie
	}
	return markNone
}

// printHead says what the figures depend on.
func (p *report) printHead(out io.Writer) {
	m := &p.machine
	fmt.Fprintf(out, "Linux %s, %s; server on processor %d, %s on %d; congestion control %s", m.Kernel, m.Go, m.ServerCPU, m.Generator, m.ClientCPU, m.Congestion)
	if m.Namespace {
		fmt.Fprint(out, " in a network namespace of our own")
	}
	fmt.Fprintf(out, "\nmedian of %d rounds of %g s; %s is the best beside the %s, %s within %.0f %% of it: a tie\n",
		m.Rounds, m.Seconds, markBest, limitName, markTie, tie*100)
	for _, note := range m.Notes {
		fmt.Fprintf(out, "note: %s\n", note)
	}
}

// printWork prints the table of a work: figures first, then why the others have none.
func (p *report) printWork(out io.Writer, w *work) {
	if len(p.works) == 0 {
		return
	}
	now := p.works[len(p.works)-1]
	fmt.Fprintf(out, "\n%s: %s\n", w.name, w.title)
	if now.Note != "" {
		fmt.Fprintf(out, "note: %s\n", now.Note)
	}
	printCells(out, cells(w.columns, now.Servers))
	for _, r := range now.Servers {
		switch {
		case r.Failed != "":
			fmt.Fprintf(out, "%s FAILED: %s\n", r.Server, r.Failed)
		case r.Skipped != "":
			fmt.Fprintf(out, "%s skipped: %s\n", r.Server, r.Skipped)
		}
	}
}

// cells is the table of those that were measured, its head first. A column that nobody
// has a figure for, or that only says that there were no errors, is left out.
func cells(columns []column, rows []*result) [][]string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *result) bool { return r.Median == nil })
	limit := figures{}
	for _, r := range rows {
		if r.Server == limitName {
			limit = r.Median
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
		floor, known := limit[c.key]
		ratio := c.toLimit && known && floor > 0
		table[0] = append(table[0], c.head+markNone)
		if ratio {
			table[0] = append(table[0], "× limit")
		}
		for i, r := range rows {
			value, ok := r.Median[c.key]
			text, times := "-"+markNone, "-"
			if ok {
				text = strconv.FormatFloat(value/c.scale, 'f', c.decimals, 64) + mark(c, r.Server, value, rows)
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

func interesting(c column, rows []*result) bool {
	return slices.ContainsFunc(rows, func(r *result) bool {
		v, ok := r.Median[c.key]
		return ok && (c.key != keyErrors || v > 0)
	})
}

// printCells sets names to the left and figures to the right.
func printCells(out io.Writer, table [][]string) {
	if len(table) < 2 {
		return
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range table {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprint(out, cell+pad)
			} else {
				fmt.Fprint(out, "  "+pad+cell)
			}
		}
		fmt.Fprintln(out)
	}
}

// writeJSON writes everything, the single rounds too, to a file if one was asked for.
func (p *report) writeJSON(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(struct {
		Machine machine       `json:"machine"`
		Works   []*workReport `json:"works"`
	}{p.machine, p.works}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
