package site

// What a folder without an index has in it, as a page (-list). It is off unless it is asked for: a
// list tells what nobody has linked to.
//
// A page is made in parked work, anew for each request. Reading a folder of many names takes long,
// so what was read is used for a moment, as a file is, and to read it anew counts for the client's
// rate. What must not be done: nothing may be
// listed that could not be asked for, be it hidden, of a type that is not served, or of a name that
// the guard refuses. And names are somebody's text: in the page they are escaped, and in a link
// encoded, colons too, so that none is taken for a scheme. In front of a name nothing may stand:
// programs that read such pages, as httpdirfs(1) and Kodi, know a file by a link that is its name.

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/offload"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

const (
	listed     = 500      // names on one page
	listedSize = 64 << 10 // bytes of a page's rows after which no further one begins
	mostListed = 20_000   // names of a folder that are looked at

	listFresh = time.Second // for so long is known what is in a folder of more than one page
	keptLists = 4           // such folders, of which that is kept
)

// folderLists is what was in large folders when they were last read. It is safe for concurrent use.
// A folder that is read again is read by one thread, and others who want to know wait for it.
type folderLists struct {
	mu   sync.Mutex
	kept map[string]*folderList
}

type folderList struct {
	mu    sync.Mutex
	read  time.Time
	names []sysnet.Named // in order
	more  bool           // there are others
}

// listFields let the page load nothing, and use its own style.
const listFields = "Content-Type: " + htmlType + "\r\n" + noSniff + "Cache-Control: no-cache\r\n" +
	"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\r\n"

const listStyle = `<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}` +
	`h1{font-size:1.25rem;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}th{text-align:left}td,th{padding:.1rem 1rem .1rem 0;vertical-align:top}` +
	`td:first-child{overflow-wrap:anywhere}td:nth-child(2),th:nth-child(2){text-align:right}td+td{white-space:nowrap}</style>`

// list answers for a folder without an index.
func (s *Site) list(x *session.Exchange) {
	path := string(x.Path())
	number := pageNumber(x.Request().Query)
	var page []byte
	var cost int
	var err error
	x.Park(offload.Lookup, func() { page, cost, err = s.listing(path, number, time.Now()) }, func() {
		switch f := x.Charge(cost); {
		case !f.OK():
			x.Fail(f)
		case err == nil:
			s.answerList(x, page)
		case faultOf(err).Reason == fault.NotFound:
			s.missing(x, faultOf(err))
		default:
			s.fail(x, err)
		}
	})
}

func (s *Site) answerList(x *session.Exchange, page []byte) {
	begin := func(status int, length int64) *http1.Head { return s.begin(x, status, length) }
	if halted(x, begin, "no-cache") {
		return
	}
	h := begin(200, int64(len(page)))
	h.Raw([]byte(listFields))
	h.End()
	x.WriteRef(page, nil)
	x.Finish()
}

// pageNumber is the page that a query asks for, from 1.
func pageNumber(query []byte) int {
	text, ok := bytes.CutPrefix(query, []byte("page="))
	n, err := strconv.Atoi(string(text))
	if !ok || err != nil {
		return 1
	}
	return max(n, 1)
}

// listing makes a page of a folder, whose path ends with a slash. A page beyond the last is the
// last. cost is how many requests the page counts as, beside that for it.
func (s *Site) listing(path string, number int, now time.Time) (page []byte, cost int, err error) {
	all, more, read, err := s.inFolder(path, now)
	if err != nil {
		return nil, read / listed, err
	}
	starts := pageStarts(all)
	number = min(number, len(starts)-1)
	return appendList(nil, path, all[starts[number-1]:starts[number]], number, len(starts)-1, more), read / listed, nil
}

// pageStarts is which name begins each page, and at last how many names there are. Somebody who
// reads slowly holds a page for long, so one is no larger than a small file: a name may take a
// kilobyte. This is asked of all names for each page, and nobody is charged for it, so no row is
// written for it.
func pageStarts(all []sysnet.Named) []int {
	starts, rows := []int{0}, 0
	for i, n := range all {
		if i-starts[len(starts)-1] >= listed || rows >= listedSize {
			starts, rows = append(starts, i), 0
		}
		rows += rowSize(n.Name)
	}
	return append(starts, len(all))
}

// rowSize is how many bytes the row of a name takes at most. A byte of the name is there twice: in
// the link, where most take 3, and in the text, where one of ASCII takes up to 6 (U+007F), and a
// longer character up to 3 for each of its bytes (U+00AD).
func rowSize(name string) int {
	const others = 72 // tags, length and date
	size := others + len(name)*(3+3)
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' || c == '_':
			size -= 4
		case c < utf8.RuneSelf:
			size += 3
		}
	}
	return size
}

