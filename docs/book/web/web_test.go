package web

// A small project with two chapters is made into pages, and their HTML is looked at. No case may
// depend on the project's own chapters, which change every day.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/docs/book"
	_ "fourways/docs/book/update"
)

// small is a project with two chapters.
var small = map[string]string{
	"README.md":         "| part | chapters |\n| --- | --- |\n| I The wait | [1 One](docs/01-one.md) · [2 Two](docs/02-two.md) |\n",
	"docs/glossary.txt": "# words\nsocket, sockets: One end of a connection.\nlistening socket: The one \"at the door\".\n",
	"stage1/r.go":       "package q\n\nfunc r() {}\n",
	"docs/02-two.md":    "# Two\n\n## The end\n\nSee [one](01-one.md#a-part).\n",
	"stage1/q.go":       "// Package q is small.\n//\n// It owns nothing.\npackage q\n\n// put puts.\nfunc (q *queue) put() {\n\tx := `\n// no comment`\n\t// why\n\treturn 1 < 2\n}\n",
	"stage/r.go":        "package q\n\nfunc notShown() {}\n",
	"stage/r_test.go":   "package q\n",
	"docs/01-one.md": `# One

## A part

A socket & a socket, and a listening socket. It is "here"; see [two](02-two.md) and [a file](x/y.conf).

> A note.

<!-- code: stage1/q.go (*queue).put -->
` + "```go\nfunc f() { return \"<\" } // no\n```" + `

<!-- run -->
` + "```console\n$ echo 'a < b' \\\n     c\na < b c\n$ true\n```" + `

<!-- diff: stage1/q.go (*queue).put -> stage1/r.go r; q r -->
` + "```diff\n x\n-a\n+<b>\n```" + `

| who |
| --- |
| a ` + "`thread`" + ` |

## Predict

1. How many?

<!-- picture: dots -->
` + "```text\n<- ->\n```\n\n<!-- lab: ten -->\n```text\na < b\n```\n",
	"docs/results/labs/ten.json": `{"at": "2026-11-30T10:00:00Z", "kernel": "linux 6.18", "machine": "amd64"}`,
	"docs/results/labs/ten.svg":  "<svg role=\"img\"><style>\ntext{fill:red}\n</style>\n<rect/></svg>\n",
	"docs/pictures/dots.svg":     "<svg role=\"img\"></svg>\n",
}

func made(t *testing.T) Fragments {
	t.Helper()
	dir := t.TempDir()
	for name, text := range small {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	out, err := Make(book.NewProject(dir))
	require.NoError(t, err)
	return out
}

func TestAChapterAsAPage(t *testing.T) {
	page := made(t)["01-one.html"]
	for _, row := range []struct{ says, want string }{
		{"it says what it is", "<!-- chapter: 1 One -->\n<h1><b>1</b> <span>One</span></h1>"},
		{"headings have names", `<h2 id="a-part">A part</h2>`},
		{"a word is explained once", `A <a class="term" href="glossary.html#socket" data-says="One end of a connection.">socket</a> &amp; a socket, and a <a`},
		{"the explanation is an attribute", `data-says="The one &#34;at the door&#34;.">listening socket</a>`},
		{"links lead to pages", `see <a href="02-two.html">two</a> and <span>a file</span>`},
		{"a quotation is a note", "<aside class=\"note\">\n<p>A note.</p>\n</aside>"},
		{"a listing says where it stands", `<a href="source-stage1-q.html#(*queue).put">(*queue).put</a>`},
		{"Go has colours", `<b>func</b> f() { <b>return</b> <u>&#34;&lt;&#34;</u> } <i>// no</i>`},
		{"a difference says what it leads to", `<a href="source-stage1-q.html#(*queue).put">(*queue).put</a>→<a href="source-stage1-r.html">stage1/r.go</a> <a href="source-stage1-r.html#r">r</a></figcaption><pre>` + " x\n<del>-a</del>\n<ins>+&lt;b&gt;</ins></pre>"},
		{"commands stand open", "<pre><code><b>$ </b>echo &#39;a &lt; b&#39; \\\n     c\n<b>$ </b>true</code></pre>"},
		{"outputs are folded", "<details class=\"output\"><summary>What it prints <small>checked by the tests</small></summary>\n<pre><b>$ echo"},
		{"predictions are told apart", "<ol class=\"predict\">\n<li>How many?"},
		{"a picture stands for its drawing", "<svg role=\"img\"></svg></div>\n<details><summary>The same in letters</summary>\n<pre>&lt;- -&gt;\n</pre>"},
		{"what a lab drew has the page's colours", "<svg role=\"img\">\n<rect/></svg></div>\n<figcaption><code>go run ./tests/lab ten</code>: recorded 2026-11-30 on linux 6.18, amd64.</figcaption>\n<details><summary>The same in letters</summary>\n<pre>a &lt; b\n</pre>"},
		{"a table scrolls in a box", "<div class=\"table\"><table>\n<thead>\n<tr>\n<th scope=\"col\">who</th>\n"},
		{"and has rows", "<tbody>\n<tr>\n<td>a <code>thread</code></td>\n</tr>\n</tbody>\n</table></div>"},
		{"the next chapter is linked", `<a rel="next" href="02-two.html"><small>Next</small> 2 Two</a>`},
	} {
		require.Contains(t, page, row.want, row.says)
	}
	require.NotContains(t, page, "<!-- code", "the checks' comments are no part of the page")
	require.NotContains(t, page, `rel="prev"`)
}

func TestASourceAsAPage(t *testing.T) {
	page := made(t)["source-stage1-q.html"]
	for _, row := range []struct{ says, want string }{
		{"comments are paragraphs", "<div><p>Package q is small.\n</p><p>It owns nothing.\n</p></div>\n<pre><b>package</b> q</pre>"},
		{"declarations have names", "<div><a id=\"(*queue).put\"></a><p>put puts.\n</p><p class=\"shown\"><a href=\"01-one.html\">Chapter 1: One</a></p></div>"},
		{"what is in a string is no comment", "<u>`\n// no comment`</u></pre>"},
		{"a comment within stands beside its code", "<div><p>why\n</p></div>\n<pre>\t<b>return</b> <u>1</u> &lt; <u>2</u>\n}</pre>"},
	} {
		require.Contains(t, page, row.want, row.says)
	}
}

func TestPagesDependOnTheFilesAlone(t *testing.T) {
	require.Equal(t, made(t), made(t))
}

func TestAChapterThatIsInNoPartIsAnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "docs"), 0o755))
	for name, text := range map[string]string{"README.md": "| I A | [1 One](docs/01-one.md) |\n", "docs/glossary.txt": "", "docs/09-nine.md": "# Nine\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	_, err := Make(book.NewProject(dir))
	require.ErrorContains(t, err, "docs/09-nine.md")
}

func TestAStagesFileHasAPageThoughNoChapterShowsIt(t *testing.T) {
	out := made(t)
	require.Contains(t, out, "source-stage-r.html")
	require.NotContains(t, out, "source-stage-r_test.html")
}
