package main

// What the results of the cases come to: what is wrong with every answer, told once, and the faults
// of each cause together.
//
// A cause is found by the sort of a fault, by how the bytes were cut, and by the topic. What must
// not be done: a fault of every answer must not count against a case a second time, and each case
// that fails must be among those of a cause.

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fourways/tests/conformance"
)

// everywhereTopics is in how many topics a fault of the checks of every answer must be seen to be
// told as one of every answer.
const everywhereTopics = 3

// verdict is what is reported, in whichever form.
type verdict struct {
	o          *options
	notes      []string // what one should know of how it was judged
	results    []conformance.Result
	own        [][]fault // of each result: its faults but for those of every answer
	everywhere []*cause
	causes     []*cause // the first one is to be mended first
	after      []error  // what was wrong with the process after the last case
	since      *baseline
	took       time.Duration
}

// fault is one of a case, with the play in which it was found.
type fault struct {
	conformance.Fault
	play *conformance.Failure
}

// cause is why some cases fail.
type cause struct {
	level      conformance.Level
	says       string
	rfc, quote string
	cases      []*conformance.Case
	example    *conformance.Case
	play       *conformance.Failure // of the example
	text       string               // of the example's fault
	at         int
}

// newVerdict sorts the results, which are in the order of the cases.
func newVerdict(o *options, results []conformance.Result) *verdict {
	v := &verdict{o: o, results: results, own: make([][]fault, len(results))}
	wide := v.wide()
	everywhere, causes := map[string]*cause{}, map[string]*cause{}
	for i := range results {
		r := &results[i]
		for j := range r.Failed {
			play := &r.Failed[j]
			for _, f := range play.Faults {
				if key := wideKey(f); len(wide[key]) >= everywhereTopics {
					note(everywhere, key, f.Text, r.Case, fault{f, play})
					continue
				}
				v.own[i] = append(v.own[i], fault{f, play})
			}
		}
		for _, f := range leading(v.own[i]) {
			key, says := causeOf(r.Case, f.play, f.Fault)
			note(causes, key, says, r.Case, f)
		}
	}
	v.everywhere, v.causes = byWeight(everywhere), byWeight(causes)
	return v
}

// leading are the faults of a case without those that follow from another: where the status is
// wrong, so are the fields, the body, and what becomes of the connection.
func leading(own []fault) []fault {
	wrong := slices.ContainsFunc(own, func(f fault) bool { return f.Kind == conformance.WrongStatus })
	return slices.DeleteFunc(slices.Clone(own), func(f fault) bool { return wrong && (f.Kind == conformance.Other || f.Kind == conformance.NotClosed) })
}

// wide is in which topics each fault of the checks of every answer was seen.
func (v *verdict) wide() map[string]map[string]bool {
	topics := map[string]map[string]bool{}
	for i := range v.results {
		r := &v.results[i]
		for _, play := range r.Failed {
			for _, f := range play.Faults {
				if key := wideKey(f); key != "" {
					if topics[key] == nil {
						topics[key] = map[string]bool{}
					}
					topics[key][r.Case.Topic()] = true
				}
			}
		}
	}
	return topics
}

// wideKey is one for each fault that has nothing to do with what a case is about, "" for others.
func wideKey(f conformance.Fault) string {
	if f.Wide || f.Kind == conformance.Unannounced {
		return f.Level.String() + normal(f.Text)
	}
	return ""
}

var varying = regexp.MustCompile(`"(\\.|[^"\\])*"|[0-9]+[a-zµ]*`)

// normal is a text without what differs from case to case: numbers and quotations.
func normal(text string) string { return varying.ReplaceAllString(text, "…") }

