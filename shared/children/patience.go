package children

import "fourways/shared/clock"

// When a child has been silent for too long. Who watches notices by itself when it was suspended
// together with the children, by Ctrl+Z, a debugger, or a machine that slept: its own look comes
// late. Then nobody is blamed for what lies before.
const (
	// LooksWithin is how many looks at least lie within the time that a child may be silent: so a
	// suspension that makes a child overdue always makes a look late.
	LooksWithin = 4
	// minLook bounds how often is looked.
	minLook = 10 * clock.Millisecond
)

// Patience is what somebody keeps who watches children. The zero value has excused nothing.
type Patience struct {
	due     clock.Time // when to look next; 0 before the first look
	excused clock.Time // silence before this does not count
}

// Excuse has no silence before now count.
func (p *Patience) Excuse(now clock.Time) { p.excused = now }

// Look begins a look at all children, of which none may be silent for longer than limit. It reports
// whether the look is so late that who looks was suspended; then all silence before it is excused.
func (p *Patience) Look(now, limit clock.Time) (suspended bool) {
	if p.due == 0 || now-p.due <= limit/LooksWithin {
		return false
	}
	p.Excuse(now)
	return true
}

// Overdue is when a child will have been silent for longer than limit, whose last sign of progress
// was at beat.
func (p *Patience) Overdue(beat, limit clock.Time) clock.Time { return max(beat, p.excused) + limit }

// Next ends a look, and says when the next one is due: when the first child could be overdue, or
// after a part of limit.
func (p *Patience) Next(now, first, limit clock.Time) clock.Time {
	p.due = max(min(first, now+limit/LooksWithin), now+minLook)
	return p.due
}
