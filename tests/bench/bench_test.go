//go:build linux

package main

// The bench itself: its arithmetic, its tables, its command line, and one short run. The short run
// measures one peer for a moment.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/gobuild"
)

// smokePatience bounds a smoke measurement that hangs.
const smokePatience = 5 * time.Minute

func TestMedian(t *testing.T) {
	tests := []struct {
		says   string
		values []float64
		want   float64
	}{
		{"one value is its own", []float64{3}, 3},
		{"of three, unsorted, the one in the middle", []float64{9, 1, 2}, 2},
		{"of four, the mean of the two in the middle", []float64{8, 1, 4, 2}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) { assert.Equal(t, tt.want, median(tt.values)) })
	}
	assert.True(t, math.IsNaN(median(nil)), "of nothing there is none")

	m := medians([]figures{{"a": 1, "b": 5}, {"a": 3}, {"a": 2}})
	assert.Equal(t, figures{"a": 2, "b": 5}, m, "each figure over the rounds that have it")
}

func TestMarks(t *testing.T) {
	rows := []*result{
		{Server: limitName, Median: figures{"f": 1}},
		{Server: "a", Median: figures{"f": 100}},
		{Server: "b", Median: figures{"f": 107.9}},
		{Server: "c", Median: figures{"f": 108.1}},
		{Server: "d", Median: figures{"f": 92.5}},
		{Server: "unmeasured"},
	}
	tests := []struct {
		says   string
		better verdict
		want   string // of limit, a, b, c, d
	}{
		{"the lowest is best, 8.1 % above it is no tie", fewer, "    *"},
		{"there is no best where others are less than 8 % below it", higher, " === "},
		{"nothing is marked in a column that is only told", told, "     "},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			got := ""
			for _, r := range rows[:5] {
				got += mark(column{key: "f", better: tt.better}, r, rows)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// rounds is a row as measured.
func rounds(name string, values ...float64) *result {
	p, w, s := &report{}, &work{name: "w"}, &server{name: name}
	for _, v := range values {
		p.add(w, s, figures{keyCPU: v})
	}
	return p.row(w, s)
}

func TestThereIsAWinnerOnlyWhereNobodysRoundsOverlapIts(t *testing.T) {
	c := column{key: keyCPU, head: "µs", scale: 1, decimals: 1, better: fewer}
	for _, tt := range []struct {
		says   string
		rows   []*result
		marks  string
		nobody string
	}{
		{"rounds apart, however near", []*result{rounds("a", 10, 10.1, 10.2), rounds("b", 10.3, 10.4, 10.5)}, "* ", ""},
		{"rounds that overlap", []*result{rounds("a", 10, 10.1, 10.4), rounds("b", 10.3, 10.4, 10.5), rounds("c", 11, 12, 13)}, "== ", "µs (a, b)"},
		{"far apart, and yet they overlap", []*result{rounds("a", 10, 10, 30), rounds("b", 20, 20, 20)}, "==", "µs (a, b)"},
		{"a floor does not compete", []*result{rounds(floorCopy, 1, 1, 1), rounds("a", 10, 10, 10)}, " *", ""},
		{"too few rounds: the gap counts", []*result{rounds("a", 10, 10), rounds("b", 10.5, 10.5)}, "==", "µs (a, b)"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			got := ""
			for _, r := range tt.rows {
				got += mark(c, r, tt.rows)
			}
			assert.Equal(t, tt.marks, got)
			assert.Equal(t, tt.nobody, undecidedColumns([]column{c}, tt.rows))
		})
	}
	assert.Equal(t, "10.1 ±0.2*", cells([]column{c}, limitName, []*result{rounds("a", 10, 10.1, 10.4)})[1][1], "the spread stands beside the median")
}

func TestGoals(t *testing.T) {
	for _, tt := range []struct {
		says         string
		floor, value []float64
		want         string
	}{
		{"all rounds are below 1.5 times the floor", []float64{10, 10, 10}, []float64{14, 14.5, 14.9}, reached},
		{"all are above it", []float64{10, 10, 10}, []float64{15.1, 15.2, 15.3}, missed},
		{"they are on both sides of it", []float64{10, 10, 10}, []float64{14.9, 14.9, 15.1}, undecided},
		{"the floor's own rounds leave it open", []float64{9, 10, 11}, []float64{14, 14, 14}, undecided},
		{"one round has to do", []float64{10}, []float64{15}, reached},
	} {
		t.Run(tt.says, func(t *testing.T) {
			p := &report{works: []*workReport{{Work: "proxy-small", Servers: []*result{rounds(floorCopy, tt.floor...), rounds("stage3-epoll", tt.value...)}}}}
			all := p.judge()
			require.Len(t, all, 1, "there is no peer to be compared with")
			assert.Equal(t, tt.want, all[0].Verdict)
			assert.Equal(t, "1.5 × floor-copy", all[0].Rule)
			assert.InDelta(t, 15, all[0].AtMost, 0.001)
		})
	}
}

// A goal that nothing can be compared with says nothing for ever.
func TestEveryGoalIsAboutAFigureOfItsWork(t *testing.T) {
	for _, g := range goals {
		chosen, err := chooseWorks(g.work)
		require.NoError(t, err)
		shown := func(c column) bool { return c.key == g.key }
		assert.True(t, slices.ContainsFunc(chosen[0].columns, shown), "%s has no column %s", g.work, g.key)
		for _, s := range append(slices.Clone(g.servers), g.of) {
			known := slices.Contains(slices.Concat(ourNames, installedNames), s) || isFloor(s) || s == best || s == ""
			assert.True(t, known, "%s: %q", g.work, s)
		}
	}
}

func TestABusyMachineIsWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		says    string
		others  time.Duration
		elapsed time.Duration
		want    string
	}{
		{"nobody else is there", 0, time.Second, ""},
		{"less than a tenth is noise", 90 * time.Millisecond, time.Second, ""},
		{"of a short measurement little is known", 40 * time.Millisecond, 100 * time.Millisecond, ""},
		{"a third is a warning", 333 * time.Millisecond, time.Second, "beside mine, others used 33 % of processor 5"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			p := &report{machine: machine{ServerCPU: 5}}
			w := works[0]
			p.add(w, &server{name: "mine"}, figures{keyCPU: 1})
			p.noteBusy(w, &server{name: "mine"}, tt.others, tt.elapsed)
			var out bytes.Buffer
			p.printWork(&out)
			if tt.want == "" {
				assert.NotContains(t, out.String(), "warning")
			} else {
				assert.Contains(t, out.String(), tt.want)
			}
		})
	}
}

