// Package course finds chapters: which there are, and which of them tells of something.
//
// A chapter's number is that of its file, so nothing outside of docs has to know numbers. What must
// not be done: nobody may fail where there are no chapters, as in the copy that a hunt is in.
package course

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Chapter is one file of the course.
type Chapter struct {
	Number string // as in the file's name, without zeros in front
	Title  string
	Path   string // from the project's root
	Text   string
}

// String is how somebody is told of a chapter.
func (c Chapter) String() string {
	if c.Path == "" {
		return "no chapter"
	}
	return fmt.Sprintf("chapter %s, %s", c.Number, c.Title)
}

var named = regexp.MustCompile(`^0?(\d+)-`)

// Read reads all chapters, in their order.
func Read(root string) ([]Chapter, error) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "[0-9][0-9]-*.md"))
	if err != nil {
		return nil, err
	}
	var all []Chapter
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(file)
		c := Chapter{Number: named.FindStringSubmatch(name)[1], Path: "docs/" + name, Text: string(text)}
		heading, _, _ := strings.Cut(c.Text, "\n")
		c.Title = strings.TrimPrefix(heading, "# ")
		all = append(all, c)
	}
	return all, nil
}

// Lab is the first of the chapters whose text sends its reader to a lab, and no chapter if none
// does. Chapter 0 counts for none: it names labs of other chapters, for a reader in a hurry.
func Lab(chapters []Chapter, name string) Chapter {
	command := regexp.MustCompile(`\./tests/lab( -\S+)* ` + regexp.QuoteMeta(name) + `([^-a-z0-9]|$)`)
	for _, c := range chapters {
		if c.Number != "0" && command.MatchString(c.Text) {
			return c
		}
	}
	return Chapter{}
}

// Named is the first chapter with one of these words in its file's name. The words are looked for
// in their order.
func Named(chapters []Chapter, words ...string) Chapter {
	for _, word := range words {
		for _, c := range chapters {
			if strings.Contains(filepath.Base(c.Path), word) {
				return c
			}
		}
	}
	return Chapter{}
}

var listing = regexp.MustCompile(`<!-- code: (\S+) (.*?) -->`)

// Shows is the first chapter that shows a declaration of a file, by the name that listings have for
// it: f, type or (*t).f.
func Shows(chapters []Chapter, file, name string) Chapter {
	for _, c := range chapters {
		for _, m := range listing.FindAllStringSubmatch(c.Text, -1) {
			if m[1] == file && slices.Contains(strings.Split(m[2], "; "), name) {
				return c
			}
		}
	}
	return Chapter{}
}
