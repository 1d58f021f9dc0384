package stats

// Entries that a dead master has left.
//
// Pids are numbers here: those from dead on are of no process. What must not be done: no case may
// ask the system for a process.

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a dead master has left is freed once, however many find it.
func TestOfSeveralMastersOneTakesAStaleEntry(t *testing.T) {
	const entries, dead = 1000, 7
	l := Layout{Processes: entries, Slots: 1}
	words := make([]uint64, Size(l)/8)
	r, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8), l)
	require.NoError(t, err)
	for range entries - 1 {
		i, ok := r.Claim(1, dead)
		require.True(t, ok)
		r.Process(i).PID.Store(dead + 1)
	}
	var taken atomic.Int64
	var masters sync.WaitGroup
	for self := range int64(2) {
		masters.Go(func() {
			r.TakeStale(1+self, func(pid int64) bool { return pid < dead }, func(int) { taken.Add(1) })
		})
	}
	masters.Wait()
	assert.EqualValues(t, entries-1, taken.Load())
}

func TestWhichEntriesAreStale(t *testing.T) {
	const self, other, dead = 1, 2, 9
	for _, c := range []struct {
		says       string
		state      State
		owner, pid int64
		stale      bool
	}{
		{"nobody's", Free, 0, 0, false},
		{"its own", Ready, self, dead, false},
		{"that of a master which lives", Ready, other, dead, false},
		{"that of a dead master, whose worker lives still", Ready, dead, other, false},
		{"one that is just being claimed by a master that lives", Free, other, 0, false},
		{"one whose master died while it claimed it, or freed it", Free, dead, 0, true},
		{"that of a dead master, and its worker is dead", Draining, dead, dead, true},
		{"that of a master which died before it had started the worker", Starting, dead, 0, true},
	} {
		t.Run(c.says, func(t *testing.T) {
			p := &Process{}
			p.SetState(c.state)
			p.Owner.Store(c.owner)
			p.PID.Store(c.pid)
			assert.Equal(t, c.stale, p.takeStale(self, func(pid int64) bool { return pid < dead }))
		})
	}
}