func TestAQuickRunFitsItsTime(t *testing.T) {
	o, err := parse([]string{"-quick"}, io.Discard)
	require.NoError(t, err)
	assert.Len(t, o.works, len(quickWorks))
	many := make([]*server, 12)
	for i := range many {
		many[i] = &server{name: "s", duties: []duty{serving, proxying, relaying}}
	}
	for _, n := range []int{1, 12} {
		d := fit(o, many[:n], quickTime, quickShortest, quickLongest)
		assert.LessOrEqual(t, whole(o, many[:n], d), quickTime, "%d servers", n)
		assert.GreaterOrEqual(t, d, quickShortest)
		assert.LessOrEqual(t, d, quickLongest)
	}
}

func TestARecordedRunHasMoreRounds(t *testing.T) {
	for want, args := range map[int][]string{
		3:            {"-work", "small"},
		recordRounds: {"-record"},
		2:            {"-rounds", "2", "-record"},
	} {
		o, err := parse(args, io.Discard)
		require.NoError(t, err)
		assert.Equal(t, want, o.rounds, "%v", args)
	}
}

func TestAPathThatCannotBeWrittenIsNoticedFirst(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"-json", "-html"} {
		o, err := parse([]string{name, filepath.Join(folder, "none", "file")}, io.Discard)
		require.NoError(t, err)
		code, err := run(t.Context(), o)
		assert.Equal(t, usage, code)
		assert.ErrorContains(t, err, name)
	}
	old := filepath.Join(folder, "old")
	require.NoError(t, os.WriteFile(old, []byte("figures"), 0o644))
	require.NoError(t, (&options{json: old, html: filepath.Join(folder, "new")}).checkFiles())
	text, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, "figures", string(text), "the figures of an earlier run are there until there are others")
	assert.NoFileExists(t, filepath.Join(folder, "new"))
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	p := &report{machine: machine{Kernel: "<6.1>"}}
	for _, s := range []string{floorCopy, "stage3-epoll", "nginx"} {
		for i := range 3 {
			p.add(works[0], &server{name: s}, figures{keyCPU: float64(len(s) + i), keyRate: 100})
		}
	}
	p.skip(works[0], &server{name: "absent"}, notInstalled)
	require.NoError(t, p.writePage(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotRegexp(t, `(src|href)="[^#]|url\(|@import|<script`, string(text))
	assert.Contains(t, string(text), "&lt;6.1&gt;")
	assert.Contains(t, string(text), `<rect class="own" x="0" y="15%" width="`)
	assert.Contains(t, string(text), "absent: "+notInstalled)
	assert.Contains(t, string(text), "No winner: stage3-epoll, nginx cannot be told apart.")
	c := newChart(requestColumns[0], p.works[0].Servers)
	assert.Equal(t, "nginx", c.Bars[0].Server, "the best comes first")
	assert.EqualValues(t, 100, c.Bars[len(c.Bars)-1].High, "the highest round ends the axis")
}

func TestTableHasARowForEachServerAndItsRatioToTheLimit(t *testing.T) {
	columns := []column{
		{key: keyCPU, head: "µs", scale: 1, decimals: 1, better: fewer, toFloor: true},
		{key: keyPSS, head: "MiB", scale: mib, decimals: 1},
		{key: keyErrors, head: "errors", scale: 1},
	}
	rows := []*result{
		{Server: limitName, Median: figures{keyCPU: 4, keyPSS: 2 * mib, keyErrors: 0}},
		{Server: "nginx", Median: figures{keyCPU: 6, keyErrors: 0}},
		{Server: "absent", Skipped: notInstalled},
	}
	want := [][]string{
		{"server", "µs ", "× limit", "MiB "},
		{limitName, "4.0 ", "1.00", "2.0 "},
		{"nginx", "6.0*", "1.50", "- "},
	}
	assert.Equal(t, want, cells(columns, limitName, rows), "no error column while there is none")
	rows[1].Median[keyErrors] = 3
	assert.Equal(t, "errors ", cells(columns, limitName, rows)[0][4])
}

func TestTheCommandLine(t *testing.T) {
	tests := []struct {
		says, args, fault string
	}{
		{"nothing means everything", "", ""},
		{"some works", "-work small,slow -rounds 1 -duration 100ms -touch=false", ""},
		{"an unknown work is refused", "-work tiny", "tiny"},
		{"no rounds are refused", "-rounds 0", "-rounds"},
		{"no time is refused", "-duration 0s", "-duration"},
		{"hours are refused", "-duration 2h", "-duration"},
		{"a pattern that is none is refused", "-servers (", "-servers"},
		{"no idle connections are refused", "-idle 0", "-idle"},
		{"more than a process can have are refused", "-idle 10001", "-idle"},
		{"words beside the flags are refused", "small", "small"},
		{"a quick run knows its duration", "-quick -duration 1s", "-duration"},
		{"a server of one's own", "-server mine=sh:{port}", ""},
		{"without a port it cannot be reached", "-server mine=sh", "{port}"},
		{"without a name it has no row", "-server sh:{port}", "name"},
		{"a name that leads elsewhere is refused", "-server ../mine=sh:{port}", "name"},
		{"a name that is taken is refused", "-server nginx=sh:{port}", "already"},
		{"the same twice is refused", "-server a=sh:{port} -server a=sh:{port}", "already"},
		{"a program that is not there is noticed first", "-server mine=/none/such:{port}", "/none/such"},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			args := strings.Fields(tt.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], ":", " ") // a command has blanks
			}
			o, err := parse(args, io.Discard)
			if tt.fault != "" {
				assert.ErrorContains(t, err, tt.fault)
				return
			}
			require.NoError(t, err)
			assert.NotEmpty(t, o.works)
		})
	}
	o, err := parse([]string{"-work", "slow,small"}, io.Discard)
	require.NoError(t, err)
	require.Len(t, o.works, 2)
	assert.Equal(t, "small", o.works[0].name, "works keep the order of the tables")
}

