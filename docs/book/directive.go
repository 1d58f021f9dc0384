package book

import (
	"regexp"
	"slices"
	"strings"
)

// A directive that is written wrongly must not become a claim that nobody checks. So every comment
// that begins like one of ours has to be one, in its place.

var (
	kindWord    = regexp.MustCompile(`^(?i:(code|diff|run|not[ -]run|recorded|lab|const|/\s*const|result|/\s*result))\b`)
	commentOpen = regexp.MustCompile(`<!--\s*(.*?)\s*(-->|$)`)
)

// kind gives the word that a directive begins with, or "" for a comment that is none.
func kind(directive string) string {
	return strings.ToLower(kindWord.FindString(directive))
}

// wordsLost is a comment that begins a line, and words after it. In Markdown such a line is HTML,
// and no part of its paragraph (CommonMark 4.6): the book leaves it out, words and all.
var wordsLost = regexp.MustCompile(`^[\s>]*(?:(?:[-*+]|\d+[.)])\s+)*<!--.*-->\s*\S`)

// Directives finds those that stand where they do nothing or hide what stands beside them, and
// outputs that nothing vouches for.
func Directives(d *Doc) []Finding {
	above := map[int]bool{} // lines that stand directly above a fence
	var out []Finding
	for _, f := range d.Fences {
		above[f.Line-1] = true
		if f.Info == "console" && !isFenceKind(kind(f.Directive)) {
			out = append(out, d.finding(f, "a console fence needs <!-- run -->, <!-- recorded: … --> or <!-- not run: REASON --> above it"))
		}
		if kind(f.Directive) == "not run" && !notRunDirective.MatchString(f.Directive) {
			out = append(out, d.finding(f, "write it as: not run: REASON"))
		}
	}
	for _, l := range d.Prose {
		if wordsLost.MatchString(l.Text) {
			out = append(out, Finding{File: d.Path, Line: l.Number, Text: "a comment begins the line, so the words after it are in no paragraph: put a word before it"})
		}
		for _, m := range commentOpen.FindAllStringSubmatch(l.Text, -1) {
			alone := above[l.Number] && commentLine.MatchString(l.Text)
			if k := kind(m[1]); k == "not-run" || isFenceKind(k) && !alone {
				out = append(out, Finding{File: d.Path, Line: l.Number, Directive: m[1], Text: "it must be the whole line directly above a fence"})
			}
		}
	}
	return out
}

var notRunDirective = regexp.MustCompile(`^not run: \S`)

func isFenceKind(k string) bool {
	return slices.Contains([]string{"code", "diff", "run", "not run", "recorded", labWord}, k)
}
