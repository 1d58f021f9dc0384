package keeper

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

// live starts a process, has it die after a life, and returns the pause and when the next starts.
func live(k *Keeper, at time.Time, life time.Duration) (pause time.Duration, next time.Time) {
	k.Started(at)
	died := at.Add(life)
	next = k.Died(died)
	return next.Sub(died), next
}

func TestWhatHasLivedIsStartedAtOnce(t *testing.T) {
	var k Keeper
	at := start
	for _, life := range []time.Duration{Proven, time.Hour, Proven + 1} {
		var pause time.Duration
		if pause, at = live(&k, at, life); pause != 0 {
			t.Fatalf("after a life of %v the pause is %v", life, pause)
		}
	}
	if k.Restarts() != 3 {
		t.Errorf("%d restarts, want 3", k.Restarts())
	}
}

func TestWhatDiesAtOnceWaitsTwiceAsLongEachTime(t *testing.T) {
	var k Keeper
	at, want := start, First
	for i := range 12 {
		var pause time.Duration
		if pause, at = live(&k, at, time.Millisecond); pause != want {
			t.Fatalf("after death %d the pause is %v, want %v", i+1, pause, want)
		}
		want = min(2*want, Longest)
	}
}

func TestALongLifeForgives(t *testing.T) {
	var k Keeper
	at := start
	for range 5 {
		_, at = live(&k, at, 0)
	}
	pause, at := live(&k, at, Proven)
	if pause != 0 {
		t.Errorf("after a long life the pause is %v", pause)
	}
	if pause, _ = live(&k, at, 0); pause != First {
		t.Errorf("and after the next short one %v, want %v", pause, First)
	}
}

func TestAMinuteHasFewStarts(t *testing.T) {
	var k Keeper
	starts := 0
	for at := start; at.Sub(start) < time.Minute && starts < 1000; starts++ {
		_, at = live(&k, at, 10*time.Millisecond)
	}
	if starts < 9 || starts > 15 {
		t.Errorf("%d starts in a minute, want about a dozen", starts)
	}
}
