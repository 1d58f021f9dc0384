package book

// Measured numbers: <!-- result: bench WORK SERVER FIGURE -->6.4<!-- /result --> within one line of
// prose, and <!-- result: bench WORK SERVER FIGURE of OTHER --> for how many times OTHER's figure
// that is.
//
// docs/results/bench.json is the recorded reference run. A figure is the median of its rounds. The
// text shows as many decimals as its author found it to deserve, and is that median, so rounded.
// What must not be done: nothing is written there by hand, since the next recorded run replaces it;
// go test ./docs -run TestNumbers -update then writes the numbers of the prose again, and whoever
// records reads the sentences around them.

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

const benchFile = "bench"

// benchRun is what is looked at of a recorded run.
type benchRun struct {
	Works []struct {
		Work    string
		Servers []struct {
			Server string
			Values map[string][]float64 // of a figure: one value for each round
		}
	}
}

// measured looks up "WORK SERVER FIGURE" or "WORK SERVER FIGURE of OTHER" for a text shown.
func (p Project) measured(words []string, shown string) (string, error) {
	if len(words) != 3 && (len(words) != 5 || words[3] != "of") {
		return "", fmt.Errorf("write it as: result: bench WORK SERVER FIGURE, and perhaps: of OTHER")
	}
	text, err := fs.ReadFile(p.FS, resultsDir+benchFile+".json")
	if err != nil {
		return "", err
	}
	var run benchRun
	if err := json.Unmarshal(text, &run); err != nil {
		return "", err
	}
	value, err := run.median(words[0], words[1], words[2])
	if err == nil && len(words) == 5 {
		var other float64
		if other, err = run.median(words[0], words[4], words[2]); err == nil {
			value /= other
		}
	}
	if err != nil {
		return "", err
	}
	_, decimals, _ := strings.Cut(shown, ".")
	return strconv.FormatFloat(value, 'f', len(decimals), 64), nil
}

// median is the middle of a figure's rounds.
func (r benchRun) median(work, server, figure string) (float64, error) {
	for _, w := range r.Works {
		for _, s := range w.Servers {
			if values := slices.Sorted(slices.Values(s.Values[figure])); w.Work == work && s.Server == server && len(values) > 0 {
				return (values[(len(values)-1)/2] + values[len(values)/2]) / 2, nil
			}
		}
	}
	return 0, fmt.Errorf("%s.json has no %s of %s at %s", benchFile, figure, server, work)
}
