package page

// The page of the statistics in a real browser, of each stage. It is skipped where there is no
// browser. It waits for what the page shows, never for a time.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

	"fourways/tests/gobuild"
	"fourways/tests/harness"
)

var stages = []string{"stage1-threadpool", "stage2-poll", "stage3-epoll", "stage4-prefork"}

// browsers are the names under which one may be installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}

// theBrowser is the one browser of all tests: each has a tab of its own.
var theBrowser = sync.OnceValues(startBrowser)

// ending is what TestMain calls at the end.
var ending []func()

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fourways-page-*")
	if err != nil {
		panic(err)
	}
	programs = dir
	harness.ManyAtOnce()
	status := m.Run()
	for _, end := range slices.Backward(ending) {
		end()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

var errNoBrowser = fmt.Errorf("no browser: install Debian's chromium, or another of %v", browsers)

func startBrowser() (context.Context, error) {
	program := ""
	for _, name := range slices.Backward(browsers) {
		if path, err := exec.LookPath(name); err == nil {
			program = path
		}
	}
	if program == "" {
		return nil, errNoBrowser
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(programs, "browser")),
		chromedp.IgnoreCertErrors) // servers make their own
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to put root into one
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	ending = append(ending, cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	ending = append(ending, cancel)
	return ctx, chromedp.Do(ctx) // before there are tabs, so that they share it
}

// browser is the browser for a test that runs beside others. It is skipped where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	return browserAlone(t)
}

// browserAlone is the browser for a test that nobody else runs beside.
func browserAlone(t *testing.T) context.Context {
	t.Helper()
	ctx, err := theBrowser()
	if errors.Is(err, errNoBrowser) {
		t.Skip(err)
	}
	require.NoError(t, err, "the browser does not start")
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
		if (e.closest("[hidden]")) continue; // this server has no such thing
		const want = member(e.dataset.figure);
		if (typeof want !== "number" || Number(e.value) !== want) wrong.push(e.dataset.figure + ": " + e.value + " for " + want);
		else if (!e.dataset.as && want < 100000 && e.textContent.replaceAll(",", "") !== String(want)) wrong.push(e.dataset.figure + " reads " + e.textContent);
	}
	for (const e of document.querySelectorAll("[data-reason]"))
		if (Number(e.value) !== said.refusals[e.dataset.reason]) wrong.push(e.dataset.reason + ": " + e.value);
	if (document.querySelectorAll("[data-figure]").length < 32) wrong.push("figures are missing");
	return wrong;
})()`

// programs is a folder for what is built, and built what builds a stage's program there once.
var (
	programs string
	built    sync.Map
)

// build makes a stage's program.
func build(t *testing.T, stage string) string {
	t.Helper()
	program := filepath.Join(programs, stage)
	once, _ := built.LoadOrStore(stage, sync.OnceValue(func() error {
		out, err := gobuild.Command(context.Background(), "fourways/"+stage, program).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}))
	require.NoError(t, once.(func() error)())
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
			t.Parallel()
			s := start(t, build(t, stage.name), "-listen", "127.0.0.1:0", "-workers", "3")
			watchPage(t, tab, s, s.URL(""), stage.moves)
		})
		t.Run(stage.name+" by https", func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(build(t, stage.name), "-listen", "127.0.0.1:0", "-workers", "3", "-tls-listen", "127.0.0.1:0", "-tls-self-signed")
			cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir()) // where the certificate is kept
			s := harness.StartCommand(t, cmd)
			watchPage(t, tab, s, s.Log.Await(t, byHTTPS)[0], stage.moves)
		})
	}
}

var byHTTPS = regexp.MustCompile(`https://[^,\s"]+`)

