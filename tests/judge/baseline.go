package main

// An earlier report, which -json wrote: what failed then does not count now.

import (
	"encoding/json"
	"fmt"
	"os"

	"fourways/tests/conformance"
	"fourways/tests/words"
)

// baseline is what failed at an earlier time. A nil one has nothing, and everything is news to it.
type baseline struct {
	file       string
	outcomes   map[string]string // by the case's ID
	everywhere map[string]bool   // texts, without what varies
}

// readBaseline reads a report, or returns nil for no file.
func readBaseline(file string) (*baseline, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-baseline: %w; -json %s writes one", err, words.Word(file))
	}
	var old jsonReport
	if err := json.Unmarshal(text, &old); err != nil || len(old.Cases) == 0 {
		return nil, fmt.Errorf("-baseline: %s is not what -json writes", file)
	}
	b := &baseline{file: file, outcomes: map[string]string{}, everywhere: map[string]bool{}}
	for _, c := range old.Cases {
		b.outcomes[c.Case] = c.Outcome
	}
	for _, f := range old.Everywhere {
		b.everywhere[normal(f.Text)] = true
	}
	return b, nil
}

// weights are the outcomes that are failures.
var weights = map[string]conformance.Level{"SHOULD": conformance.SHOULD, "HOUSE": conformance.HOUSE, "MUST": conformance.MUST}

// news reports whether a case fails, and did not fail so heavily.
func (b *baseline) news(id string, level conformance.Level) bool {
	return level != conformance.None && (b == nil || level > weights[b.outcomes[id]])
}

// newEverywhere reports whether a fault of every answer was not there.
func (b *baseline) newEverywhere(k *cause) bool { return b == nil || !b.everywhere[normal(k.says)] }

// mended reports whether a case failed and passes now.
func (b *baseline) mended(id, outcome string) bool {
	return b != nil && weights[b.outcomes[id]] != conformance.None && outcome == "passed"
}
