package page

// The built-in site in a real browser: the front page with the figure of the stage that answers,
// and the course below it, with and without a script. Every page must be silent, keep to its width,
// ask nothing of anybody else, and be readable in both colours.

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// faint is what a page has whose contrast is below that of WCAG 2.2 1.4.3 (AA): 4.5, or 3 for large
// text. A background that is a pattern counts by its colour.
const faint = `(() => {
	const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const parse = (s) => { const n = (s.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number); return n.length < 4 ? [...n, 1] : n; };
	const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
	const wrong = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement, style = getComputedStyle(e);
		if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest("script, style, [aria-disabled=true]")) continue;
		const drawn = e.closest("svg"), on = drawn && e.classList.contains("on"); // words on a drawn area come right after it
		const ground = on ? parse(getComputedStyle(e.previousElementSibling).fill) : behind(drawn ? drawn.parentElement : e);
		const [a, b] = [light(parse(drawn ? style.fill : style.color)), light(ground)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) wrong.add(((a + 0.05) / (b + 0.05)).toFixed(2) + " " + e.tagName + "." + e.getAttribute("class") + ": " + walk.currentNode.data.trim().slice(0, 30));
	}
	return [...wrong];
})()`

// nameless is what somebody who does not see cannot tell: no landmarks, a place to write without a
// name, a table whose heads are of nothing, headings that are no outline, a picture without words,
// an id that is there twice.
const nameless = `(() => {
	const wrong = [];
	if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) wrong.push("one main, one h1");
	for (const n of document.querySelectorAll("nav")) if (!n.ariaLabel) wrong.push("a nav without a name");
	for (const i of document.querySelectorAll("input")) if (!i.ariaLabel && !i.labels.length) wrong.push("an input without a name");
	for (const s of document.querySelectorAll("main svg")) if (s.getAttribute("role") !== "img" || !s.ariaLabel && !s.querySelector("title")) wrong.push("a picture without words");
	for (const h of document.querySelectorAll("main th")) if (!h.scope) wrong.push("a head of a table that does not say of what: " + h.textContent);
	let level = 0;
	for (const h of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
		if (h.tagName[1] > level + 1) wrong.push("a heading that leaves out a level: " + h.textContent);
		level = Number(h.tagName[1]);
	}
	for (const i of document.querySelectorAll("img")) if (!i.hasAttribute("alt")) wrong.push("an image without words");
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	wrong.push(...ids.filter((id, i) => ids.indexOf(id) !== i));
	return wrong;
})()`

// named are the roles that are nothing to somebody who does not see without a name.
var named = []string{"link", "button", "textbox", "searchbox", "checkbox", "slider", "image", "navigation", "region", "search", "DisclosureTriangle"}

// unsaid is what the tree that readers of screens go by lacks: a name, a landmark, the head of a
// table.
func (v *view) unsaid() (wrong []string) {
	v.t.Helper()
	tree, err := chromedp.Call(v.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(v.t, err)
	said := func(value *accessibility.Value) (s string) {
		if value != nil {
			json.Unmarshal(value.Value, &s)
		}
		return s
	}
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		role := said(n.Role)
		if n.Ignored {
			continue
		}
		roles[role]++
		if slices.Contains(named, role) && strings.TrimSpace(said(n.Name)) == "" {
			wrong = append(wrong, "a "+role+" without a name")
		}
	}
	for _, landmark := range []string{"banner", "main", "contentinfo"} {
		if roles[landmark] != 1 {
			wrong = append(wrong, fmt.Sprintf("%d times the landmark %s", roles[landmark], landmark))
		}
	}
	if roles["columnheader"] < roles["table"] {
		wrong = append(wrong, "a table without heads")
	}
	return wrong
}

// inColour opens a page in a colour and a width, and looks at what holds of all pages.
func inColour(t *testing.T, browser context.Context, origin, path, colour string, width int64) *view {
	t.Helper()
	v := open(t, browser, "about:blank", width)
	_, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colour}}})
	require.NoError(t, err)
	v.show(origin, path)
	require.Empty(t, v.unsaid(), path)
	return v
}