// watchPage opens the page at one of the server's addresses, and wants it to show what the server
// says, to keep up, and to complain of nothing.
func watchPage(t *testing.T, tab context.Context, s *harness.Server, origin, moves string) {
	some(t, s)
	v := open(t, tab, origin+"/stats.html", 1200)
	var wrong []string
	harness.Eventually(t, "the page shows figures", func() bool {
		wrong = eval[[]string](v, figures)
		return len(wrong) == 0 || wrong[0] != "nothing yet"
	})
	require.Empty(t, wrong)
	require.True(t, eval[bool](v, moves), "what waits is drawn")
	require.True(t, eval[bool](v, `document.getElementById("passed").hidden`), "nothing is passed on")
	require.Equal(t, "up", eval[string](v, `document.getElementById("state").textContent`))

	before := eval[float64](v, "said.requests.total")
	some(t, s)
	v.await("the page keeps up", fmt.Sprintf(`said.requests.total >= %v && said.refusals["path-traversal"] === 2`, before+7))
	require.Empty(t, eval[[]string](v, figures))
	require.True(t, eval[bool](v, `document.querySelector("#refusals data[data-reason='path-traversal']").value === "2"`))
	v.wantQuiet(origin)
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
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			s := start(t, build(t, stage), "-listen", "127.0.0.1:0")
			some(t, s)
			v := open(t, tab, s.URL("/stats.html"), 360)
			v.await("the page shows figures", `!!window.said && document.querySelector("#says").textContent !== ""`)
			require.LessOrEqual(t, eval[int](v, "document.documentElement.scrollWidth"), 360)
		})
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

func TestThePageHasEveryFigureThereIs(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage4-prefork"), "-listen", "127.0.0.1:0", "-workers", "2")
	some(t, s)
	v := open(t, tab, s.URL("/stats.html"), 1200)
	v.await("the page shows figures", `!!window.said && document.querySelector("#says").textContent !== ""`)
	require.True(t, eval[bool](v, `document.querySelector("#all-table").closest("details").open = true`))
	v.await("each is a row", `document.querySelectorAll("#all-table tbody tr").length === said.figures.reduce((n, f) => n + f.samples.length, 0)`)
	require.Empty(t, eval[[]string](v, `[...document.querySelectorAll("#all-table tbody tr")].map((tr) => [...tr.cells].map((c) => c.textContent))
		.filter(([name, of, is, means]) => !name || !means || !is || /NaN|undefined|object/.test(is)).map((row) => row.join(" | "))`))
	v.await("they keep up", `[...document.querySelectorAll("#all-table tbody tr")].some((tr) =>
		tr.cells[0].textContent === "fourways_requests_total" && tr.cells[2].textContent === String(said.requests.total))`)
	v.wantQuiet(s.URL(""))
}

// upstreamRows is what the page says of the servers behind this one, without rates and times.
const upstreamRows = `[...document.querySelectorAll("#upstreams-table tbody tr")].map((tr) =>
	[...tr.cells].map((c) => c.textContent)).map((c) => [...c.slice(0, 5), c[6]].join(" "))`

// What is passed on is there where something is: upstreams, what waits for slow readers, relays.
func TestThePageOfAServerThatPassesOn(t *testing.T) {
	tab := browser(t)
	held := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app/held" {
			<-held
		}
	}))
	defer up.Close()
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			args := []string{"-listen", "127.0.0.1:0", "-proxy", "/app=" + up.URL}
			relays := stage != "stage1-threadpool"
			if relays {
				args = append(args, "-relay", "127.0.0.2:0="+up.Listener.Addr().String())
			}
			s := start(t, build(t, stage), args...)
			s.Get(t, "/app/x")
			answered := make(chan error, 1)
			go func() {
				resp, err := http.Get(s.URL("/app/held"))
				if err == nil {
					resp.Body.Close()
				}
				answered <- err
			}()
			if relays {
				c, err := net.Dial("tcp", s.Log.Await(t, relaying)[1])
				require.NoError(t, err)
				defer c.Close()
			}
			v := open(t, tab, s.URL("/stats.html"), 360)
			v.await("a request is under way", fmt.Sprintf(`!!window.said && said.upstreams[0].in_flight === 1 && %s.join() === %q`,
				upstreamRows, up.URL+" answering 1 0 1 0"))
			if relays {
				v.await("a relay is open", `document.querySelector("[data-figure='relay.active']").value === "1"`)
			}
			require.Empty(t, eval[[]string](v, figures))
			require.True(t, eval[bool](v, `!$("passed").hidden && document.querySelectorAll("#passed [data-figure='queues.memory']").length === 1`))
			require.Equal(t, !relays, eval[bool](v, `$("relays").hidden`))
			require.LessOrEqual(t, eval[int](v, "document.documentElement.scrollWidth"), 360)
			held <- struct{}{}
			require.NoError(t, <-answered)
			v.await("it is answered", upstreamRows+fmt.Sprintf(`.join() === %q`, up.URL+" answering 0 0 0 0"))
			v.wantQuiet(s.URL(""))
		})
	}
}

