package main

// The levels: the way of a server in the making, from its first answer to what the RFCs recommend.
//
// Each level is a sentence, and the cases that hold the server to it. Only what the RFCs demand
// counts, until the last level. What must not be done: a case must not stand before what it needs.
// So the ways in which bytes can be cut come at a level of their own, and a body before its chunks.

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"fourways/tests/conformance"
)

// level is one step.
type level struct {
	says  string
	cases *regexp.Regexp // of their IDs; a case is of the first level that matches
}

// levels in their order.
var levels = []level{
	{"a GET is answered with the file", only("request-line/plain", "files/text", "files/image", "files/content", "files/large")},
	{"an answer says what it is, with its status, length and date", only("files/missing", "changing-files/.*")},
	{"HEAD is answered as GET is, without the body", topics("head")},
	{"a connection is closed when the client says so, and HTTP/1.0 is spoken", regexp.MustCompile("^connection/|^request-line/http10$")},
	{"a request may come in pieces, and the next one with it", topics("pipeline")},
	{"what breaks the grammar is refused", topics("request-line", "fields", "garbage")},
	{"each request names its host, once", topics("host", "target")},
	{"no path leads out of the root", topics("path")},
	{"a body has a length, and is read to its end", topics("content-length", "unasked-body", "method")},
	{"a body may come in chunks", topics("transfer-encoding", "chunked")},
	{"a client may wait with its body, and may go away", topics("expect", "closing")},
	{"a condition spares an answer", topics("conditional")},
	{"a part of a file may be asked for", topics("range", "coding")},
	{"and what the RFCs recommend", regexp.MustCompile("")},
}

// later are cases that need more than the rest of their topic does: the level of each.
var later = map[string]int{
	"head/no-body-400":                 7, // it names no host, and that is what is refused
	"pipeline/uploads":                 9,
	"pipeline/bad-framing-behind-good": 9,
	"pipeline/chunked-upload":          10,
}

// The levels at which something begins that is not of some cases only.
const (
	fromForm   = 2 // the checks of every answer count
	fromPieces = 5 // bytes are cut in all ways, in the cases of the levels before as well
)

func only(ids ...string) *regexp.Regexp {
	return regexp.MustCompile("^(" + strings.Join(ids, "|") + ")$")
}

func topics(names ...string) *regexp.Regexp {
	return regexp.MustCompile("^(" + strings.Join(names, "|") + ")/")
}

// levelOf is the level of a case, from 1 on.
func levelOf(c *conformance.Case) int {
	if n := later[c.ID]; n != 0 {
		return n
	}
	return 1 + slices.IndexFunc(levels, func(l level) bool { return l.cases.MatchString(c.ID) })
}

// climb plays one level after another, a case at a time, and stops at the first fault.
func climb(o *options, suite *conformance.Suite, out io.Writer) (status int) {
	cases := slices.DeleteFunc(conformance.Cases(), func(c conformance.Case) bool { return c.Level == conformance.HOUSE })
	for n := 1; n <= o.level; n++ {
		for i := range cases {
			c := &cases[i]
			at := levelOf(c)
			if at != n && (n != fromPieces || at > n) && n != len(levels) {
				continue
			}
			if r := playAt(suite, c, n); len(r.Failed) > 0 {
				v := newVerdict(o, []conformance.Result{r})
				stand(out, n-1)
				fmt.Fprintf(out, "Level %d of %d: %s.\n", n, len(levels), levels[n-1].says)
				fmt.Fprintf(out, "\n%s: %s\n", v.causes[0].level, v.causes[0].says)
				v.printExample(out, v.causes[0], true)
				return failed
			}
		}
	}
	if o.level == len(levels) {
		for _, err := range suite.Finish() {
			fmt.Fprintf(out, "after the last case: %v\n", err)
			status = failed
		}
	}
	stand(out, o.level)
	if o.level < len(levels) {
		fmt.Fprintf(out, "The next one, %d: %s.\n", o.level+1, levels[o.level].says)
	}
	return status
}

// stand says how far the server has come.
func stand(out io.Writer, n int) {
	switch n {
	case 0:
	case 1:
		fmt.Fprintln(out, "Level 1 holds.")
	default:
		fmt.Fprintf(out, "Levels 1 to %d hold.\n", n)
	}
}

// playAt plays a case as the level wants it, and keeps the faults that count there.
func playAt(suite *conformance.Suite, c *conformance.Case, n int) conformance.Result {
	play := suite.Play
	if n < fromPieces {
		play = suite.PlayWhole
	}
	r := play(c)
	for i := range r.Failed {
		r.Failed[i].Faults = slices.DeleteFunc(r.Failed[i].Faults, func(f conformance.Fault) bool {
			return f.Level != conformance.MUST && n < len(levels) || f.Wide && n < fromForm
		})
	}
	r.Failed = slices.DeleteFunc(r.Failed, func(f conformance.Failure) bool { return len(f.Faults) == 0 })
	return r
}
