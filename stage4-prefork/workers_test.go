//go:build linux

package main

// What the master does with workers that die at a bad moment. The master is made by hand, and its
// processes are numbers.

import (
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/shared/app"
	"fourways/shared/children"
	"fourways/shared/stats"
)

// noProcess is a pid that no process can have (PID_MAX_LIMIT, proc_sys_kernel(5)).
const noProcess = 1 << 30

// leavingMaster is a master that is about to end, and has no worker.
func leavingMaster(t *testing.T) *master {
	m := &master{workers: map[int]*worker{}, phase: lameDuck}
	m.stage, m.opt = newStage()
	cfg, err := app.Configure(m.stage, []string{"-listen", "127.0.0.1:0", "-workers", "1"}, io.Discard)
	require.NoError(t, err)
	m.app, err = app.Open(m.stage, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		m.app.Close()
		app.CloseForGood(m.app.Listeners)
		m.stage.Memory.Close()
	})
	return m
}

// The master hears of a worker's death before it has read that it serves. Nobody goes for
// such a worker, though the new settings have been accepted.
func TestAWorkerThatWasReapedBeforeItsReportWasReadTakesNobodysPlace(t *testing.T) {
	m := leavingMaster(t)
	m.change = &change{before: m.settings, committed: true}
	p := &position{number: 1}
	add := func(pid int, progress progress) *worker {
		entry, ok := m.app.Stats.Claim(1, int64(os.Getpid()))
		require.True(t, ok)
		w := &worker{pid: pid, process: entry, position: p, progress: progress, report: make(chan string, 1)}
		m.workers[pid] = w
		return w
	}
	old, next := add(noProcess, workerServing), add(noProcess+1, workerStarting)
	p.current, p.next = old, next
	m.positions = []*position{p}
	next.report <- readyWord

	m.workerDied(next, children.End(syscall.SIGKILL))
	assert.Same(t, old, p.current)
	assert.Equal(t, workerServing, old.progress)
	assert.Nil(t, p.next)
}

// A worker that a signal has ended so often before it could handle any has died.
func TestAWorkerThatIsEndedForEverIsNotStartedForEver(t *testing.T) {
	m := leavingMaster(t)
	m.change = &change{before: m.settings, committed: true}
	entry, ok := m.app.Stats.Claim(1, int64(os.Getpid()))
	require.True(t, ok)
	p := &position{number: 1, current: &worker{progress: workerServing}}
	p.next = &worker{pid: noProcess, process: entry, position: p, report: make(chan string, 1), again: children.MostAgain}
	p.next.report <- ""
	m.positions = []*position{p}
	m.workerDied(p.next, children.End(syscall.SIGHUP))
	assert.Nil(t, p.next)
}

// A master may be killed between any two of the steps in which it takes an entry, or frees one. The
// others find it again.
func TestAnEntryWhoseMasterWasKilledOnTheWayIsFreed(t *testing.T) {
	m := leavingMaster(t)
	region, self := m.app.Stats, int64(os.Getpid())
	for _, row := range []struct {
		name string
		dead func(t *testing.T) (entry int) // what a killed master leaves
	}{
		{"it has taken it, and started nothing", func(t *testing.T) int {
			i, ok := region.Claim(1, noProcess)
			require.True(t, ok)
			return i
		}},
		{"it was about to take it, or has nearly freed it", func(t *testing.T) int {
			i, ok := region.Claim(1, noProcess)
			require.True(t, ok)
			region.Process(i).SetState(stats.Free)
			return i
		}},
		{"its worker has ended with it", func(t *testing.T) int {
			i, ok := region.Claim(1, noProcess)
			require.True(t, ok)
			region.Process(i).PID.Store(noProcess + 1)
			region.Process(i).SetState(stats.Ready)
			return i
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			entry := row.dead(t)
			region.TakeStale(self, children.Alive, m.freeEntry)
			again, ok := region.Claim(1, self)
			require.True(t, ok)
			require.Equal(t, entry, again)
			region.Bury(again)
		})
	}
}