// inFolder is what is in a folder, as it was a moment ago where it is large. read is how many names
// were read for that.
func (s *Site) inFolder(path string, now time.Time) (all []sysnet.Named, more bool, read int, err error) {
	l := &s.lists
	l.mu.Lock()
	known := l.kept[path]
	l.mu.Unlock()
	if known == nil {
		if all, more, read, err = s.readFolder(path); err == nil && read > listed {
			l.keep(path, &folderList{read: now, names: all, more: more})
		}
		return all, more, read, err
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	if now.Sub(known.read) < listFresh {
		return known.names, known.more, 0, nil
	}
	if all, more, read, err = s.readFolder(path); err != nil || read <= listed {
		l.forget(path)
		return all, more, read, err
	}
	known.read, known.names, known.more = now, all, more
	return all, more, read, nil
}

// readFolder reads a folder, and puts what may be listed in order.
func (s *Site) readFolder(path string) (all []sysnet.Named, more bool, read int, err error) {
	all, more, err = s.cfg.Root.List(strings.Trim(path, "/"), mostListed)
	if err != nil {
		return nil, false, 0, err
	}
	read = len(all)
	all = slices.DeleteFunc(all, func(n sysnet.Named) bool { return !s.mayList(path, n) })
	slices.SortFunc(all, func(a, b sysnet.Named) int {
		if a.Folder != b.Folder {
			return cmp.Compare(kindOrder(a), kindOrder(b))
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return slices.Clip(all), more, read, nil
}

// keep keeps what is in a folder, in place of what is kept of others if there are too many.
func (l *folderLists) keep(path string, f *folderList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) >= keptLists || l.kept == nil {
		l.kept = make(map[string]*folderList, keptLists)
	}
	l.kept[path] = f
}

func (l *folderLists) forget(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, path)
}

// clear forgets all.
func (l *folderLists) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = nil
}

// kindOrder has folders come before files.
func kindOrder(n sysnet.Named) int {
	if n.Folder {
		return 0
	}
	return 1
}

// mayList reports whether what is under a name would be served.
func (s *Site) mayList(folder string, n sysnet.Named) bool {
	path := folder + n.Name
	if n.Folder {
		return possible(path, true) && !guard.Hidden([]byte(path))
	}
	return possible(path, false) && len(guard.Extension([]byte(path))) > 0 && s.types.Check([]byte(path)).OK()
}

func appendList(b []byte, path string, list []sysnet.Named, number, pages int, more bool) []byte {
	title := visible(path)
	b = fmt.Appendf(b, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title>%s<h1>%s</h1>`, title, listStyle, title)
	b = append(b, "<table><tr><th>Name<th>Bytes<th>Changed (UTC)\n"...)
	if path != "/" {
		b = append(b, "<tr><td><a href=\"../\">../</a><td><td>\n"...)
	}
	for _, n := range list {
		b = appendRow(b, n)
	}
	b = append(b, "</table>"...)
	if more {
		b = fmt.Appendf(b, "<p>The folder has more than %d names; these are some of them.", mostListed)
	}
	if number > 1 {
		b = fmt.Appendf(b, `<p><a href="?page=%d" rel="prev">Page %d</a>`, number-1, number-1)
	}
	if number < pages {
		b = fmt.Appendf(b, `<p><a href="?page=%d" rel="next">Page %d of %d</a>`, number+1, number+1, pages)
	}
	return append(b, "</html>\n"...)
}

// appendRow writes what there is to tell of one name.
func appendRow(b []byte, n sysnet.Named) []byte {
	slash, size := "", strconv.FormatInt(n.Size, 10)
	if n.Folder {
		slash, size = "/", ""
	}
	b = append(b, `<tr><td><a href="`...)
	b = appendEscaped(b, n.Name, unreserved)
	return fmt.Appendf(b, "%s\">%s%s</a><td>%s<td>%s\n", slash, visible(n.Name), slash, size, time.Unix(0, n.ModTime).UTC().Format("2006-01-02 15:04"))
}

// visible is a name as text of a page. Characters that are not printable are told by their number:
// one that turns the direction of writing would have a program look like a picture, and one that is
// not seen would have two names look the same.
func visible(name string) string {
	if strings.ContainsFunc(name, hidden) {
		var b strings.Builder
		for _, r := range name {
			if hidden(r) {
				fmt.Fprintf(&b, "%U", r) // U+202E
			} else {
				b.WriteRune(r)
			}
		}
		name = b.String()
	}
	return html.EscapeString(name)
}

func hidden(r rune) bool { return !strconv.IsPrint(r) }
