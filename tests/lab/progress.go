//go:build linux

package main

// What is kept: the reader's progress, and results for the chapters.
//
// The first is the reader's own and lies outside of git; the second is written where -record says.
// What must not be done: a result must not be kept that was not measured to its end.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fourways/tests/progress"
)

// part is where the labs are in the reader's progress.
const part = "labs"

// done is what is kept of one lab.
type done struct {
	At        time.Time `json:"at"`
	Predicted *float64  `json:"predicted,omitempty"`
	Measured  float64   `json:"measured"`
	Held      bool      `json:"held"`
	Right     *bool     `json:"right,omitempty"` // whether the first prediction was near enough: later ones know the answer
}

// keep notes a lab's result.
func keep(root string, l lab, r result) error {
	all := map[string]done{}
	if err := progress.Read(root, part, &all); err != nil {
		return err
	}
	before, known := all[l.name]
	now := done{At: time.Now().Truncate(time.Second), Predicted: r.predicted, Measured: r.Answer, Held: r.held(), Right: before.Right}
	if r.predicted != nil && !known {
		right := r.near()
		now.Right = &right
	}
	all[l.name] = now
	return progress.Write(root, part, all)
}

// recorded is a result as a file of the project.
type recorded struct {
	Lab     string    `json:"lab"`
	At      time.Time `json:"at"`
	Kernel  string    `json:"kernel"`
	Go      string    `json:"go"`
	Unit    string    `json:"unit"`
	Answer  float64   `json:"answer"`
	Strips  []strip   `json:"strips,omitempty"`
	Bars    []bar     `json:"bars"`
	Claims  []claim   `json:"claims"`
	Machine string    `json:"machine"`
	Drawn   []string  `json:"drawn"` // in letters, line by line, as a terminal shows it
}

// recordInto writes a result as NAME.json and NAME.svg.
func recordInto(folder string, l lab, r result) error {
	text, err := json.MarshalIndent(recorded{
		Lab: l.name, At: time.Now().UTC().Truncate(time.Second), Kernel: kernel(), Go: runtime.Version(), Unit: r.Unit, Answer: r.Answer,
		Strips: r.Strips, Bars: r.Bars, Claims: r.Claims, Machine: fmt.Sprintf("%s, %d processors", runtime.GOARCH, runtime.NumCPU()),
		Drawn: strings.Split(strings.TrimSuffix(r.drawn(), "\n"), "\n"),
	}, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		progress.Replace(filepath.Join(folder, l.name+".json"), append(text, '\n')),
		progress.Replace(filepath.Join(folder, l.name+".svg"), []byte(r.svg(l.asks))))
}

// kernel is the kernel's name and release, or "" where it does not say.
func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return runtime.GOOS + " " + string(text[:max(len(text)-1, 0)])
}
