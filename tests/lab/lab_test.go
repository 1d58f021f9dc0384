//go:build linux

package main

// Tests of the labs, and of what is drawn and kept of them.
//
// Each lab is run as a reader does, with smaller numbers. What must not be done: the reader's own
// progress must not be touched.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/course"
	"fourways/tests/mutants"
	"fourways/tests/progress"
)

// A lab waits for most of its time, so more of them run at once than there are processors.
const atOnce = 8

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestEachLabShowsWhatItClaims: the lesson of a chapter is what comes out, here too.
func TestEachLabShowsWhatItClaims(t *testing.T) {
	root, err := mutants.Root()
	require.NoError(t, err)
	shared := &programs{dir: t.TempDir()}
	for _, l := range labs {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r, err := newRig(t.Context(), shared, root, true, &out)
			require.NoError(t, err)
			defer r.close()
			res, err := l.run(r)
			if errors.Is(err, errMissing) {
				t.Skip(err)
			}
			require.NoError(t, err, "%s", &out)
			require.True(t, res.held(), "%s\n%s", res.drawn(), res.judged(l))
			require.NotEmpty(t, res.Claims)
			require.NotEmpty(t, res.Learnt)
			require.NotRegexp(t, `\b1 (servers|machines|workers|clients|connections|requests|messages|bytes|reads)\b`, out.String())
		})
	}
}

// Whoever does not find a lab in a chapter does not find it at all.
func TestEachLabIsInAChapter(t *testing.T) {
	root, err := mutants.Root()
	require.NoError(t, err)
	chapters, err := course.Read(root)
	require.NoError(t, err)
	for _, l := range labs {
		require.NotEmpty(t, course.Lab(chapters, l.name).Path, "no chapter says `go run ./tests/lab %s`", l.name)
	}
}

// four is a result without a measurement.
func four() result {
	return result{Unit: "s", Bars: []bar{{Label: "fast", To: 1}, {Label: "slow <&>", To: 4}, {Label: "never", To: 2, Open: true}}, Answer: 4, Learnt: "Much."}
}

func TestBarsAreDrawnToScale(t *testing.T) {
	r := four()
	you := 2.0
	r.predicted = &you
	require.Equal(t, "fast     "+strings.Repeat("█", 13)+" 1 s\n"+
		"slow <&> "+strings.Repeat("█", 50)+" 4 s\n"+
		"never    "+strings.Repeat("█", 25)+"▶ more than 2 s\n"+
		"         "+strings.Repeat(" ", 24)+"▲ you: 2\n", r.drawn())
}

// A prediction in per cent is no place on a scale in seconds.
func TestAPredictionOnAnotherScaleIsNoMark(t *testing.T) {
	r := four()
	r.Apart, r.predicted = true, new(2.0)
	require.NotContains(t, r.drawn(), "▲")
	require.NotContains(t, r.svg("x"), "<line")
	require.Contains(t, r.svg("x"), "you: 2, measured: 4")
	r.Apart = false
	require.Contains(t, r.drawn(), "▲ you: 2")
	require.Contains(t, r.svg("x"), "<line")
	require.NotContains(t, r.svg("x"), "measured: 4")
}

func TestCurvesTakeThePlaceOfBarsInAPicture(t *testing.T) {
	r := four()
	r.Chart = &chart{Over: "clients", Steps: []string{"0", "<1>"}, Curves: []curve{{"fast", []float64{4, 0}}, {"slow <&>", []float64{2, 4}}}}
	r.predicted = new(1.0)
	picture := r.svg("x")
	require.Contains(t, picture, `points="60.0,30.0 540.0,270.0"`, "from the top to the ground")
	require.Contains(t, picture, "slow &lt;&amp;&gt;: 4")
	require.Contains(t, picture, "&lt;1&gt;")
	require.Contains(t, picture, `y1="210.0" y2="210.0"/><text class="dim" x="68" y="204.0">you: 1`)
	require.NotContains(t, picture, "<rect")
	require.Contains(t, picture, "fast: 1 s", "the bars are told in words")
}

func TestStripsAreDrawnAboveTheBars(t *testing.T) {
	r := result{Unit: "bytes", Kinds: [kinds]string{good: "read", bad: "left"}}
	r.strip("edge", cell{"FOUR WAY", good}, cell{"S TO WAIT", bad})
	r.add("taken", 8)
	require.Equal(t, "edge  ■ FOUR WAY ▲ S TO WAIT\n(■ read, ▲ left)\ntaken "+strings.Repeat("█", 50)+" 8 bytes\n", r.drawn())
	require.Contains(t, r.svg("What is read?"), `aria-label="What is read? edge: read FOUR WAY, left S TO WAIT; taken: 8 bytes"`)
}

