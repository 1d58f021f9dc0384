package web

// What is typed, and what it prints. The commands stand open. What they print is folded, so that a
// reader can say first what it will be.

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// command is one command of a block, and what it printed.
type command struct {
	lines  []string // several where a line ends in a backslash
	output []string
}

// commandsOf reads a console block.
func commandsOf(body string) (list []command) {
	more := false // the command goes on in the next line
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n")
		text, prompt := strings.CutPrefix(line, "$ ")
		switch {
		case prompt:
			list = append(list, command{lines: []string{text}})
		case len(list) == 0:
			list = append(list, command{output: []string{line}})
		case more:
			last := &list[len(list)-1]
			last.lines = append(last.lines, line)
		default:
			last := &list[len(list)-1]
			last.output = append(last.output, line)
		}
		more = (prompt || more) && strings.HasSuffix(line, `\`)
	}
	return list
}

// console writes a block; checked says that the output was printed by a run of the tests.
func console(w io.Writer, body string, checked bool) {
	list := commandsOf(body)
	fmt.Fprint(w, "<figure class=\"console\">\n<pre><code>")
	outputs := 0
	for i, c := range list {
		if i > 0 {
			fmt.Fprint(w, "\n")
		}
		if len(c.output) > 0 {
			outputs++
		}
		if len(c.lines) > 0 {
			fmt.Fprintf(w, "<b>$ </b>%s", html.EscapeString(strings.Join(c.lines, "\n")))
		}
	}
	fmt.Fprint(w, "</code></pre>\n")
	if outputs > 0 {
		fmt.Fprintf(w, "<details class=\"output\"><summary>What it prints%s</summary>\n<pre>%s</pre>\n</details>\n", by(checked), printed(list))
	}
	fmt.Fprint(w, "</figure>\n")
}

// by says who vouches for an output.
func by(checked bool) string {
	if checked {
		return ` <small>checked by the tests</small>`
	}
	return ` <small>here; where you are it may differ</small>`
}

// printed writes the outputs, each after its command where there are several.
func printed(list []command) string {
	var lines []string
	for _, c := range list {
		if len(list) > 1 && len(c.lines) > 0 {
			lines = append(lines, "<b>$ "+html.EscapeString(strings.Join(c.lines, "\n"))+"</b>")
		}
		for _, line := range c.output {
			lines = append(lines, html.EscapeString(line))
		}
	}
	return strings.Join(lines, "\n")
}
