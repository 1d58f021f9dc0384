package children

// How long a worker that keeps dying is kept waiting. No process is started, and no test waits:
// what is looked at is the time that would be waited.

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAWorkerThatKeepsDyingWaitsLongerEachTime(t *testing.T) {
	const brief, long = time.Second, stableAfter
	type death struct {
		lived    time.Duration
		earliest time.Duration // with the least jitter
		latest   time.Duration // with the most
		failing  bool
	}
	for _, c := range []struct {
		says   string
		deaths []death
	}{
		{"the first death costs no wait", []death{{lived: brief}}},
		{"nor does any of a worker that has lived long", []death{{lived: long}, {lived: long}, {lived: 100 * long}}},
		{"each further one in a row doubles it", []death{
			{lived: brief},
			{brief, firstDelay / 2, firstDelay, true},
			{0, firstDelay, 2 * firstDelay, true},
			{brief, 2 * firstDelay, 4 * firstDelay, true},
			{brief, 4 * firstDelay, 8 * firstDelay, true},
		}},
		{"a long life begins a new row", []death{
			{lived: brief},
			{brief, firstDelay / 2, firstDelay, true},
			{lived: long},
			{brief, firstDelay / 2, firstDelay, true},
		}},
		{"a life that is just too short does not", []death{
			{lived: brief},
			{long - 1, firstDelay / 2, firstDelay, true},
			{long - 1, firstDelay, 2 * firstDelay, true},
		}},
	} {
		t.Run(c.says, func(t *testing.T) {
			var least, most Backoff
			for i, d := range c.deaths {
				assert.Equal(t, d.earliest, least.died(d.lived, 0), "death %d", i+1)
				assert.Equal(t, d.latest, most.died(d.lived, 1), "death %d", i+1)
				assert.Equal(t, d.failing, most.Failing(), "death %d", i+1)
			}
		})
	}
}

func TestTheWaitHasALimit(t *testing.T) {
	var b Backoff
	for range 1000 {
		b.died(0, 1)
	}
	assert.Equal(t, maxDelay, b.died(0, 1))
	assert.Equal(t, maxDelay/2, b.died(0, 0))
}

func TestTheJitterIsAFraction(t *testing.T) {
	for range 1000 {
		var b Backoff
		b.Died(0)
		wait := b.Died(0)
		assert.True(t, wait >= firstDelay/2 && wait < firstDelay, "%v", wait)
	}
}
