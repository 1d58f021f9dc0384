package main

// The report for programs: JSON, with keys in small letters, and JUnit's XML.
//
// It only reads the verdict. What must not be done: a key that was once written must not change its
// meaning, since -baseline reads reports of earlier days, and other people's programs do.

import (
	"encoding/json"
	"encoding/xml"
	"io"

	"fourways/tests/conformance"
)

// keptBytes bounds what of an exchange a report keeps, of each direction.
const keptBytes = 16 << 10

// jsonReport is what -json writes.
type jsonReport struct {
	Target     string      `json:"target"`
	Profile    string      `json:"profile"`
	Seconds    float64     `json:"seconds"`
	Notes      []string    `json:"notes,omitempty"`
	Counts     row         `json:"counts"`
	Everywhere []jsonCause `json:"everywhere"` // faults of every answer, which count against no case
	Faults     []jsonCause `json:"faults"`     // the first is to be mended first
	Topics     []row       `json:"topics"`
	After      []string    `json:"after,omitempty"` // what was wrong with the process after the last case
	Cases      []jsonCase  `json:"cases"`
}

// jsonCause is the faults of one cause.
type jsonCause struct {
	Level   string   `json:"level"`
	Text    string   `json:"text"`
	RFC     string   `json:"rfc,omitempty"`
	Quote   string   `json:"quote,omitempty"`
	Count   int      `json:"count"` // of the cases
	Example string   `json:"example"`
	Again   string   `json:"again"` // the command that repeats the example
	Cases   []string `json:"cases"`
}

// jsonCase is what became of a case.
type jsonCase struct {
	Case     string        `json:"case"`
	Level    string        `json:"level"` // of the case
	RFC      string        `json:"rfc,omitempty"`
	Quote    string        `json:"quote,omitempty"`
	Says     string        `json:"says"`
	Outcome  string        `json:"outcome"` // passed, skipped, or the level failed
	Skipped  string        `json:"skipped,omitempty"`
	Seconds  float64       `json:"seconds"`
	Failures []jsonFailure `json:"failures,omitempty"`
}

// jsonFailure is one play that found faults. Bytes are in base64.
type jsonFailure struct {
	Played   string      `json:"played"`
	Faults   []jsonFault `json:"faults"`
	Sent     []byte      `json:"sent"`
	Mark     int         `json:"mark"` // offset in sent of the byte that the case is about, -1 for none
	Received []byte      `json:"received"`
}

// jsonFault is one fault of a play.
type jsonFault struct {
	Level      string `json:"level"`
	RFC        string `json:"rfc,omitempty"`
	Quote      string `json:"quote,omitempty"`
	Text       string `json:"text"`
	At         int    `json:"at"`         // offset in received, -1 for none
	Everywhere bool   `json:"everywhere"` // any answer may show it
}

func writeJSON(v *verdict, out io.Writer) error {
	rows, all := v.table()
	report := jsonReport{
		Target: v.o.targetName(), Profile: v.o.profile, Seconds: v.took.Seconds(), Notes: v.notes, Counts: all,
		Everywhere: v.jsonCauses(v.everywhere), Faults: v.jsonCauses(v.causes), Topics: rows,
	}
	for _, err := range v.after {
		report.After = append(report.After, err.Error())
	}
	for i := range v.results {
		report.Cases = append(report.Cases, v.jsonCase(i))
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(report)
}

func (v *verdict) jsonCauses(causes []*cause) []jsonCause {
	all := []jsonCause{}
	for _, k := range causes {
		c := jsonCause{k.level.String(), k.says, k.rfc, k.quote, len(k.cases), k.example.ID, v.o.againCase(k.example.ID), nil}
		for _, of := range k.cases {
			c.Cases = append(c.Cases, of.ID)
		}
		all = append(all, c)
	}
	return all
}

func (v *verdict) jsonCase(i int) jsonCase {
	r := &v.results[i]
	c := jsonCase{
		Case: r.Case.ID, Level: r.Case.Level.String(), RFC: r.Case.RFC, Quote: r.Case.Quote, Says: r.Case.Says,
		Outcome: v.outcome(i), Skipped: r.Skipped, Seconds: r.Took.Seconds(),
	}
	for _, f := range r.Failed {
		failure := jsonFailure{Played: f.How.String(), Sent: kept(f.Sent), Mark: f.Mark, Received: kept(f.Received)}
		for _, fault := range f.Faults {
			failure.Faults = append(failure.Faults, jsonFault{fault.Level.String(), fault.RFC, fault.Quote, fault.Text, fault.At, fault.Everywhere()})
		}
		c.Failures = append(c.Failures, failure)
	}
	return c
}

func kept(b []byte) []byte { return b[:min(len(b), keptBytes)] }

// The elements of JUnit's XML. Each topic is a suite.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     float64      `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    float64       `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"` // the level
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// writeJUnit writes the cases by topic. What is wrong with every answer is a suite of its own.
func writeJUnit(v *verdict, out io.Writer) error {
	all := junitSuites{Name: v.o.targetName(), Time: v.took.Seconds()}
	suite := func(name string) *junitSuite {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != name {
			all.Suites = append(all.Suites, junitSuite{Name: name})
		}
		return &all.Suites[len(all.Suites)-1]
	}
	for _, k := range v.everywhere {
		c := junitCase{Class: "every answer", Name: k.text}
		if v.since.newEverywhere(k) {
			c.Failure = v.junitFailure(k.level, k.text, "RFC "+k.rfc+"\n"+k.quote)
		}
		suite(c.Class).add(c)
	}
	for i := range v.results {
		r := &v.results[i]
		c := junitCase{Class: r.Case.Topic(), Name: r.Case.Name(), Time: r.Took.Seconds()}
		if level := v.level(i); level != conformance.None && v.since.news(r.Case.ID, level) {
			c.Failure = v.junitFailure(level, v.own[i][0].Text, r.Explain()+"\nagain: "+v.o.againCase(r.Case.ID))
		} else if r.Skipped != "" {
			c.Skipped = &junitSkipped{r.Skipped}
		}
		suite(c.Class).add(c)
	}
	for _, err := range v.after {
		suite("the process").add(junitCase{Class: "the process", Name: "after the last case", Failure: v.junitFailure(conformance.MUST, err.Error(), "")})
	}
	for _, s := range all.Suites {
		all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out)
	enc.Indent("", " ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func (v *verdict) junitFailure(level conformance.Level, message, text string) *junitFailure {
	if !counts(level, v.o.mustOnly) {
		return nil
	}
	return &junitFailure{level.String(), message, text}
}
