package book

// An excerpt is a run of lines with holes: a line "// …" in a listing, "…" in an output, stands for
// one or more lines that the page leaves out. Two questions are asked of one: does it match the
// whole text (matches), and, when the text has changed, what is the excerpt now (refit).
//
// To refit, the excerpt's lines are first aligned with those of the text. Then the two lines beside
// each hole are its anchors: both must have been found again, or nobody knows what the hole leaves
// out. Between anchors the text is shown as it is. The beginning and the end of an excerpt need no
// anchor: they are the text's own.

import (
	"fmt"
	"slices"
	"strings"
)

// rules say how the lines of an excerpt relate to those of a text.
type rules struct {
	hole func(line string) bool
	same func(shown, now string) bool
}

// span is the part of an excerpt between two holes: lines [lo, hi), perhaps none.
type span struct{ lo, hi int }

func (r rules) spans(shown []string) []span {
	var out []span
	lo := 0
	for i, line := range shown {
		if r.hole(line) {
			out = append(out, span{lo, i})
			lo = i + 1
		}
	}
	return append(out, span{lo, len(shown)})
}

// matches reports whether the excerpt is a true one of the text. Taking each span at its first
// place is enough: an earlier place leaves more text for the spans to come.
func (r rules) matches(shown, text []string) bool {
	spans := r.spans(shown)
	first, last := spans[0], spans[len(spans)-1]
	if len(spans) == 1 {
		return slices.EqualFunc(shown, text, r.same)
	}
	if !r.at(shown[first.lo:first.hi], text, 0) {
		return false
	}
	pos := first.hi
	for _, s := range spans[1 : len(spans)-1] {
		pos++ // a hole is at least one line
		for pos <= len(text) && !r.at(shown[s.lo:s.hi], text, pos) {
			pos++
		}
		pos += s.hi - s.lo
	}
	tail := len(text) - (last.hi - last.lo)
	return tail > pos && r.at(shown[last.lo:], text, tail)
}

// at reports whether part stands in text at line i.
func (r rules) at(part, text []string, i int) bool {
	return i+len(part) <= len(text) && slices.EqualFunc(part, text[i:i+len(part)], r.same)
}

// refit gives the excerpt of the changed text. A hole that has nothing left to leave out goes. The
// error names the lines that anchored a hole and are no longer there.
func (r rules) refit(shown, text []string) ([]string, error) {
	at := r.align(shown, text)
	spans := r.spans(shown)
	if lost := lostAnchors(spans, shown, at); lost != nil {
		return nil, fmt.Errorf("these lines stand beside an elision and no longer match:\n%s", strings.Join(lost, "\n"))
	}
	var out []string
	done := 0 // lines of the text that are accounted for
	for k, s := range spans {
		from, to := s.reach(at, k == 0, k == len(spans)-1, done, len(text))
		if from > done {
			out = append(out, shown[s.lo-1])
		}
		out = append(out, r.keep(shown, text, at, from, to)...)
		done = to
	}
	return out, nil
}

// lostAnchors gives the lines beside a hole that are not in the text any more.
func lostAnchors(spans []span, shown []string, at []int) []string {
	var lost []string
	for k, s := range spans {
		if s.lo == s.hi {
			continue
		}
		if k > 0 && at[s.lo] < 0 {
			lost = append(lost, "\t"+shown[s.lo])
		}
		if k < len(spans)-1 && at[s.hi-1] < 0 {
			lost = append(lost, "\t"+shown[s.hi-1])
		}
	}
	return slices.Compact(lost)
}

// reach gives the lines [from, to) of a text of end lines that the span shows now. The first span
// begins where the text does, the last one ends there.
func (s span) reach(at []int, first, last bool, done, end int) (from, to int) {
	empty := s.lo == s.hi
	switch {
	case first && last:
		return 0, end
	case empty && first:
		return 0, 0
	case empty && last:
		return end, end
	case empty:
		return done, done // two holes in a row are one
	case first:
		return 0, at[s.hi-1] + 1
	case last:
		return at[s.lo], end
	}
	return at[s.lo], at[s.hi-1] + 1
}

