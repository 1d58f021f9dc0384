//go:build linux

package main

// What the report says beside its figures, and how it looks: remarks, warnings, the comparison with
// an earlier run, the width of its lines, and the time left.
//
// Reports are made by hand. What must not be done: nothing is measured here.

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reported is a report of one work with rounds of the first figure that ranks.
func reported(name string, rows map[string][]float64) *report {
	p := &report{machine: machine{Versions: map[string]string{}}}
	chosen, err := chooseWorks(name)
	if err != nil {
		panic(err)
	}
	for _, s := range []string{limitName, "stage3-epoll", "nginx"} {
		for _, v := range rows[s] {
			p.add(chosen[0], &server{name: s}, figures{keyCPU: v, keyGenerator: v / 4, keyGeneratorBusy: v / 10})
		}
	}
	p.remark(chosen[0])
	return p
}

func TestWhatIsToBeKnownStandsBesideTheFigures(t *testing.T) {
	steady := []float64{8, 8, 8}
	for _, tt := range []struct {
		says      string
		rows      map[string][]float64
		want, not string
	}{
		{"below the floor", map[string][]float64{limitName: steady, "stage3-epoll": {7, 7, 7}}, "below limit: stage3-epoll (CPU µs/req)", "rounds differ"},
		{"above it", map[string][]float64{limitName: steady, "stage3-epoll": {9, 9, 9}}, "", "below limit"},
		{"rounds far apart", map[string][]float64{limitName: steady, "nginx": {10, 11, 13}}, "the rounds differ in CPU µs/req, nginx by 27 %", "limit by"},
		{"the generator has time left", map[string][]float64{limitName: steady}, "takes 2.00 µs of its own processor a request, so it asks for 500000 a second", "limit of the rate"},
		{"the generator is full", map[string][]float64{limitName: steady, "nginx": {10, 10, 10}}, "it was the limit of the rate of nginx", "rate of limit"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			p := reported("small", tt.rows)
			var out bytes.Buffer
			p.printWork(&out)
			one := strings.Join(strings.Fields(out.String()), " ")
			assert.Contains(t, one, tt.want)
			assert.NotContains(t, one, tt.not)
		})
	}
}

func TestTheReportFitsTheTerminal(t *testing.T) {
	p := &report{machine: machine{Processor: strings.Repeat("word ", 50), Rounds: 3, Notes: []string{strings.Repeat("note ", 50)}}}
	var out bytes.Buffer
	p.printHead(&out)
	for _, w := range works {
		for _, s := range []string{limitName, floorSplice, "stage1-threadpool"} {
			for i := range 3 {
				f := figures{}
				for _, c := range w.columns {
					f[c.key] = 123456.7 * (1 + float64(i)/3) * c.scale
				}
				p.add(w, &server{name: s}, f)
			}
		}
		p.noteBusy(w, &server{name: "stage1-threadpool"}, time.Second, time.Second)
		p.remark(w)
		p.printWork(&out)
	}
	printGoals(&out, p.judge())
	require.NoError(t, compare(&out, "old.json", p.document(), p.document()))
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), pageWidth, line)
	}
}

func TestARunIsComparedWithAnEarlierOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.json")
	old := reported("small", map[string][]float64{limitName: {5, 5.1, 5.2, 5.1}, "stage3-epoll": {10, 10.1, 10.2, 10.3}})
	require.NoError(t, old.writeJSON(file))
	now := reported("small", map[string][]float64{limitName: {5, 5.2, 5.1, 5.1}, "stage3-epoll": {8, 8.1, 8.2, 8.3}, "nginx": {3, 3, 3, 3}})
	read, err := readDocument(file)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, compare(&out, file, read, now.document()))
	assert.Regexp(t, `stage3-epoll +CPU µs/req +10.15 ±1% +8.15 ±2% +-19.70% \(p=0.029 n=4\)`, out.String())
	assert.Regexp(t, `limit +CPU µs/req .* ~ \(`, out.String(), "what is noise is no difference")
	assert.NotContains(t, out.String(), "nginx", "it was not there")
	assert.NotContains(t, out.String(), "-rounds 6")

	few := reported("small", map[string][]float64{limitName: {5, 5, 5}})
	out.Reset()
	require.NoError(t, compare(&out, file, read, few.document()))
	assert.Contains(t, out.String(), "-rounds 6", "with three rounds nothing is certain")
	assert.ErrorContains(t, compare(io.Discard, file, read, reported("one", map[string][]float64{limitName: {5}}).document()), "in common")

	o, err := parse([]string{"-compare", file, file}, io.Discard)
	require.NoError(t, err)
	assert.NotNil(t, o.now)
	_, err = parse([]string{"-compare", filepath.Join(t.TempDir(), "none")}, io.Discard)
	assert.ErrorContains(t, err, "-compare")
}

