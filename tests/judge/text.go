package main

// The report as text: short, with what to mend first at its top.
//
// It only reads the verdict. What must not be done: nothing may be printed here that depends on the
// order in which the cases have ended, since the text is compared with a file.

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"fourways/shared/plural"
	"fourways/tests/conformance"
)

// Bounds of the text.
const (
	toldCauses = 8 // with an example; of the others there is a line each
	namedCases = 6 // of a cause, beside its example
	width      = 100
)

// report writes the report in each form that was asked for.
func (o *options) report(v *verdict, out io.Writer) error {
	quiet := false
	for _, form := range []struct {
		file  string
		write func(*verdict, io.Writer) error
	}{{o.json, writeJSON}, {o.junit, writeJUnit}, {o.html, writeHTML}} {
		if form.file == "-" {
			quiet = true
		}
		if err := writeTo(form.file, out, v, form.write); err != nil {
			return err
		}
	}
	if !quiet {
		v.print(out)
	}
	return nil
}

func writeTo(file string, out io.Writer, v *verdict, write func(*verdict, io.Writer) error) error {
	switch file {
	case "":
		return nil
	case "-":
		return write(v, out)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := write(v, f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// target is what was judged, in a few words.
func (o *options) targetName() string {
	if o.addr != "" {
		return o.addr
	}
	return o.cmd
}

// by is by what is judged.
func (o *options) by() string {
	if o.profile == "rfc" {
		return "the RFCs"
	}
	return "the RFCs and this project's policy"
}

// summary is the first line.
func (v *verdict) summary() string {
	_, all := v.table()
	text := fmt.Sprintf("%s, by %s: %d of %d cases pass", v.o.targetName(), v.o.by(), all.Passed, len(v.results)-all.Skipped)
	if all.Skipped > 0 {
		text += fmt.Sprintf(", %d were not played", all.Skipped)
	}
	return text + "."
}

// print writes the whole report.
func (v *verdict) print(out io.Writer) {
	fmt.Fprintln(out, v.summary())
	for _, note := range v.notes {
		fmt.Fprintln(out, note)
	}
	v.printEverywhere(out)
	v.printCauses(out)
	if v.o.verbose {
		v.printCases(out)
	}
	v.printSkipped(out)
	v.printTable(out)
	v.printSince(out)
	for _, err := range v.after {
		fmt.Fprintf(out, "after the last case: %v\n", err)
	}
	if v.o.verbose {
		fmt.Fprintf(out, "%s in %.1f s\n", cases(len(v.results)), v.took.Seconds())
	}
}

func (v *verdict) printEverywhere(out io.Writer) {
	if len(v.everywhere) == 0 {
		return
	}
	fmt.Fprintf(out, "\nWrong whatever is asked, and not counted below:\n")
	for _, k := range v.everywhere {
		fmt.Fprintf(out, "\n  %-6s  %s (%s)\n", k.level, k.text, cases(len(k.cases)))
		printQuote(out, "          ", k.rfc, k.quote)
	}
}

// printQuote writes a section, and a sentence of it.
func printQuote(out io.Writer, indent, rfc, quote string) {
	switch {
	case rfc == "":
	case quote == "":
		fmt.Fprintf(out, "%sRFC %s\n", indent, rfc)
	default:
		fmt.Fprintln(out, wrap("RFC "+rfc+": \""+quote+"\"", indent))
	}
}

func (v *verdict) printCauses(out io.Writer) {
	switch len(v.causes) {
	case 0:
		return
	case 1:
		fmt.Fprintf(out, "\nOne fault. Mend this:\n")
	default:
		fmt.Fprintf(out, "\n%d distinct faults, the heaviest and most frequent first. Mend this first:\n", len(v.causes))
	}
	for i, k := range v.causes {
		if i == toldCauses {
			fmt.Fprintln(out)
		}
		if i >= toldCauses {
			fmt.Fprintf(out, "%d. %s, %s: %s (%s)\n", i+1, k.level, cases(len(k.cases)), k.says, k.example.ID)
			continue
		}
		fmt.Fprintf(out, "\n%d. %s, %s: %s\n", i+1, k.level, cases(len(k.cases)), k.says)
		v.printExample(out, k, i == 0)
		if others := k.others(); others != "" {
			fmt.Fprintln(out, wrap("and "+others, "   "))
		}
	}
	fmt.Fprintln(out)
}

// printExample tells of a cause's example, and shows its bytes if asked for them.
func (v *verdict) printExample(out io.Writer, k *cause, shown bool) {
	fmt.Fprintf(out, "   %s: %s\n", k.example.ID, k.example.Says)
	if !strings.HasSuffix(k.says, k.text) {
		fmt.Fprintf(out, "   %s\n", k.text)
	}
	printQuote(out, "   ", k.rfc, k.quote)
	if shown {
		fmt.Fprintf(out, "   played %s\n%s\n", k.play.Played(), indent(k.play.Transcript(k.at), " "))
		fmt.Fprintf(out, "   again: %s\n", v.o.againCase(k.example.ID))
	}
}

// others names the cases of a cause beside its example.
func (k *cause) others() string {
	var ids []string
	for _, c := range k.cases {
		if c != k.example {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) > namedCases+1 {
		ids = append(ids[:namedCases], fmt.Sprintf("… %d more", len(ids)-namedCases))
	}
	return strings.Join(ids, " ")
}

// printCases tells of every case, as -v asks for.
func (v *verdict) printCases(out io.Writer) {
	for i := range v.results {
		r := &v.results[i]
		what := v.outcome(i)
		switch {
		case v.level(i) != conformance.None:
			fmt.Fprintf(out, "%-8s %s\n  again: %s\n", what, r.Explain(), v.o.againCase(r.Case.ID))
		case r.Skipped != "":
			fmt.Fprintf(out, "%-8s %s: %s\n", what, r.Case.ID, r.Skipped)
		default:
			fmt.Fprintf(out, "%-8s %s (%d ms)\n", what, r.Case.ID, r.Took.Milliseconds())
		}
	}
}

func (v *verdict) printSkipped(out io.Writer) {
	reasons, count := v.skipped()
	for _, reason := range reasons {
		fmt.Fprintf(out, "not played: %s, %s\n", cases(count[reason]), reason)
	}
}

// printTable writes the topics in which something failed, and a line for all.
func (v *verdict) printTable(out io.Writer) {
	const format = "%-20s %7v %7v %7v %7v %7v\n"
	rows, all := v.table()
	if !v.o.verbose {
		if all.Must+all.House+all.Should == 0 {
			return
		}
		rows = slices.DeleteFunc(rows, func(w row) bool { return w.Must+w.House+w.Should == 0 })
	}
	fmt.Fprintf(out, format, "topic", "passed", "MUST", "HOUSE", "SHOULD", "skipped")
	for _, w := range append(rows, all) {
		fmt.Fprintf(out, format, w.Topic, w.Passed, w.Must, w.House, w.Should, w.Skipped)
	}
}

// printSince tells what has changed since the baseline.
func (v *verdict) printSince(out io.Writer) {
	if v.since == nil {
		return
	}
	var fresh, mended []string
	for i := range v.results {
		id := v.results[i].Case.ID
		if v.since.news(id, v.level(i)) {
			fresh = append(fresh, id)
		}
		if v.since.mended(id, v.outcome(i)) {
			mended = append(mended, id)
		}
	}
	for _, k := range v.everywhere {
		if v.since.newEverywhere(k) {
			fresh = append(fresh, k.text)
		}
	}
	fmt.Fprintf(out, "Since %s: %d new, %d mended.\n", v.since.file, len(fresh), len(mended))
	for _, id := range fresh {
		fmt.Fprintf(out, "  new     %s\n", id)
	}
	for _, id := range mended {
		fmt.Fprintf(out, "  mended  %s\n", id)
	}
}

// cases is a number of them.
func cases(n int) string { return plural.Of(n, "case", "cases") }

// indent puts a prefix before each line.
func indent(text, prefix string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}

// wrap breaks a text into lines of the width, each with an indentation.
func wrap(text, indent string) string {
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) >= width && line != indent {
			lines, line = append(lines, line), indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
