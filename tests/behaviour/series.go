package behaviour

// Every counter of /metrics only grows, and every series is there once, whatever happens to who
// counts.

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("CountersOnlyGrow", countersOnlyGrow)

// countersOnlyGrow while everything is done that is counted.
func countersOnlyGrow(t *testing.T) {
	s := harness.Start(t, "-root", rootOfPages(t))
	w := WatchSeries(t, s)
	for range 3 {
		for _, l := range everyKind {
			newExpected().play(t, s, l)
		}
		w.Await(t, 3)
	}
	w.End(t)
}

// SeriesWatch asks for /metrics again and again.
type SeriesWatch struct {
	url  string
	quit chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	looks    int
	failed   error // the last look that had no answer
	last     series
	problems map[string]string // by what was wrong, the first time
}

// WatchSeries begins to ask. A look that fails, because the process that would have answered was
// killed, is not held against the server.
func WatchSeries(t *testing.T, s *harness.Server) *SeriesWatch {
	w := &SeriesWatch{url: s.URL("/metrics"), quit: make(chan struct{}), problems: map[string]string{}}
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	w.done.Go(func() {
		for {
			select {
			case <-w.quit:
				return
			default:
				w.look(client)
				time.Sleep(harness.CallPause)
			}
		}
	})
	t.Cleanup(sync.OnceFunc(w.stop))
	return w
}

func (w *SeriesWatch) stop() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	w.done.Wait()
}

// Await waits for so many more looks.
func (w *SeriesWatch) Await(t *testing.T, n int) {
	t.Helper()
	w.mu.Lock()
	want := w.looks + n
	w.mu.Unlock()
	harness.Eventually(t, fmt.Sprintf("/metrics has been read %d more times", n), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks >= want
	})
}

// Value is what a series, such as x{a="1"}, said when it was last seen.
func (w *SeriesWatch) Value(name string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[name].value
}

// End ends the watch, and wants nothing to have been wrong.
func (w *SeriesWatch) End(t *testing.T) {
	t.Helper()
	w.stop()
	require.Positive(t, w.looks, w.failed)
	require.Empty(t, w.problems, "in %d looks", w.looks)
}

func (w *SeriesWatch) look(client *http.Client) {
	text, err := fetch(client, w.url)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed = err
		return
	}
	w.looks++
	now, problems := readSeries(text)
	problems = append(problems, now.fell(w.last)...)
	for _, p := range problems {
		if w.problems[p] == "" {
			w.problems[p] = fmt.Sprintf("at look %d", w.looks)
		}
	}
	w.last = now
}

func fetch(client *http.Client, url string) ([]byte, error) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return io.ReadAll(resp.Body)
}

// series is each series of one look, by its name with its labels.
type series map[string]sample

type sample struct {
	value float64
	grows bool // it is a counter, or a part of a histogram
}

// readSeries is what a text says, and what is wrong with it.
func readSeries(text []byte) (all series, problems []string) {
	all = series{}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return all, []string{err.Error()}
	}
	found, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		return all, []string{err.Error()}
	}
	for _, p := range found {
		problems = append(problems, p.Metric+": "+p.Text)
	}
	add := func(name string, labels string, value float64, grows bool) {
		if _, there := all[name+labels]; there {
			problems = append(problems, name+labels+" is there twice")
		}
		all[name+labels] = sample{value, grows}
	}
	for name, f := range families {
		for _, m := range f.Metric {
			labels := labelsOf(m)
			if h := m.Histogram; h != nil {
				add(name+"_count", labels, float64(h.GetSampleCount()), true)
				add(name+"_sum", labels, h.GetSampleSum(), true)
				for _, b := range h.Bucket {
					add(fmt.Sprintf("%s_bucket_%g", name, b.GetUpperBound()), labels, float64(b.GetCumulativeCount()), true)
				}
				continue
			}
			add(name, labels, m.GetCounter().GetValue()+m.GetGauge().GetValue(), m.Counter != nil)
		}
	}
	return all, problems
}

// labelsOf is a sample's labels as they are written, and nothing where there are none.
func labelsOf(m *dto.Metric) (text string) {
	for i, l := range m.Label {
		text += fmt.Sprintf("%c%s=%q", "{,"[min(i, 1)], l.GetName(), l.GetValue())
	}
	if text != "" {
		text += "}"
	}
	return text
}

// fell is which of the counters before are less now, or not there any more.
func (now series) fell(before series) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch s, there := now[name]; {
		case !before[name].grows:
		case !there:
			problems = append(problems, name+" is gone")
		case s.value < before[name].value:
			problems = append(problems, name+" fell")
		}
	}
	return problems
}
