package book

// Coverage: every function of a stage is shown in some chapter, or docs/not-shown.txt says why it
// is not. One line of that file is `stage1-threadpool/main.go main: it only reads flags`; empty
// lines and lines that begin with # do not count.

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// NotShown is the list of the functions that no chapter shows.
const NotShown = "docs/not-shown.txt"

var notShownLine = regexp.MustCompile(`^(\S+\.go) (\S+): \S`)

// Coverage finds the functions of one stage that are neither shown nor on the list, or are both.
func (p Project) Coverage(stage string, chapters []*Doc) ([]Finding, error) {
	functions, err := p.functions(stage)
	if err != nil {
		return nil, err
	}
	excused, _, err := p.notShown()
	if err != nil {
		return nil, err
	}
	var out []Finding
	shown := Shown(chapters)
	for _, name := range functions {
		line, is := excused[name]
		switch {
		case shown[name] && is:
			out = append(out, Finding{File: NotShown, Line: line, Text: name + " is shown in a chapter: take the line out"})
		case !shown[name] && !is:
			out = append(out, Finding{File: NotShown, Text: name + " is shown in no chapter, and no line here says why not"})
		}
	}
	return out, nil
}

// Excuses finds the lines of the list that are written wrongly, or are about a function that is not
// there.
func (p Project) Excuses() ([]Finding, error) {
	excused, out, err := p.notShown()
	for name, line := range excused {
		file, function, _ := strings.Cut(name, " ")
		if d, err := p.find(file, function); err != nil || !d.code {
			out = append(out, Finding{File: NotShown, Line: line, Text: "there is no function " + name + ": take the line out"})
		}
	}
	return out, err
}

// functions gives "path name" of each function and method below a folder, tests aside, for every
// system.
func (p Project) functions(stage string) ([]string, error) {
	var out []string
	err := fs.WalkDir(p.FS, stage, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(p.FS, name)
		if err != nil {
			return err
		}
		all, err := declarations(name, src)
		for _, d := range all {
			if d.code {
				out = append(out, name+" "+d.name)
			}
		}
		return err
	})
	return out, err
}

// notShown reads the list: the line of each "path name".
func (p Project) notShown() (excused map[string]int, wrong []Finding, err error) {
	excused = map[string]int{}
	text, err := fs.ReadFile(p.FS, NotShown)
	if errors.Is(err, fs.ErrNotExist) {
		return excused, nil, nil
	}
	for i, line := range lines(string(text)) {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := notShownLine.FindStringSubmatch(line)
		if m == nil {
			wrong = append(wrong, Finding{File: NotShown, Line: i + 1, Text: "write it as: path/file.go name: reason"})
			continue
		}
		name := m[1] + " " + m[2]
		if first, twice := excused[name]; twice {
			wrong = append(wrong, Finding{File: NotShown, Line: i + 1, Text: fmt.Sprintf("line %d is about %s already", first, name)})
		}
		excused[name] = i + 1
	}
	return excused, wrong, err
}

// Shown gives "path name" of everything that the listings and diffs of the chapters name.
func Shown(chapters []*Doc) map[string]bool {
	out := map[string]bool{}
	for _, d := range chapters {
		for _, f := range d.Fences {
			if both, err := parsePair(f.Directive); err == nil {
				out[both.from.path+" "+both.from.names[0]] = true
				out[both.to.path+" "+both.to.names[0]] = true
			}
			l, err := parseListing(f.Directive)
			if err != nil {
				continue // Listings reports it
			}
			for _, name := range l.names {
				out[l.path+" "+name] = true
			}
		}
	}
	return out
}