func TestEveryWorkAsksForAFileThatIsMade(t *testing.T) {
	for _, w := range works {
		assert.Positive(t, sizes[w.file], w.name)
		assert.NotNil(t, w.measure, w.name)
		assert.NotEmpty(t, w.columns, w.name)
	}
}

func TestConfigurationsAreFilledInWhole(t *testing.T) {
	for _, w := range works {
		for name, config := range map[string]func(*work, string) string{
			"nginx": nginx(""), "lighttpd": lighttpd, "h2o": h2o, "haproxy": haproxy, "caddy": caddyfile, "apache2": apache("/modules"),
		} {
			at := place{port: 8080, root: "/srv", dir: t.TempDir(), pem: "/srv/pem", upstream: "127.0.0.1:9000"}
			for range 2 { // what was filled in for one work must not be there for the next
				args, _, err := configured("conf", config, "-f")(w, at)
				require.NoError(t, err)
				assert.Equal(t, []string{"-f", filepath.Join(at.dir, "conf")}, args)
				text, err := os.ReadFile(args[1])
				require.NoError(t, err)
				assert.NotContains(t, string(text), "@", "%s at %s", name, w.name)
				assert.Contains(t, string(text), "8080", "%s at %s", name, w.name)
				if name == "nginx" || name == "h2o" {
					assert.Equal(t, w.tls != nil, strings.Contains(string(text), at.pem), "%s at %s", name, w.name)
					assert.Equal(t, w.upstream != nil && (name == "nginx" || w.duty() == proxying), strings.Contains(string(text), at.upstream), "%s at %s", name, w.name)
				}
			}
		}
	}
}

