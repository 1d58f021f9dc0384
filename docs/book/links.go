package book

// Links between pages, and addresses outside.
//
// A link must lead to a file of the project, and to a heading if it names one. Nothing here opens a
// network connection: what leads outside is only found, so that the course needs no network.

import (
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	inlineLink = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?[^)]*\)`)
	namedLink  = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)`)
	htmlLink   = regexp.MustCompile(`\b(?:href|src)="([^"]+)"`)
	htmlAnchor = regexp.MustCompile(`\b(?:id|name)="([^"]+)"`)
	linkText   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	absolute   = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#"'<>` + "`" + `|\\)]+)|\b(www\.[A-Za-z0-9.-]+)`)
)

// Links finds the relative links of a page that lead to no file of the project, or to no heading of
// a page.
func (p Project) Links(d *Doc) []Finding {
	var out []Finding
	for _, l := range d.Prose {
		for _, find := range []*regexp.Regexp{inlineLink, namedLink, htmlLink} {
			for _, m := range find.FindAllStringSubmatch(l.Text, -1) {
				if err := p.follow(d, m[1]); err != nil {
					out = append(out, Finding{File: d.Path, Line: l.Number, Text: fmt.Sprintf("the link %s: %v", m[1], err)})
				}
			}
		}
	}
	return out
}

// follow goes where one link leads. A link with a scheme or a host leads outside: that is Outside's
// matter.
func (p Project) follow(d *Doc, target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if u.Scheme != "" || u.Host != "" {
		return nil
	}
	page := d
	if u.Path != "" {
		name := path.Join(path.Dir(d.Path), u.Path)
		if _, err := fs.Stat(p.FS, name); err != nil {
			return err
		}
		if u.Fragment == "" {
			return nil
		}
		if path.Ext(name) != ".md" {
			return fmt.Errorf("only pages have places to link to")
		}
		if page, err = p.Open(name); err != nil {
			return err
		}
	}
	if !slices.Contains(page.anchors(), u.Fragment) {
		return fmt.Errorf("%s has no heading #%s", page.Path, u.Fragment)
	}
	return nil
}

// anchors gives the names that a page can be linked by: its headings', made as GitHub makes them,
// and those set in HTML.
func (d *Doc) anchors() []string {
	var out []string
	seen := map[string]int{}
	for _, h := range d.Headings {
		name := Slug(h.Text)
		seen[name]++
		if n := seen[name]; n > 1 {
			name = fmt.Sprintf("%s-%d", name, n-1)
		}
		out = append(out, name)
	}
	for _, l := range d.Prose {
		for _, m := range htmlAnchor.FindAllStringSubmatch(l.Text, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// Slug gives the anchor of a heading: lower case, spaces as hyphens, and no other sign but letters,
// digits, - and _.
func Slug(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', isWordRune(r):
			return r
		}
		return -1
	}, strings.ToLower(heading))
}

// Outside finds addresses of hosts outside: the course is whole without a network. It looks
// everywhere, fences too, as those are what a reader copies.
func Outside(d *Doc) []Finding {
	var out []Finding
	for i, line := range lines(d.Text) {
		for _, m := range absolute.FindAllStringSubmatch(line, -1) {
			if host := hostOf(m[1] + m[2]); !isInside(host) {
				out = append(out, Finding{File: d.Path, Line: i + 1, Text: "it names a host outside: " + host})
			}
		}
	}
	return out
}

func hostOf(authority string) string {
	authority, _, _ = strings.Cut(authority, ":$") // a port that a shell's variable has
	u := url.URL{Host: authority[strings.LastIndex(authority, "@")+1:]}
	return strings.ToLower(strings.TrimRight(u.Hostname(), ".,;:"))
}

// documentation lists the networks kept for examples (RFC 5737, RFC 3849); reserved the names kept
// so (RFC 2606, RFC 6761).
var (
	documentation = []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
	}
	reserved = regexp.MustCompile(`(^|\.)(example|test|invalid|localhost|example\.(com|net|org))$`)
)

// isInside reports whether a host can be meant for the reader's own machines or for an example. A
// name without a dot, such as the HOST of http://HOST:PORT, is nobody's on the net.
func isInside(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsUnspecified() || ip.IsPrivate() ||
			slices.ContainsFunc(documentation, func(n netip.Prefix) bool { return n.Contains(ip) })
	}
	return !strings.Contains(host, ".") || reserved.MatchString(host)
}
