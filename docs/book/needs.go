package book

// Needs: a block that no test runs says so where its reader sees it, and with what it needs. The
// reason of a directive "not run" is repeated in a line of its own above it, which -update writes.

import (
	"slices"
	"strings"
)

// Needs finds the blocks that nobody runs and that do not say so where a reader sees it: by a line
// *By hand: REASON.* above their directive, and a REASON that names each tool that the block calls.
func Needs(d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		k := kind(f.Directive)
		if k != "not run" && k != "recorded" || f.Info != "console" {
			continue
		}
		seen := d.above(f)
		if m := notRunDirective.FindString(f.Directive); m != "" {
			want := "*By hand: " + strings.TrimPrefix(f.Directive, "not run: ") + ".*"
			if seen.Raw != want {
				out = append(out, d.visible(f, seen, want))
				continue
			}
		}
		if m := recordedDirective.FindStringSubmatch(f.Directive); m != nil && !strings.HasPrefix(seen.Raw, "*Recorded "+m[1]+" on "+m[2]) {
			out = append(out, d.finding(f, "above it there has to be a line *Recorded "+m[1]+" on "+m[2]+"; …*, with what it needs"))
			continue
		}
		for _, tool := range tools(d, f) {
			if !strings.Contains(seen.Raw, tool) {
				out = append(out, d.finding(f, "the line above it does not say that it needs "+tool))
			}
		}
	}
	return out
}

// above is the line of prose over a fence's directive.
func (d *Doc) above(f Fence) Line {
	for _, l := range d.Prose {
		if l.Number == f.Line-2 {
			return l
		}
	}
	return Line{}
}

// visible gives the finding whose fix is the line that a reader should see.
func (d *Doc) visible(f Fence, seen Line, want string) Finding {
	out := d.finding(f, "above it there has to be the line "+want)
	at := strings.LastIndex(d.Text[:f.Start], "<!-- "+f.Directive)
	out.Fix = &Edit{Start: at, End: at, New: want + "\n"}
	if strings.HasPrefix(seen.Raw, "*By hand: ") {
		out.Fix = &Edit{Start: seen.Start, End: seen.Start + len(seen.Raw), New: want}
	}
	return out
}

// needed are the commands that a reader may not have.
var needed = []string{"strace", "perf", "tcpdump", "openssl", "nginx", "haproxy", "python3", "sudo", "docker", "systemctl", "tc", "nft", "ip"}

// assumed are the commands that the chapters take for granted, and that a small machine lacks.
var assumed = []string{"curl", "grep"}

// called gives those of both that a command begins with, or pipes into.
func called(command string) (out []string) {
	for part := range strings.FieldsFuncSeq(command, func(r rune) bool { return strings.ContainsRune("|;&()\n", r) }) {
		words := strings.Fields(part)
		if len(words) > 1 && (words[0] == "do" || words[0] == "then") {
			words = words[1:]
		}
		if len(words) > 0 && (slices.Contains(needed, words[0]) || slices.Contains(assumed, words[0])) {
			out = append(out, words[0])
		}
	}
	return out
}

// tools gives those that a reader may not have of what the commands of a fence call.
func tools(d *Doc, f Fence) []string {
	var out []string
	for _, line := range d.Body(f) {
		command, is := strings.CutPrefix(line, "$ ")
		if !is {
			continue
		}
		for _, tool := range called(command) {
			if slices.Contains(needed, tool) && !slices.Contains(out, tool) {
				out = append(out, tool)
			}
		}
	}
	return out
}