func TestEveryVariantIsAConfigurationOfItsOwn(t *testing.T) {
	for _, s := range installed() {
		for _, w := range works {
			if s.variants == nil || !s.concerned(w) {
				continue
			}
			seen := map[string]string{}
			for _, v := range s.variants(w) {
				text := s.config(w, v)
				assert.Empty(t, seen[text], "%s at %s: %q is the same", s.name, w.name, v)
				seen[text] = v
			}
			for text, v := range seen {
				if v == s.variants(w)[0] {
					assert.Equal(t, text, s.config(w, ""), "%s at %s: the first one is the default", s.name, w.name)
				}
			}
		}
	}
}

// What is said of a server that is configured stands beside its figures, whole and once.
func TestAChosenConfigurationIsPublished(t *testing.T) {
	p := &report{}
	s := installed()[0]
	small, _ := chooseWorks("small,one")
	for _, w := range small {
		p.add(w, s, figures{keyCPU: 1})
		p.configured(w, s, choice{sendfileOff, "sendfile off (sendfile on costs 1.20 ×)"})
	}
	var out bytes.Buffer
	p.printWork(&out)
	assert.Contains(t, out.String(), "nginx: sendfile off (sendfile on costs 1.20 ×)")
	require.Len(t, p.configs, 1)
	assert.Equal(t, []string{"small", "one"}, p.configs[0].Works)
	assert.Contains(t, p.configs[0].Text, "sendfile off;")
}

// programs is where program builds, each package once. TestMain removes it.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "fourways-bench-test-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

// program builds the command, or another package of the project.
func program(t *testing.T, pkg string) string {
	binary := filepath.Join(programs, filepath.Base(pkg), "program")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(binary), 0o755))
	out, err := gobuild.Command(t.Context(), pkg, binary).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// command is the bench with some flags. Its JSON goes to the file.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, file string) {
	file = filepath.Join(t.TempDir(), "bench.json")
	ctx, cancel := context.WithTimeout(t.Context(), smokePatience)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, program(t, "."), append(args, "-rounds", "1", "-json", file)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has children to stop
	return cmd, file
}

// written is what the command has written to its file.
func written(t *testing.T, file string) []workReport {
	var all struct{ Works []workReport }
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &all))
	return all.Works
}

// nothing is what the bench says of a measurement that was too short for the machine.
var nothing = regexp.MustCompile(`no request was answered|no message came back|no byte arrived`)

// smoke runs the command for a moment, and for a longer one where the machine is too busy for that.
// It returns its tables and its JSON.
func smoke(t *testing.T, args ...string) (table string, works []workReport) {
	for _, duration := range []string{"100ms", "1s", "10s"} {
		cmd, file := command(t, append(args, "-duration", duration)...)
		var tables, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &tables, &errs
		err := cmd.Run()
		if err == nil {
			return tables.String(), written(t, file)
		}
		require.Regexp(t, nothing, tables.String(), "%s", &errs)
	}
	t.Fatal("nothing is answered, for however long it is asked")
	return "", nil
}

