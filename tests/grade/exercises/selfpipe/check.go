//go:build linux

package selfpipe

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// readable reports whether the loop would be woken, within so many milliseconds.
func readable(t *testing.T, fd, ms int) bool {
	t.Helper()
	if fd < 0 {
		t.Fatal("there is no descriptor")
	}
	var set syscall.FdSet
	set.Bits[fd/64] |= 1 << (fd % 64)
	for {
		wait := syscall.NsecToTimeval(int64(ms) * 1e6)
		n, err := syscall.Select(fd+1, &set, nil, nil, &wait)
		if err == syscall.EINTR {
			continue
		}
		return n == 1 && err == nil
	}
}

func newBox(t *testing.T) *Mailbox[int] {
	m, err := New[int]()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestAPostWakes(t *testing.T) {
	m := newBox(t)
	if readable(t, m.FD(), 0) {
		t.Error("it is readable, and nothing was posted")
	}
	m.Post(7)
	if !readable(t, m.FD(), 0) {
		t.Fatal("something was posted, and the loop sleeps on")
	}
	if got := m.Collect(); !slices.Equal(got, []int{7}) {
		t.Errorf("Collect gives %v, want [7]", got)
	}
	if readable(t, m.FD(), 0) {
		t.Error("all is collected, and the loop is woken again and again")
	}
	m.Post(8)
	if got := m.Collect(); !slices.Equal(got, []int{8}) {
		t.Errorf("the next Collect gives %v, want [8]", got)
	}
}

func TestManyPostsBlockNobodyAndWakeOnce(t *testing.T) {
	m := newBox(t)
	const many = 200_000 // more than a pipe has room for
	done := make(chan bool)
	go func() {
		for i := range many {
			m.Post(i)
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("Post blocks")
	}
	all := m.Collect()
	if len(all) != many || !slices.IsSorted(all) {
		t.Errorf("%d of %d messages, in order: %v", len(all), many, slices.IsSorted(all))
	}
	if readable(t, m.FD(), 0) {
		t.Error("one Collect has taken all, and the pipe is not empty")
	}
}

func TestNoWakeUpIsLost(t *testing.T) {
	m := newBox(t)
	const posters, each = 4, 2000
	var all sync.WaitGroup
	for range posters {
		all.Go(func() {
			for i := range each {
				m.Post(i)
			}
		})
	}
	got := 0
	for got < posters*each && readable(t, m.FD(), 5000) {
		got += len(m.Collect())
	}
	all.Wait()
	if got != posters*each {
		t.Errorf("%d of %d messages came, and then the loop slept", got, posters*each)
	}
}