var relaying = regexp.MustCompile(`Relaying (\S+) to `)

// What a page shows of figures that hardly ever come.
func TestThePageOfRareFigures(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0")
	some(t, s)
	v := open(t, tab, s.URL("/stats.html"), 1200)
	still := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
	_, err := chromedp.Call(v.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: still})
	require.NoError(t, err)
	v.await("the page shows figures", `!!window.said && document.querySelector("#says").textContent !== ""`)
	for _, tt := range []struct {
		name, figures, shows string
		want                 []string
	}{
		{"the ring and the figure beside it agree", `cache: {...said.cache, hit_rate: 99.7}`,
			`[$("hit-text").textContent, document.querySelector("[data-figure='cache.hit_rate']").textContent]`, []string{"99.7 %", "99.7 %"}},
		{"nearly all is not all", `responses: {"2xx": 99999, "3xx": 0, "4xx": 1, "5xx": 0}`,
			`["2xx", "3xx", "4xx"].map((c) => $("share-" + c).textContent)`, []string{"99.9 %", "0 %", "<0.1 %"}},
		{"the shortest time has a bar too", `latency_microseconds: {count: 5, mean: 1, p50: 1, p90: 1, p99: 2, p99_9: 100, max: 2e7}`,
			`[...document.querySelectorAll("#quantiles u")].map((u) => String(u.getBoundingClientRect().width > 3))`, []string{"true", "true", "true", "true", "true"}},
		{"times are read as they are", `latency_microseconds: {count: 5, mean: 300, p50: 999, p90: 100000, p99: 590000, p99_9: 1500000, max: 2e7}`,
			`[...document.querySelectorAll("#quantiles data")].map((e) => e.textContent)`, []string{"999 µs", "100 ms", "590 ms", "1.5 s", "20 s"}},
		{"what never was has none", `latency_microseconds: {count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0}`,
			`[...document.querySelectorAll("#quantiles u")].map((u) => String(u.getBoundingClientRect().width))`, []string{"0", "0", "0", "0", "0"}},
		{"what the logs have lost", `lost: {clients: 7, log_lines: 1, access_log_lines: 22, log_errors: 3, access_log_errors: 4}`,
			`[...document.querySelectorAll("#logs data")].map((e) => e.textContent)`, []string{"1", "22", "3", "4"}},
		{"what the limiter does", `rate_factor: 0.25, ddos_mitigations: 6, lost: {...said.lost, clients: 7}`,
			`[...document.querySelectorAll("#limits data")].map((e) => e.textContent)`, []string{"25.0 %", "6", "7"}},
		{"why the rate is lowered", `rate_cause: "pressure"`, `[$("rate-cause").textContent]`, []string{"the machine’s processors are short"}},
		{"that it is not", `rate_cause: "none"`, `[$("rate-cause").textContent]`, []string{"nothing lowers it"}},
		{"an upstream that rests", `queues: {memory: 2048, disk: 3 << 20}, upstreams: [{name: "unix:/app", resting: 1, in_flight: 2, tunnels: 1, connections: 3, requests: 9,
			failures: {connect: 3, cut: 1, malformed: 0, timeout: 2}, head_microseconds: {p50: 1500, p90: 2000, p99: 20000, p99_9: 3e6, max: 3e6}}]`,
			`[...document.querySelector("#upstreams-table tbody tr").cells, ...document.querySelectorAll("#passed .says data")].map((e) => e.textContent)`,
			[]string{"unix:/app", "resting", "2", "1", "3", "0", "6", "1.5 ms", "20 ms", "2.0 KiB", "3.0 MiB"}},
		{"one that has never answered", `queues: {memory: 0, disk: 0}, upstreams: [{name: "unix:/app", resting: 0, in_flight: 0, tunnels: 0, connections: 0, requests: 0,
			failures: {connect: 0, cut: 0, malformed: 0, timeout: 0}, head_microseconds: {p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0}}]`,
			`[...document.querySelector("#upstreams-table tbody tr").cells].slice(7).map((e) => e.textContent)`, []string{"–", "–"}},
		{"how late the server is", `lateness: {busy_seconds: said.lateness.busy_seconds + 1e6, ready: said.lateness.ready + 1000, wait_seconds: said.lateness.wait_seconds + 1.5}`,
			`[String(Number($("at-work").textContent) > 1000), String(/s$/.test($("ready-wait").textContent))]`, []string{"true", "true"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, eval[[]string](v, `(() => { show({...said, `+tt.figures+`}); return `+tt.shows+`; })()`))
		})
	}
	v.wantQuiet(s.URL(""))
}