// TestAnInterruptedRunKeepsItsFigures interrupts the second of two works.
func TestAnInterruptedRunKeepsItsFigures(t *testing.T) {
	cmd, file := command(t, "-duration", "500ms", "-work", "1m,idle-memory", "-servers", "^nethttp$", "-idle", "5")
	said, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "idle-memory, round 1") {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.Error(t, cmd.Wait())
	assert.Equal(t, failed, cmd.ProcessState.ExitCode())
	all := written(t, file)
	require.NotEmpty(t, all)
	assert.Positive(t, all[0].Servers[0].Median[keyGBRate])
	for _, w := range all[1:] {
		assert.Empty(t, w.Servers[0].Rounds, "what was cut short is no figure")
	}
}

// TestOutsideOfTheSourceTheBenchTakesWhatIsThere runs the program where it finds no Go, in a folder
// without the project.
func TestOutsideOfTheSourceTheBenchTakesWhatIsThere(t *testing.T) {
	folder := t.TempDir()
	for name, pkg := range map[string]string{"bench": ".", "nethttp": "fourways/tests/peers/nethttp"} {
		require.NoError(t, os.Link(program(t, pkg), filepath.Join(folder, name)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), smokePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(folder, "bench"), "-work", "small", "-servers", "^(nethttp|limit)$", "-rounds", "1", "-duration", "1s")
	cmd.Dir, cmd.Env = folder, []string{"PATH=" + folder}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `(?m)^nethttp +[\d.]+`, string(out))
	assert.Contains(t, string(out), "limit skipped: "+notBuilt+noSource)
}

// TestAServerOfOnesOwn is refused where it breaks HTTP, as fasthttp does, or serves something else,
// as the limit does, and measured on demand.
func TestAServerOfOnesOwn(t *testing.T) {
	limit := "mine=" + program(t, "fourways/tests/peers/limit") + " -listen 127.0.0.1:{port} -file '{root}/%s.html'"
	fasthttp := "mine=" + program(t, "fourways/tests/peers/fasthttp") + " -listen 127.0.0.1:{port} -root {root}"
	for _, tt := range []struct {
		says, server string
		want         []string
	}{
		{"rules are broken", fasthttp, []string{
			`mine is not measured: of what HTTP/1\.1 demands it breaks\n`, `(?m)^  \S+/\S+: .* \(RFC 911[02] `, `go run \./tests/judge -cmd `, `-ungated`,
		}},
		{"another file is served", fmt.Sprintf(limit, "index"), []string{`does not serve the folder \{root\}`, `-ungated`}},
	} {
		t.Run(tt.says, func(t *testing.T) {
			cmd, _ := command(t, "-work", "1m", "-servers", "^none$", "-server", tt.server)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Equal(t, failed, cmd.ProcessState.ExitCode())
			for _, want := range tt.want {
				assert.Regexp(t, want, string(out))
			}
		})
	}
	_, all := smoke(t, "-work", "small", "-servers", "^none$", "-server", fmt.Sprintf(limit, "1k"), "-ungated")
	require.Len(t, all[0].Servers, 1)
	assert.Equal(t, "mine", all[0].Servers[0].Server)
	assert.Positive(t, all[0].Servers[0].Median[keyRate])
}

// TestASoundServerOfOnesOwn passes the gate.
func TestASoundServerOfOnesOwn(t *testing.T) {
	_, all := smoke(t, "-work", "1m", "-servers", "^none$", "-server",
		"mine="+program(t, "fourways/stage3-epoll")+" -listen 127.0.0.1:{port} -root '{root}' -workers {workers}")
	assert.Positive(t, all[0].Servers[0].Median[keyGBRate])
}

// TestSmoke measures one peer for a moment, from the outside, by the generator of our own. What it
// finds says nothing; that it finds something is the point.
func TestSmoke(t *testing.T) {
	table, written := smoke(t, "-work", "small", "-servers", "^nethttp$", "-html", filepath.Join(t.TempDir(), "page.html"))
	assert.Regexp(t, `(?m)^nethttp\s+[\d.]+\*`, table)
	require.Len(t, written, 1)
	require.Len(t, written[0].Servers, 1)
	row := written[0].Servers[0]
	assert.Len(t, row.Rounds, 1)
	assert.Positive(t, row.Median[keyRate])
	assert.Positive(t, row.Median[keyPSS])
	assert.Zero(t, row.Median[keyErrors])
}

