package mutants

import (
	"fmt"
	"strings"
)

// Diff shows the edit as a unified diff without context, with the numbers of its lines.
func (m Mutant) Diff(root string) (string, error) {
	text, err := m.Source(root)
	if err != nil {
		return "", err
	}
	edited, err := m.Apply(text)
	if err != nil {
		return "", err
	}
	before, after := strings.SplitAfter(text, "\n"), strings.SplitAfter(edited, "\n")
	same := 0
	for before[same] == after[same] {
		same++
	}
	before, after = before[same:], after[same:]
	for before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
		if len(before) == 0 || len(after) == 0 {
			break
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", m.File, m.File)
	fmt.Fprintf(&b, "@@ -%s +%s @@\n", hunk(same, len(before)), hunk(same, len(after)))
	b.WriteString(marked("-", before) + marked("+", after))
	return b.String(), nil
}

// hunk is a diff's way of naming n lines after the first skipped ones.
func hunk(skipped, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", skipped)
	}
	return fmt.Sprintf("%d,%d", skipped+1, n)
}

func marked(mark string, lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(mark + line)
	}
	return b.String()
}
