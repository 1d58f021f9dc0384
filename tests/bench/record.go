//go:build linux

package main

// The reference run: what is committed of it, and what the README shows of that.
//
// docs/results/bench.json is the run, in which each figure has the values of its rounds. The table
// of the README and docs/results/bench.svg are made from it and from nothing else, and a test
// compares them. What must not be done: nobody may edit them by hand.

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// Where the recorded run is, below the project's root.
const (
	resultsDir  = "docs/results"
	recordFile  = "bench.json"
	pictureFile = "bench.svg"
	readmeFile  = "README.md"
	benchMark   = "bench" // of the part of the README
)

// A recorded run takes about half an hour, building and all. A machine that others share changes
// its pace for seconds at a time: more rounds help against that, and longer ones do not.
const (
	recordRounds   = 5
	recordTime     = 26 * time.Minute
	recordShortest = 200 * time.Millisecond
	recordLongest  = 2 * time.Second
)

// recordWorks are what a recorded run measures. tls-idle is not among them: a server is to have the
// seconds in which it gives back what handshakes took, and with all servers that is minutes.
var recordWorks = []string{
	"small", "pipelined", "new", "16k", "one", "curve", "mixed", "open", "overload", "uploads", "1m", "100m", "idle-memory", "idle-rate", "slow",
	"tls-full", "tls-resumed", "tls-small", "tls-1m", "proxy-small", "proxy-new", "proxy-64k", "proxy-1m", "relay-bulk", "relay-pingpong",
}

// values are the rounds of a result, by figure. In a recorded file they stand for median, spread
// and rounds.
type values map[string][]float64

// compact has only what the tables and charts are made of, with four digits.
func (d *document) compact() *document {
	small := *d
	small.Works = nil
	for _, w := range d.Works {
		kept := *w
		kept.Servers = nil
		wanted := wantedKeys(w.Work)
		for _, r := range w.Servers {
			row := *r
			row.Median, row.Spread, row.Rounds, row.Values = nil, nil, nil, values{}
			for key := range r.Median {
				if wanted[key] {
					for _, v := range r.values(key) {
						row.Values[key] = append(row.Values[key], digitsOf(v, 4))
					}
				}
			}
			kept.Servers = append(kept.Servers, &row)
		}
		small.Works = append(small.Works, &kept)
	}
	return &small
}

// wantedKeys are those that somebody looks at.
func wantedKeys(work string) map[string]bool {
	wanted := map[string]bool{keyUser: true, keySystem: true, keyP90: true, keyP999: true, keyGenerator: true, keyGeneratorBusy: true}
	for _, c := range columnsOf(work) {
		wanted[c.key] = true
	}
	for _, x := range connsCurve {
		wanted[atConns(keyP99, x)] = true
	}
	for _, x := range idleCurve {
		wanted[atIdle(keyP99, x)] = true
	}
	for _, g := range goals {
		wanted[g.key] = wanted[g.key] || g.work == work
		wanted[g.ofKey] = wanted[g.ofKey] || g.work == work
	}
	return wanted
}

// digitsOf rounds to so many digits.
func digitsOf(v float64, n int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', n, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}

// expand makes rounds, medians and spreads of the values of a recorded file.
func (d *document) expand() {
	for _, w := range d.Works {
		for _, r := range w.Servers {
			for key, all := range r.Values {
				for i, v := range all {
					for len(r.Rounds) <= i {
						r.Rounds = append(r.Rounds, figures{})
					}
					r.Rounds[i][key] = v
				}
			}
			if len(r.Rounds) > 0 {
				r.Values, r.Median, r.Spread = nil, medians(r.Rounds), spreads(r.Rounds)
			}
		}
	}
}

// record writes the recorded run, and what is made of it.
func record(ctx context.Context, p *report) error {
	tests := source(ctx)
	if tests == "" {
		return errors.New("-record wants the project's source, where it writes docs/results")
	}
	root := filepath.Dir(tests)
	if err := os.MkdirAll(filepath.Join(root, resultsDir), 0o755); err != nil {
		return err
	}
	text, err := p.document().compact().lines()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, resultsDir, recordFile), text, 0o644); err != nil {
		return err
	}
	d, err := readDocument(filepath.Join(root, resultsDir, recordFile)) // with its digits
	if err != nil {
		return err
	}
	return show(root, d)
}

// lines is the document as JSON, with a line for each server, so that a new run can be compared by
// git diff.
func (d *document) lines() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\n")
	part := func(name string, v any, end string) error {
		text, err := json.Marshal(v)
		fmt.Fprintf(&b, "%q: %s%s\n", name, text, end)
		return err
	}
	errs := []error{part("machine", d.Machine, ",")}
	b.WriteString("\"works\": [\n")
	for i, w := range d.Works {
		head := *w
		head.Servers = nil
		text, err := json.Marshal(head)
		errs = append(errs, err)
		b.Write(bytes.TrimSuffix(text, []byte("\"servers\":null}")))
		b.WriteString("\"servers\": [\n")
		for j, r := range w.Servers {
			text, err := json.Marshal(r)
			errs = append(errs, err)
			b.Write(text)
			b.WriteString(comma(j, len(w.Servers)))
		}
		b.WriteString("]}" + comma(i, len(d.Works)))
	}
	b.WriteString("],\n")
	errs = append(errs, part("goals", d.Goals, ","), part("configurations", d.Configs, ""))
	b.WriteString("}\n")
	return b.Bytes(), errors.Join(errs...)
}

