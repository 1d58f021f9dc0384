//go:build linux

package main

// What the stages are to reach at each work, and the table that says whether they did.
//
// A goal is a ratio to a floor or to another server of the same run, since absolute figures drift
// by half between machines and days; only bytes are absolute. What must not be done: a goal must
// not be called reached or missed where the rounds of the two servers overlap it.

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// best stands for the best of all servers that are neither ours nor a floor.
const best = "best peer"

// ours are the servers that have goals.
var (
	loops   = []string{"stage3-epoll", "stage4-prefork"}
	threads = []string{stage1Name}
	runners = []string{"stage2-poll"}
)

// goal is what servers are to reach.
type goal struct {
	work, key string
	servers   []string
	atMost    float64
	of        string // times the figure of this server; the figure itself where it is empty
	ofKey     string // times its own figure by this key, where it is not empty
}

// goals are in the order of the works.
var goals = []goal{
	{work: "small", key: keyCPU, servers: loops, atMost: 1.10, of: limitName},
	{work: "small", key: keyCPU, servers: []string{uringName}, atMost: 0.9, of: "stage3-epoll"},
	{work: "small", key: keyCPU, servers: threads, atMost: 1.5, of: "stage3-epoll"},
	{work: "small", key: keyCPU, servers: runners, atMost: 1.3, of: "stage3-epoll"},
	{work: "pipelined", key: keyCPU, servers: loops, atMost: 2.0, of: limitName},
	{work: "new", key: keyCPU, servers: loops, atMost: 1.20, of: limitName},
	{work: "16k", key: keyCPU, servers: loops, atMost: 1.10, of: limitName},
	{work: "1m", key: keyCPUPerGB, servers: loops, atMost: 1.10, of: limitName},
	{work: "1m", key: keyCPUPerGB, servers: loops, atMost: 1, of: "nginx"},
	{work: "1m", key: keyCPUPerGB, servers: runners, atMost: 1.15, of: stage1Name},
	{work: "100m", key: keyCPUPerGB, servers: loops, atMost: 1.10, of: limitName},
	{work: "100m", key: keyCPUPerGB, servers: loops, atMost: 1, of: "nginx"},
	{work: "100m", key: keyCPUPerGB, servers: runners, atMost: 1.15, of: stage1Name},
	{work: "idle-memory", key: keyPerConn, servers: append([]string{uringName}, loops...), atMost: 350},
	{work: "idle-rate", key: atIdle(keyCPU, idleConns), servers: loops, atMost: 1.05, ofKey: atIdle(keyCPU, 0)},
	{work: "slow", key: keyP99, servers: loops, atMost: 1, of: best},
	{work: "tls-full", key: keyCPU, servers: loops, atMost: 0.65, of: "nginx"},
	{work: "tls-resumed", key: keyCPU, servers: loops, atMost: 0.6, of: "nginx"},
	{work: "tls-small", key: keyCPU, servers: loops, atMost: 0.8, of: best},
	{work: "tls-1m", key: keyCPUPerGB, servers: loops, atMost: 1, of: best},
	{work: "tls-idle", key: keyPerConn, servers: loops, atMost: 5000},
	{work: "tls-idle-hybrid", key: keyPerConn, servers: loops, atMost: 8000},
	{work: "proxy-small", key: keyCPU, servers: loops, atMost: 1.5, of: floorCopy},
	{work: "proxy-small", key: keyCPU, servers: loops, atMost: 1, of: best},
	{work: "proxy-new", key: keyCPU, servers: loops, atMost: 1.3, of: floorCopy},
	{work: "proxy-64k", key: keyCPUPerGB, servers: loops, atMost: 1.3, of: floorCopy},
	{work: "proxy-1m", key: keyCPUPerGB, servers: loops, atMost: 1.2, of: floorSplice},
	{work: "proxy-idle", key: keyPerConn, servers: loops, atMost: 400},
	{work: "held", key: keyHeld, servers: loops, atMost: 2, ofKey: keyHeldFast},
	{work: "relay-bulk", key: keyCPUPerGB, servers: loops, atMost: 1.1, of: floorSplice},
	{work: "relay-pingpong", key: keyCPU, servers: loops, atMost: 1.1, of: floorCopy},
}

