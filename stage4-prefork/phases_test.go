//go:build linux

package main

// The tables of states and signals, looked at row by row. The tables are data, so no process is
// needed.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestAMasterGoesOnlyWhereTheTableLeads(t *testing.T) {
	for _, c := range []struct {
		says    string
		from    phase
		to      phase
		allowed bool
	}{
		{"a start that failed ends", starting, ending, true},
		{"a server that starts reloads nothing", starting, reloading, false},
		{"a reload is followed by service", reloading, serving, true},
		{"a reload is no time for a hand-over", reloading, handingOver, false},
		{"a hand-over may fail", handingOver, serving, true},
		{"who was replaced does not come back", replaced, serving, false},
		{"who was replaced can be told to hurry", replaced, draining, true},
		{"a lame duck does not recover", lameDuck, serving, false},
		{"the end has no way out", ending, draining, false},
	} {
		t.Run(c.says, func(t *testing.T) {
			m := &master{phase: c.from}
			if !c.allowed {
				assert.Panics(t, func() { m.enter(c.to) })
				return
			}
			m.enter(c.to)
			assert.Equal(t, c.to, m.phase)
		})
	}
}

func TestAWorkerGoesOnlyWhereTheTableLeads(t *testing.T) {
	for _, c := range []struct {
		says    string
		from    progress
		to      progress
		allowed bool
	}{
		{"it serves when it has reported", workerStarting, workerServing, true},
		{"one that is not wanted any more serves nobody", workerUnwanted, workerServing, false},
		{"one that leaves does not come back", workerLeaving, workerServing, false},
		{"one that has failed cannot leave", workerFailed, workerLeaving, false},
		{"any can hang: one that leaves", workerLeaving, workerHung, true},
		{"any can hang: one that has failed", workerFailed, workerHung, true},
		{"to hang is final", workerHung, workerServing, false},
	} {
		t.Run(c.says, func(t *testing.T) {
			w := &worker{progress: c.from}
			if !c.allowed {
				assert.Panics(t, func() { w.enter(c.to) })
				return
			}
			w.enter(c.to)
			assert.Equal(t, c.to, w.progress)
		})
	}
}

func TestEverySignalHasAMeaningInEveryPhase(t *testing.T) {
	for sig, means := range orders {
		for p, order := range means {
			assert.NotNil(t, order, "%v in phase %d", sig, p)
		}
	}
	for _, sig := range ignored {
		assert.Contains(t, orders, sig, "a worker leaves it to the master, who knows nothing of it")
	}
	assert.NotContains(t, ignored, unix.SIGQUIT, "by which a worker is asked for its stacks")
}