// comma ends a line of a list.
func comma(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return ",\n"
}

// show writes what is made of a recorded run.
func show(root string, d *document) error {
	picture, err := d.picture()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, resultsDir, pictureFile), picture, 0o644); err != nil {
		return err
	}
	return rewrite(filepath.Join(root, readmeFile), benchMark, d.readme())
}

// rewrite puts text between the marks of a file.
func rewrite(file, mark, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, after, err := between(string(old), mark)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(before+text+after), 0o644)
}

// between finds what stands between two marks, <!-- NAME --> and <!-- /NAME -->, each on its line.
func between(text, mark string) (before, inner, after string, err error) {
	open, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->\n"
	before, rest, ok := strings.Cut(text, open)
	inner, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return "", "", "", fmt.Errorf("it has no %s and %s", strings.TrimSpace(open), strings.TrimSpace(end))
	}
	return before + open, inner, end + after, nil
}

// readmeColumns are the servers of the README's table, by what they are called there.
var readmeColumns = []struct{ head, server string }{
	{"floor", ""}, {"stage 1", stage1Name}, {"stage 2", "stage2-poll"}, {"stage 3", stage3Name}, {"stage 4", "stage4-prefork"}, {"io_uring", uringName},
	{"nginx", "nginx"}, {"h2o", "h2o"}, {"lighttpd", "lighttpd"}, {"Apache", "apache2"}, {"HAProxy", "haproxy"}, {"Caddy", "caddy"}, {"fasthttp", "fasthttp"},
	{"Go's library", "nethttp"},
}

// readme is the part of the README about a recorded run.
func (d *document) readme() string {
	var b strings.Builder
	m := &d.Machine
	fmt.Fprintf(&b, "\n![What each server costs at each work, in times of the cheapest](%s/%s)\n\n", resultsDir, pictureFile)
	fmt.Fprintf(&b, "Measured on %s with commit %s: %d processors of type %s, Linux %s, one server at a time on one processor, medians of %d rounds.",
		m.Date, shortCommit(m.Commit), m.Processors, m.Processor, m.Kernel, m.Rounds)
	fmt.Fprintf(&b, " Versions: %s.", strings.Join(versionsOf(m.Versions), ", "))
	if busy := d.disturbed(); len(busy) == len(d.Works) {
		b.WriteString(" **The machine was busy meanwhile: these figures say little.**")
	} else if len(busy) > 0 {
		fmt.Fprintf(&b, " Others used the server's processor for a moment in %s.", strings.Join(busy, ", "))
	}
	b.WriteString("\nOther machines and days have other figures, by half and more: compare within a line. Bold is the best beside the floor, where nobody's rounds overlap its own.\n\n")
	b.WriteString("| work | |")
	rule := "| --- | --- |"
	for _, c := range readmeColumns {
		b.WriteString(" " + c.head + " |")
		rule += " ---: |"
	}
	b.WriteString("\n" + rule + "\n")
	for _, w := range d.Works {
		w.readmeRow(&b)
	}
	return b.String() + "\n"
}

// disturbed are the works in which others used the server's processor. What the machine was like
// before the run says less: it has built the servers then.
func (d *document) disturbed() (names []string) {
	for _, w := range d.Works {
		if w.Busy != "" {
			names = append(names, w.Work)
		}
	}
	return names
}

// readmeRow is a work's line: what it costs at each server.
func (now *workReport) readmeRow(b *strings.Builder) {
	c, ok := costOf(now.Work)
	if !ok || len(with(now.Servers, c.key)) == 0 {
		return
	}
	floorName := floorOf(now.Work)
	fmt.Fprintf(b, "| %s | %s |", now.Title, c.head)
	for _, column := range readmeColumns {
		name, cell := column.server, ""
		if name == "" {
			name = floorName
		} else if name == "nethttp" && slices.ContainsFunc(now.Servers, func(r *result) bool { return r.Server == "reverseproxy" }) {
			name = "reverseproxy"
		}
		for _, r := range with(now.Servers, c.key) {
			if r.Server == name {
				cell = c.text(r.Median[c.key])
				if mark(c, r, now.Servers) == markBest {
					cell = "**" + cell + "**"
				}
			}
		}
		b.WriteString(" " + cell + " |")
	}
	b.WriteString("\n")
}

// versionsOf are names and versions, in order.
func versionsOf(all map[string]string) (words []string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		words = append(words, name+" "+all[name])
	}
	return words
}

// The geometry of the picture.
const (
	glanceTop   = 50
	glanceStep  = 26
	glanceLeft  = 125
	glanceWidth = 410
)

//go:embed glance.svg
var glanceText string

var glanceTemplate = template.Must(template.New("glance").Funcs(template.FuncMap{
	"x":     func(share float64) float64 { return digitsOf(glanceLeft+share/100*glanceWidth, 4) },
	"base":  func(y int) int { return y + 4 },
	"above": func(y int) int { return y - 8 },
	"under": func(y int) int { return y + 16 },
}).Parse(glanceText))

// picture is all works at a glance, as an SVG of its own.
func (d *document) picture() ([]byte, error) {
	g := newGlance(d.Works)
	bottom := glanceTop + len(g.Rows)*glanceStep - glanceStep/2
	var b bytes.Buffer
	err := glanceTemplate.Execute(&b, struct {
		glance
		Bottom, Foot, Height int
	}{g, bottom, bottom + 40, bottom + 52})
	return b.Bytes(), err
}
