package site

// Lists of folders: what is in them, in which order, and how names are written. The rig is that of
// driver_test.go.

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
)

// links are the targets of a page's links that lead below the folder, decoded.
func links(t *testing.T, page string) (all []string) {
	for _, m := range regexp.MustCompile(`href="([^".?][^"]*)"`).FindAllStringSubmatch(page, -1) {
		name, err := url.PathUnescape(m[1])
		require.NoError(t, err)
		all = append(all, name)
	}
	return all
}

func TestAListHasWhatCouldBeAskedFor(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	for _, name := range []string{"b.txt", "a.txt", "sub/c.txt", ".hidden.txt", ".git/x", "noext", "script.php", "a.txt.gz", "evil<b>&\".txt", "javascript:alert(1).txt",
		"ü %41.txt", "back\\slash.txt", "control\x01.txt", "tab\t.txt", "broken\xff.txt", "...txt/a.txt", "Z.TXT"} {
		r.write("list/"+name, "x")
	}
	got := r.ask("GET /list/ HTTP/1.1")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, htmlType, got.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
	require.Contains(t, got.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, []string{"sub/", "Z.TXT", "a.txt", "b.txt", "evil<b>&\".txt", "javascript:alert(1).txt", "ü %41.txt"}, links(t, got.body))
	require.NotContains(t, got.body, "<b>")
	require.Contains(t, got.body, `<a href="javascript%3Aalert%281%29.txt">javascript:alert(1).txt</a>`)
	require.Contains(t, got.body, `evil&lt;b&gt;&amp;&#34;.txt`)
	require.Contains(t, got.body, `<a href="../">`)
	for _, name := range links(t, got.body) {
		if !strings.HasSuffix(name, "/") {
			require.Equal(t, 200, r.ask("GET /list/"+url.PathEscape(name)+" HTTP/1.1").StatusCode, name)
		}
	}
	head := r.ask("HEAD /list/ HTTP/1.1")
	require.Equal(t, got.Header.Get("Content-Length"), head.Header.Get("Content-Length"))
}

func TestAListIsWhereThereIsNoIndex(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	require.Equal(t, "<p>home", r.ask("GET / HTTP/1.1").body)
	require.Equal(t, 301, r.ask("GET /bare HTTP/1.1").StatusCode)
	require.Equal(t, []string{"a.txt"}, links(t, r.ask("GET /bare/ HTTP/1.1").body))
	require.Equal(t, 404, r.ask("GET /nothing/ HTTP/1.1").StatusCode)
	require.Equal(t, 404, r.ask("GET /small.txt/ HTTP/1.1").StatusCode)
	require.Equal(t, 403, r.ask("GET /.git/ HTTP/1.1").StatusCode)
	require.Equal(t, 404, newRig(t, nil).ask("GET /bare/ HTTP/1.1").StatusCode, "only where it is asked for")

	r = newRig(t, func(c *Config) { c.List, c.Types = true, []string{"txt"} })
	root := r.ask("GET / HTTP/1.1")
	require.Equal(t, 200, root.StatusCode, "without html there is no index")
	require.NotContains(t, root.body, "../")
	require.NotContains(t, root.body, "outside.txt", "where a link leads nobody has looked")

	r = newRig(t, func(c *Config) { c.List, c.App = true, "/index.html" })
	require.Equal(t, []string{"a.txt"}, links(t, r.ask("GET /bare/ HTTP/1.1"+goes).body))
	require.Equal(t, "<p>home", r.ask("GET /nothing/ HTTP/1.1"+goes).body)
}

func TestALongListHasPages(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	var want []string
	for i := range listed + 2 {
		want = append(want, fmt.Sprintf("%04d.txt", i))
		r.write("many/"+want[i], "")
	}
	first, second := r.ask("GET /many/ HTTP/1.1").body, r.ask("GET /many/?page=2 HTTP/1.1").body
	require.Equal(t, want, slices.Concat(links(t, first), links(t, second)))
	require.Contains(t, first, `<a href="?page=2" rel="next">Page 2 of 2</a>`)
	require.NotContains(t, first, "rel=\"prev\"")
	require.Contains(t, second, `<a href="?page=1" rel="prev">Page 1</a>`)
	require.NotContains(t, second, "rel=\"next\"")
	for _, query := range []string{"?page=99", "?page=2&x"} {
		require.Contains(t, []string{first, second}, r.ask("GET /many/"+query+" HTTP/1.1").body)
	}
	for _, query := range []string{"?page=0", "?page=-5", "?page=x", "?page=99999999999999999999", "?x"} {
		require.Equal(t, first, r.ask("GET /many/"+query+" HTTP/1.1").body, query)
	}
}