// Verdicts on a goal.
const (
	reached   = "reached"
	missed    = "missed"
	undecided = "undecided" // some rounds say so, others not
)

// judged is what became of a goal.
type judged struct {
	Work    string  `json:"work"`
	Figure  string  `json:"figure"`
	Server  string  `json:"server"`
	Value   float64 `json:"value"`
	AtMost  float64 `json:"at_most"`
	Rule    string  `json:"rule"`
	Verdict string  `json:"verdict"`
}

// judge compares what was measured with the goals. Goals about what was not measured are left out.
func (p *report) judge() (all []judged) {
	for _, g := range goals {
		for _, w := range p.works {
			if w.Work != g.work {
				continue
			}
			for _, r := range w.Servers {
				if slices.Contains(g.servers, r.Server) {
					if j, ok := g.judge(r, w.Servers); ok {
						all = append(all, j)
					}
				}
			}
		}
	}
	return all
}

// judge compares one server with the goal.
func (g goal) judge(r *result, rows []*result) (j judged, ok bool) {
	value, ok := r.Median[g.key]
	if !ok {
		return j, false
	}
	j = judged{Work: g.work, Figure: g.key, Server: r.Server, Value: value, AtMost: g.atMost, Verdict: missed}
	bound := span{g.atMost, g.atMost}
	if g.of != "" || g.ofKey != "" {
		key, base := g.key, g.base(r, rows)
		if g.ofKey != "" {
			key = g.ofKey
		}
		if base == nil {
			return j, false
		}
		by := base.span(key)
		bound = span{by.Low * g.atMost, by.High * g.atMost}
		j.AtMost = base.Median[key] * g.atMost
		j.Rule = fmt.Sprintf("%g × %s", g.atMost, base.Server)
		if base == r {
			j.Rule = fmt.Sprintf("%g × %s", g.atMost, key)
		}
	}
	switch own := r.span(g.key); {
	case own.overlaps(bound) && len(r.Rounds) > 1:
		j.Verdict = undecided
	case value <= j.AtMost:
		j.Verdict = reached
	}
	return j, true
}

// base is the server that a goal compares with, nil where that has no figure.
func (g goal) base(r *result, rows []*result) (base *result) {
	if g.ofKey != "" {
		return r
	}
	for _, other := range rows {
		value, ok := other.Median[g.key]
		if ok && (other.Server == g.of || g.of == best && isPeer(other.Server)) && (base == nil || value < base.Median[g.key]) {
			base = other
		}
	}
	return base
}

func isPeer(server string) bool { return !isFloor(server) && !slices.Contains(ourNames, server) }

// printGoals prints what became of the goals.
func printGoals(out io.Writer, all []judged) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(out, "\ngoals (%s: the rounds are on both sides)\n", undecided)
	table := [][]string{{"work", "figure", "server", "value", "at most", "which is", "verdict"}}
	for _, j := range all {
		table = append(table, []string{j.Work, headOf(j.Work, j.Figure), j.Server, plain(j.Value), plain(j.AtMost), shortRule(j), j.Verdict})
	}
	printCells(out, table)
}

// headOf is what a figure is called in its work's table.
func headOf(work, key string) string {
	for _, c := range columnsOf(work) {
		if c.key == key {
			return c.head
		}
	}
	return key
}

// shortRule is a goal's rule with the name of a figure as tables have it.
func shortRule(j judged) string {
	times, of, ok := strings.Cut(j.Rule, " × ")
	if !ok {
		return j.Rule
	}
	return times + " × " + headOf(j.Work, of)
}

// plain writes a figure of unknown size with three digits or so.
func plain(v float64) string {
	text := fmt.Sprintf("%.3f", v)
	switch {
	case v >= 100:
		text = fmt.Sprintf("%.0f", v)
	case v >= 1:
		text = fmt.Sprintf("%.2f", v)
	}
	return strings.TrimSpace(text)
}
