package offload

// The pool for slow work: how much runs at once, and that no kind waits for another. Work here
// waits for channels of the test, and never for a time.

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoMoreThanSoManyRunAtOnceAndAllRun(t *testing.T) {
	const workers, jobs = 6, 200
	p := New(workers)
	var now, most, ran atomic.Int32
	var wg sync.WaitGroup
	for i := range jobs {
		wg.Add(1)
		p.Submit(Kind(i)%kinds, func() {
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
	p.Submit(Read, func() { <-gate })
	for range 10 {
		p.Submit(Read, func() { ran.Add(1) })
	}
	require.LessOrEqual(t, 10, p.Len()+1)
	go close(gate)
	p.Close()
	require.EqualValues(t, 10, ran.Load())
	require.Panics(t, func() { p.Submit(Read, func() {}) })
}

// pairs calls f for each kind and each other one.
func pairs(t *testing.T, f func(t *testing.T, a, b Kind)) {
	for a := range kinds {
		for b := range kinds {
			if a != b {
				t.Run(fmt.Sprintf("%d beside %d", b, a), func(t *testing.T) { f(t, a, b) })
			}
		}
	}
}

// Had one queue all the work, this would wait for ever.
func TestWorkOfAnotherKindBeginsWhileOneHangs(t *testing.T) {
	pairs(t, func(t *testing.T, hanging, other Kind) {
		p := New(8)
		gate := make(chan struct{})
		var hung atomic.Int32
		for range 100 {
			p.Submit(hanging, func() { hung.Add(1); <-gate })
		}
		for range 3 {
			done := make(chan struct{})
			p.Submit(other, func() { close(done) })
			<-done
		}
		require.LessOrEqual(t, hung.Load(), int32(8-(kinds-1)), "a worker is left for each of the others")
		close(gate)
		p.Close()
	})
}

// Of two kinds that both have enough to do, neither waits for the other's queue: they take
// turns. The workers are played here, so that it is the pool's choice alone which counts:
// each of them runs one piece of work a turn, and they end in the order they began.
func TestKindsTakeTurnsHoweverMuchWorkOneHas(t *testing.T) {
	for _, n := range []int{1, int(kinds), 8, 64} {
		pairs(t, func(t *testing.T, long, short Kind) {
			p := &Pool{free: max(n, int(kinds))}
			p.queues[long] = make([]func(), 1000)
			p.queues[short] = make([]func(), 20)
			var order, running []Kind
			for {
				k, ok := p.choose()
				if !ok && len(running) == 0 {
					break
				}
				if ok {
					p.begin(k)
					running, order = append(running, k), append(order, k)
					continue
				}
				p.end(running[0])
				running = running[1:]
			}
			require.Len(t, order, 1020, "all are run")
			waited := 0
			for rest := 20; rest > 0; order = order[1:] {
				if waited++; order[0] == short {
					require.LessOrEqual(t, waited, 2, "turns that one piece of the short queue waited")
					waited, rest = 0, rest-1
				}
			}
		})
	}
}
