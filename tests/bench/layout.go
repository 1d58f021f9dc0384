//go:build linux

package main

// The terminal: tables and text that fit its width.
//
// Nothing here knows what a figure means. What must not be done: a cell must not be cut, or a
// figure is another one.

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// pageWidth is how many columns a line may have.
const pageWidth = 100

// printCells sets names to the left and figures to the right. Where the columns do not fit, those
// that are left follow in another table, with the names again.
func printCells(out io.Writer, table [][]string) {
	if len(table) < 2 {
		return
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for from := 1; from < len(widths); {
		to, used := from, widths[0]
		for to < len(widths) && (to == from || used+2+widths[to] <= pageWidth) {
			used += 2 + widths[to]
			to++
		}
		for _, row := range table {
			line := row[0] + pad(row[0], widths[0])
			for i := from; i < to; i++ {
				line += "  " + pad(row[i], widths[i]) + row[i]
			}
			fmt.Fprintln(out, strings.TrimRight(line, " "))
		}
		from = to
	}
}

func pad(cell string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(cell), 0))
}

// say prints text in lines that fit.
func say(out io.Writer, format string, args ...any) {
	line := ""
	for word := range strings.SplitSeq(strings.TrimRight(fmt.Sprintf(format, args...), "\n"), " ") {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth {
			fmt.Fprintln(out, line)
			line = "  " + word
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(out, line)
}