// A page is held as long as its reader is slow, so long names make it no larger.
func TestAListOfLongNamesHasMorePages(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	const many = 2 * 64 // of which one takes a kilobyte and a half
	for i := range many {
		r.write(fmt.Sprintf("long/%04d%s.txt", i, strings.Repeat("&", 240)), "")
	}
	var names []string
	for number := 1; ; number++ {
		page := r.ask(fmt.Sprintf("GET /long/?page=%d HTTP/1.1", number)).body
		require.Less(t, len(page), listedSize+4<<10)
		names = append(names, links(t, page)...)
		if !strings.Contains(page, `rel="next"`) {
			require.Greater(t, number, 2)
			break
		}
	}
	require.Len(t, names, many)
	require.True(t, slices.IsSorted(names))
}

// A name cannot look like another's, nor like one of another type.
func TestAListShowsWhatIsNotSeenInANameByItsNumber(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	for _, name := range []string{"a\u202egnp.txt", "zero\u200bwidth.txt", "\u2067b\u2069/c\u00ad.txt", "شمس.txt", "é 1.txt"} {
		r.write("names/"+name, "x")
	}
	page := r.ask("GET /names/ HTTP/1.1").body
	for _, want := range []string{">aU+202Egnp.txt<", ">zeroU+200Bwidth.txt<", ">U+2067bU+2069/<", ">شمس.txt<", ">é 1.txt<"} {
		require.Contains(t, page, want)
	}
	require.Contains(t, links(t, page), "a\u202egnp.txt", "the link leads to the file")
	below := r.ask("GET /names/" + url.PathEscape("\u2067b\u2069") + "/ HTTP/1.1").body
	require.Contains(t, below, "<h1>/names/U+2067bU+2069/</h1>")
	require.Contains(t, below, ">cU+00AD.txt<")
}

// Reading a large folder takes long: what was read counts for a moment, and reading it for the
// client's rate.
func TestALargeFolderIsReadOnceInAMoment(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	const many = listed + 1
	for i := range many {
		r.write(fmt.Sprintf("many/%04d.txt", i), "")
	}
	now := time.Now()
	ask := func(after time.Duration) (names, cost int) {
		page, cost, err := r.site.listing("/many/", 2, now.Add(after))
		require.NoError(t, err)
		return len(links(t, string(page))), cost
	}
	for _, tt := range []struct {
		after       time.Duration
		names, cost int
	}{{0, 1, 1}, {0, 1, 0}, {listFresh - 1, 1, 0}, {listFresh, 2, 1}, {2*listFresh - 1, 2, 0}} {
		names, cost := ask(tt.after)
		require.Equal(t, [2]int{tt.names, tt.cost}, [2]int{names, cost}, tt.after)
		r.write("many/new.txt", "")
	}

	for i := range keptLists {
		r.site.lists.keep(fmt.Sprintf("/many%d/", i), &folderList{})
	}
	require.LessOrEqual(t, len(r.site.lists.kept), keptLists)
	for range 2 {
		_, cost, err := r.site.listing("/bare/", 1, now)
		require.NoError(t, err)
		require.Zero(t, cost, "a small one is read each time")
	}
	require.NotContains(t, r.site.lists.kept, "/bare/")
}

// Where pages begin is asked of all names for each page. No row is written for that, and none is
// longer than it was thought to be.
func TestWherePagesBeginIsToldWithoutWritingThem(t *testing.T) {
	for _, name := range []string{"", "plain-name_1.html", "&<>\"'", "\x01\x7f", "a b~", "é", "\u00ad", "\u202e", "\U000e0001", "\xff", "\U0010ffff"} {
		for _, folder := range []bool{false, true} {
			n := sysnet.Named{Name: name}
			n.Folder, n.Size = folder, math.MaxInt64
			require.LessOrEqual(t, len(appendRow(nil, n)), rowSize(name), "%q", name)
		}
	}
	n := sysnet.Named{Name: "plain-name_1.html"}
	n.Size = 12345
	require.Greater(t, len(appendRow(nil, n)), rowSize(n.Name)*3/4, "a usual page is full")
	all := make([]sysnet.Named, mostListed)
	for i := range all {
		all[i].Name = "plain-name_1.html"
	}
	require.Less(t, testing.AllocsPerRun(1, func() { pageStarts(all) }), 100.0)
}
