package main

// The report as a page that needs nothing beside itself.

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// pageCause is a cause as the page shows it.
type pageCause struct {
	jsonCause
	Says       string // the example's expectation
	Transcript string
	Played     string
}

// pageCase is a case as the page shows it.
type pageCase struct {
	ID, Outcome, Says, Detail string
}

func writeHTML(v *verdict, out io.Writer) error {
	rows, all := v.table()
	data := struct {
		Summary            string
		Notes              []string
		Everywhere, Causes []pageCause
		Rows               []row
		All                row
		After              []error
		Cases              []pageCase
	}{Summary: v.summary(), Notes: v.notes, Everywhere: v.pageCauses(v.everywhere), Causes: v.pageCauses(v.causes), Rows: rows, All: all, After: v.after}
	for i := range v.results {
		r := &v.results[i]
		c := pageCase{ID: r.Case.ID, Outcome: v.outcome(i), Says: r.Case.Says, Detail: r.Skipped}
		if len(v.own[i]) > 0 {
			c.Detail = r.Explain() + "\n\nagain: " + v.o.againCase(r.Case.ID)
		}
		data.Cases = append(data.Cases, c)
	}
	return page.Execute(out, data)
}

func (v *verdict) pageCauses(causes []*cause) (all []pageCause) {
	for i, c := range v.jsonCauses(causes) {
		k := causes[i]
		all = append(all, pageCause{c, k.example.Says, k.play.Transcript(k.at), k.play.Played()})
	}
	return all
}
