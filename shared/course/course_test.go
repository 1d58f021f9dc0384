package course

// A small book is put together. Of the real one only the size is looked at, since a test in docs
// holds its pages to the chapters.

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func small() fstest.MapFS {
	return fstest.MapFS{
		"contents.html": {Data: []byte(`<ol><li><a href="01-a.html">A</a><li><a href="02-b.html">B</a></ol>`)},
		"01-a.html":     {Data: []byte("<!-- chapter: 1 A &amp; a -->\n<h1>A</h1>\n<h2 id=\"one\">One <code>x</code></h2>\n<p>Some <b>words</b>,\nand {{title}}.</p>\n<h2 id=\"two\">Two</h2>\n<svg><text>drawn</text></svg>\n")},
		"02-b.html":     {Data: []byte("<!-- source: b.go -->\n<h2 id=\"none\">no heading of a chapter</h2>\n")},
	}
}

func whole(t *testing.T, at Where) map[string]string {
	t.Helper()
	pages, err := Whole(small(), at)
	require.NoError(t, err)
	out := map[string]string{}
	for _, p := range pages {
		out[p.Name] = p.HTML
	}
	return out
}

func TestEachPageIsWhole(t *testing.T) {
	pages := whole(t, Where{})
	require.Len(t, pages, 3)
	for name, text := range pages {
		require.True(t, strings.HasPrefix(text, "<!doctype html>"), name)
		require.Contains(t, text, "--back:", "the style is in it")
		require.Contains(t, text, "localStorage", "the script is in it")
		require.NotContains(t, text, "/stats.html", "a folder has no live page")
	}
	require.Contains(t, pages["01-a.html"], "<title>1 A &amp; a · Four Ways to Wait</title>")
	require.Contains(t, pages["01-a.html"], `<a href="01-a.html" aria-current="page">A</a><li><a href="02-b.html">B</a>`)
	require.Contains(t, pages["01-a.html"], "and {{title}}.", "text is no template")
	require.Contains(t, whole(t, Where{Server: true})["01-a.html"], `<a href="/stats.html">Live</a>`)
}

func TestTheSearchKnowsTheTextOfEachHeading(t *testing.T) {
	search := whole(t, Where{})["search.html"]
	require.Contains(t, search, `<li><a href="01-a.html#one"><small>1 A &amp; a</small> One x</a><p hidden>Some words, and {{title}}.</p></li>`)
	require.Contains(t, search, `Two</a><p hidden></p>`)
	require.NotContains(t, search, "#none")
}

func TestAPageThatDoesNotSayWhatItIsIsAnError(t *testing.T) {
	files := small()
	files["03-c.html"] = &fstest.MapFile{Data: []byte("<h1>C</h1>")}
	_, err := Whole(files, Where{})
	require.ErrorContains(t, err, "03-c.html")
}

// All of it is in every program.
func TestTheBookStaysSmall(t *testing.T) {
	size := 0
	for _, files := range []fs.FS{Fragments(), Shell()} {
		names, err := fs.Glob(files, "*")
		require.NoError(t, err)
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			require.NoError(t, err)
			size += len(text)
		}
	}
	require.Less(t, size, 3<<20)
}
