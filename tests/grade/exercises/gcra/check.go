package gcra

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

// pass is how many of n requests at one moment may pass.
func pass(l Limit, c *Client, n int, after time.Duration) (passed int) {
	for range n {
		if ok, _ := l.Allow(c, start.Add(after)); ok {
			passed++
		}
	}
	return passed
}

func TestABurstPassesAndNoMore(t *testing.T) {
	for _, burst := range []int{1, 2, 100} {
		if got := pass(Limit{Rate: 10, Burst: burst}, new(Client), 200, 0); got != burst {
			t.Errorf("%d of 200 at once pass, want %d", got, burst)
		}
	}
}

func TestTheRateComesBack(t *testing.T) {
	l, c := Limit{Rate: 10, Burst: 5}, new(Client)
	pass(l, c, 50, 0)
	for i, want := range []int{1, 1, 2, 5, 5} { // 100 ms for each request, and never more than the burst
		after := []time.Duration{100, 200, 400, 1000, 9000}[i] * time.Millisecond
		if got := pass(l, c, 50, after); got != want {
			t.Errorf("%d pass after %v, want %d", got, after, want)
		}
	}
}

// A window that is set to zero each second lets 200 pass here.
func TestNoEdgeOfASecondIsWorthADoubleBurst(t *testing.T) {
	l, c := Limit{Rate: 100, Burst: 100}, new(Client)
	got := pass(l, c, 100, 900*time.Millisecond) + pass(l, c, 100, 1100*time.Millisecond)
	if got < 100 || got > 121 {
		t.Errorf("%d of 200 pass within a fifth of a second, want 120", got)
	}
}

func TestARefusalCostsNothingAndSaysHowLong(t *testing.T) {
	l, c := Limit{Rate: 4, Burst: 1}, new(Client)
	pass(l, c, 1, 0)
	for range 100 {
		l.Allow(c, start.Add(100*time.Millisecond))
	}
	ok, wait := l.Allow(c, start.Add(100*time.Millisecond))
	if ok || wait != 150*time.Millisecond {
		t.Fatalf("allowed: %v, wait %v; want false, 150ms", ok, wait)
	}
	if ok, _ := l.Allow(c, start.Add(250*time.Millisecond)); !ok {
		t.Error("who has waited as told is refused again")
	}
}
