package offload

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoMoreThanSoManyRunAtOnceAndAllRun(t *testing.T) {
	const workers, jobs = 3, 200
	p := New(workers)
	var now, most, ran atomic.Int32
	var wg sync.WaitGroup
	for range jobs {
		wg.Add(1)
		p.Submit(func() {
			defer wg.Done()
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			ran.Add(1)
			now.Add(-1)
		})
	}
	wg.Wait()
	require.EqualValues(t, jobs, ran.Load())
	require.LessOrEqual(t, most.Load(), int32(workers))
	p.Close()
}

func TestCloseWaitsForWhatWasSubmitted(t *testing.T) {
	p := New(1)
	gate := make(chan struct{})
	var ran atomic.Int32
	p.Submit(func() { <-gate })
	for range 10 {
		p.Submit(func() { ran.Add(1) })
	}
	require.LessOrEqual(t, 10, p.Len()+1)
	go close(gate)
	p.Close()
	require.EqualValues(t, 10, ran.Load())
	require.Panics(t, func() { p.Submit(func() {}) })
}
