package book

// Constants: <!-- const: FOLDER NAME -->16 MiB<!-- /const --> within one line of prose.
//
// The text between the two comments is the value of the constant NAME of the package in FOLDER, in
// whatever unit suits the reader: 16 MiB, 5 seconds, 48 bytes, ten. It has to be exact: a page that
// wants to say "about" says so with a round number of its own, outside the comments.
//
// The package is type-checked alone. Of others it sees those of this project and package time; a
// constant that needs any other has no value here.

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// moduleRoot is what the import paths of the project's packages begin with.
const moduleRoot = "fourways/"

var (
	constOpen  = regexp.MustCompile(`<!--\s*const\b:?\s*(.*?)\s*-->`)
	constClose = regexp.MustCompile(`<!--\s*/\s*const\s*-->`)
	quantity   = regexp.MustCompile(`^([0-9][0-9,.]*|[a-z]+)(?:[ -]([A-Za-zµ]+))?$`)
)

// numerals are the numbers that a page may write as words.
var numerals = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}

// sizes and times are the units that a quantity may be counted in, with their bytes or nanoseconds.
// Any other word counts the things that it names.
var (
	sizes = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	times = map[string]int64{
		"ns": 1, "µs": int64(time.Microsecond), "ms": int64(time.Millisecond), "s": int64(time.Second),
		"nanosecond": 1, "microsecond": int64(time.Microsecond), "millisecond": int64(time.Millisecond),
		"second": int64(time.Second), "minute": int64(time.Minute), "hour": int64(time.Hour),
	}
)

// Constants checks every number of a page that claims to be a constant of the code.
func (p Project) Constants(d *Doc) []Finding {
	return d.pairs(constOpen, constClose, "const", p.constant)
}

// constant judges the text of one such number. It gives the right text where that can be known.
func (p Project) constant(arg, shown string) (string, error) {
	words := strings.Fields(arg)
	if len(words) != 2 {
		return "", fmt.Errorf("write it as: const: FOLDER NAME")
	}
	value, timed, err := p.valueOf(words[0], words[1])
	if err != nil {
		return "", err
	}
	return inWords(value, timed, shown)
}

// inWords gives a value in the unit, and in the manner, of what the page shows.
func inWords(value constant.Value, timed bool, shown string) (string, error) {
	m := quantity.FindStringSubmatch(shown)
	if m == nil {
		return "", fmt.Errorf("%q is not a number with a unit", shown)
	}
	one, isTime := times[strings.TrimSuffix(m[2], "s")]
	if m[2] == "s" || m[2] == "ns" || m[2] == "µs" || m[2] == "ms" {
		one, isTime = times[m[2]], true
	}
	if isTime != timed {
		return "", fmt.Errorf("%q is a time, or the constant is one, and not both", shown)
	}
	if size, is := sizes[m[2]]; is {
		one = size
	}
	in := constant.BinaryOp(constant.ToFloat(value), token.QUO, constant.MakeInt64(max(one, 1)))
	return strings.Replace(shown, m[1], inFigures(in, m[1]), 1), nil
}

// inFigures writes a number as the page does: as a word, with commas, or plainly.
func inFigures(n constant.Value, as string) string {
	whole, exact := constant.Int64Val(constant.ToInt(n))
	if constant.ToInt(n).Kind() != constant.Int {
		f, _ := constant.Float64Val(n)
		return fmt.Sprintf("%.6g", f)
	}
	if !exact {
		return n.ExactString()
	}
	if slices.Contains(numerals, as) && whole >= 0 && whole < int64(len(numerals)) {
		return numerals[whole]
	}
	plain := fmt.Sprint(whole)
	if len(plain) < 4 || len(as) > 3 && !strings.Contains(as, ",") {
		return plain
	}
	for i := len(plain) - 3; i > 0; i -= 3 {
		plain = plain[:i] + "," + plain[i:]
	}
	return plain
}

// valueOf gives a constant's value, and whether it is a time.
func (p Project) valueOf(folder, name string) (value constant.Value, timed bool, err error) {
	pkg, err := (&importer{project: p, seen: map[string]*types.Package{}}).folder(folder)
	if err != nil {
		return nil, false, err
	}
	c, is := pkg.Scope().Lookup(name).(*types.Const)
	if !is {
		return nil, false, fmt.Errorf("%s has no constant %s", folder, name)
	}
	if k := c.Val().Kind(); k != constant.Int && k != constant.Float {
		return nil, false, fmt.Errorf("%s of %s is no number, or one that only a compiler can tell", name, folder)
	}
	kind := c.Type().String() // shared/clock counts nanoseconds, as package time does
	return c.Val(), kind == "time.Duration" || kind == moduleRoot+"shared/clock.Time", nil
}

// importer type-checks packages of the project, as far as their constants need it.
type importer struct {
	project Project
	seen    map[string]*types.Package
}

// Import gives package time as far as constants need it, a package of this project, or none.
func (i *importer) Import(name string) (*types.Package, error) {
	if name == "time" {
		return timePackage(), nil
	}
	folder, is := strings.CutPrefix(name, moduleRoot)
	if !is {
		return nil, fmt.Errorf("not looked at: %s", name)
	}
	return i.folder(folder)
}

// folder checks the package in a folder. What it cannot know of other packages are errors that
// nobody needs to see: a constant that depends on them has no value.
func (i *importer) folder(folder string) (*types.Package, error) {
	if pkg := i.seen[folder]; pkg != nil {
		return pkg, nil
	}
	i.seen[folder] = types.NewPackage(moduleRoot+folder, "p") // for a circle of imports
	names, err := fs.Glob(i.project.FS, folder+"/*.go")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("there is no package in %s", folder)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		src, err := fs.ReadFile(i.project.FS, name)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, "_test.go") || elsewhere(path.Base(name), string(src)) {
			continue
		}
		file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	check := types.Config{Importer: i, IgnoreFuncBodies: true, Error: func(error) {}}
	pkg, _ := check.Check(moduleRoot+folder, fset, files, nil)
	i.seen[folder] = pkg
	return pkg, nil
}

// elsewhere reports whether a file is for other systems than Linux, by its name or its constraint.
// The pages are about Linux where they do not say otherwise.
func elsewhere(name, src string) bool {
	for _, other := range []string{"bsd", "darwin", "freebsd", "other"} {
		if strings.HasSuffix(name, "_"+other+".go") {
			return true
		}
	}
	for line := range strings.Lines(src) {
		if expr, err := constraint.Parse(strings.TrimSpace(line)); err == nil {
			return !expr.Eval(func(tag string) bool {
				return slices.Contains([]string{"linux", "unix", runtime.GOARCH}, tag) || strings.HasPrefix(tag, "go1.")
			})
		}
	}
	return false
}

// timePackage is Duration with its units.
func timePackage() *types.Package {
	pkg := types.NewPackage("time", "time")
	name := types.NewTypeName(token.NoPos, pkg, "Duration", nil)
	duration := types.NewNamed(name, types.Typ[types.Int64], nil)
	pkg.Scope().Insert(name)
	for unit, value := range map[string]time.Duration{
		"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond,
		"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
	} {
		pkg.Scope().Insert(types.NewConst(token.NoPos, pkg, unit, duration, constant.MakeInt64(int64(value))))
	}
	pkg.MarkComplete()
	return pkg
}
