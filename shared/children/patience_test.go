package children

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fourways/shared/clock"
)

// However long everything is suspended, and whenever in a beat and a look: where a child that beat
// until then is overdue afterwards, the look is late, and the child is excused.
func TestNoSuspensionIsBlamedOnAChild(t *testing.T) {
	const limit, step = clock.Second, clock.Second / 40
	for asleep := step; asleep < 3*limit; asleep += step {
		for beat := clock.Time(0); beat <= limit/4; beat += step { // how old the last beat is, at the most
			for look := clock.Time(0); look <= limit/4; look += step { // how old the last look is
				var p Patience
				now := 10 * clock.Second
				p.Next(now-look, p.Overdue(now-beat, limit), limit)
				woken := now + asleep
				p.Look(woken, limit)
				assert.Greater(t, p.Overdue(now-beat, limit), woken, "asleep for %d, beat %d and look %d before", asleep, beat, look)
			}
		}
	}
}

// A child that hangs is overdue after its limit, to the nanosecond, although nobody is suspended.
func TestAHangingChildIsFoundInTime(t *testing.T) {
	const limit = clock.Second
	var p Patience
	beat := 10 * clock.Second
	p.Excuse(beat - limit)
	for now := beat; ; {
		assert.False(t, p.Look(now, limit))
		due := p.Overdue(beat, limit)
		if due <= now {
			assert.Equal(t, beat+limit, now)
			return
		}
		now = p.Next(now, due, limit)
	}
}

// A look that is a little late excuses nobody.
func TestABusyMachineIsNoSuspension(t *testing.T) {
	const limit = clock.Second
	var p Patience
	due := p.Next(clock.Second, clock.Never, limit)
	assert.False(t, p.Look(due+limit/LooksWithin, limit))
	assert.True(t, p.Look(due+limit/LooksWithin+1, limit))
	assert.Equal(t, due+limit/LooksWithin+1+limit, p.Overdue(0, limit))
}
