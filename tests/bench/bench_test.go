//go:build linux

package main

// The bench itself: its arithmetic, its tables, its command line, and one short run. The short run
// measures one peer for a moment.

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smokePatience bounds a smoke measurement that hangs.
const smokePatience = 2 * time.Minute

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
		{"the highest is best, less than 8 % below it ties", higher, " ==* "},
		{"nothing is marked in a column that is only told", told, "     "},
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			got := ""
			for _, r := range rows[:5] {
				got += mark(column{key: "f", better: tt.better}, r.Server, r.Median["f"], rows)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestTableHasARowForEachServerAndItsRatioToTheLimit(t *testing.T) {
	columns := []column{
		{key: keyCPU, head: "µs", scale: 1, decimals: 1, better: fewer, toLimit: true},
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
	assert.Equal(t, want, cells(columns, rows), "no error column while there is none")
	rows[1].Median[keyErrors] = 3
	assert.Equal(t, "errors ", cells(columns, rows)[0][4])
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
	}
	for _, tt := range tests {
		t.Run(tt.says, func(t *testing.T) {
			o, err := parse(strings.Fields(tt.args), io.Discard)
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
	for _, tt := range []struct {
		config string
		secure map[string]string
		work   *work
	}{
		{nginxConfig, nginxTLS, works[0]}, {lighttpdConfig, nil, works[0]}, {h2oConfig, h2oTLS, works[0]}, {haproxyConfig, nil, works[0]},
		{nginxConfig, nginxTLS, byTLS(t)}, {h2oConfig, h2oTLS, byTLS(t)},
	} {
		at := place{port: 8080, root: "/srv", dir: t.TempDir(), pem: "/srv/pem"}
		args, _, err := configured("conf", tt.config, tt.secure, "-f")(tt.work, at)
		require.NoError(t, err)
		assert.Equal(t, []string{"-f", filepath.Join(at.dir, "conf")}, args)
		text, err := os.ReadFile(args[1])
		require.NoError(t, err)
		assert.NotContains(t, string(text), "@")
		assert.Contains(t, string(text), "8080")
		assert.Equal(t, tt.work.tls != nil || tt.config == haproxyConfig, strings.Contains(string(text), at.pem))
	}
}

// byTLS is a work by TLS.
func byTLS(t *testing.T) *work {
	chosen, err := chooseWorks("tls-small")
	require.NoError(t, err)
	return chosen[0]
}

// smoke runs the command with some flags, for a moment, and returns its tables and its JSON.
func smoke(t *testing.T, args ...string) (table string, works []workReport) {
	file := filepath.Join(t.TempDir(), "bench.json")
	binary := filepath.Join(t.TempDir(), "bench")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(t.Context(), smokePatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "-rounds", "1", "-duration", "100ms", "-json", file)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has children to stop
	var tables, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &tables, &errs
	err = cmd.Run()
	if err == nil && strings.Contains(tables.String(), "neither wrk nor hey") {
		t.Skip(tables.String())
	}
	require.NoError(t, err, "%s%s", &tables, &errs)
	var written struct{ Works []workReport }
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &written))
	return tables.String(), written.Works
}

// TestSmoke measures one peer for a moment, from the outside, with wrk or hey. What it
// finds says nothing; that it finds something is the point.
func TestSmoke(t *testing.T) {
	table, written := smoke(t, "-work", "small", "-servers", "^nethttp$")
	assert.Regexp(t, `(?m)^nethttp\s+[\d.]+\*`, table)
	require.Len(t, written, 1)
	require.Len(t, written[0].Servers, 1)
	row := written[0].Servers[0]
	assert.Len(t, row.Rounds, 1)
	assert.Positive(t, row.Median[keyRate])
	assert.Positive(t, row.Median[keyPSS])
	assert.Zero(t, row.Median[keyErrors])
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
