//go:build skeleton

// Package watchdog finds workers that hang.
//
// Each worker writes the time into its own slot whenever its loop has turned, and it turns at
// least every Beat, busy or idle. The master looks every Look and calls Check. A worker that has
// been silent for longer than Limit hangs: it is asked to end (Ask), and so shows where it hangs;
// if it is still there a second later, it is killed (Kill), once.
//
// And one thing that a first version gets wrong: if the machine slept, or somebody pressed Ctrl+Z,
// all slots are old, and nobody hangs. The master notices by itself: its own last look is then
// much longer ago than Look. In that case nobody is blamed, and all have Limit from now on.
package watchdog

import "time"

// The times of a watchdog.
const (
	Look  = 100 * time.Millisecond // between two calls of Check
	Limit = 2 * time.Second
	Grace = time.Second // between Ask and Kill
	Late  = time.Second // a look that comes so long after the one before was no look
)

// Watchdog is the master's memory.
type Watchdog struct {
	Ask  func(worker int)
	Kill func(worker int)

	// yours
}

// Born says that a worker has been started in a slot. What is in the slot from before does not
// count.
func (w *Watchdog) Born(worker int, now time.Time) {}

// Gone says that a worker has ended.
func (w *Watchdog) Gone(worker int) {}

// Check looks at all workers. beat is the time in a worker's slot.
func (w *Watchdog) Check(now time.Time, beat func(worker int) time.Time) {}
