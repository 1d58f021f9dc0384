package queue

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"slices"
	"testing"
	"time"
)

// at is a moment, in seconds.
func at(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * 1e9)) }

func TestFirstComeFirstServed(t *testing.T) {
	q := New[string](3, 2*time.Second)
	for _, c := range []string{"a", "b", "c"} {
		if stale, ok := q.Put(c, at(0)); !ok || len(stale) > 0 {
			t.Fatalf("Put(%s): %v, %v", c, stale, ok)
		}
	}
	for _, want := range []string{"a", "b", "c"} {
		if got, stale, ok := q.Take(at(1)); got != want || !ok || len(stale) > 0 {
			t.Fatalf("Take: %q, %v, %v; want %q", got, stale, ok, want)
		}
	}
	if _, _, ok := q.Take(at(1)); ok || q.Len() != 0 {
		t.Error("there is nobody left, and somebody is served")
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	q := New[int](2, time.Second)
	q.Put(1, at(0))
	q.Put(2, at(0))
	if _, ok := q.Put(3, at(0.5)); ok || q.Len() != 2 {
		t.Errorf("a third is let in where there is room for two: %d wait", q.Len())
	}
	q.Take(at(0.5))
	if _, ok := q.Put(4, at(0.5)); !ok {
		t.Error("there is room again, and nobody is let in")
	}
}

func TestWhoHasWaitedTooLongIsNotServed(t *testing.T) {
	q := New[int](9, time.Second)
	q.Put(1, at(0))
	q.Put(2, at(0.1))
	q.Put(3, at(1))
	got, stale, ok := q.Take(at(1.2))
	if got != 3 || !ok || !slices.Equal(stale, []int{1, 2}) {
		t.Errorf("after 1.2 s: %d is served, %v are refused; want 3, and [1 2]", got, stale)
	}
	q.Put(4, at(2))
	if got, stale, ok := q.Take(at(3)); got != 4 || !ok || len(stale) > 0 {
		t.Errorf("exactly at the end of its patience: %d, %v, %v; it is not over it yet", got, stale, ok)
	}
}

func TestTheStaleMakeRoom(t *testing.T) {
	q := New[int](2, time.Second)
	q.Put(1, at(0))
	q.Put(2, at(0.9))
	stale, ok := q.Put(3, at(1.5))
	if !ok || !slices.Equal(stale, []int{1}) || q.Len() != 2 {
		t.Errorf("%v are refused, 3 is let in: %v, %d wait; want [1], true, 2", stale, ok, q.Len())
	}
}
