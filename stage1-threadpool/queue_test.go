package main

// The queue between acceptor and threads, and the line that reports on it. Threads are goroutines
// here, and connections are numbers.

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheQueueTakesThreadsPlusItsLimit(t *testing.T) {
	for _, tt := range []struct{ threads, limit int }{{1, 0}, {10, 50}, {3, 1}} {
		q := newQueue(tt.limit, tt.threads)
		for i := range tt.threads + tt.limit {
			queued, ok := q.put(conn{fd: i})
			require.True(t, ok, "connection %d", i)
			require.Equal(t, i >= tt.threads, queued, "connection %d", i)
		}
		_, ok := q.put(conn{})
		require.False(t, ok)
		waiting, busy := q.load()
		require.Equal(t, tt.limit, waiting)
		require.Equal(t, tt.threads, busy)

		// A thread that takes one makes no room: it is busy then. One that is done does.
		c, ok := q.take()
		require.True(t, ok)
		require.Zero(t, c.fd, "first come, first served")
		_, ok = q.put(conn{})
		require.False(t, ok)
		q.done()
		_, ok = q.put(conn{})
		require.True(t, ok)
	}
}

func TestAClosedQueueGivesOutWhatItHas(t *testing.T) {
	q := newQueue(5, 1)
	for i := range 3 {
		q.put(conn{fd: i})
	}
	q.close()
	_, ok := q.put(conn{})
	require.False(t, ok)
	for i := range 3 {
		c, ok := q.take()
		require.True(t, ok)
		require.Equal(t, i, c.fd)
	}
	_, ok = q.take()
	require.False(t, ok)
}

func TestEveryConnectionIsTakenOnce(t *testing.T) {
	const threads, each = 4, 1000
	q := newQueue(threads*each, threads)
	var mu sync.Mutex
	seen := map[int]int{}
	var takers, putters sync.WaitGroup
	for range threads {
		takers.Go(func() {
			for {
				c, ok := q.take()
				if !ok {
					return
				}
				mu.Lock()
				seen[c.fd]++
				mu.Unlock()
				q.done()
			}
		})
	}
	for i := range threads {
		putters.Go(func() {
			for n := range each {
				_, ok := q.put(conn{fd: i*each + n})
				if !ok {
					t.Error("refused")
				}
			}
		})
	}
	putters.Wait()
	q.close()
	takers.Wait()
	require.Len(t, seen, threads*each)
	for fd, n := range seen {
		require.Equal(t, 1, n, fd)
	}
}

func TestThePoolLine(t *testing.T) {
	for _, tt := range []struct {
		busy, waiting int
		want          string
	}{
		{3, 0, "🟢 Thread pool: 3/10 active | Queue: 0/50"},
		{7, 0, "🟢 Thread pool: 7/10 active | Queue: 0/50"},
		{8, 0, "🟡 Thread pool: 8/10 active | Queue: 0/50"},
		{3, 1, "🟡 Thread pool: 3/10 active | Queue: 1/50"},
		{10, 0, "🔴 Thread pool: 10/10 active | Queue: 0/50"},
		{10, 50, "🔴 Thread pool: 10/10 active | Queue: 50/50"},
	} {
		require.Equal(t, tt.want, poolLine(tt.busy, 10, tt.waiting, 50))
	}
}