func TestALooseCheckFailsOnlyWhereARatioHasGrownByHalf(t *testing.T) {
	run := func(limit, ours float64) *document {
		return reported("small", map[string][]float64{limitName: {limit}, "stage3-epoll": {ours}}).document()
	}
	old := run(5, 6)
	for _, tt := range []struct {
		says        string
		limit, ours float64
		fails       bool
	}{
		{"all is as it was", 5, 6, false},
		{"the machine is three times as slow", 15, 18, false},
		{"ours is dearer by a third", 5, 8, false},
		{"ours is dearer by half", 5, 9.1, true},
		{"only the floor is cheaper, which is a change too", 3, 6, true},
	} {
		t.Run(tt.says, func(t *testing.T) {
			o := &options{compare: "old.json", old: old, loosely: true}
			code, err := o.compared(io.Discard, run(tt.limit, tt.ours))
			if !tt.fails {
				require.NoError(t, err)
				require.Equal(t, measured, code)
				return
			}
			require.ErrorContains(t, err, "small, CPU µs/req of stage3-epoll")
			require.Equal(t, failed, code)
			o.loosely = false
			_, err = o.compared(io.Discard, run(tt.limit, tt.ours))
			require.NoError(t, err, "it is shown, and no more")
		})
	}
	_, err := parse([]string{"-loosely"}, io.Discard)
	require.ErrorContains(t, err, "-compare")
}

func TestTheTimeLeftFollowsThePace(t *testing.T) {
	var out bytes.Buffer
	p := newPace(&out, 10*time.Minute)
	p.say("first")
	p.began = p.began.Add(-2 * time.Minute) // a minute's work took two
	p.passed(time.Minute)
	p.say("second")
	assert.Equal(t, "bench:   0 %, 10 min left: first\nbench:  10 %, 18 min left: second\n", out.String())
	for d, want := range map[time.Duration]string{30 * time.Second: "30 s", 90 * time.Minute: "90 min", 3 * time.Hour: "3.0 h"} {
		assert.Equal(t, want, roughly(d), fmt.Sprint(d))
	}
}

// root is the project's, by a path that runs through this folder and is not cleaned: the go command
// repeats a test that passed only when a file changed that it opened below its own module, and goes
// by the path's letters.
func root(t *testing.T) string {
	here, err := os.Getwd()
	require.NoError(t, err)
	return here + "/../../"
}

// What the README shows of the reference run is made of its file, by
// go run ./tests/bench -from docs/results/bench.json -record.
func TestTheReadmeShowsTheRecordedRun(t *testing.T) {
	d, err := readDocument(root(t) + resultsDir + "/" + recordFile)
	require.NoError(t, err)
	readme, err := os.ReadFile(root(t) + readmeFile)
	require.NoError(t, err)
	_, shown, _, err := between(string(readme), benchMark)
	require.NoError(t, err)
	assert.Equal(t, d.readme(), shown)
	picture, err := os.ReadFile(root(t) + resultsDir + "/" + pictureFile)
	require.NoError(t, err)
	made, err := d.picture()
	require.NoError(t, err)
	assert.Equal(t, string(made), string(picture))
	assert.NotEmpty(t, d.Machine.Date)
	assert.NotEmpty(t, d.Machine.Versions)
}

func TestARecordedRunIsShownAsItWas(t *testing.T) {
	top := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(top, readmeFile), []byte("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(top, resultsDir), 0o755))
	p := reported("small", map[string][]float64{limitName: {5, 5, 5}, "stage3-epoll": {8.12345, 8.2, 8.3}, "nginx": {9, 9, 9}})
	text, err := p.document().compact().lines()
	require.NoError(t, err)
	file := filepath.Join(top, resultsDir, recordFile)
	require.NoError(t, os.WriteFile(file, text, 0o644))
	d, err := readDocument(file)
	require.NoError(t, err)
	r := d.Works[0].Servers[1]
	assert.Equal(t, figures{keyCPU: 8.2, keyGenerator: 2.05, keyGeneratorBusy: 0.82}, r.Median)
	assert.Equal(t, span{8.123, 8.3}, r.Spread[keyCPU], "four digits are kept")
	for range 2 { // what is there is replaced
		require.NoError(t, show(top, d))
	}
	readme, err := os.ReadFile(filepath.Join(top, readmeFile))
	require.NoError(t, err)
	assert.Regexp(t, `(?s)^before\n<!-- bench -->\n.*\| 5.00 \|  \|  \| \*\*8.20\*\* \|.*\| 9.00 \|.*<!-- /bench -->\nafter\n$`, string(readme))
	assert.NotContains(t, string(readme), "\nold\n")
	picture, err := os.ReadFile(filepath.Join(top, resultsDir, pictureFile))
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(picture, new(any)), "it is well-formed")
	assert.Contains(t, string(picture), "stage 3 1.00")
	again, err := d.compact().lines()
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again), "to record it again changes nothing")
	assert.ErrorContains(t, rewrite(filepath.Join(top, readmeFile), "none", ""), "<!-- none -->")
}
