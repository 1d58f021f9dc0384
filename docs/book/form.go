package book

import (
	"fmt"
	"regexp"
)

// Template lists the headings, of level two, that every chapter has, in the order in which a reader
// meets them.
var Template = []string{
	"The question",
	"Predict",
	"The smallest thing that fails",
	"The model",
	"The code",
	"What the kernel did",
	"The lab",
	"Measured against predicted",
	"Break it",
	"Exercises",
	"Design note",
	"The limit",
	"Checklist",
}

// MinWords is how long the prose of a chapter is at least, in words.
const MinWords = 1000

// howTo numbers the chapter that is about the course itself, and so does not follow the template.
const howTo = "00"

var chapterName = regexp.MustCompile(`^docs/(\d\d)-[a-z0-9]+(?:-[a-z0-9]+)*\.md$`)

// Number gives the two digits that a chapter's file name begins with, or "" for a page that is no
// chapter.
func (d *Doc) Number() string {
	if m := chapterName.FindStringSubmatch(d.Path); m != nil {
		return m[1]
	}
	return ""
}

// Form holds a chapter to its name, its headings and its length.
func Form(d *Doc) []Finding {
	if d.Number() == "" {
		return []Finding{{File: d.Path, Text: "a chapter is named docs/NN-name.md, in small letters, digits and hyphens"}}
	}
	var out []Finding
	if n := d.Words(); n < MinWords {
		out = append(out, Finding{File: d.Path, Text: fmt.Sprintf("it has %d words of prose; a chapter has at least %d", n, MinWords)})
	}
	if d.Number() == howTo {
		return out
	}
	return append(out, headings(d)...)
}

// headings finds what a chapter lacks of the template, has twice, or has out of its order.
func headings(d *Doc) []Finding {
	var out []Finding
	latest := 0 // line of the last heading that stood where it should
	for _, want := range Template {
		var at []int
		for _, h := range d.Headings {
			if h.Level == 2 && h.Text == want {
				at = append(at, h.Line)
			}
		}
		switch {
		case len(at) == 0:
			out = append(out, Finding{File: d.Path, Text: fmt.Sprintf("it has no heading %q", "## "+want)})
		case len(at) > 1:
			out = append(out, Finding{File: d.Path, Line: at[1], Text: fmt.Sprintf("it has the heading %q again", "## "+want)})
		case at[0] < latest:
			out = append(out, Finding{File: d.Path, Line: at[0], Text: fmt.Sprintf("the heading %q comes too early", "## "+want)})
		default:
			latest = at[0]
		}
	}
	return out
}