// show goes to a page.
func (v *view) show(origin, path string) {
	v.t.Helper()
	require.NoError(v.t, chromedp.Do(v.ctx, chromedp.Navigate(origin+path)))
	require.Empty(v.t, eval[[]string](v, faint), path)
	require.Empty(v.t, eval[[]string](v, nameless), path)
	require.LessOrEqual(v.t, eval[float64](v, "document.documentElement.scrollWidth - innerWidth"), 0.0, path)
}

// bookPages are one of each kind.
var bookPages = []string{"/", "/course/", "/course/06-epoll.html", "/course/21-completions.html", "/course/source-stage3-epoll-loop-loop.html", "/course/search.html?q=lost+wake", "/course/glossary.html"}

func TestTheBookIsReadableInEachColourAndWidth(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	for colour, width := range map[string]int64{"light": 390, "dark": 1280} {
		t.Run(fmt.Sprintf("%s, %d", colour, width), func(t *testing.T) {
			v := inColour(t, tab, s.URL(""), bookPages[0], colour, width)
			for _, path := range bookPages[1:] {
				v.show(s.URL(""), path)
				require.Empty(t, v.unsaid(), path)
			}
			v.quiet(s.URL(""))
		})
	}
}

// quiet wants a silent console and no request to anybody else; the blank page is nobody.
func (v *view) quiet(origin string) {
	v.t.Helper()
	v.mu.Lock()
	v.requests = slices.DeleteFunc(v.requests, func(url string) bool { return url == "about:blank" })
	v.mu.Unlock()
	v.wantQuiet(origin)
}

func TestTheContentsShowWhereTheirReaderIs(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := inColour(t, tab, s.URL(""), "/course/23-your-own-server.html", "light", 1280)
	require.True(t, eval[bool](v, `(() => { const here = document.querySelector(".contents [aria-current]").getBoundingClientRect();
		return here.top >= 0 && here.bottom <= innerHeight && scrollY === 0; })()`))
	v.quiet(s.URL(""))
}

func TestTheFrontPageShowsTheStageThatAnswers(t *testing.T) {
	tab := browser(t)
	for i, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			s := start(t, build(t, stage), "-listen", "127.0.0.1:0", "-workers", "3")
			v := inColour(t, tab, s.URL(""), "/", "dark", 390)
			v.await("its figure is there", `!document.getElementById("live").hidden`)
			require.Equal(t, 3, eval[int](v, `document.querySelectorAll("#units li").length`))
			require.True(t, eval[bool](v, fmt.Sprintf(`document.querySelector(".ways .here").id === "stage%d"`, i+1)))
			v.await("it keeps up", `Number(document.getElementById("total").textContent) === said.requests.total && document.getElementById("rate").textContent !== "…"`)
			require.Empty(t, eval[[]string](v, faint))
			v.quiet(s.URL(""))
		})
	}
}

func TestTheBookRemembersWhatItsReaderSays(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := inColour(t, tab, s.URL(""), "/course/01-bytes-on-a-socket.html", "light", 1280)
	require.True(t, eval[bool](v, `[...document.querySelectorAll("details.output")].every((d) => d.hidden)`), "outputs are folded")
	require.NoError(t, chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector(".ask input").focus()`)))
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent("two reads"), chromedp.KeyEvent(kb.Enter)))
	v.await("the output is shown beside what was said", `(() => { const d = document.querySelector("details.output");
		return !d.hidden && d.open && d.querySelector(".said").textContent === "You said: two reads"; })()`)
	require.NoError(t, chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector(".predict input").focus()`)))
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent("17"), chromedp.KeyEvent(kb.Enter)))
	v.await("the prediction stands beside what was measured", `document.querySelector(".measured .mine")?.textContent === "You said: 17"`)
	require.NoError(t, chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector("button.done").click()`)))

	v.show(s.URL(""), "/course/")
	require.Equal(t, "01-bytes-on-a-socket.html", eval[string](v, `[...document.querySelectorAll("main .read")].map((a) => a.getAttribute("href")).join()`))
	require.Equal(t, "01-bytes-on-a-socket.html", eval[string](v, `document.querySelector("[data-continue]:not([hidden]) a").getAttribute("href")`))
	v.show(s.URL(""), "/course/06-epoll.html")
	require.NoError(t, chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector(".term").focus({focusVisible: true})`)))
	v.await("what has the focus is explained", `getComputedStyle(document.activeElement, "::after").content === JSON.stringify(document.activeElement.dataset.says)`)
	v.show(s.URL(""), "/course/search.html?q=lost+wake")
	require.True(t, eval[bool](v, `(() => { const hits = [...document.querySelectorAll("#index li:not([hidden])")];
		return hits.length > 0 && hits.length < 40 && hits.every((li) => /lost/i.test(li.textContent)); })()`))
	v.quiet(s.URL(""))
}