// keep gives the lines [from, to) of the text, each as the page had it where the rules call the two
// the same.
func (r rules) keep(shown, text []string, at []int, from, to int) []string {
	out := slices.Clone(text[from:to])
	for i, j := range at {
		if j >= from && j < to && r.same(shown[i], text[j]) {
			out[j-from] = shown[i]
		}
	}
	return out
}

// The weight of one matched line in an alignment. A line of words says far more about where it
// belongs than a closing brace does; a neighbour that matched as well says a little.
const (
	weightBare     = 1 // no letter or digit in it
	weightWords    = 4
	weightSame     = 2 // times this if the lines are the same, and not only alike except for white space
	weightAdjacent = 1
)

func (r rules) weight(shown, now string) int {
	w := weightBare
	if strings.ContainsFunc(shown, isWordRune) {
		w = weightWords
	}
	switch {
	case r.hole(shown):
		return 0
	case r.same(shown, now):
		return w * weightSame
	case slices.Equal(strings.Fields(shown), strings.Fields(now)):
		return w
	}
	return 0
}

// align gives, for each line of the excerpt, the line of the text that it became, or -1. The result
// rises. It is the heaviest common subsequence, by the usual table; both ends are matched first, as
// they need no search.
func (r rules) align(shown, text []string) []int {
	at := slices.Repeat([]int{-1}, len(shown))
	lo, hi, end := 0, len(shown), len(text)
	for lo < hi && lo < end && !r.hole(shown[lo]) && r.same(shown[lo], text[lo]) {
		at[lo] = lo
		lo++
	}
	for hi > lo && end > lo && !r.hole(shown[hi-1]) && r.same(shown[hi-1], text[end-1]) {
		hi--
		end--
		at[hi] = end
	}
	r.alignMiddle(shown[lo:hi], text[lo:end], at[lo:hi])
	for i := range at[lo:hi] {
		if at[lo+i] >= 0 {
			at[lo+i] += lo
		}
	}
	return at
}

// alignMiddle fills at. best[i][j] weighs the best alignment of the first i and j lines; ends[i][j]
// the best one in which the last of both match each other, or 0 if they cannot.
func (r rules) alignMiddle(shown, text []string, at []int) {
	best, ends := grid(len(shown)+1, len(text)+1), grid(len(shown)+1, len(text)+1)
	for i := 1; i <= len(shown); i++ {
		for j := 1; j <= len(text); j++ {
			if w := r.weight(shown[i-1], text[j-1]); w > 0 {
				ends[i][j] = w + best[i-1][j-1]
				if before := ends[i-1][j-1]; before > 0 {
					ends[i][j] = max(ends[i][j], w+before+weightAdjacent)
				}
			}
			best[i][j] = max(best[i-1][j], best[i][j-1], ends[i][j])
		}
	}
	r.trace(best, ends, shown, text, at)
}

// trace walks the tables back from their end. Within a run of adjacent matches it must follow ends,
// not best.
func (r rules) trace(best, ends [][]int, shown, text []string, at []int) {
	adjacent := false
	for i, j := len(shown), len(text); i > 0 && j > 0; {
		switch {
		case !adjacent && best[i][j] == best[i-1][j]:
			i--
		case !adjacent && best[i][j] == best[i][j-1]:
			j--
		default:
			before := ends[i-1][j-1]
			adjacent = before > 0 && ends[i][j] == r.weight(shown[i-1], text[j-1])+before+weightAdjacent
			i--
			j--
			at[i] = j
		}
	}
}

func grid(rows, cols int) [][]int {
	out := make([][]int, rows)
	for i := range out {
		out[i] = make([]int, cols)
	}
	return out
}
