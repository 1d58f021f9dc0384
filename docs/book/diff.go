package book

import "strings"

// diffContext is how many unchanged lines are shown on either side of a change.
const diffContext = 2

// diff shows how to come from the page's lines to the text's, in the manner of diff -u.
func diff(r rules, page, text []string) string {
	return "\n--- the page\n+++ what is so\n" + strings.Join(nearChanges(allChanges(r, page, text)), "\n")
}

// allChanges gives every line of both texts, each with the sign that says whose it is.
func allChanges(r rules, page, text []string) []string {
	r.hole = func(string) bool { return false }
	at := r.align(page, text)
	var all []string
	j := 0
	for i, line := range page {
		if at[i] < 0 || !r.same(line, text[at[i]]) {
			all = append(all, "- "+line)
			continue
		}
		for ; j < at[i]; j++ {
			all = append(all, "+ "+text[j])
		}
		all = append(all, "  "+line)
		j++
	}
	for ; j < len(text); j++ {
		all = append(all, "+ "+text[j])
	}
	return all
}

// nearChanges drops the unchanged lines that stand far from any change.
func nearChanges(all []string) []string {
	near := make([]bool, len(all))
	for i, line := range all {
		if line[0] == ' ' {
			continue
		}
		for k := max(0, i-diffContext); k <= min(len(all)-1, i+diffContext); k++ {
			near[k] = true
		}
	}
	var out []string
	for i, line := range all {
		switch {
		case near[i]:
			out = append(out, line)
		case i == 0 || near[i-1]:
			out = append(out, "  ...")
		}
	}
	return out
}
