package watchdog

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// world is a master, its workers' slots, and what has happened to them.
type world struct {
	dog   Watchdog
	now   time.Time
	slots map[int]time.Time
	hangs map[int]bool
	log   []string
}

func newWorld(workers int) *world {
	w := &world{now: time.Unix(1000, 0), slots: map[int]time.Time{}, hangs: map[int]bool{}}
	w.dog.Ask = func(i int) { w.log = append(w.log, fmt.Sprint("ask ", i)) }
	w.dog.Kill = func(i int) { w.log = append(w.log, fmt.Sprint("kill ", i)) }
	for i := range workers {
		w.dog.Born(i, w.now)
	}
	return w
}

// pass lets some time go by, in which all who do not hang beat.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(Look)
		for i := range 8 {
			if !w.hangs[i] {
				w.slots[i] = w.now
			}
		}
		w.dog.Check(w.now, func(i int) time.Time { return w.slots[i] })
	}
}

func (w *world) want(t *testing.T, when string, want ...string) {
	t.Helper()
	if !slices.Equal(w.log, want) {
		t.Fatalf("%s: %q, want %q", when, w.log, want)
	}
}

func TestWhoHangsIsAskedAndThenKilledOnce(t *testing.T) {
	w := newWorld(3)
	w.pass(time.Minute)
	w.want(t, "all are well")
	w.hangs[1] = true
	w.pass(Limit)
	w.want(t, "just at the limit")
	w.pass(Look)
	w.want(t, "over it", "ask 1")
	w.pass(Grace - Look)
	w.want(t, "within the grace", "ask 1")
	w.pass(10 * time.Second)
	w.want(t, "after it", "ask 1", "kill 1")
}

func TestWhoEndsWhenAskedIsNotKilled(t *testing.T) {
	w := newWorld(2)
	w.hangs[0] = true
	w.pass(Limit + 2*Look)
	w.dog.Gone(0)
	w.pass(10 * time.Second)
	w.want(t, "it has ended", "ask 0")
}

// The slot of a new worker has the last beat of the one before.
func TestASuccessorHasItsOwnTime(t *testing.T) {
	w := newWorld(1)
	w.hangs[0] = true
	w.pass(Limit + 2*Look)
	w.dog.Gone(0)
	w.pass(time.Minute)
	w.dog.Born(0, w.now)
	w.pass(Limit)
	w.want(t, "the new one has just been started", "ask 0")
	w.pass(2 * Look)
	w.want(t, "it has never been heard of", "ask 0", "ask 0")
}

func TestNobodyIsBlamedForANap(t *testing.T) {
	w := newWorld(4)
	w.pass(time.Second)
	w.now = w.now.Add(time.Hour) // Ctrl+Z, lunch, fg
	w.dog.Check(w.now, func(i int) time.Time { return w.slots[i] })
	w.want(t, "after an hour's sleep")
	w.hangs[2] = true
	w.pass(Limit)
	w.want(t, "all have their time from now on")
	w.pass(2 * Look)
	w.want(t, "but who hangs is found", "ask 2")
	w.now = w.now.Add(time.Hour)
	w.dog.Check(w.now, func(i int) time.Time { return w.slots[i] })
	w.want(t, "nor does a nap use up the grace", "ask 2")
}