func TestAPictureNeedsNothingFromOutside(t *testing.T) {
	r := four()
	picture := r.svg("a <title>")
	require.Contains(t, picture, `aria-label="a &lt;title&gt; fast: 1 s; slow &lt;&amp;&gt;: 4 s; never: more than 2 s"`)
	require.Equal(t, 1, strings.Count(picture, "://"), "its name space alone")
	require.NotContains(t, picture, "<script")
}

func TestAClaimThatWasNotSeenIsSaid(t *testing.T) {
	r := four()
	r.claims(true, "one")
	require.True(t, r.held())
	r.claims(false, "two of %d", 3)
	require.False(t, r.held())
	require.Contains(t, r.judged(reads), "NOT SEEN  two of 3")
}

func TestAResultIsKeptBesideTheOthers(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, progress.Write(root, part, map[string]done{"ten": {Measured: 6}}))
	require.NoError(t, keep(root, reads, four()))
	var all map[string]done
	require.NoError(t, progress.Read(root, part, &all))
	require.Len(t, all, 2)
	require.Equal(t, 4.0, all["reads"].Measured)
	require.Equal(t, 6.0, all["ten"].Measured)
}

// Whoever has seen the outcome predicts nothing any more.
func TestOnlyTheFirstPredictionIsMarked(t *testing.T) {
	for _, row := range []struct {
		name string
		said []float64 // in one run after the other, -1 for nothing
		want *bool
	}{
		{"none", []float64{-1, -1}, nil},
		{"near", []float64{5}, new(true)},
		{"off", []float64{5.5}, new(false)},
		{"off, and then right", []float64{1, 4}, new(false)},
		{"near, and then off", []float64{4, 9}, new(true)},
		{"right, when it was known", []float64{-1, 4}, nil},
	} {
		root := t.TempDir()
		for i := range row.said {
			r := four()
			if row.said[i] >= 0 {
				r.predicted = &row.said[i]
			}
			require.NoError(t, keep(root, reads, r))
		}
		var all map[string]done
		require.NoError(t, progress.Read(root, part, &all))
		require.Equal(t, row.want, all["reads"].Right, row.name)
	}
}

func TestAResultIsRecordedWhole(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, recordInto(folder, reads, four()))
	text, err := os.ReadFile(filepath.Join(folder, "reads.json"))
	require.NoError(t, err)
	var r recorded
	require.NoError(t, json.Unmarshal(text, &r))
	require.Equal(t, four().Bars, r.Bars)
	drawing := four()
	require.Equal(t, drawing.drawn(), strings.Join(r.Drawn, "\n")+"\n")
	require.FileExists(t, filepath.Join(folder, "reads.svg"))
}

func TestAPredictionIsANumber(t *testing.T) {
	var out bytes.Buffer
	n, err := ask(reads, strings.NewReader("many\n-1\n1,024\n"), &out)
	require.NoError(t, err)
	require.Equal(t, 1024.0, *n)
	require.Equal(t, 2, strings.Count(out.String(), "is no number"))
	n, err = ask(reads, strings.NewReader("\n"), &out)
	require.NoError(t, err)
	require.Nil(t, n)
	n, err = ask(reads, strings.NewReader(""), &out)
	require.NoError(t, err)
	require.Nil(t, n)
}

func TestTheCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{nil, exitOK, "reads: chapter 1, "},
		{[]string{"-h"}, exitOK, "-record folder"},
		{[]string{"none"}, exitUsage, `there is no lab "none"`},
		{[]string{"ten", "-yes"}, exitUsage, "flags before it"},
		{[]string{"-x"}, exitUsage, "not defined"},
		{[]string{"-record", "/dev/null/x", "ten"}, exitUsage, "-record wants a folder"},
	} {
		var out bytes.Buffer
		require.Equal(t, tt.status, command(context.Background(), tt.args, strings.NewReader(""), &out), "%v", tt.args)
		require.Contains(t, out.String(), tt.says)
	}
}

// The model of the lab fleet, by hand.
func TestAFleetOnPaper(t *testing.T) {
	m := model{server: 0.002, balancer: 0.0005, burst: 20}
	require.Equal(t, 500.0, m.capacity(1))
	require.Equal(t, 2000.0, m.capacity(4))
	require.Equal(t, 2000.0, m.capacity(100), "the balancer is full")
	require.Equal(t, 4.0, m.enough())
	require.Equal(t, 25, m.balancers(100))
	require.Equal(t, 200, m.allowed(10))
	require.Equal(t, 0.25, resumed(4))
	require.InDelta(t, 1.11, headroom(10, 1), 0.01)
	require.Equal(t, "2m30s", restart(100, 10, 15*time.Second).String())
	require.Equal(t, 2.0, measured{requests: 4, servers: []time.Duration{time.Second, time.Second}, balancer: 2 * time.Second}.capacity())
}
