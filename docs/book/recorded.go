package book

// Recorded transcripts, above a ```console fence:
//
//	<!-- recorded: 2026-11-29 linux-6.12 3f2a91c0: FILE NAME; NAME, FILE NAME -->
//
// Some outputs no test can repeat: those of strace, of a browser, of a minute's load. They are
// recorded once, by somebody, on some system, and the directive says of which functions they tell.
// MARK is a short sum of those functions' code without comments. When one of them changes, the sum
// does, and the page is no longer known to be true: somebody has to record it again, or to look
// that it still holds, and then writes the new mark. So -update does not do it.

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/parser"
	"go/printer"
	"go/token"
	"regexp"
	"strings"
)

var (
	recordedDirective = regexp.MustCompile(`^recorded: (\d{4}-\d\d-\d\d) (\S+) ([0-9a-f]{8}|new): (\S.*)$`)
	recordedOf        = regexp.MustCompile(`^(\S+\.go)\s+(\S.*)$`)
)

// Recorded checks that the functions that a page's transcripts depend on are as they were.
func (p Project) Recorded(d *Doc) []Finding {
	var out []Finding
	for _, f := range d.Fences {
		if kind(f.Directive) != "recorded" {
			continue
		}
		m := recordedDirective.FindStringSubmatch(f.Directive)
		if m == nil {
			out = append(out, d.finding(f, "write it as: recorded: 2026-11-29 linux-6.12 MARK: path/file.go name; name, path/file.go name"))
			continue
		}
		switch mark, err := p.mark(m[4]); {
		case err != nil:
			out = append(out, d.finding(f, err.Error()))
		case mark != m[3]:
			out = append(out, d.finding(f, "what it depends on has changed: record it again, or see that it still holds; then its mark is "+mark))
		}
	}
	return out
}

// mark sums up the code of what "FILE NAME; NAME, FILE NAME" names.
func (p Project) mark(of string) (string, error) {
	sum := sha256.New()
	for part := range strings.SplitSeq(of, ",") {
		m := recordedOf.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return "", fmt.Errorf("%q is not a file with names", part)
		}
		l, err := parseListing("code: " + m[1] + " " + m[2])
		if err != nil {
			return "", err
		}
		text, err := p.source(l)
		if err != nil {
			return "", err
		}
		code, err := withoutComments(text)
		if err != nil {
			return "", err
		}
		sum.Write(code)
	}
	return hex.EncodeToString(sum.Sum(nil))[:8], nil
}

// withoutComments gives declarations as the printer writes them.
func withoutComments(text []string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", "package p\n"+strings.Join(text, "\n"), parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, d := range file.Decls {
		if err := printer.Fprint(&out, token.NewFileSet(), d); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