func TestTheBookOnPaper(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := open(t, tab, "about:blank", 800)
	_, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	require.NoError(t, err)
	v.show(s.URL(""), "/course/06-epoll.html")
	require.True(t, eval[bool](v, `[...document.querySelectorAll("header, .contents, button, .ask")].every((e) => !e.checkVisibility())`), "what one can only click at is left out")
	require.True(t, eval[bool](v, `[...document.querySelectorAll(".stepper .frame")].every((e) => e.checkVisibility())`), "each key frame is there")
	v.quiet(s.URL(""))
}

// The key Tab leads through a page in the order of its text, and each stop is seen.
func TestTheBookWithoutAMouse(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := inColour(t, tab, s.URL(""), "/course/21-completions.html", "light", 390)
	const stop = `(() => { const e = document.activeElement, at = [...document.querySelectorAll("*")].indexOf(e), style = getComputedStyle(e);
		const seen = e.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && e.checkVisibility();
		return [seen ? at : -1]; })()`
	last := 0
	for i := range 40 {
		require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.Tab)))
		at := eval[[]int](v, stop)[0]
		require.Greater(t, at, last, "stop %d: %s", i, eval[string](v, "document.activeElement.outerHTML.slice(0, 200)"))
		last = at
	}
	v.quiet(s.URL(""))
}

func TestAStepperIsPlayedByKeys(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := inColour(t, tab, s.URL(""), "/course/06-epoll.html", "dark", 390)
	const shown = `[...document.querySelectorAll(".stepper .frame")].flatMap((f, i) => f.hidden ? [] : [i]).join()`
	require.Equal(t, "0", eval[string](v, shown))
	require.NoError(t, chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll(".steps button")[1].focus()`)))
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.ArrowRight)))
	v.await("the third frame is shown, and said", shown+` === "2" && document.querySelector(".steps output").textContent === "Step 3 of 6"`)
	require.Empty(t, eval[[]string](v, faint))
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.End), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowLeft)))
	v.await("after the last comes nothing", shown+` === "4"`)
	v.quiet(s.URL(""))
}

func TestTheBookWithoutAScript(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0", "-max-requests", "0")
	v := open(t, tab, "about:blank", 390)
	_, err := chromedp.Call(v.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	v.show(s.URL(""), "/course/06-epoll.html")
	require.True(t, eval[bool](v, `document.querySelectorAll("button, .ask").length === 0`), "no script has run")
	require.True(t, eval[bool](v, `[...document.querySelectorAll("details.output summary")].every((e) =>
		e.checkVisibility() || e.parentElement.parentElement.closest("details:not([open])"))`), "outputs can be unfolded")
	require.True(t, eval[bool](v, `[...document.querySelectorAll(".stepper .frame")].every((e) => e.checkVisibility())`), "each key frame is there")
	v.show(s.URL(""), "/course/search.html")
	require.True(t, eval[bool](v, `document.querySelectorAll("#index li").length > 100`), "all headings are there")
	v.show(s.URL(""), "/")
	require.True(t, eval[bool](v, `document.getElementById("live").hidden`))
	v.quiet(s.URL(""))
}