// causeOf is the cause of a fault: a key, and a sentence for it.
func causeOf(c *conformance.Case, play *conformance.Failure, f conformance.Fault) (key, says string) {
	switch {
	case f.Kind == conformance.Died:
		return "died " + f.Text, f.Text
	case f.Kind == conformance.HeadBody:
		return "head", "an answer to HEAD has a body"
	case play.How == conformance.ByteByByte:
		return "bytes", "a request that comes byte by byte is read otherwise than in one write"
	case play.How == conformance.Followed:
		return "followed", "a request is read otherwise when the next one comes in the same write"
	case f.Kind == conformance.OutOfStep:
		return "step", "what is left of one request is taken for the next"
	case f.Kind == conformance.NotClosed:
		return "closed", "the connection goes on where it should be closed"
	case f.Kind == conformance.Malformed || f.Wide:
		return normal(f.Text), f.Text
	case f.Kind == conformance.NoAnswer:
		return c.Topic() + " silent", c.Topic() + ": no answer"
	case f.Kind == conformance.WrongStatus:
		return c.Topic() + " status " + strconv.Itoa(f.Got) + f.Level.String(), c.Topic() + ": " + f.Text
	}
	return c.Topic() + " " + f.Level.String() + normal(f.Text), c.Topic() + ": " + f.Text
}

// note adds a case to a cause. The example is the case that sends the fewest bytes.
func note(causes map[string]*cause, key, says string, c *conformance.Case, f fault) {
	k := causes[key]
	if k == nil {
		k = &cause{}
		causes[key] = k
	}
	if !slices.Contains(k.cases, c) {
		k.cases = append(k.cases, c)
	}
	if f.Level > k.level || f.Level == k.level && len(f.play.Sent) < len(k.play.Sent) {
		k.level, k.says, k.rfc, k.quote, k.text, k.at = f.Level, says, f.RFC, f.Quote, f.Text, f.At
		k.example, k.play = c, f.play
	}
}

// byWeight puts what weighs most first, and of the same weight what is most frequent.
func byWeight(causes map[string]*cause) []*cause {
	var all []*cause
	for _, k := range causes {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *cause) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(len(b.cases), len(a.cases)), strings.Compare(a.says, b.says))
	})
	return all
}

// level is the weight of the heaviest fault of a result that is its own.
func (v *verdict) level(i int) (level conformance.Level) {
	for _, f := range v.own[i] {
		level = max(level, f.Level)
	}
	return level
}

// outcome is what became of a case in one word.
func (v *verdict) outcome(i int) string {
	switch level := v.level(i); {
	case level != conformance.None:
		return level.String()
	case v.results[i].Skipped != "":
		return "skipped"
	}
	return "passed"
}

// row is one line of the table.
type row struct {
	Topic   string `json:"topic"`
	Passed  int    `json:"passed"`
	Must    int    `json:"must"`
	House   int    `json:"house"`
	Should  int    `json:"should"`
	Skipped int    `json:"skipped"`
}

func (w *row) count(outcome string) {
	switch outcome {
	case "MUST":
		w.Must++
	case "HOUSE":
		w.House++
	case "SHOULD":
		w.Should++
	case "skipped":
		w.Skipped++
	default:
		w.Passed++
	}
}

// table has a row for each topic, in the order of the cases, and one for all.
func (v *verdict) table() (rows []row, all row) {
	all.Topic = "all"
	for i := range v.results {
		topic, outcome := v.results[i].Case.Topic(), v.outcome(i)
		if len(rows) == 0 || rows[len(rows)-1].Topic != topic {
			rows = append(rows, row{Topic: topic})
		}
		rows[len(rows)-1].count(outcome)
		all.count(outcome)
	}
	return rows, all
}

// skipped counts the reasons for which cases were not played, the most frequent first.
func (v *verdict) skipped() (reasons []string, cases map[string]int) {
	cases = map[string]int{}
	for i := range v.results {
		if reason := v.results[i].Skipped; reason != "" {
			if cases[reason]++; cases[reason] == 1 {
				reasons = append(reasons, reason)
			}
		}
	}
	slices.SortStableFunc(reasons, func(a, b string) int { return cases[b] - cases[a] })
	return reasons, cases
}

// counts reports whether a fault of that weight makes the server fail.
func counts(level conformance.Level, mustOnly bool) bool {
	return level > conformance.SHOULD || level == conformance.SHOULD && !mustOnly
}

// status is the exit status. A server that did not survive has failed too.
func (v *verdict) status(mustOnly bool) int {
	if len(v.after) > 0 {
		return failed
	}
	for i := range v.results {
		if level := v.level(i); counts(level, mustOnly) && v.since.news(v.results[i].Case.ID, level) {
			return failed
		}
	}
	for _, k := range v.everywhere {
		if counts(k.level, mustOnly) && v.since.newEverywhere(k) {
			return failed
		}
	}
	return passed
}
