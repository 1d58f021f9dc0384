package main

// To which chapter a mutant belongs, and how hard it is to find.
//
// The chapter that shows the edited declaration is a mutant's own. Where none does, it is the one
// that is about the folder. What must not be done: no number of a chapter may stand here.

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"fourways/tests/course"
	"fourways/tests/mutants"
)

// topics are the folders' chapters, by words of their files' names. The longest prefix counts.
var topics = map[string][]string{
	"shared/":                    {"framing"},
	"shared/http1/":              {"framing"},
	"shared/http1/parse.go":      {"parser"},
	"shared/http1/request.go":    {"parser"},
	"shared/guard/":              {"files"},
	"shared/site/":               {"files"},
	"shared/sysnet/":             {"sendfile"},
	"shared/filecache/":          {"cache", "sendfile"},
	"shared/limiter/":            {"floods", "defence"},
	"shared/session/":            {"slow-clients", "defence"},
	"shared/app/":                {"thread"},
	"shared/app/tls":             {"tls"},
	"shared/app/passon":          {"prefork"},
	"shared/app/adaptive":        {"floods", "defence"},
	"shared/site/https":          {"tls"},
	"shared/stats/":              {"prefork"},
	"shared/shm/":                {"prefork"},
	"shared/children/":           {"prefork"},
	"shared/timerwheel/":         {"poll"},
	"shared/offload/":            {"epoll"},
	"shared/secure/":             {"tls"},
	"shared/certs/":              {"tls"},
	"shared/tickets/":            {"tls"},
	"shared/proxy/":              {"proxies"},
	"shared/proxyproto/":         {"proxies"},
	"shared/upstream/":           {"proxies"},
	"shared/relay/":              {"proxies"},
	"shared/spill/":              {"proxies"},
	"shared/resolve/":            {"proxies"},
	"stage1-threadpool/":         {"thread"},
	"stage1-threadpool/queue":    {"overload"},
	"stage1-threadpool/turnaway": {"overload"},
	"stage2-poll/":               {"poll"},
	"stage2-poll/notify":         {"woken", "poll"},
	"stage3-epoll/":              {"epoll"},
	"stage2-poll/distribute":     {"woken", "poll"},
	"stage3-epoll/loop/accept":   {"corners", "epoll"},
	"stage3-epoll/loop/table":    {"corners", "epoll"},
	"stage4-prefork/handover":    {"replacing", "prefork"},
	"stage4-prefork/reload":      {"replacing", "prefork"},
	"shared/auth/":               {"files"},
	"stage3-epoll/loop/uring":    {"completions", "uring", "epoll"},
	"stage4-prefork/":            {"prefork"},
	"stage4-prefork/watchdog":    {"watchdog"},
}

// How hard a hunt is.
const (
	easy    = 1 + iota // a case of the suite fails: one exchange shows it
	medium             // a test of one package does: what is seen from outside comes and goes
	hard               // a test of a whole stage does: it takes load, time or several processes
	hardest = hard
)

func difficulty(m mutants.Mutant) int {
	folder, _, goTest := m.Check.GoTest()
	switch {
	case !goTest:
		return easy
	case strings.HasPrefix(folder, "shared/"):
		return medium
	}
	return hard
}

var (
	errNoneSuch = errors.New("there is none of that chapter and level: -list shows how many there are of each")
	errAllDone  = errors.New("you have done all of them: -list shows how many there are of each chapter and level")
)

// picker chooses among the mutants.
type picker struct {
	root     string
	chapters []course.Chapter
	chapter  string // those of this chapter alone, "" for all
	level    int    // those of this difficulty alone, 0 for all
}

// one is the mutant of that name, or any of those that fit and are not done.
func (p *picker) one(name string, done func(mutants.Mutant) bool) (m mutants.Mutant, err error) {
	if name != "" {
		m, ok := mutants.Find(name)
		if !ok {
			return m, fmt.Errorf("there is no mutant %q", name)
		}
		return m, nil
	}
	fit := slices.DeleteFunc(mutants.All(), func(m mutants.Mutant) bool {
		return p.level != 0 && difficulty(m) != p.level ||
			p.chapter != "" && chapterOf(p.root, p.chapters, m).Number != p.chapter
	})
	if len(fit) == 0 {
		return m, errNoneSuch
	}
	open := slices.DeleteFunc(fit, done)
	if len(open) == 0 {
		return m, errAllDone
	}
	return open[rand.IntN(len(open))], nil
}

// where is a mutant's chapter and difficulty.
func (p *picker) where(m mutants.Mutant) string {
	return fmt.Sprintf("%v, %s", chapterOf(p.root, p.chapters, m), strings.Repeat("★", difficulty(m)))
}

// list prints how many there are, by chapter and difficulty, and how many of them are done.
func (p *picker) list(out io.Writer, done func(mutants.Mutant) bool) {
	type row struct{ all, done [hardest + 1]int }
	rows := map[string]*row{}
	for _, m := range mutants.All() {
		number := chapterOf(p.root, p.chapters, m).Number
		if rows[number] == nil {
			rows[number] = &row{}
		}
		rows[number].all[difficulty(m)]++
		if done(m) {
			rows[number].done[difficulty(m)]++
		}
	}
	fmt.Fprintf(out, "%-8s %-8s %-8s %s\n", "★", "★★", "★★★", "chapter")
	for _, c := range append([]course.Chapter{{}}, p.chapters...) {
		r := rows[c.Number]
		if r == nil {
			continue
		}
		for level := easy; level <= hardest; level++ {
			fmt.Fprintf(out, "%-9s", fmt.Sprintf("%d/%d", r.done[level], r.all[level]))
		}
		fmt.Fprintln(out, c)
	}
}

// chapterOf is the chapter that a mutant belongs to, or the zero chapter where there are none.
func chapterOf(root string, chapters []course.Chapter, m mutants.Mutant) course.Chapter {
	if name := declarationOf(root, m); name != "" {
		if c := course.Shows(chapters, m.File, name); c.Path != "" {
			return c
		}
	}
	longest := ""
	for prefix := range topics {
		if strings.HasPrefix(m.File, prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	return course.Named(chapters, topics[longest]...)
}

// declarationOf is the declaration that a mutant edits, by the name that listings have for it, or
// "" where it has none.
func declarationOf(root string, m mutants.Mutant) string {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, filepath.Join(root, m.File), nil, parser.SkipObjectResolution)
	if err != nil {
		return ""
	}
	from, _, err := editedLines(root, m)
	if err != nil {
		return ""
	}
	for _, d := range file.Decls {
		if set.Position(d.Pos()).Line > from || set.Position(d.End()).Line < from {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			return nameOf(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && set.Position(t.End()).Line >= from {
					return t.Name.Name
				}
			}
		}
	}
	return ""
}

// nameOf is f, (t).f or (*t).f.
func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	kind, star := d.Recv.List[0].Type, ""
	if p, ok := kind.(*ast.StarExpr); ok {
		kind, star = p.X, "*"
	}
	if g, ok := kind.(*ast.IndexExpr); ok {
		kind = g.X
	}
	if id, ok := kind.(*ast.Ident); ok {
		return "(" + star + id.Name + ")." + d.Name.Name
	}
	return d.Name.Name
}