// TestSmokeOfTheOtherLoads measures stage 3 and net/http at the works that are more than a closed
// loop.
func TestSmokeOfTheOtherLoads(t *testing.T) {
	want := map[string][]string{
		"one":      {keyP999, keyUser, keySystem, keyGenerator},
		"curve":    {atConns(keyCPU, 1), atConns(keyP99, 100)},
		"mixed":    {keyCPUPerGB, keyGBRate},
		"open":     {keyP99, keyStoppedOpen, keyStoppedClosed},
		"overload": {keyCrowdKept, keyRefused},
		"uploads":  {keyCPU},
		"hey":      {keyCPU},
	}
	_, written := smoke(t, "-work", strings.Join(slices.Collect(maps.Keys(want)), ","), "-servers", "^(nethttp|stage3-epoll)$", "-idle", "100")
	require.Len(t, written, len(want))
	for _, w := range written {
		require.Len(t, w.Servers, 2, w.Work)
		for _, row := range w.Servers {
			for _, key := range want[w.Work] {
				assert.Contains(t, row.Median, key, "%s at %s", row.Server, w.Work)
			}
			assert.Zero(t, row.Median[keyErrors], "%s at %s", row.Server, w.Work)
			assert.NotContains(t, row.Median, atConns(keyCPU, 1000), "-idle bounds the curve")
		}
	}
}

// TestSmokeByTLS measures stage 3 at each work by TLS.
func TestSmokeByTLS(t *testing.T) {
	var names []string
	for _, w := range works {
		if w.tls != nil {
			names = append(names, w.name)
		}
	}
	_, written := smoke(t, "-work", strings.Join(names, ","), "-servers", "^stage3-epoll$", "-idle", "50")
	require.Len(t, written, len(names))
	found := map[string]figures{}
	for _, w := range written {
		require.Len(t, w.Servers, 1)
		found[w.Work] = w.Servers[0].Median
		assert.Contains(t, w.Note, "OpenSSL", "said beside the figures")
		assert.Contains(t, w.Servers[0].Median, keyPSS)
	}
	for _, name := range []string{"tls-full", "tls-resumed", "tls-resumed12", "tls-small", "tls-1m"} {
		assert.Positive(t, found[name][keyRate], name)
	}
	for name, all := range map[string]bool{"tls-full": false, "tls-resumed": true, "tls-resumed12": true} {
		f := found[name]
		assert.Positive(t, f[keyNew], name)
		assert.Equal(t, all, f[keyResumed] == f[keyNew], "%s: %v", name, f)
	}
	for _, name := range []string{"tls-idle", "tls-idle-hybrid"} {
		assert.EqualValues(t, 50, found[name][keyIdle], name)
	}
}

// TestSmokeOfWhatPassesOn measures each server that is built at each work that passes something on.
func TestSmokeOfWhatPassesOn(t *testing.T) {
	var names []string
	for _, w := range works {
		if w.upstream != nil {
			names = append(names, w.name)
		}
	}
	_, written := smoke(t, "-work", strings.Join(names, ","), "-servers", "^(floor-copy|floor-splice|reverseproxy|stage3-epoll)$", "-idle", "50")
	require.Len(t, written, len(names))
	for _, w := range written {
		for _, row := range w.Servers {
			if row.Server == floorSplice && strings.HasPrefix(w.Work, "proxy-") && w.Work != "proxy-64k" && w.Work != "proxy-1m" {
				assert.NotEmpty(t, row.Skipped, w.Work)
				continue
			}
			require.Empty(t, row.Skipped, "%s at %s", row.Server, w.Work)
			key := keyCPU
			switch w.Work {
			case "held":
				key = keyHeld
			case "proxy-idle":
				key = keyIdle
			}
			assert.Contains(t, row.Median, key, "%s at %s", row.Server, w.Work)
			assert.Zero(t, row.Median[keyErrors], "%s at %s", row.Server, w.Work)
		}
		assert.Len(t, w.Servers, 4, w.Work)
	}
}
