package book

// Commands: what the README tells a reader to type is run by somebody before the reader does: by
// .ci/run, or by a test that is named for it.

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Continuous is the script that runs every check of the project.
const Continuous = ".ci/run"

// Command is one command of a page's sh or console fences.
type Command struct {
	Line int // from 1
	Text string
}

var shellComment = regexp.MustCompile(`\s+#\s.*$`)

// Commands gives every command of a page: the lines of a sh or bash fence, and those of a console
// fence that begin with "$ ". A comment at a line's end is no part of the command; a backslash
// there joins the next line.
func Commands(d *Doc) []Command {
	var out []Command
	for _, f := range d.Fences {
		if !slices.Contains([]string{"sh", "bash", "shell", "console"}, f.Info) {
			continue
		}
		joined := false
		for i, line := range d.Body(f) {
			text, prompt := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			skip := f.Info == "console" && !prompt || text == "" || strings.HasPrefix(text, "#")
			if skip && !joined {
				continue
			}
			text = shellComment.ReplaceAllString(text, "")
			more := strings.HasSuffix(text, `\`)
			text = strings.TrimSpace(strings.TrimSuffix(text, `\`))
			if joined {
				out[len(out)-1].Text += " " + text
			} else {
				out = append(out, Command{Line: f.Line + 1 + i, Text: text})
			}
			joined = more
		}
	}
	return out
}

// Vouched checks that each command of a page is a command of .ci/run too, or is in tests: command →
// "file_test.go TestName", the test that runs it. An entry of tests whose command or test has gone
// is found as well.
func (p Project) Vouched(d *Doc, tests map[string]string) ([]Finding, error) {
	script, err := fs.ReadFile(p.FS, Continuous)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []Finding
	used := map[string]bool{}
	for _, c := range Commands(d) {
		used[c.Text] = true
		if _, is := tests[c.Text]; !is && !hasCommand(string(script), c.Text) {
			out = append(out, Finding{File: d.Path, Line: c.Line, Text: fmt.Sprintf("%q is neither in %s nor run by a test", c.Text, Continuous)})
		}
	}
	for command, test := range tests {
		if !used[command] {
			out = append(out, Finding{File: d.Path, Text: fmt.Sprintf("%q is said to be tested by %s, and is not on the page", command, test)})
		}
		file, name, _ := strings.Cut(test, " ")
		if _, err := p.find(file, name); err != nil {
			out = append(out, Finding{File: d.Path, Text: fmt.Sprintf("%q has no test: %v", command, err)})
		}
	}
	return out, nil
}

// hasCommand reports whether a line of a script runs command, whole: `go test ./shared/...` does
// not run `go test`.
func hasCommand(script, command string) bool {
	whole := regexp.MustCompile(`(?:^|[\s"'(;&|])` + regexp.QuoteMeta(command) + `\s*(?:$|[;&|>)"'#])`)
	return slices.ContainsFunc(lines(script), func(line string) bool {
		return !strings.HasPrefix(strings.TrimSpace(line), "#") && whole.MatchString(line)
	})
}