// While a worker is replaced there are two of its number; what is counted is shown with the one
// that serves, and once.
func TestThePageWhileAWorkerIsReplaced(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage4-prefork"), "-listen", "127.0.0.1:0", "-workers", "1")
	v := open(t, tab, s.URL("/stats.html"), 1200)
	v.await("the page shows figures", `!!window.said && document.querySelectorAll(".worker").length === 1`)
	// In one script: the next figures of the server may come between two.
	shown := eval[[]string](v, `(() => {
		const w = {...said.workers[0], worker: 1, restarts: 5, requests: 1000}, two = [{...w, state: "draining"}, {...w, pid: w.pid + 1, state: "ready"}];
		const later = two.map((w) => ({...w, requests: 1100}));
		stage.show({...said, workers: later}, {...said, workers: two}, 1);
		const rates = [...document.querySelectorAll(".worker:not(.dying)")].map((e) => e.querySelector(".facts").children[1].textContent);
		return [...rates, document.querySelector(".master").textContent];
	})()`)
	require.Len(t, shown, 3)
	require.Equal(t, []string{"0 requests/s", "100 requests/s"}, shown[:2])
	require.Contains(t, shown[2], "5 restarts")
	v.wantQuiet(s.URL(""))
}

func TestTheBuiltInSiteKnowsItsAddress(t *testing.T) {
	tab := browser(t)
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0")
	for _, path := range []string{"/", "/contact.html"} {
		v := open(t, tab, s.URL(path), 1200)
		v.await("its command goes to this very server", fmt.Sprintf(`document.querySelector("pre").textContent.includes(%q)`, " "+s.URL("/upload")))
		require.False(t, eval[bool](v, `document.body.textContent.includes("ADDRESS")`))
		v.wantQuiet(s.URL(""))
	}
	v := open(t, tab, s.URL("/"), 1200)
	v.await("the live page is linked", `!!document.querySelector("main a[href='/stats.html']")`)
}

// Without a script the command says what to put in, rather than an address that is not the
// server's.
func TestTheBuiltInSiteNamesNoPort(t *testing.T) {
	t.Parallel()
	s := start(t, build(t, "stage3-epoll"), "-listen", "127.0.0.1:0")
	for _, path := range []string{"/", "/about.html", "/contact.html"} {
		_, body := s.Get(t, path)
		require.NotRegexp(t, `:\d{2,5}/`, string(body))
		require.Contains(t, string(body), `href="/stats.html"`)
	}
}
