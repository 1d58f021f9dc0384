package page

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// browsers are the names under which one may be installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}

// browser starts a browser for the whole test, or skips it.
func browser(t *testing.T) context.Context {
	t.Helper()
	opts := chromedp.DefaultExecAllocatorOptions[:]
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			opts = append(opts, chromedp.ExecPath(path))
			break
		}
		if name == browsers[len(browsers)-1] {
			t.Skip("no browser: install Debian's chromium, or another of", browsers)
		}
	}
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to put root into one
	}
	opts = append(opts, chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	require.NoError(t, chromedp.Do(ctx), "the browser does not start") // before there are tabs, so that they share it
	t.Cleanup(cancel)
	return ctx
}

// view is one tab.
type view struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	messages []string // that the console shows
	requests []string // addresses
}

// spy keeps, as window.said, the last JSON that the page has received. What the page does
// with it is done before anybody else can look.
const spy = `const json = Response.prototype.json;
Response.prototype.json = async function () { return window.said = await json.call(this) };`

// open opens an address in a tab of its own.
func open(t *testing.T, browser context.Context, url string, width int64) *view {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*harness.Patience)
	t.Cleanup(cancel)
	v := &view{t: t, ctx: ctx}
	v.watch()
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: spy})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 600})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url)))
	return v
}

// watch notes what the console shows, and what the page asks for.
func (v *view) watch() {
	messages, sent := chromedp.Console(v.ctx), chromedp.Events(v.ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			v.mu.Lock()
			v.messages = append(v.messages, m.String())
			v.mu.Unlock()
		}
	}()
	go func() {
		for e, err := range sent {
			if err != nil {
				return
			}
			v.mu.Lock()
			v.requests = append(v.requests, e.Request.URL)
			v.mu.Unlock()
		}
	}()
}

// eval is what a script returns.
func eval[T any](v *view, script string) T {
	v.t.Helper()
	value, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](script))
	require.NoError(v.t, err, script)
	return value
}

// await waits until a script returns true.
func (v *view) await(says, script string) {
	v.t.Helper()
	harness.Eventually(v.t, says, func() bool { return eval[bool](v, script) })
}

// wantQuiet wants a silent console, and no request but to the server.
func (v *view) wantQuiet(origin string) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	require.Empty(v.t, v.messages, "the console")
	require.NotEmpty(v.t, v.requests)
	for _, url := range v.requests {
		require.True(v.t, strings.HasPrefix(url, origin) || strings.HasPrefix(url, "data:"), url)
	}
}

// figures is what the page shows that is not what /stats said: the paths of elements whose
// value or text is another.
const figures = `(() => {
	if (!window.said || !document.querySelector("#says b")) return ["nothing yet"];
	const member = (path) => path.split(".").reduce((o, k) => o[k], said);
	const wrong = [];
	for (const e of document.querySelectorAll("[data-figure]")) {
		const want = member(e.dataset.figure);
		if (typeof want !== "number" || Number(e.value) !== want) wrong.push(e.dataset.figure + ": " + e.value + " for " + want);
		else if (!e.dataset.as && want < 100000 && e.textContent.replaceAll(",", "") !== String(want)) wrong.push(e.dataset.figure + " reads " + e.textContent);
	}
	for (const e of document.querySelectorAll("[data-reason]"))
		if (Number(e.value) !== said.refusals[e.dataset.reason]) wrong.push(e.dataset.reason + ": " + e.value);
	if (document.querySelectorAll("[data-figure]").length < 25) wrong.push("figures are missing");
	return wrong;
})()`

// build makes a stage's program.
func build(t *testing.T, stage string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), stage)
	out, err := exec.Command("go", "build", "-o", program, "fourways/"+stage).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func start(t *testing.T, program string, args ...string) *harness.Server {
	t.Helper()
	return harness.StartCommand(t, exec.Command(program, args...))
}

// some is a little load: pages, a file that is not there, and a refusal.
func some(t *testing.T, s *harness.Server) {
	t.Helper()
	for range 5 {
		s.Get(t, "/")
	}
	s.Get(t, "/nothing.txt")
	s.Get(t, "/../x.txt")
}

func TestThePageOfEachStage(t *testing.T) {
	tab := browser(t)
	for _, stage := range []struct {
		name  string
		moves string // is true when what waits in this stage is drawn
	}{
		{"stage1-threadpool", `document.querySelectorAll(".threads li").length === said.threads.total &&
			document.querySelectorAll(".pips i").length === said.queue.limit &&
			["free", "reading", "writing", "working"].every((s) => document.querySelectorAll(".threads ." + s).length === said.threads[s])`},
		{"stage2-poll", `document.querySelectorAll(".lanes canvas").length === said.runners.length`},
		{"stage3-epoll", `document.querySelectorAll(".loop canvas").length === said.loops.length`},
		{"stage4-prefork", `document.querySelectorAll(".worker").length === said.workers.length && !document.body.textContent.includes("NaN")`},
	} {
		t.Run(stage.name, func(t *testing.T) {
			s := start(t, build(t, stage.name), "-listen", "127.0.0.1:0", "-workers", "3")
			some(t, s)
			v := open(t, tab, s.URL("/stats.html"), 1200)
			var wrong []string
			harness.Eventually(t, "the page shows figures", func() bool {
				wrong = eval[[]string](v, figures)
				return len(wrong) == 0 || wrong[0] != "nothing yet"
			})
			require.Empty(t, wrong)
			require.True(t, eval[bool](v, stage.moves), "what waits is drawn")
			require.Equal(t, "up", eval[string](v, `document.getElementById("state").textContent`))

			before := eval[float64](v, "said.requests.total")
			some(t, s)
			v.await("the page keeps up", fmt.Sprintf(`said.requests.total >= %v && said.refusals["path-traversal"] === 2`, before+7))
			require.Empty(t, eval[[]string](v, figures))
			require.True(t, eval[bool](v, `document.querySelector("#refusals data[data-reason='path-traversal']").value === "2"`))
			v.wantQuiet(s.URL(""))
		})
	}
}

func TestThePageWithoutAMouse(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0")
	some(t, s)
	v := open(t, tab, s.URL("/stats.html"), 1200)
	v.await("the page shows figures", `!!window.said && document.querySelector("#says").textContent !== ""`)
	for range 20 {
		if eval[bool](v, `document.activeElement.closest("#day") !== null`) {
			break
		}
		require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.Tab)))
	}
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.ArrowLeft)))
	require.Contains(t, eval[string](v, `document.activeElement.getAttribute("aria-valuetext")`), "0 requests")
	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.ArrowRight)))
	v.await("the last interval says what came", `document.getElementById("day-out").textContent.includes(said.interval_data.at(-1).requests + " requests")`)

	require.NoError(t, chromedp.Do(v.ctx, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter)))
	v.await("behind the chart there is a table", `document.querySelectorAll("#day-table tbody tr").length === 288`)
	require.True(t, eval[bool](v, `[...document.querySelectorAll("input, table, section, canvas, svg")].every((e) =>
		e.closest("[aria-hidden]") || e.ariaLabel || e.getAttribute("aria-labelledby") || e.closest("[aria-label]"))`), "everything has a name or is hidden")
	v.wantQuiet(s.URL(""))
}

func TestThePageOnAPhone(t *testing.T) {
	tab := browser(t)
	for _, stage := range []string{"stage1-threadpool", "stage2-poll", "stage3-epoll", "stage4-prefork"} {
		s := start(t, build(t, stage), "-listen", "127.0.0.1:0")
		some(t, s)
		v := open(t, tab, s.URL("/stats.html"), 360)
		v.await("the page shows figures", `!!window.said && document.querySelector("#says").textContent !== ""`)
		require.LessOrEqual(t, eval[int](v, "document.documentElement.scrollWidth"), 360, stage)
	}
}

func TestThePageOfAServerThatGoesAndComesBack(t *testing.T) {
	tab := browser(t)
	program := build(t, "stage2-poll")
	s := start(t, program, "-listen", "127.0.0.1:0")
	some(t, s)
	v := open(t, tab, s.URL("/stats.html"), 1200)
	v.await("the page shows figures", `!!window.said && document.getElementById("state").textContent === "up"`)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	v.await("it says that nobody is there", `document.getElementById("state").textContent === "no connection" && document.body.classList.contains("stale")`)
	again := start(t, program, "-listen", s.Addr)
	v.await("it goes on", `document.getElementById("state").textContent === "up" && !document.body.classList.contains("stale")`)
	require.True(t, eval[bool](v, `said.requests.total < 7`), "it is the new server's")
	require.Empty(t, eval[[]string](v, figures))
	require.Equal(t, s.Addr, again.Addr)
}

func TestAWorkerThatDiesIsSeenToGoAndToBeReplaced(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage4-prefork"), "-listen", "127.0.0.1:0", "-workers", "3")
	v := open(t, tab, s.URL("/stats.html"), 1200)
	v.await("three workers are drawn", `document.querySelectorAll(".worker:not(.dying) h3").length === 3`)
	victim := eval[int](v, "said.workers[1].pid")
	require.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
	v.await("the second is another", fmt.Sprintf(`said.workers.length === 3 && said.workers[1].restarts === 1 && said.workers[1].pid !== %d &&
		[...document.querySelectorAll(".worker:not(.dying) h3")].map((h) => h.textContent).join() ===
		said.workers.map((w) => `+"`Worker ${w.worker} · pid ${w.pid}${w.state}`"+`).join()`, victim))
	v.await("the dead one is gone", `document.querySelectorAll(".dying").length === 0`)
	require.Empty(t, eval[[]string](v, figures))
}
